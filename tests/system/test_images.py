# SPDX-License-Identifier: Apache-2.0
"""[HOST] What a virtual disk can be: a sparse .vmdk that Corbel made and a partition of the host, written by Debian's stock cloud kernel, judged by qemu-img
and e2fsck. One boot."""
import hashlib
import json
import os
import subprocess

import pytest

from corbel import ROOT, Corbel, add_partition, debian_files, guest_files, make_image
from test_block import FOLDER, ext4, rows, until, up
from test_power_cut import fsck

BLOB = bytes(i * 2654435761 >> 11 & 0xff for i in range(1 << 16)) * 8  # 512 KiB
DISKS = """scsi0:0.present = "TRUE"
scsi0:0.fileName = "/disks/sparse.vmdk"
scsi0:1.present = "TRUE"
scsi0:1.deviceType = "rawDisk"
scsi0:1.fileName = "disk:hd0p2"
"""
PART_MIB = 8
FULL_LEAVES = 6 << 20  # bytes that the volume has left for the guest


@pytest.fixture(scope="module")
def disk():
    files = {**debian_files(), **guest_files("spin", spin='ide0:0.present = "TRUE"\nide0:0.fileName = "disk:hd0p9"\n')}
    with open(files["\\corbel\\vm\\debian\\debian.vmx"], encoding="utf-8") as f:
        files["\\corbel\\vm\\debian\\debian.vmx"] = f.read() + DISKS
    files["\\disks\\clone.vmdk"] = "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=12345678\ncreateType=\"monolithicSparse\"\nRW 8 SPARSE \"x\"\n"
    path = make_image(os.path.join(ROOT, "build", "images", "test_images.img"), files, 48)
    os.makedirs(FOLDER, exist_ok=True)
    return path, add_partition(path, ext4("part.img", PART_MIB, blob=BLOB))


@pytest.fixture(scope="module")
def corbel(disk):
    machine = Corbel(disk[0], "test_images", private=False)
    try:
        yield machine.boot()
    finally:
        machine.close()


def sha(data):
    return hashlib.sha256(data).hexdigest()


def free_bytes(corbel):
    return next(v["free_bytes"] for v in json.loads(corbel.ok("df --json")) if v["name"] == "hd0p1")


def test_disks_are_made_and_shown(corbel):
    out = json.loads(corbel.ok("disk-info --json"))
    assert {v["name"]: v["mounted"] for v in out} == {"disk:hd0": "hd0p1", "disk:hd0p1": "hd0p1", "disk:hd0p2": ""}
    assert {v["bytes"] for v in out if v["name"] == "disk:hd0p2"} == {PART_MIB << 20}
    corbel.ok("disk-create hd0p1:/disks/sparse.vmdk 32M")
    about = json.loads(corbel.ok("disk-info --json hd0p1:/disks/sparse.vmdk"))
    assert about["format"] == "vmdk, monolithicSparse" and about["bytes"] == 32 << 20 and about["used_bytes"] < 1 << 20
    corbel.ok("disk-create hd0p1:/disks/raw.img 1M")
    assert json.loads(corbel.ok("disk-info --json hd0p1:/disks/raw.img"))["used_bytes"] == 1 << 20
    corbel.refused("disk-create hd0p1:/disks/raw.img 1M", 4, "there already")
    corbel.refused("disk-create hd0p1:/disks/big.img 200M", 6, "full")
    corbel.refused("disk-create hd0p1:/disks/big.img 4G", 6, "less than 4 GiB")
    assert "usage: disk-create" in corbel.run("help disk-create")
    assert "wrong arguments" in corbel.run("disk-create hd0p1:/disks/x.img 12")
    corbel.refused("disk-info hd0p1:/disks/clone.vmdk", 8, "linked clone")
    corbel.refused("disk-info disk:hd7", 1, "no such disk")
    corbel.refused("create spin", 1, "line 6", "disk:hd0p9", "no such disk")


def test_a_guest_has_both(corbel):
    up(corbel)
    r = rows(corbel, "debian")
    assert {k: (v["state"], v["mode"], v["image"]) for k, v in r.items()} == {
        "xvda": ("connected", "rw", "hd0p1:/disks/sparse.vmdk"), "xvdb": ("connected", "rw", "disk:hd0p2")}
    assert sha(BLOB) in corbel.inside("debian", "mkdir /mnt; mount -t ext4 /dev/xvdb /mnt && sha256sum /mnt/blob")
    out = corbel.inside("debian", "cat /mnt/blob /mnt/blob > /mnt/twice; dd if=/mnt/blob of=/dev/xvda bs=64k seek=100; "
                        "dd if=/mnt/blob of=/dev/xvda bs=4k seek=8188 count=4; sync; umount /mnt; sha256sum < /dev/xvda", 200)
    assert sha(contents()) in out


def contents():
    data = bytearray(32 << 20)
    data[100 << 16:(100 << 16) + len(BLOB)] = BLOB
    data[8188 << 12:8192 << 12] = BLOB[:4 << 12]
    return bytes(data)


