# SPDX-License-Identifier: Apache-2.0
"""[HOST] Debian's generic kernel (XZ) beside the cloud kernel (LZ4): it boots; who runs already is served while it is unpacked; the next domain of
the same kernel needs no unpacking, and what is kept for that is never in a guest's way. One boot for all."""
import os
import re

from corbel import ROOT, debian_files, generic_files

SIZE_MIB = 192
# Some 50 times a second of its own time: asks xenstore for its name (the wire format of xenbus: XS_READ, 16 bytes of header) and says what came
# and when.
BEATS = (r"""exec 3<>/dev/xen/xenbus; while :; do printf '\2\0\0\0\0\0\0\0\0\0\0\0\5\0\0\0name\0' >&3; """
         r"""v=$(dd bs=64 count=1 <&3 2>/dev/null | tail -c 6); read t x </proc/uptime; echo "beat $v $t"; usleep 200000; done &""")


def FILES():
    return {**debian_files(), **generic_files()}


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
    told = {int(x) for x in re.findall(r"building generic: kernel (\d+)%", corbel.text[mark:])}
    assert len(told) >= 10, told  # the prompt's own thread was there all the time, too
    mark = len(corbel.text)
    attach(corbel, "debian")
    corbel.expect(r"beat debian", 60)
    corbel.expect(r"beat debian [0-9.]+\r?\n(.*\n)*.*beat debian", 60)
    leave(corbel)
    times = [float(x) for x in re.findall(r"beat debian ([0-9.]+)", corbel.text[mark:])]
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert times[-1] - times[0] > 5, times
    assert max(gaps) < 1.5, gaps


def test_the_generic_kernel_reaches_its_shell(corbel):
    attach(corbel, "generic")
    corbel.expect(r"guest: up after [0-9.]+ s, kernel (\S+)", 600)
    with open(os.path.join(ROOT, "build", "debian-generic", "version"), encoding="ascii") as f:
        version = f.read().strip()
    assert f"kernel {version}" in corbel.text
    corbel.send("\r")
    corbel.expect(r"guest# ")
    leave(corbel)
    corbel.audit()


def test_the_next_one_needs_no_unpacking(corbel):
    kernels, kib, used = kept(corbel)
    assert kernels == 2 and used == 0 and 100 << 10 < kib < 200 << 10
    corbel.ok("destroy generic")
    corbel.ok("create generic", 400)
    assert kept(corbel) == (2, kib, 1)
    attach(corbel, "generic")
    corbel.expect(r"guest: up after [0-9.]+ s", 600)
    leave(corbel)
    corbel.ok("destroy generic")
    corbel.ok("destroy debian")
    corbel.audit()
