# SPDX-License-Identifier: Apache-2.0
"""[HOST] The life of tiny guests, and refusals. One boot for all."""
import re

from corbel import guest_files, vmx_text



def FILES():
    elf = "build/guests/tiny.elf"
    return {
        **guest_files("tiny", "poweroff", "spin", "crash", "triple", "reboot", "chatty", "regress-0003", "regress-0004"),
        **{f"\\corbel\\vm\\storm{i}\\storm{i}.vmx": vmx_text(f"storm{i}", 8, "../regress-0003/regress-0003.elf") for i in range(12)},
        "\\corbel\\vm\\big\\big.vmx": vmx_text("big", 65536, "big.elf"),
        "\\corbel\\vm\\big\\big.elf": elf,
        "\\corbel\\vm\\huge\\huge.vmx": vmx_text("huge", 2048, "huge.elf"),
        "\\corbel\\vm\\huge\\huge.elf": elf,
        "\\corbel\\vm\\broken\\broken.vmx": vmx_text("broken", 16, "broken.elf"),
        "\\corbel\\vm\\broken\\broken.elf": b"\x7fELF this is not a kernel" + bytes(4096),
        "\\corbel\\vm\\cut\\cut.vmx": vmx_text("cut", 16, "cut.elf"),
        "\\corbel\\vm\\cut\\cut.elf": open(elf, "rb").read()[:5000],
        "\\corbel\\vm\\nokernel\\nokernel.vmx": vmx_text("nokernel", 16, "gone.elf"),
        "\\corbel\\vm\\oddkey\\oddkey.vmx": vmx_text("oddkey", 16, "oddkey.elf", 'memsise = "32"\n'),
        "\\corbel\\vm\\oddkey\\oddkey.elf": elf,
        "\\corbel\\vm\\oddvalue\\oddvalue.vmx": 'displayName = "oddvalue"\nmemsize = "plenty"\ncorbel.kernel = "tiny.elf"\n',
        "\\corbel\\vm\\text\\text.vmx": "this is not a configuration\n",
    }


def test_the_prompt_knows_itself(corbel):
    assert re.search(r"\d+\.\d+", corbel.ok("version"))
    assert "nr_cpus" in corbel.ok("info")
    out = corbel.ok("help")
    for verb in ("list", "create", "destroy", "shutdown", "pause", "unpause", "console", "dmesg", "debug-keys", "audit", "ls", "cat", "host-reboot", "host-poweroff"):
        assert verb in out, verb
    assert "displayName" in corbel.ok("cat tiny/tiny.vmx")
    assert "tiny" in corbel.ok("ls")
    assert "(CBL)" in corbel.ok("dmesg")
    corbel.audit()


def test_poweroff_from_inside(corbel):
    corbel.ok_and("create poweroff", r"poweroff: powered off")
    corbel.run("")
    assert "poweroff" not in corbel.rows()
    corbel.audit()


def test_crash_and_triple_fault_are_kept_until_destroyed(corbel):
    for name in ("crash", "triple"):
        corbel.ok_and(f"create {name}", rf"{name}: (crashed|killed|stopped)")
        corbel.run("")
        assert "c" in corbel.rows()[name][3]
        corbel.ok(f"destroy {name}")
        assert name not in corbel.rows()
    corbel.audit()


def test_reboot_from_inside_gives_a_new_domain_but_not_for_ever(corbel):
    again = r"reboot: rebooted: now domain (\d+)"
    m = corbel.ok_and("create reboot", again + r"[\s\S]*?" + again)
    assert m.group(1) != m.group(2)
    corbel.expect(r"reboot: ended: it rebooted again and again")
    corbel.run("")
    assert "reboot" not in corbel.rows()
    corbel.audit()


def test_destroy_in_each_state(corbel):
    for name, before in (("tiny", None), ("spin", None), ("tiny", "pause tiny"), ("spin", "pause spin")):
        corbel.ok(f"create {name}")
        if before:
            corbel.ok(before)
            assert "p" in corbel.rows()[name][3]
        corbel.ok(f"destroy {name}")
        assert name not in corbel.rows()
        corbel.audit()
    corbel.ok("create -p tiny")
    assert "p" in corbel.rows()["tiny"][3]
    corbel.ok("destroy tiny")
    corbel.audit()


