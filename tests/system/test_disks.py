# SPDX-License-Identifier: Apache-2.0
"""[HOST] Dom0's disk drivers, each against QEMU's device: Dom0's kernel as a plain PVH guest, without a hypervisor. What Dom0 says it wrote is compared with the
image by the host; errors come from QEMU's blkdebug, and disks go away by its monitor."""
import contextlib
import os
import re
import signal
import socket
import subprocess
import time

import pytest

from corbel import ROOT, guest_files, make_image
from test_power_cut import fsck

PASS = 33   # isa-debug-exit's way of saying 16
LIMIT = 120
IMAGES = os.path.join(ROOT, "build", "images")
# What the disk with the volume and the raw one are called, and how QEMU gets them.
KINDS = {
    "ide": ("hd0", "hd1", ["-device", "ide-hd,drive=boot,bus=ide.0,id=dev0", "-device", "ide-hd,drive=raw,bus=ide.1,id=dev1"]),
    "ahci": ("sd0", "sd1", ["-device", "ich9-ahci,id=a", "-device", "ide-hd,drive=boot,bus=a.0,id=dev0", "-device", "ide-hd,drive=raw,bus=a.3,id=dev1,model=Second disk"]),
    "nvme": ("nvme0n1", "nvme0n2", ["-device", "nvme,id=n,serial=one", "-device", "nvme-ns,drive=boot,bus=n,nsid=1", "-device", "nvme-ns,drive=raw,bus=n,nsid=2"]),
    "virtio": ("vd0", "vd1", ["-device", "virtio-blk-pci,drive=boot", "-device", "virtio-blk-pci,drive=raw,disable-legacy=on,serial=second"]),
}
# One disk on a controller of its own in slot 16, which QEMU can take out; what Dom0 calls it.
ALONE = {
    "ahci": ("sd0", ["-device", "ich9-ahci,id=gone,addr=0x10", "-device", "ide-hd,drive=raw,bus=gone.0"]),
    "nvme": ("nvme0n1", ["-device", "nvme,id=gone,serial=one,drive=raw,addr=0x10"]),
    "virtio": ("vd0", ["-device", "virtio-blk-pci,id=gone,drive=raw,addr=0x10"]),
}


def boot_image(name):
    return make_image(os.path.join(IMAGES, f"disks_{name}.img"), guest_files("tiny"), 64)


def raw_image(name, mib=64):
    path = os.path.join(IMAGES, f"disks_{name}_raw.img")
    with open(path, "wb") as f:
        f.truncate(mib << 20)
    return path


def command(words, devices, machine="pc"):
    return ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "qemu64", "-M", machine, "-m", "128", "-kernel", os.path.join(ROOT, "build", "dom0.elf"), "-append", words,
            "-display", "none", "-serial", "stdio", "-net", "none", "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4", *devices]


def drive(name, image, more=""):
    return ["-drive", f"if=none,id={name},file={image},format=raw{more}"]


def run(words, devices, machine="pc", code=PASS):
    r = subprocess.run(command(words, devices, machine), capture_output=True, text=True, errors="replace", timeout=LIMIT, check=False, stdin=subprocess.DEVNULL)
    assert r.returncode == code, r.stdout[-3000:] + r.stderr[-500:]
    return r.stdout.replace("\r", "")


