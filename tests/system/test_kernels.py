# SPDX-License-Identifier: Apache-2.0
"""[HOST] Debian's generic kernel (XZ) beside the cloud kernel (LZ4): it boots; who runs already is served while it is unpacked; the next domain of
the same kernel needs no unpacking, and what is kept for that is never in a guest's way; a small guest packed with each method. One boot for all."""
import os
import re
import struct
import subprocess

import pytest
from corbel import ROOT, debian_files, generic_files, vmx_text

SIZE_MIB = 192
# Some 50 times a second of its own time: asks xenstore for its name (the wire format of xenbus: XS_READ, 16 bytes of header) and says what came
# and when.
BEATS = (r"""exec 3<>/dev/xen/xenbus; while :; do printf '\2\0\0\0\0\0\0\0\0\0\0\0\5\0\0\0name\0' >&3; """
         r"""v=$(dd bs=64 count=1 <&3 2>/dev/null | tail -c 6); read t x </proc/uptime; echo "beat $v $t"; usleep 200000; done &""")


# name: the command, and whether the length comes behind what it makes (gzip has it at its end)
METHODS = {"xz": ("xz --check=crc32 --x86 --lzma2=dict=32MiB", True), "gzip": ("gzip -n -9", False), "bzip2": ("bzip2 -9", True),
           "zstd": ("zstd -q --ultra -22", True), "lz4": ("lz4 -q -l -9", True)}


def bzimage(kernel, command, length_word):
    packed = subprocess.run(command.split() + ["-c"], input=kernel, capture_output=True, check=True).stdout
    payload = packed + (struct.pack("<I", len(kernel)) if length_word else b"")
    head = bytearray(5 * 512)
    head[0x202:0x206] = b"HdrS"
    head[0x206:0x208] = b"\x0f\x02"
    head[0x24c:0x250] = struct.pack("<I", len(payload))
    return bytes(head) + payload


def FILES():
    files = {**debian_files(), **generic_files(vcpus=4)}
    files["\\corbel\\vm\\big\\big.vmx"] = vmx_text("big", 940, "/corbel/vm/xz/kernel")  # of the 990 MiB that are there without what is kept
    with open(os.path.join(ROOT, "build", "guests", "poweroff.elf"), "rb") as f:
        kernel = f.read()
    with open(os.path.join(ROOT, "build", "dom0.sym.elf"), "rb") as f:
        kernel += f.read()  # behind the ELF file's end: more than a step's work
    for name, how in METHODS.items():
        image = bzimage(kernel, *how)
        files[f"\\corbel\\vm\\{name}\\{name}.vmx"] = vmx_text(name, 16, "kernel")
        files[f"\\corbel\\vm\\{name}\\kernel"] = image
        at = len(image) // 2
        files[f"\\corbel\\vm\\{name}\\bad.vmx"] = vmx_text("bad-" + name, 16, "bad")
        files[f"\\corbel\\vm\\{name}\\bad"] = image[:at] + bytes(64) + image[at + 64:]
    return files


def attach(corbel, name):
    corbel.send(f"console {name}\r")


def leave(corbel):
    corbel.send(b"\x1d")
    corbel.expect(r"corbel> ")


def kept(corbel):
    out = corbel.ok("info")
    return tuple(int(re.search(rf"kept_kernels{x} +: (\d+)", out).group(1)) for x in ("", "_memory", "_used"))


def test_nothing_is_kept_at_first(corbel):
    assert kept(corbel) == (0, 0, 0)


@pytest.mark.parametrize("method", METHODS)
def test_a_small_guest_of_each_method(corbel, method):
    corbel.ok_and(f"create {method}", rf"{method}: powered off")
    corbel.run("")
    if method != "lz4":  # has no checksum
        corbel.refused(f"create {method}/bad.vmx", 1, f"{method}/bad", "copy the file again")
    assert "bad" not in " ".join(corbel.rows())


def test_nothing_is_lost_and_small_ones_make_room(corbel):
    kernels, kib, used = kept(corbel)
    assert kernels == 4 and 4096 < kib < 32768 and used == 0
    corbel.ok_and("create lz4", r"lz4: powered off")
    corbel.run("")
    assert kept(corbel)[2] == 1
    corbel.audit()


def test_a_running_guest_is_served_while_another_is_unpacked(corbel):
    corbel.ok("create debian", 400)
    attach(corbel, "debian")
    corbel.expect(r"guest: up after [0-9.]+ s", 400)
    corbel.send("\r")
    corbel.expect(r"guest# ")
    corbel.send(BEATS + "\r")
    corbel.expect(r"^beat debian [0-9.]+")
    leave(corbel)
    mark = len(corbel.text)
    corbel.ok("create generic", 900)
    told = {int(x) for x in re.findall(r"building generic: kernel: (\d+)%", corbel.text[mark:])}
    assert len(told) >= 10, told  # the prompt's own thread was there all the time, too
    mark = len(corbel.text)
    attach(corbel, "debian")
    corbel.expect(r"beat debian", 60)
    now = len(corbel.text)
    while not re.search(r"^beat debian [0-9.]+\r?$", corbel.text[now:], re.M):  # at least one more than what was kept for us
        assert corbel.pump(60)
    leave(corbel)
    times = [float(x) for x in re.findall(r"beat debian ([0-9.]+)", corbel.text[mark:])]
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert times[-1] - times[0] > 5, times
    assert max(gaps) < 1.5, gaps


def test_the_generic_kernel_reaches_its_shell(corbel):
    attach(corbel, "generic")
    booted = corbel.expect(r"guest: up after [0-9.]+ s, kernel (\S+)\s", 600).group(1)
    with open(os.path.join(ROOT, "build", "debian-generic", "version"), encoding="ascii") as f:
        assert booted == f.read().strip()
    corbel.send("\r")
    corbel.expect(r"guest# ")
    leave(corbel)
    corbel.audit()


def test_the_next_one_needs_no_unpacking(corbel):
    kernels, kib, used = kept(corbel)
    assert kernels == 4 and 100 << 10 < kib < 200 << 10
    corbel.ok("destroy generic")
    corbel.ok("create generic", 400)
    assert kept(corbel) == (4, kib, used + 1)
    attach(corbel, "generic")
    corbel.expect(r"guest: up after [0-9.]+ s", 600)
    leave(corbel)
    corbel.ok("destroy generic")
    corbel.ok("destroy debian")
    corbel.audit()


def test_what_is_kept_makes_room_for_a_guest(corbel):
    free = int(re.search(r"free_memory +: (\d+)", corbel.ok("info")).group(1))
    assert free < 940
    corbel.ok_and("create big", r"big: powered off", 400)
    corbel.run("")
    assert kept(corbel)[0] <= 1
    corbel.audit()