def test_a_spinning_and_a_shouting_guest_leave_dom0_its_prompt(corbel):
    corbel.ok("create spin")
    corbel.send("create chatty\r")  # from here on its lines stand between everything that is typed and printed
    corbel.expect(r"Domain chatty \(\d+\) created")
    for _ in range(3):
        corbel.send("list\r")
        corbel.expect(r"^spin +\d+ +16 ")
        corbel.expect(r"^chatty +\d+ +16 ")
    corbel.expect(r"lines dropped")
    corbel.send("destroy chatty\r")
    for _ in range(20):
        corbel.send("list\r")
        corbel.expect(r"^spin +\d+ +16 [^\n]*\n")
        if "chatty" not in corbel.text[corbel.text.rindex("Domain-0"):]:
            break
    corbel.send("\r")
    corbel.expect(r"corbel> ")
    corbel.ok("destroy spin")
    corbel.audit()


def test_masked_timers_of_many_guests_cost_the_others_nothing(corbel):
    for i in range(12):
        corbel.ok(f"create storm{i}")
    assert len(corbel.rows()) == 13
    for i in range(12):
        corbel.ok(f"destroy storm{i}")
    corbel.audit()


def test_an_illegal_self_ipi_kills_nobody(corbel):
    m = corbel.ok_and("create regress-0004", r"regress-0004: (\d+) passed, (\d+) failed[\s\S]*?regress-0004: powered off")
    assert m.groups() == ("1", "0")
    corbel.run("")


def test_refusals(corbel):
    corbel.refused("create big", 6, "memory")
    corbel.refused("create huge", 6, "memory")
    corbel.refused("create broken", 1, "broken")
    corbel.refused("create cut", 1, "cut")
    corbel.refused("create nokernel", 1, "gone.elf")
    corbel.refused("create oddvalue", 1, "memsize", "line 2")
    corbel.refused("create text", 1, "line 1")
    corbel.refused("create nothing-here", 1, "nothing-here")
    corbel.refused("destroy nobody", 3, "nobody")
    corbel.refused("console nobody", 3, "nobody")
    corbel.refused("pause 4711", 3, "4711")
    corbel.refused("destroy 0", 5)
    corbel.refused("frobnicate", 2, "frobnicate")
    assert set(corbel.rows()) == {"Domain-0"}
    corbel.audit()


def test_an_unknown_key_is_a_warning_with_the_nearest_name(corbel):
    out = corbel.ok("create oddkey")
    assert "warning" in out and "memsise" in out and "memsize" in out
    corbel.ok("destroy oddkey")


def test_a_taken_name_is_refused(corbel):
    corbel.ok("create tiny")
    corbel.refused("create tiny", 4, "tiny")
    corbel.refused("unpause tiny", 4, "tiny")
    corbel.ok("pause tiny")
    corbel.refused("debug-vmwrite tiny 0 0x6804 0", 5, "debug = on")
    corbel.ok("destroy tiny")


def frames_free(corbel):
    return int(re.search(r"free[^0-9]*(\d+)", corbel.audit()).group(1))


def test_a_hundred_creates_and_destroys_lose_no_frame(corbel):
    corbel.ok("create tiny")
    corbel.ok("destroy tiny")
    before = frames_free(corbel)
    for i in range(100):
        corbel.ok("create tiny")
        corbel.ok("destroy tiny")
        assert frames_free(corbel) == before, f"after {i + 1} rounds"


def test_hypervisor_keys(corbel):
    corbel.send(b"\x01\x01\x01")
    corbel.expect(r"input.*(hypervisor|Corbel)|switched", 60)
    corbel.send("h")
    corbel.expect(r"reboot", 60)
    corbel.send("q")
    corbel.send("A")
    corbel.expect(r"audit: clean", 60)
    corbel.send(b"\x01\x01\x01")
    corbel.send("\r")
    corbel.expect(r"corbel> ")
    assert "audit" in corbel.ok("debug-keys A") + corbel.ok("dmesg")


def test_host_poweroff_ends_the_machine(corbel):
    corbel.ok("create tiny")
    corbel.refused("host-poweroff", 4, "tiny")
    corbel.ok("destroy tiny")
    corbel.send("host-poweroff\r")
    corbel.expect(r"(?i)power", 60)
    for _ in range(200):
        if not corbel.pump(0.2):
            break
    corbel.machine.proc.wait(timeout=30)
