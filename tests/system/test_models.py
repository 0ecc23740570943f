# SPDX-License-Identifier: Apache-2.0
"""[HOST] The oldest CPU that can do: unrestricted guest, but no APIC-register virtualization, no XSAVE: the paths in software."""
from corbel import debian_files, guest_files

SIZE_MIB = 192
MACHINE = {"model": "corei5_arrandale_m520"}


def FILES():
    return {**debian_files(), **guest_files("tiny", "deny", "spin", "regress-0006", "regress-0007")}


def test_its_local_apic_is_in_software(corbel):
    assert "local APIC in software" in corbel.text
    corbel.audit()


def test_what_must_not_work_does_not(corbel):
    m = corbel.ok_and("create deny", r"deny: (\d+) passed, (\d+) failed[\s\S]*?deny: powered off", 400)
    assert int(m.group(1)) > 400000 and m.group(2) == "0", m.group(0)
    corbel.run("")
    for name, checks in (("regress-0006", 0), ("regress-0007", 5)):
        m = corbel.ok_and(f"create {name}", rf"{name}: (\d+) passed, (\d+) failed[\s\S]*?{name}: powered off")
        assert int(m.group(1)) >= checks and m.group(2) == "0", m.group(0)
    corbel.run("")
    corbel.audit()


def test_linux_reaches_its_shell_beside_a_spinning_guest(corbel):
    corbel.ok("create spin")
    corbel.ok("create debian", 400)
    corbel.send("console debian\r")
    corbel.expect(r"guest: up after [0-9.]+ s", 500)
    corbel.send("\r")
    corbel.expect(r"guest# ")
    corbel.send(b"\x1d")
    corbel.expect(r"corbel> ")
    corbel.ok("destroy spin")
    corbel.ok("shutdown -w debian", 300)
    corbel.audit()
