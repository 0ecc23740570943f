# SPDX-License-Identifier: Apache-2.0
"""[HOST] A Linux guest with two virtual CPUs on one CPU of the oldest model: both come up, both do work, CPU hotplug inside, and an orderly end."""
import os
import re

from corbel import ROOT, vmx_text

SIZE_MIB = 128
MACHINE = {"model": "corei5_arrandale_m520"}


def FILES():
    base = os.path.join(ROOT, "build", "vm", "debian")
    vmx = vmx_text("duo", 256, "vmlinuz", 'corbel.ramdisk = "initrd.gz"\ncorbel.cmdline = "console=hvc0 cryptomgr.notests"\n', 2)
    return {"\\corbel\\vm\\duo\\duo.vmx": vmx, **{f"\\corbel\\vm\\duo\\{n}": os.path.join(base, n) for n in ("vmlinuz", "initrd.gz")}}


def shell(corbel, line, limit=200):
    corbel.send(line + "\r")
    corbel.expect(re.escape(line[-12:]) + r"[^\n]*\n", limit)
    start = corbel.at
    end = corbel.expect(r"guest# ", limit)
    return corbel.text[start:end.start()].replace("\r", "")


def test_both_come_up(corbel):
    corbel.ok("create duo", 400)
    corbel.send("console duo\r")
    corbel.expect(r"guest: up after [0-9.]+ s", 600)
    corbel.send("\r")
    corbel.expect(r"guest# ")
    assert shell(corbel, "nproc").strip() == "2"
    assert "smp: Brought up 1 node, 2 CPUs" in corbel.text


def test_both_work(corbel):
    shell(corbel, "for c in 1 2; do (taskset $c sh -c 'i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done; echo on $(cut -d\" \" -f39 /proc/self/stat)') & done; wait")
    rows = shell(corbel, "grep -E 'LOC|RES|CAL|xen-percpu' /proc/interrupts; grep ^cpu /proc/stat")
    for cpu in ("cpu0", "cpu1"):
        user = int(re.search(rf"^{cpu} (\d+)", rows, re.M).group(1))
        assert user > 0, rows


def test_one_goes_and_comes_back(corbel):
    shell(corbel, "echo 0 > /sys/devices/system/cpu/cpu1/online")
    assert shell(corbel, "nproc").strip() == "1"
    shell(corbel, "echo 1 > /sys/devices/system/cpu/cpu1/online", 300)
    assert shell(corbel, "nproc").strip() == "2"


def test_it_ends_in_order(corbel):
    corbel.send(b"\x1d")
    corbel.expect(r"corbel> ")
    assert corbel.rows()["duo"][2] == 2
    corbel.audit()
    corbel.ok("shutdown -w duo", 400)
    assert "duo" not in corbel.rows()
    corbel.audit()
