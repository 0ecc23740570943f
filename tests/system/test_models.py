# SPDX-License-Identifier: Apache-2.0
"""[HOST] The oldest CPU that can do: unrestricted guest, but no APIC-register virtualization, no XSAVE: the paths in software."""
from corbel import generic_files, guest_files, vmx_text

SIZE_MIB = 192
MACHINE = {"model": "corei5_arrandale_m520", "cpus": 2}
CFG = "loglvl = info\ndebug = on\n"


def FILES():
    return {**generic_files(), **guest_files("tiny", "deny", "spin", "fpu", "race", "regress-0006", "regress-0007"),
            "\\corbel\\vm\\fpu2\\fpu2.vmx": vmx_text("fpu2", 8, "../fpu/fpu.elf")}


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


def test_a_refused_entry_is_explained_here_as_well(corbel):
    corbel.ok("create -p tiny")
    assert "breaks 1 rule\n" in corbel.ok("debug-vmwrite tiny 0 0x401c 16")
    corbel.ok_and("unpause tiny", r"entry refused: TPR_THRESHOLD \(0x401c\) 0x10, bit 4 is 1: only bits 0 to 3 may be set[\s\S]*?tiny: (killed|crashed|stopped)")
    corbel.run("")
    corbel.ok("destroy tiny")


def test_a_guest_whose_cpus_race_hurts_nobody(corbel):
    m = corbel.ok_and("create race", r"race: (\d+) passed, (\d+) failed[\s\S]*?race: powered off", 400)
    assert int(m.group(1)) >= 27 and m.group(2) == "0", corbel.text[-4000:]
    corbel.run("")
    corbel.audit()


def test_two_guests_keep_their_vector_registers_on_one_cpu(corbel):
    for name in ("fpu", "fpu2"):
        corbel.ok(f"create -p {name}")
        corbel.ok(f"vcpu-pin {name} 0 1")
    corbel.ok("unpause fpu")
    corbel.ok_and("unpause fpu2", r"(fpu: \d+ passed, 0 failed[\s\S]*){2}")
    corbel.run("")


def test_linux_reaches_its_shell_beside_a_spinning_guest(corbel):
    corbel.ok("create spin")
    corbel.ok("create generic", 900)
    for _ in range(10): # as a rule of VM entry sees it: nothing is wrong with what this CPU saves
        corbel.ok("pause generic")
        assert "breaks 0 rules" in corbel.ok("debug-vmwrite generic 0 0x4826 0")
        corbel.ok("unpause generic")
        corbel.run("sleep 1")
    corbel.send("console generic\r")
    corbel.expect(r"guest: up after [0-9.]+ s", 500)
    corbel.send("\r")
    corbel.expect(r"guest# ")
    corbel.send(b"\x1d")
    corbel.expect(r"corbel> ")
    corbel.ok("destroy spin")
    corbel.ok("shutdown -w generic", 300)
    corbel.audit()
