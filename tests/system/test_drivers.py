# SPDX-License-Identifier: Apache-2.0
"""[HOST] Dom0's kernel as a plain PVH guest of QEMU, without a hypervisor: its real drivers and file systems against QEMU's devices."""
import os
import subprocess

import pytest

from corbel import ROOT, guest_files, make_image

PASS = 33  # isa-debug-exit's way of saying 16


@pytest.mark.parametrize("machine", ["pc", "isapc"])
def test_ide_disk_with_fat32(machine):
    image = make_image(os.path.join(ROOT, "build", "images", f"drivers_{machine}.img"), guest_files("tiny"), 64)
    argv = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "qemu64", "-M", "pc", "-m", "128", "-kernel", os.path.join(ROOT, "build", "dom0.elf"), "-nographic", "-no-reboot",
            "-device", "isa-debug-exit,iobase=0xf4", "-drive", f"file={image},format=raw,if=ide"]
    if machine == "isapc":
        argv[argv.index("pc")] = "isapc"
    r = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=120, check=False, stdin=subprocess.DEVNULL)
    assert r.returncode == PASS, r.stdout[-2000:] + r.stderr[-500:]
    assert "hd0" in r.stdout and "FAT32" in r.stdout
