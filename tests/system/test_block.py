# SPDX-License-Identifier: Apache-2.0
"""[HOST] Virtual disks of Debian's stock cloud kernel: images inside of Dom0's FAT volume with file systems made and judged on the host. One boot for all."""
import hashlib
import json
import os
import re
import subprocess
import time

import pytest

from corbel import ROOT, Corbel, debian_files, guest_files, make_image
from test_power_cut import fsck

BLOB = bytes(i * 2654435761 >> 11 & 0xff for i in range(1 << 16)) * 8  # 512 KiB
CD = BLOB[::-1][:100 << 10]
FOLDER = os.path.join(ROOT, "build", "images", "test_block.parts")
DISKS = """scsi0.present = "TRUE"
scsi0:0.present = "TRUE"
scsi0:0.fileName = "/disks/data.img"
ide1:0.present = "TRUE"
ide1:0.deviceType = "cdrom-image"
ide1:0.fileName = "/disks/cd.iso"
"""


def ext4(name, mib, **files):
    """An ext4 file system with FILES in it, as a raw image."""
    path = os.path.join(FOLDER, name)
    tree = path + ".tree"
    os.makedirs(tree, exist_ok=True)
    for file, data in files.items():
        with open(os.path.join(tree, file), "wb") as f:
            f.write(data)
    if os.path.exists(path):
        os.remove(path)
    subprocess.run(["/sbin/mkfs.ext4", "-q", "-d", tree, path, f"{mib}M"], check=True)
    return path


@pytest.fixture(scope="module")
def disk():
    files = {**debian_files(), **guest_files("spin", spin=DISKS), "\\disks\\cd.iso": CD, "\\disks\\note.txt": b"short"}
    with open(files["\\corbel\\vm\\debian\\debian.vmx"], encoding="utf-8") as f:
        files["\\corbel\\vm\\debian\\debian.vmx"] = f.read() + DISKS
    files["\\disks\\data.img"] = ext4("data.img", 24, blob=BLOB)
    files["\\disks\\hot.img"] = ext4("hot.img", 8)
    return make_image(os.path.join(ROOT, "build", "images", "test_block.img"), files, 160)


@pytest.fixture(scope="module")
def corbel(disk):
    machine = Corbel(disk, "test_block", private=False, cpus=2)
    try:
        yield machine.boot()
    finally:
        machine.close()


def rows(corbel, domain=""):
    return {r["device"]: r for r in json.loads(corbel.ok(f"block-list --json {domain}"))}


def sha(data):
    return hashlib.sha256(data).hexdigest()


def up(corbel):
    corbel.ok("create debian", 400)
    corbel.attach("debian")
    corbel.expect(r"guest: up after [0-9.]+ s", 400)
    corbel.send("\r")
    corbel.expect(r"guest# ")
    corbel.leave()


def until(corbel, what, limit=60):
    deadline = time.monotonic() + limit
    while not what():
        assert time.monotonic() < deadline
        corbel.pump(0.2)