def test_what_is_taken_is_refused(corbel):
    corbel.refused("block-attach debian disk:hd0", 5, "Dom0 has mounted hd0p1")
    corbel.refused("block-attach debian disk:hd0p1", 5, "Dom0 has mounted hd0p1")
    corbel.refused("block-attach debian phy:/dev/hd0p2 ro", 4, "writes to it as its disk xvdb")
    corbel.refused("block-attach debian disk:hd0 ro", 4, "disk:hd0p2, which overlaps it")
    corbel.refused("block-attach debian hd0p1:/disks/sparse.vmdk ro", 4, "xvda")
    corbel.refused("block-attach debian hd0p1:/disks/clone.vmdk", 8, "linked clone")
    corbel.refused("rm hd0p1:/disks/sparse.vmdk", 4)


def test_a_partition_that_dom0_has_is_read(corbel):
    corbel.ok("block-attach debian disk:hd0p1 ro")
    until(corbel, lambda: rows(corbel)["xvdc"]["state"] == "connected")
    assert corbel.inside("debian", "dd if=/dev/xvdc bs=512 count=1 2>/dev/null | grep -c FAT32") == "1"
    corbel.ok("block-detach debian xvdc")


def test_after_a_reboot_all_is_there(corbel):
    corbel.ok_and("reboot -w -t 400 debian", r"debian: rebooted: now domain \d+", 400)
    corbel.attach("debian")
    corbel.expect(r"guest: up after [0-9.]+ s", 400)
    corbel.send("\r")
    corbel.expect(r"guest# ")
    corbel.leave()
    out = corbel.inside("debian", "sha256sum < /dev/xvda; mkdir /mnt; mount -t ext4 /dev/xvdb /mnt && sha256sum /mnt/twice; umount /mnt", 200)
    assert sha(contents()) in out and sha(BLOB * 2) in out


def test_a_full_volume_is_an_error_for_the_request_alone(corbel):
    fill = (free_bytes(corbel) - FULL_LEAVES) >> 10
    corbel.ok(f"disk-create hd0p1:/disks/fill.img {fill}K", 300)
    mark = len(corbel.text)
    out = corbel.inside("debian", "tr '\\0' x < /dev/zero | dd of=/dev/xvda bs=64k count=160 seek=300 iflag=fullblock conv=fsync; echo code $?", 300)
    assert "code 0" not in out and "rror" in out, out
    said = corbel.text[mark:]
    assert "hd0p1:/disks/sparse.vmdk cannot grow: hd0p1: the volume is full" in said and "a request of debian failed" in said
    assert said.count("cannot grow") == 1  # not one line for each request
    assert free_bytes(corbel) < 128 << 10
    out = corbel.inside("debian", "dd if=/dev/xvda bs=64k skip=100 count=8 2>/dev/null | sha256sum; mount -t ext4 /dev/xvdb /mnt && echo still > /mnt/still; umount /mnt", 100)
    assert sha(BLOB) in out
    corbel.audit()
    corbel.ok("rm hd0p1:/disks/fill.img")
    out = corbel.inside("debian", "tr '\\0' y < /dev/zero | dd of=/dev/xvda bs=64k count=20 seek=460 iflag=fullblock conv=fsync; echo code $?", 200)
    assert "code 0" in out, out


def test_an_orderly_end_and_the_judgement_of_the_host(corbel, disk):
    path, start = disk
    corbel.ok("shutdown -w debian", 200)
    assert "properly" in corbel.ok("disk-info hd0p1:/disks/sparse.vmdk")
    corbel.audit()
    corbel.send("host-poweroff\r")
    until(corbel, lambda: not corbel.pump(0.5) or not corbel.machine.running(), 60)
    assert fsck(path), "the FAT volume has findings"
    env = dict(os.environ, MTOOLS_SKIP_CHECK="1", LC_ALL="C.UTF-8")
    vmdk, raw = os.path.join(FOLDER, "sparse.vmdk"), os.path.join(FOLDER, "sparse.raw")
    subprocess.run(["mcopy", "-n", "-o", "-i", f"{path}@@1M", "::/disks/sparse.vmdk", vmdk], check=True, env=env)
    subprocess.run(["qemu-img", "check", "-f", "vmdk", vmdk], check=True, capture_output=True)
    subprocess.run(["qemu-img", "convert", "-f", "vmdk", "-O", "raw", vmdk, raw], check=True, capture_output=True)
    with open(raw, "rb") as f:
        data = f.read()
    assert data[100 << 16:(100 << 16) + len(BLOB)] == BLOB and data[8188 << 12:8192 << 12] == BLOB[:4 << 12]
    assert data[460 << 16:480 << 16] == b"y" * (20 << 16)
    with open(path, "rb") as f, open(os.path.join(FOLDER, "part.out"), "wb") as out:
        f.seek(start)
        out.write(f.read(PART_MIB << 20))
    r = subprocess.run(["/sbin/e2fsck", "-fn", out.name], capture_output=True, text=True, check=False)
    assert r.returncode == 0, r.stdout
    cat = lambda file: subprocess.run(["/sbin/debugfs", "-R", f"cat {file}", out.name], capture_output=True, check=True).stdout  # noqa: E731
    assert cat("still") == b"still\n" and sha(cat("twice")) == sha(BLOB * 2)