def sector(lba, size=512):
    first = (lba + 1) * 0x9e3779b97f4a7c15
    return b"".join(((first + i) & (1 << 64) - 1).to_bytes(8, "little") for i in range(size // 8))


def judge_raw(out, disk, image, size=512, least=3000):
    """Every sector that Dom0 says it wrote to DISK holds what it must; the others are as they were."""
    written = set()
    for lba, count in re.findall(rf"^test: wrote {disk} (\d+) (\d+)$", out, re.M):
        written.update(range(int(lba), int(lba) + int(count)))
    assert len(written) > least
    with open(image, "rb") as f:
        for lba in range(os.path.getsize(image) // size):
            data = f.read(size)
            assert data == (sector(lba, size) if lba in written else bytes(size)), f"sector {lba}"


def watch_end(out, disk):
    return re.search(rf"^test: watch {disk} ended after (\d+) rounds: (.*)$", out, re.M)


@pytest.mark.parametrize("kind", KINDS)
def test_two_disks(kind):
    """Size and model, a FAT volume listed, read and written; every limit of a command; several commands at a time."""
    first, second, devices = KINDS[kind]
    volume = re.sub(r"(\d)$", r"\1p1", first)
    image, raw = boot_image(kind), raw_image(kind)
    out = run(f"raw={second} files={volume}", drive("boot", image) + drive("raw", raw) + devices)
    assert f"test: disk {first} 131072 sectors of 512, " in out and f"test: disk {second} 131072 sectors of 512, " in out
    assert f"test: volume {volume} FAT32 writable default" in out and f"test: file {volume}:/corbel/vm/" in out or f"test: folder {volume}:/corbel" in out
    assert f"test: raw {second} at most {0 if kind == 'ide' else 4} commands at a time" in out  # 0: it waits for each where it gave it
    assert f"test: raw {second} passed" in out and f"test: files {volume} passed" in out
    judge_raw(out, second, raw)
    assert fsck(image), "fsck.fat finds something"


def debug_node(image, *errors):
    """A node `raw` over IMAGE that fails at (iotype, sector or None)."""
    node = ["driver=raw,node-name=raw,file.driver=blkdebug,file.image.driver=file", f"file.image.filename={image}"]
    for i, (kind, at) in enumerate(errors):
        node.append(f"file.inject-error.{i}.event=none,file.inject-error.{i}.iotype={kind},file.inject-error.{i}.errno=5,file.inject-error.{i}.once=off")
        if at is not None:
            node.append(f"file.inject-error.{i}.sector={at}")
    return ["-blockdev", ",".join(node)]


@pytest.mark.parametrize("kind", KINDS)
def test_errors_of_the_medium(kind):
    """One bad sector for reads, one for writes: both are told, the sectors around and the other disk go on."""
    first, second, devices = KINDS[kind]
    out = run(f"watch={second},3 watch={first},3", drive("boot", boot_image(kind)) + debug_node(raw_image(kind), ("read", 4200), ("write", 4300)) + devices)
    said = re.findall(rf"^test: watch {second} (read|write|flush): (.*)$", out, re.M)
    for verb in ("read", "write"):
        texts = [t for v, t in said if v == verb]
        assert texts[:3] == ["done", "the device reports an error", "done"], texts
    assert [t for v, t in said if v == "flush"] == ["done"]
    assert watch_end(out, first)[2] == "done, done, done" and int(watch_end(out, first)[1]) > 20
    assert int(watch_end(out, second)[1]) > 20
    assert "not used any more" not in out


@pytest.mark.parametrize("kind", KINDS)
def test_flush_that_fails(kind):
    first, second, devices = KINDS[kind]
    out = run(f"watch={second},1 watch={first},1", drive("boot", boot_image(kind)) + debug_node(raw_image(kind), ("flush", None)) + devices)
    assert watch_end(out, second)[2] == "done, done, the device reports an error"
    assert watch_end(out, first)[2] == "done, done, done"


class Monitor:
    """A running Dom0 with QEMU's monitor beside it."""

    def __init__(self, words, devices, name, machine="pc"):
        self.path = os.path.join(IMAGES, f"disks_{name}.sock")
        self.log = os.path.join(ROOT, "build", "logs", f"disks_{name}.log")
        os.makedirs(os.path.dirname(self.log), exist_ok=True)
        with open(self.log, "wb") as log:
            argv = command(words, devices, machine) + ["-monitor", f"unix:{self.path},server=on,wait=off"]
            self.process = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.sock = None

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read().replace("\r", "")

    def wait_for(self, words):
        end = time.monotonic() + LIMIT
        while words not in self.text():
            assert self.process.poll() is None and time.monotonic() < end, f"no {words!r} in:\n{self.text()[-3000:]}"
            time.sleep(0.05)

    def say(self, *lines):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.connect(self.path)
            for line in lines:
                s.sendall(line.encode() + b"\n")
                time.sleep(0.2)
                s.recv(65536)

    def end(self, code=PASS):
        try:
            assert self.process.wait(LIMIT) == code, self.text()[-3000:]
        finally:
            self.process.kill()
        return self.text()


@pytest.mark.parametrize("kind", KINDS)
def test_medium_taken_away(kind):
    """QEMU's drive_del: the device stays and fails every request."""
    first, second, devices = KINDS[kind]
    m = Monitor(f"watch={second},4 watch={first},4", drive("boot", boot_image(kind)) + drive("raw", raw_image(kind)) + devices, f"del_{kind}")
    m.wait_for(f"test: watch {second} flush: done")
    m.say("drive_del raw")
    out = m.end()
    assert "report" in watch_end(out, second)[2] or "gone" in watch_end(out, second)[2]
    assert watch_end(out, first)[2] == "done, done, done"


def test_ahci_ports():
    """The controller of q35: a disk, an empty port, a CD-ROM that is left aside in words."""
    cd = raw_image("cd", 1)
    out = run("", drive("boot", boot_image("ports")) + drive("cd", cd, ",media=cdrom,readonly=on") + ["-device", "ide-hd,drive=boot,bus=ide.2", "-device", "ide-cd,drive=cd,bus=ide.4"], "q35")
    assert re.search(r"^sd0: QEMU HARDDISK, 64 MiB, AHCI with queuing, polled$", out, re.M)
    assert "ahci0.4: a CD-ROM or other ATAPI device: left aside" in out
    assert "test: volume sd0p1 FAT32 writable default" in out and "sd1" not in out


# QEMU 7.2 itself, now and then, when AHCI goes with requests under way: it books one of them that is forgotten already.
QEMU_GIVES_UP = "block_account_one_io: Assertion"


@pytest.mark.parametrize("kind", ALONE)
def test_device_pulled_out(kind):
    """The whole PCI device vanishes under load: device_del, and then the ejection that a guest with ACPI would do. Said in words, once; the IDE disk goes on."""
    disk, devices = ALONE[kind]
    words = f"watch={disk},5 watch=hd0,5"
    for _ in range(5):
        m = Monitor(words, ["-drive", f"file={boot_image('out_' + kind)},format=raw,if=ide"] + drive("raw", raw_image("out_" + kind)) + devices, f"out_{kind}")
        m.wait_for(f"test: watch {disk} flush: done")
        with contextlib.suppress(OSError):
            m.say("device_del gone", "o /w 0xae10 0", "o /w 0xae08 0x10000")
        if m.process.wait(LIMIT) != -signal.SIGABRT or QEMU_GIVES_UP not in m.text():
            break
    out = m.end()
    assert watch_end(out, disk)[2] == "the device is gone, the device is gone, the device is gone"
    assert out.count(f"{disk.removesuffix('n1')}: the device is gone: not used any more") == 1
    assert watch_end(out, "hd0")[2] == "done, done, done" and int(watch_end(out, "hd0")[1]) > 20


def test_nvme_blocks_and_limits():
    """Blocks of 4096 bytes at two pages a command; blocks with metadata are left aside in words."""
    raw, odd = raw_image("nvme4k"), raw_image("nvmeodd", 8)
    out = run("raw=nvme0n1", drive("raw", raw) + drive("odd", odd) + [
        "-device", "nvme,id=n,serial=one,mdts=1", "-device", "nvme-ns,drive=raw,bus=n,nsid=1,logical_block_size=4096,physical_block_size=4096",
        "-device", "nvme-ns,drive=odd,bus=n,nsid=7,ms=8"])
    assert "test: disk nvme0n1 16384 sectors of 4096, QEMU NVMe Ctrl" in out and "test: raw nvme0n1 passed" in out
    assert "nvme0n7: blocks with 8 bytes of metadata: left aside" in out
    judge_raw(out, "nvme0n1", raw, 4096, 500)


def test_virtio_read_only_and_old():
    """A read-only disk refuses writes in words; one that has the legacy interface alone is left aside; 4096-byte blocks."""
    ro, old, raw = raw_image("ro"), raw_image("old"), raw_image("virtio4k")
    out = run("raw=vd0 raw=vd2", drive("ro", ro, ",readonly=on") + drive("old", old) + drive("raw", raw) + [
        "-device", "virtio-blk-pci,drive=ro,serial=mine", "-device", "virtio-blk-pci,drive=old,disable-modern=on",
        "-device", "virtio-blk-pci,drive=raw,logical_block_size=4096,physical_block_size=4096"])
    assert re.search(r"^vd0: virtio disk mine, 64 MiB, virtio, read-only, polled$", out, re.M)
    assert "test: raw vd0 write: the device is read-only" in out and "test: raw vd0 passed" in out
    assert "vd1: it has no modern interface (virtio 1.0) that can be reached: left aside" in out
    assert "test: disk vd2 16384 sectors of 4096, virtio disk" in out
    judge_raw(out, "vd2", raw, 4096, 500)


@pytest.mark.parametrize("kind", ALONE)
def test_disk_that_stalls(kind):
    """A disk that from some moment on takes 20 s for a request of 4 KiB: time-outs and resets in words; flushes still work, and the other disk goes on meanwhile."""
    disk, devices = ALONE[kind]
    slow = f"driver=throttle,node-name=raw,throttle-group=slow,file.driver=file,file.filename={raw_image('slow_' + kind)}"
    out = run(f"timeout=1 watch={disk},8 watch=hd0,8", ["-object", "throttle-group,id=slow,x-bps-total=200,x-bps-total-max=300000", "-blockdev", slow] + devices +
              ["-drive", f"file={boot_image('slow_' + kind)},format=raw,if=ide"])
    name = disk.removesuffix("n1")
    assert f"test: watch {disk} read: done" in out
    assert out.count(f"{name}: does not answer in time: it is reset") >= 2, out[-2000:]
    assert re.search(rf"^test: watch {disk} (read|write): the device does not answer in time$", out, re.M)
    assert "reports a fault of its own" not in out  # the reset leaves rings that both sides agree on
    assert watch_end(out, disk) is not None
    assert watch_end(out, "hd0")[2] == "done, done, done" and int(watch_end(out, "hd0")[1]) > 20
