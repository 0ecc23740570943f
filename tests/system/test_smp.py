# SPDX-License-Identifier: Apache-2.0
"""[HOST] Four CPUs of a newer model: four Linux guests at once, of both kernels, with one to four virtual CPUs; they share the CPUs, are moved
between them while they work, and end in order. One boot."""
import re

from corbel import debian_files, generic_files, guest_files, vmx_text
from test_leaks import books

SIZE_MIB = 256
MACHINE = {"cpus": 4, "model": "tigerlake", "memory_mib": 2048}
GUESTS = {"one": (1, "debian/vmlinuz"), "two": (2, "debian/vmlinuz"), "four": (4, "debian/vmlinuz"), "other": (2, "generic/vmlinuz")}


def FILES():
    files = {**debian_files(), **generic_files(), **guest_files("tiny", "spin", "race")}
    for name, (vcpus, kernel) in GUESTS.items():
        files[f"\\corbel\\vm\\{name}\\{name}.vmx"] = vmx_text(
            name, 256, f"../{kernel}", 'corbel.ramdisk = "../debian/initrd.gz"\ncorbel.cmdline = "console=hvc0 cryptomgr.notests"\n', vcpus)
    return files


def test_all_cpus_are_there(corbel):
    assert re.search(r"4 of 4 CPUs", corbel.text)
    assert re.search(r"nr_cpus\s*:\s*4", corbel.ok("info"))


def test_four_linux_guests_at_once(corbel):
    for name in GUESTS:
        corbel.ok(f"create {name}", 600)
    for name, (n, _) in GUESTS.items():
        corbel.attach(name)
        corbel.expect(r"guest: up after [0-9.]+ s", 900)
        corbel.leave()
        assert corbel.inside(name, "nproc") == str(n)
    corbel.audit()


def test_they_work_together_and_no_cpu_is_stuck(corbel):
    for name in GUESTS:
        out = corbel.inside(name, "for i in 1 2 3 4; do (dd if=/dev/zero bs=64k count=20 2>/dev/null | md5sum) & done; wait", 600)
        assert len(re.findall(r"[0-9a-f]{32}  -", out)) == 4, out
        assert len(set(re.findall(r"[0-9a-f]{32}", out))) == 1, out
        assert corbel.inside(name, "dmesg | grep -iE 'stuck|rcu.*stall|lockup|BUG:'") == ""


def test_a_guest_whose_cpus_race_hurts_no_linux(corbel):
    m = corbel.ok_and("create race", r"race: (\d+) passed, (\d+) failed[\s\S]*?race: powered off", 900)
    assert int(m.group(1)) >= 27 and m.group(2) == "0", corbel.text[-4000:]
    corbel.run("")
    corbel.audit()


def test_vcpus_are_moved_while_they_work(corbel):
    corbel.ok("create spin")
    for cpu in (3, 2, 1, 0, 1, 3):
        corbel.ok(f"vcpu-pin four all {cpu}")
        corbel.ok(f"vcpu-pin spin 0 {cpu}")
        assert corbel.inside("four", "nproc") == "4"
    corbel.ok("vcpu-pin four all all")
    corbel.ok("destroy spin")
    corbel.audit()


def test_two_hundred_domains_come_and_go_beside_them(corbel):
    corbel.ok("repeat 5 create tiny; destroy tiny", 900)
    before = books(corbel)
    corbel.ok("repeat 200 create tiny; destroy tiny", 3600)
    assert books(corbel) == before


def test_they_end_in_order(corbel):
    for name in GUESTS:
        corbel.ok(f"shutdown -w {name}", 600)
    assert set(corbel.rows()) == {"Domain-0"}
    corbel.audit()