def test_the_guest_finds_its_disks(corbel):
    up(corbel)
    r = rows(corbel, "debian")
    assert {k: (v["state"], v["mode"], v["image"]) for k, v in r.items()} == {
        "xvda": ("connected", "rw", "hd0p1:/disks/data.img"), "xvdb": ("connected", "cdrom", "hd0p1:/disks/cd.iso")}
    assert r["xvda"]["bytes"] == 24 << 20 and r["xvda"]["number"] == 51712
    assert corbel.inside("debian", "cat /sys/block/xvda/size /sys/block/xvdb/size").split() == [str(24 << 11), str(len(CD) // 512)]


def test_what_the_host_put_there_is_read(corbel):
    assert sha(CD) in corbel.inside("debian", "sha256sum < /dev/xvdb")
    assert sha(BLOB) in corbel.inside("debian", "mkdir /mnt; mount -t ext4 /dev/xvda /mnt && sha256sum /mnt/blob")
    assert rows(corbel)["xvda"]["read_bytes"] >= len(BLOB)


def test_what_is_read_only_is_not_written(corbel):
    assert corbel.inside("debian", "cat /sys/block/xvdb/ro") == "1"
    assert re.search("ermi(tted|ssion)|ead-only", corbel.inside("debian", "blockdev --setrw /dev/xvdb; echo x > /dev/xvdb"))
    assert rows(corbel)["xvdb"]["writes"] == 0


def test_files_are_written(corbel):
    out = corbel.inside("debian", "cat /mnt/blob /mnt/blob > /mnt/twice && seq 1 5000 > /mnt/seq && sync && sha256sum /mnt/twice /mnt/seq", 120)
    assert sha(BLOB * 2) in out and sha("".join(f"{i}\n" for i in range(1, 5001)).encode()) in out
    r = rows(corbel)["xvda"]
    assert r["written_bytes"] > 2 * len(BLOB) and r["flushes"] > 0 and r["errors"] == 0


def test_a_disk_comes_and_goes_while_the_guest_runs(corbel):
    assert "xvdc" in corbel.ok("block-attach debian hd0p1:/disks/hot.img")
    until(corbel, lambda: rows(corbel)["xvdc"]["state"] == "connected")
    assert "made here" in corbel.inside(
        "debian", "mkdir /hot; mount -t ext4 /dev/xvdc /hot && echo made here > /hot/f && umount /hot && mount /dev/xvdc /hot && cat /hot/f; umount /hot")
    corbel.ok("block-detach debian xvdc")
    assert "xvdc" not in rows(corbel)
    assert "xvdc" not in corbel.inside("debian", "ls /sys/block")
    assert "xvdc" in corbel.ok("block-attach debian hd0p1:/disks/hot.img ro")
    until(corbel, lambda: rows(corbel)["xvdc"]["state"] == "connected")
    assert "made here" in corbel.inside("debian", "mount -o ro /dev/xvdc /hot && cat /hot/f; umount /hot; cat /sys/block/xvdc/ro")
    corbel.ok("block-detach -f debian 51744")
    corbel.audit()


def test_refusals(corbel):
    corbel.refused("block-attach debian hd0p1:/disks/data.img", 4, "hd0p1:/disks/data.img", "xvda")
    corbel.refused("block-attach debian hd0p1:/DISKS/data.img ro", 4, "writes to it")
    corbel.refused("block-attach debian hd0p1:/disks/none.img", 1, "none.img")
    corbel.refused("block-attach debian hd0p1:/disks/note.txt", 1, "5 bytes", "no whole number of sectors")
    corbel.refused("block-attach debian hd0p1:/disks", 1, "a folder")
    corbel.refused("block-attach nobody hd0p1:/disks/hot.img", 3)
    corbel.refused("block-attach 0 hd0p1:/disks/hot.img", 5)
    corbel.refused("block-detach debian xvdz", 1, "no disk xvdz")
    corbel.refused("block-list nobody", 3)
    assert "error: block-attach: wrong arguments" in corbel.run("block-attach debian hd0p1:/disks/hot.img now")
    corbel.refused("create spin", 4, "line 7", "data.img", "xvda")  # the same image
    corbel.refused("rm hd0p1:/disks/data.img", 4)


def test_a_guest_ends_in_the_middle_of_writes_and_what_it_synced_is_there(corbel):
    corbel.attach("debian", 0)
    corbel.send("i=0; while :; do i=$((i+1)); echo $i >> /mnt/log; cp /mnt/seq /mnt/junk; sync; echo syn''ced $i; done\r")
    corbel.expect(r"^synced 7\s", 120)
    corbel.leave()
    corbel.ok("destroy debian")
    assert rows(corbel) == {}
    corbel.audit()
    corbel.ok("cp hd0p1:/disks/data.img hd0p1:/disks/cut.img", 300)  # as it is now: judged at the end
    up(corbel)
    out = corbel.inside("debian", "mkdir /mnt; mount -t ext4 /dev/xvda /mnt && cat /mnt/log && sha256sum /mnt/twice")
    assert [str(i) for i in range(1, 8)] == out.split()[:7], out
    assert sha(BLOB * 2) in out
    corbel.inside("debian", "echo last > /mnt/last; umount /mnt")


def only_replayed(image):
    """e2fsck repairs without a question, and does nothing but what a mount would: the journal is played, and what was being deleted goes."""
    r = subprocess.run(["/sbin/e2fsck", "-fp", image], capture_output=True, text=True, check=False)
    assert r.returncode in (0, 1), r.stdout
    for line in r.stdout.splitlines():
        assert re.search(r": (recovering journal|Clearing orphaned inode .*|Truncating orphaned inode .*|Setting free (blocks|inodes) count .*|\d+/\d+ files .*)$", line), r.stdout
    assert "recovering journal" in r.stdout, r.stdout  # else it did not end in the middle


def test_an_orderly_end_and_the_judgement_of_the_host(corbel, disk):
    corbel.ok("shutdown -w debian", 200)
    assert rows(corbel) == {}
    corbel.audit()
    corbel.send("host-poweroff\r")
    until(corbel, lambda: not corbel.pump(0.5) or not corbel.machine.running(), 60)
    assert fsck(disk), "the FAT volume has findings"
    env = dict(os.environ, MTOOLS_SKIP_CHECK="1", LC_ALL="C.UTF-8")
    for name in ("data.img", "hot.img"):
        subprocess.run(["mcopy", "-n", "-o", "-i", f"{disk}@@1M", f"::/disks/{name}", FOLDER], check=True, env=env)
        r = subprocess.run(["/sbin/e2fsck", "-fn", os.path.join(FOLDER, name)], capture_output=True, text=True, check=False)
        assert r.returncode == 0, r.stdout
    subprocess.run(["mcopy", "-n", "-o", "-i", f"{disk}@@1M", "::/disks/cut.img", FOLDER], check=True, env=env)
    only_replayed(os.path.join(FOLDER, "cut.img"))
    cat = lambda image, file: subprocess.run(["/sbin/debugfs", "-R", f"cat {file}", os.path.join(FOLDER, image)], capture_output=True, check=True).stdout  # noqa: E731
    assert cat("hot.img", "f") == b"made here\n" and cat("data.img", "last") == b"last\n"
    assert sha(cat("data.img", "twice")) == sha(BLOB * 2)
