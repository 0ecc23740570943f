# SPDX-License-Identifier: Apache-2.0
"""[HOST] VM entries that the CPU refuses: each is explained as the emulator explains it, and costs only the guest its life. States that real
guests are in break no rule. One boot for all."""
import re

import pytest
from corbel import debian_files, guest_files

CFG = "loglvl = info\ndebug = on\n"
SIZE_MIB = 192
MACHINE = {"stock": True}  # its words are compared, which differ from version to version
HERE, CREATE = r"vmx_poke\+0x[0-9a-f]+, called by hc_control\S*", r"setup_controls\+0x[0-9a-f]+, called by vmx_vcpu_create\S*"
CONTEXT, SEGMENT = r"vmx_context_set\+0x[0-9a-f]+, called by hc_control_CONTEXT_SET\S*", r"setup_segment\+0x[0-9a-f]+, called by vmx_context_set\S*"
REGISTER = r"setup_guest_cr0\+0x[0-9a-f]+, called by vmx_context_set\S*"

# The guest is a paused one in flat protected mode, never entered. Field and value written; the field, the rule and the writer that Corbel
# names (the first, if there are several); what Bochs says: None when it does not look at that.
CASES = [
    (0x6804, 0, "GUEST_CR4", "bit 13 is 0: VMX operation fixes it", HERE, "invalid CR4"),
    (0x6800, 0x11, "GUEST_CR0", "bit 5 is 0: VMX operation fixes it", HERE, "invalid CR0"),
    (0x6800, 0x80000030, "GUEST_CR0", "paging needs protected mode", HERE, "CR0.PG without CR0.PE"),
    (0x6802, 1 << 45, "GUEST_CR3", "must be a physical address", HERE, "invalid CR3"),
    (0x681a, 0x100000400, "GUEST_DR7", "bits that must be 0", HERE, "invalid DR7"),
    (0x2802, 8, "GUEST_DEBUGCTL", "bits that must be 0", HERE, None),
    (0x2804, 0x0807040600070406, "GUEST_PAT", "no such memory type", HERE, "Memory Type in guest MSR_PAT"),
    (0x2806, 0x400, "GUEST_EFER", "LMA, and with paging LME", HERE, "EFER.LMA doesn't match"),
    (0x6824, 0x900000000000, "GUEST_SYSENTER_ESP", "must be canonical", HERE, "SYSENTER_ESP_MSR non canonical"),
    (0x6816, 0x900000000000, "GUEST_GDTR_BASE", "must be canonical", HERE, "BASE non canonical"),
    (0x4812, 0x80000000, "GUEST_IDTR_LIMIT", "bits that must be 0", HERE, "limit > 0xFFFF"),
    (0x681e, 1 << 32, "GUEST_RIP", "below 4 GiB elsewhere", HERE, "RIP > 32 bit"),
    (0x6820, 0, "GUEST_RFLAGS", "bit 1 must be 1", HERE, r"RFLAGS\[1\] cleared"),
    (0x6820, 0x20002, "ES", "the limit in virtual-8086 mode is 0xffff", SEGMENT, "v8086 guest ES.LIMIT"),
    (0x4826, 4, "GUEST_ACTIVITY", "no such activity state", HERE, "activity state 4"),
    (0x4824, 1, "GUEST_INTERRUPTIBILITY", "blocking by STI needs RFLAGS.IF", HERE, "blocked by STI when EFLAGS.IF = 0"),
    (0x6822, 0x2000, "GUEST_PENDING_DEBUG", "bits that must be 0", HERE, "tmpDR6 reserved bits"),
    (0x2800, 0x1001, "VMCS_LINK", "must be all ones or", HERE, "link pointer malformed"),
    (0x4816, 0xc091, "CS", "no such type here", HERE, "CS.TYPE"),
    (0x4816, 0xc0fb, "CS", "DPL must be that of SS", HERE, "CS.RPL <> CS.DPL"),
    (0x4818, 0xc0b3, "CS", "DPL must be that of SS", SEGMENT, None),
    (0x4822, 0xb, "TR", "must be present", HERE, "TR not present"),
    (0x4802, 0xfffe, "CS", "bit 15 is 1: G must be 0", SEGMENT, "CS.AR/LIMIT malformed"),
    (0x4000, 0x7e, "PROC_CTLS2", "virtual-interrupt delivery needs external-interrupt exiting", CREATE, "together with external interrupt exiting"),
    (0x4012, 0xd3ff, "GUEST_CR0", "an IA-32e guest needs paging", REGISTER, "CR4.PAE=0 in x86-64 mode"),
    (0x2004, 0x1800, "MSR_BITMAP", "must be the physical address of a page", HERE, "MSR bitmap phy addr malformed"),
    (0x0000, 0, "VPID", "must not be 0", HERE, "guest VPID == 0"),
    (0x201a, 0x1691026, "EPTP", "the walk must have 4 levels", HERE, "invalid EPTPTR"),
    (0x4016, 0x80000b06, "ENTRY_INTR_INFO", "an error code goes with", HERE, "vector 6 broken error code"),
    (0x4016, 0x80000020, "GUEST_RFLAGS", "IF must be 1 when an interrupt is injected", CONTEXT, "interrupts blocked when injecting external interrupt"),
    (0x6c04, 0x20, "HOST_CR4", "bit 13 is 0: VMX operation fixes it", HERE, "host state invalid CR4"),
    (0x0c0c, 0, "HOST_TR_SEL", "must not be null", HERE, "invalid host TR selector"),
    (0x6c16, 0x900000000000, "HOST_RIP", "must be canonical", HERE, "host RIP non-canonical"),
]


