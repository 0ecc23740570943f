# SPDX-License-Identifier: Apache-2.0
"""[HOST] The power fails while Dom0 writes: as a plain guest of QEMU (its real driver and file system, hundreds of steps a second) and in the whole machine."""
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import threading
import time

from corbel import ROOT, Corbel, guest_files, make_image
from emulator import die_with_parent

FIRST = 1 << 20  # of the partition, in bytes
HARMLESS = ("fsck.fat 4.", "Dirty bit is set", " Automatically removing dirty bit", "FATs differ but appear to be intact", "  Using first FAT", "Free cluster summary wrong",
            "  Auto-correcting.", "Reclaimed ", "Leaving filesystem unchanged", "")
PIECES = ("Orphaned long file name part", "  Auto-deleting.", "Unfinished long file name", "  Not auto-correcting this.", "  (Start may have been overwritten")


def partition(image):
    out = image + ".part"
    subprocess.run(["dd", f"if={image}", f"of={out}", "bs=1M", f"skip={FIRST >> 20}", "conv=sparse"], check=True, capture_output=True)
    return out


def fsck(image, allowed=HARMLESS):
    """Every line that fsck.fat prints must be one of those ALLOWED; true: it found nothing at all."""
    part = partition(image)
    r = subprocess.run(["/sbin/fsck.fat", "-n", part], capture_output=True, text=True, errors="replace", check=False)
    for line in r.stdout.splitlines():
        known = any(line.startswith(a) if a else not line for a in allowed) or re.search(r" \d+ files, \d+/\d+ clusters", line)
        assert known, f"{line!r} in:\n{r.stdout}"
    return r.returncode == 0


def tree(image, folder):
    """The files of FOLDER as {name: contents}, by mtools."""
    out = image + ".tree"
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    env = dict(os.environ, MTOOLS_SKIP_CHECK="1", LC_ALL="C.UTF-8")
    subprocess.run(["mcopy", "-s", "-n", "-i", f"{image}@@1M", f"::{folder}", out], check=True, capture_output=True, env=env)
    found = {}
    top = os.path.join(out, os.path.basename(folder))
    for name in os.listdir(top):
        with open(os.path.join(top, name), "rb") as f:
            found[name] = f.read()
    return found


def image_of(image, path):
    env = dict(os.environ, MTOOLS_SKIP_CHECK="1", LC_ALL="C.UTF-8")
    return subprocess.run(["mtype", "-i", f"{image}@@1M", f"::{path}"], check=True, capture_output=True, env=env).stdout


def contents(length, seed):
    return bytes(((i + seed) * 2654435761 & 0xffffffff) >> 11 & 0xff for i in range(length))


def write_until_cut(image, steps, delay):
    """Runs Dom0 on IMAGE, switches it off DELAY seconds after so many STEPS; what it said."""
    argv = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "qemu64", "-M", "pc", "-m", "128", "-kernel", os.path.join(ROOT, "build", "dom0.elf"), "-append", "write-test",
            "-nographic", "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4", "-drive", f"file={image},format=raw,if=ide,cache=writeback"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, errors="replace", preexec_fn=die_with_parent) as p:
        lines = []
        watchdog = threading.Timer(120, p.kill)  # only ends a hung run
        watchdog.start()
        for line in p.stdout:
            lines.append(line.rstrip("\r\n"))
            assert "test: error" not in line, line
            if line.startswith("test: end"):
                steps -= 1
                if steps == 0:
                    break
        assert steps == 0, "\n".join(lines[-20:])
        time.sleep(delay)
        p.kill()
        watchdog.cancel()
        rest = p.stdout.read()
        lines += rest[:rest.rfind("\n") + 1].splitlines()  # a step begins when its line is complete
        p.wait()
    return lines


def follow(files, lines):
    """FILES {name: (length, seed)} after the steps in LINES; also the step that was under way, or None."""
    pending = None
    for line in lines:
        if line.startswith("test: begin "):
            pending = line[12:]
        elif line.startswith(("test: end", "test: kept")) and pending:
            if line.startswith("test: end"):
                apply(files, pending)
            pending = None
    return pending


def base(path):
    return path.rsplit("/", 1)[1]


def apply(files, step):
    what, rest = step.split(" ", 1)
    if what == "put":
        length, seed, path = rest.split(" ", 2)
        files[base(path)] = (int(length), int(seed))
    elif what == "remove":
        files.pop(base(rest), None)
    else:
        old, new = rest.split(" to ")
        files[base(new)] = files.pop(base(old))


