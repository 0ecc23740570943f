# SPDX-License-Identifier: Apache-2.0
"""[HOST] Files on the disk changed at the prompt, judged on the host by fsck.fat and mtools; guests that start at boot. Two boots of one image."""
import json
import os
import re
import subprocess

import pytest

from corbel import ROOT, Corbel, guest_files, make_image
from test_power_cut import fsck

TINY = os.path.join(ROOT, "build", "guests", "tiny.elf")
LARGE = bytes(i * 2654435761 >> 9 & 0xff for i in range(1 << 16)) * 48  # 3 MiB


@pytest.fixture(scope="module")
def disk():
    files = {**guest_files("tiny", "poweroff"), "\\large.bin": LARGE, "\\huge.bin": bytes(36 << 20)}
    return make_image(os.path.join(ROOT, "build", "images", "test_files.img"), files, 64)


@pytest.fixture(scope="module")
def first(disk):
    machine = Corbel(disk, "test_files_1", private=False, cpus=4)
    try:
        yield machine.boot()
    finally:
        machine.close()


def on_disk(image, path):
    env = dict(os.environ, MTOOLS_SKIP_CHECK="1", LC_ALL="C.UTF-8")
    r = subprocess.run(["mtype", "-i", f"{image}@@1M", f"::{path}"], capture_output=True, env=env, check=False)
    return r.stdout if r.returncode == 0 else None


def names(image, path):
    env = dict(os.environ, MTOOLS_SKIP_CHECK="1", LC_ALL="C.UTF-8")
    r = subprocess.run(["mdir", "-b", "-i", f"{image}@@1M", f"::{path}"], capture_output=True, text=True, env=env, check=True)
    return {line.rstrip("/").rsplit("/", 1)[1] for line in r.stdout.splitlines() if line}


def done(machine, line):
    """LINE, which may draw its progress, succeeds. (Behind progress the prompt does not begin a line of the log.)"""
    mark = machine.at
    machine.send(line + "\r")
    machine.expect(re.escape(line[-20:]))
    machine.expect(r"corbel> ")
    assert "error:" not in machine.text[mark:machine.at], machine.text[mark:machine.at]


def free(machine):
    rows = json.loads(machine.ok("df --json"))
    assert [r["name"] for r in rows] == ["hd0p1"] and rows[0]["access"] == "read-write", rows
    assert rows[0]["used_bytes"] + rows[0]["free_bytes"] == rows[0]["total_bytes"]
    return rows[0]["free_bytes"]


def test_files_come_and_go(first):
    before = free(first)
    assert re.search(r"^hd0p1 +FAT32 +\d+ +\d+ +\d+ +\d+% ", first.ok("df"), re.M)
    first.ok("mkdir hd0p1:/data hd0p1:/data/deep")
    done(first, 'cp tiny/tiny.elf "hd0p1:/data/A copy of tiny.elf"')
    done(first, "cp hd0p1:/large.bin hd0p1:/data/deep")
    done(first, "cp -r tiny hd0p1:/data/guest")
    done(first, "mv hd0p1:/data/guest hd0p1:/data/moved")
    done(first, "mv hd0p1:/data/moved/tiny.elf hd0p1:/data/deep/OTHER.ELF")
    done(first, "cp poweroff/poweroff.elf hd0p1:/data/deep/OTHER.ELF")  # replaces
    done(first, "cp -r hd0p1:/data/deep hd0p1:/gone")
    done(first, "rm -r hd0p1:/gone")
    assert before - free(first) > len(LARGE)
    out = first.ok("ls hd0p1:/data")
    assert "A copy of tiny.elf" in out and "moved/" in out and "guest" not in out
    assert re.search(r"20\d\d-\d\d-\d\d", out)
    assert "displayName" in first.ok("cat hd0p1:/data/moved/tiny.vmx")


def test_what_is_refused(first):
    first.refused("rm hd0p1:/data", 4, "not empty")
    first.refused("cp hd0p1:/data hd0p1:/x", 1, "cp -r")
    first.refused("cp -r hd0p1:/data hd0p1:/data/deep", 1, "in the folder itself")
    first.refused("cp tiny/tiny.elf tiny/tiny.elf", 1, "same file")
    first.refused("cp hd0p1:/huge.bin hd0p1:/huge2.bin", 6, "full")
    first.refused("cp tiny/none hd0p1:/x", 1, "no such file")
    first.refused("cp tiny/tiny.elf boot:/x", 1, "no such volume")
    first.refused("mkdir hd0p1:/data", 1, "of this name is there")
    first.refused("mkdir hd0p1:/no/x", 1, "no such file or folder")
    first.refused('mkdir "hd0p1:/a*b"', 1, "choose another name")
    first.refused("rm hd0p1:/nothing", 1, "no such file")
    first.refused("rm -r hd0p1:/", 5, "whole volume")
    first.refused("mv hd0p1:/data/deep/OTHER.ELF/ hd0p1:/data/none/x", 1, "no such file")
    first.refused("mv", 2, "SRC DST")
    first.refused("autostart nobody on", 1, "no such guest")
    first.refused("autostart tiny maybe", 2)


def test_ctrl_c_leaves_nothing_of_a_copy(first):
    before = free(first)
    first.send("cp hd0p1:/large.bin hd0p1:/interrupted.bin\r")
    first.expect(r"copying large.bin: \d+%, [\d.]+ [KM]iB of [\d.]+ MiB, [\d.]+ [KM]iB/s, \d+:\d\d left")
    first.send("\x03")
    first.expect(r"error: [^\n]*: stopped: ")
    first.expect(r"corbel> ")
    assert "interrupted" not in first.ok("ls hd0p1:/")
    assert free(first) == before


def test_autostart_is_kept(first):
    assert "No guest is started" in first.ok("autostart")
    first.ok("autostart tiny on")
    first.ok("autostart poweroff on")
    first.ok("autostart poweroff off")
    assert json.loads(first.ok("autostart --json")) == [{"name": "tiny", "source": "autostart.cfg"}]
    assert "tiny: on (autostart.cfg)" in first.ok("autostart tiny")
    assert "poweroff: off" in first.ok("autostart poweroff")


def test_the_disk_is_in_order_and_the_guest_starts_by_itself(first, disk):
    first.send("host-poweroff\r")
    first.expect(r"powering off", 60)
    for _ in range(200):
        if not first.pump(0.2):
            break
    first.machine.proc.wait(timeout=30)
    assert fsck(disk), "not a single finding is allowed after a quiet end"
    with open(TINY, "rb") as f:
        tiny = f.read()
    assert names(disk, "/data") == {"A copy of tiny.elf", "deep", "moved"}
    assert on_disk(disk, "/data/A copy of tiny.elf") == tiny
    assert on_disk(disk, "/data/deep/large.bin") == LARGE
    with open(TINY.replace("tiny", "poweroff"), "rb") as f:
        assert on_disk(disk, "/data/deep/OTHER.ELF") == f.read()
    assert on_disk(disk, "/gone/large.bin") is None and on_disk(disk, "/interrupted.bin") is None
    assert on_disk(disk, "/corbel/autostart.cfg").endswith(b"\ntiny\n")
    again = Corbel(disk, "test_files_2", private=False, cpus=4, model="corei5_arrandale_m520")
    try:
        again.boot()
        again.expect(r"Domain tiny \(\d+\) created")
        again.expect(r"corbel> ")
        assert "tiny" in again.rows()
        again.audit()
    finally:
        again.close()