def FILES():
    return {**debian_files(), **guest_files("tiny", "spin", "poweroff")}


def oracle(corbel):
    return re.findall(r"VMENTER FAIL: .*|VMFAIL: .*|VMENTER: .*Failed.*", corbel.machine.emulator_log())


def broken(corbel, name, field, value):
    """Writes; how many rules Corbel says that the entry breaks."""
    return int(re.search(r"the entry breaks (\d+) rules?", corbel.ok(f"debug-vmwrite {name} 0 {field:#x} {value:#x}")).group(1))


@pytest.mark.parametrize("field,value,named,rule,writer,bochs", CASES, ids=[f"{c[2]}-{c[0]:x}-{c[1]:x}" for c in CASES])
def test_a_refused_entry_is_explained(corbel, field, value, named, rule, writer, bochs):
    corbel.run("destroy poweroff")  # of a case that failed, so that it fails alone
    corbel.ok("create -p poweroff")
    assert broken(corbel, "poweroff", 0x4826, 0) == 0  # as it is: it writes the value that is there
    before = len(oracle(corbel))
    count = broken(corbel, "poweroff", field, value)
    assert count > 0
    mark = len(corbel.text)
    corbel.run("unpause poweroff")
    if bochs is None:
        corbel.run("destroy poweroff")
        assert len(oracle(corbel)) == before, "Bochs looks at it now: add its words"
        return
    corbel.expect(r"poweroff: (killed|crashed|stopped)\S*.*")
    corbel.run("")
    explained = re.findall(r"d\d+v0 entry refused: (\S+) \(0x[0-9a-f]+\) (.*)\r?\n.* d\d+v0   written last by (.*)", corbel.text[mark:])
    assert len(explained) == count, corbel.text[mark:]
    assert explained[0][0] == named and rule in explained[0][1] and '[SDM vol 3, "' in explained[0][1], explained
    assert re.match(writer, explained[0][2]), explained
    said = oracle(corbel)[before:]
    assert len(said) == 1 and re.search(bochs, said[0]), said
    assert "c" in corbel.rows()["poweroff"][3]
    corbel.ok("destroy poweroff")


def test_others_live_on(corbel):
    corbel.ok("create spin")
    corbel.ok("create -p tiny")
    assert broken(corbel, "tiny", 0x6804, 0) == 1
    corbel.ok_and("unpause tiny", r"tiny: (killed|crashed|stopped)")
    corbel.run("")
    assert corbel.rows()["spin"][3][0] in "r-" and "c" in corbel.rows()["tiny"][3]
    corbel.ok_and("create poweroff", r"poweroff: powered off")
    corbel.run("")
    corbel.ok("destroy tiny")
    corbel.audit()


def test_what_the_cpu_saved_is_told_apart(corbel):
    corbel.ok("pause spin")
    assert broken(corbel, "spin", 0x4826, 0) == 0
    assert broken(corbel, "spin", 0x6820, 0x20002) > 1
    mark = len(corbel.text)
    corbel.ok_and("unpause spin", r"spin: (killed|crashed|stopped)")
    corbel.run("")
    told = re.search(r"entry refused: CS \(0x800\).*|entry refused: CS \(0x4816\).*\n.*written last by (.*)", corbel.text[mark:])
    assert told and re.match(SEGMENT + "; since then another value was saved at an exit", told.group(1)), corbel.text[mark:]
    assert "no virtual-8086 mode in IA-32e" in corbel.text[mark:]
    corbel.ok("destroy spin")


def test_what_may_not_be_written(corbel):
    corbel.ok("create -p tiny")
    corbel.refused("debug-vmwrite tiny 0 0x6c16 0x1000", 5, "0x6c16")  # an address of the host's: the entry would succeed
    corbel.refused("debug-vmwrite tiny 0 0x4402 0", 5, "0x4402")       # the exit reason
    corbel.refused("debug-vmwrite tiny 0 0x7ffe 0", 5, "0x7ffe")       # no such field
    corbel.refused("debug-vmwrite tiny 7 0x6804 0", 1)
    corbel.refused("debug-vmwrite tiny 0 cr4 0", 2)
    corbel.refused("debug-vmwrite 0 0 0x6804 0", 5, "another domain")
    corbel.refused("debug-vmwrite nobody 0 0x6804 0", 3)
    corbel.ok("unpause tiny")
    corbel.refused("debug-vmwrite tiny 0 0x6804 0", 4, "pause")
    corbel.ok("destroy tiny")
    corbel.audit()


def test_no_state_of_a_real_kernel_is_complained_about(corbel):
    corbel.ok("create debian", 400)
    for _ in range(30):
        corbel.ok("pause debian")
        assert broken(corbel, "debian", 0x4826, 0) == 0
        corbel.ok("unpause debian")
        corbel.run("sleep 1")
    corbel.send("console debian\r")
    corbel.expect(r"guest: up after", 400)
    corbel.send(b"\x1d\r")
    corbel.expect(r"corbel> ")
    corbel.ok("destroy debian")
    corbel.audit()