def same(found, files):
    return set(found) == set(files) and all(found[n] == contents(*files[n]) for n in files)


def test_the_power_fails_at_any_write():
    image = make_image(os.path.join(ROOT, "build", "images", "power_cut.img"), guest_files("tiny"), 64)
    chance = random.Random(20)
    files = {}
    allowed = HARMLESS
    interrupted = recovered = 0
    for cut in range(12):
        lines = write_until_cut(image, chance.randrange(3, 40), chance.random() * 0.05)
        recovered += any("was interrupted" in x for x in lines)
        pending = follow(files, lines)
        if pending is not None and "0" * 190 in pending:
            allowed = HARMLESS + PIECES  # of a name that takes two sectors; they stay where the cut left them
        interrupted += not fsck(image, allowed)
        found = tree(image, "/w")
        after = dict(files)
        if pending:
            apply(after, pending)
        assert same(found, files) or same(found, after), f"cut {cut}: {pending}: {sorted(found)} {sorted(files)}"
        if not same(found, files):
            files = after
    assert interrupted >= 3 and recovered >= 3, (interrupted, recovered)  # else the cuts hit nothing


def test_the_machine_is_switched_off_while_it_copies():
    big = bytes(i * 2654435761 >> 9 & 0xff for i in range(1 << 16)) * 64
    files = {**guest_files("tiny"), "\\big.bin": big}
    image = make_image(os.path.join(ROOT, "build", "images", "power_cut_bochs.img"), files, 64)
    chance = random.Random(21)
    for cut in range(3):
        machine = Corbel(image, f"test_power_cut_{cut}", private=False)
        try:
            machine.boot()
            machine.ok(f"mkdir hd0p1:/dir{cut}")
            machine.send(f"cp hd0p1:/big.bin hd0p1:/dir{cut}/copy.bin\r")
            machine.expect(r"copying big.bin: \d+%")
            for _ in range(chance.randrange(1, 12)):
                machine.expect(r"\d+%|corbel> ")
            os.killpg(machine.machine.proc.pid, signal.SIGKILL)
            machine.machine.proc.wait(timeout=30)
        finally:
            machine.close()
        fsck(image)
        got = tree(image, f"/dir{cut}")
        assert got in ({}, {"copy.bin": big}), {n: len(got[n]) for n in got}
    assert image_of(image, "/big.bin") == big


def test_the_machine_is_switched_off_while_a_guest_writes():
    """What a guest's flush was answered for is in its image, and the guest finds it there after the next boot. (Bochs's disk keeps nothing back: this tests Corbel's order, not a disk's cache.)"""
    drive = 'scsi0.present = "TRUE"\nscsi0:0.present = "TRUE"\nscsi0:0.fileName = "/disks/numbers.img"\n'
    files = {**guest_files("flusher", flusher=drive), "\\disks\\numbers.img": bytes(1 << 20)}
    image = make_image(os.path.join(ROOT, "build", "images", "power_cut_guest.img"), files, 64)
    chance = random.Random(22)
    last = 0
    for cut in range(3):
        machine = Corbel(image, f"test_power_cut_guest_{cut}", private=False)
        try:
            machine.boot()
            machine.send("create flusher\r")
            assert int(machine.expect(r"flusher: found (\d+)\s").group(1)) >= last
            for _ in range(chance.randrange(5, 60)):
                last = int(machine.expect(r"flusher: wrote (\d+)\s").group(1))
            time.sleep(chance.random() * 0.1)
            os.killpg(machine.machine.proc.pid, signal.SIGKILL)
            machine.machine.proc.wait(timeout=30)
            while machine.pump(0.5):
                pass
            last = max(int(n) for n in re.findall(r"flusher: wrote (\d+)\s", machine.text))
            assert "cannot" not in machine.text
        finally:
            machine.close()
        fsck(image)
        data = image_of(image, "/disks/numbers.img")
        number = lambda sector: set(struct.unpack_from("<64Q", data, 512 * sector))  # noqa: E731
        assert len(data) == 1 << 20 and len(number(0)) == 1 and min(number(0)) >= last > 0, (last, number(0))
        for n in range(max(1, last - 900), last + 1):
            assert number(1 + n % 1000) == {n}, (n, number(1 + n % 1000))
