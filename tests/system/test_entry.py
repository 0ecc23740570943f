# SPDX-License-Identifier: Apache-2.0
"""[HOST] VM entries that the CPU refuses: each is explained as the emulator explains it, and costs only the guest its life. States that real
guests are in break no rule. One boot for all."""
import os
import re

import pytest
from corbel import ROOT, debian_files, guest_files

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


# ---- rules that are broken and kept again, counted at each write; in the end all that is still broken, in words ----

def encodings():
    """Names of fields as vmx/vmcs_fields.h has them; of the guest's segments it has those of ES, the others follow 2 apart."""
    with open(os.path.join(ROOT, "vmx", "vmcs_fields.h"), encoding="utf-8") as f:
        fields = {m.group(1): int(m.group(2), 16) for m in re.finditer(r"VMCS_(\w+) = (0x\w+)", f.read())}
    segments = {f"{name}_{part}": fields[f"GUEST_ES_{part}"] + 2 * i
                for i, name in enumerate(("ES", "CS", "SS", "DS", "FS", "GS", "LDTR", "TR")) for part in ("SEL", "BASE", "LIMIT", "AR")}
    return {**fields, **segments, **{f"PDPTE{i}": fields["GUEST_PDPTE0"] + 2 * i for i in range(4)}}


BAD = 0x900000000000  # not canonical
PAGE, CANONICAL, CODE = "must be the physical address of a page", "must be canonical", "an error code goes with"
# Each line: writes (in hexadecimal digits), and how many rules the VMCS breaks then. Controls are only written while something is broken, so that
# the first line stays. The guest is the paused one in flat protected mode.
CONTROLS = """
GUEST_RFLAGS=0 : 1
PROC_CTLS2=11fa : 1                 without virtual-interrupt delivery there is a threshold
TPR_THRESHOLD=12 : 3                reserved bits, and above the virtual TPR
TPR_THRESHOLD=4 : 2
TPR_THRESHOLD=0 PROC_CTLS2=13fa : 1
ENTRY_INTR_INFO=80000120 : 2        a type that there is not
ENTRY_INTR_INFO=80000203 : 2        an NMI with another vector
ENTRY_INTR_INFO=80000201 : 2
ENTRY_INTR_INFO=80000320 : 2        exceptions end at 31
ENTRY_INTR_INFO=80000700 : 2        Bochs has no monitor trap
ENTRY_INTR_INFO=80000701 : 3        and that has vector 0
ENTRY_INTR_INFO=80000202 : 1
ENTRY_INTR_INFO=8000030d : 2        #GP without its error code
ENTRY_INTR_INFO=80000b0d : 1
ENTRY_ERROR_CODE=10000 : 2
ENTRY_ERROR_CODE=0 GUEST_CR0=30 : 2 no error code in real mode
ENTRY_INTR_INFO=8000030d : 1
GUEST_CR0=31 ENTRY_INTR_INFO=80000820 : 3   an interrupt with an error code, and with IF off
ENTRY_INTR_INFO=80001306 : 2
ENTRY_INSTR_LEN=10 ENTRY_INTR_INFO=80000480 : 2
ENTRY_INTR_INFO=80000501 : 2
ENTRY_INTR_INFO=80000603 : 2
ENTRY_INSTR_LEN=2 : 1
ENTRY_INTR_INFO=0 : 1
PIN_CTLS=7d : 2                     fixed to 1
PIN_CTLS=8000007f : 2               fixed to 0
PIN_CTLS=77 : 2                     virtual NMIs without NMI exiting
PIN_CTLS=5f : 1
PROC_CTLS=b6606dfa : 2              an NMI window without virtual NMIs
PROC_CTLS=b6206dfa PIN_CTLS=7e : 2  virtual interrupts without exits for real ones
PIN_CTLS=3f EXIT_CTLS=7fefff : 2    a timer saved that does not run
EXIT_CTLS=3fefff PIN_CTLS=7f : 1
PROC_CTLS=b6006dfa : 4              three settings that need the TPR shadow
PROC_CTLS=b6206df8 : 2
PROC_CTLS=36206dfa : 2              no secondary settings, so an ordinary guest: it needs paging
PROC_CTLS=b6206dfa PROC_CTLS2=800013fa : 2
PROC_CTLS2=13f8 : 2                 unrestricted without EPT
PROC_CTLS2=13fa EXIT_CTLS=3feffe : 2
EXIT_CTLS=3fedff : 2                no 64-bit host
EXIT_CTLS=3fefff ENTRY_CTLS=8000d1ff : 2
ENTRY_CTLS=d1ff : 1
CR3_TARGETS=5 : 2
VPID=0 : 3
PROC_CTLS2=13da : 2                 without VPIDs that does not matter
PROC_CTLS2=13fa : 3
IO_BITMAP_A=2004 : 4
IO_BITMAP_B=200000000000 : 5
MSR_BITMAP=1800 : 6
VIRTUAL_APIC_PAGE=fffffffffffff000 : 7
PROC_CTLS=b4206dfa : 5              no bitmaps for ports
PROC_CTLS=b6206dfa EPTP=169101d : 8 no such memory type
EPTP=1691026 : 8                    five levels
EPTP=200001691018 : 8               uncached, beyond the physical addresses
EPTP=169109e : 8
HOST_CR0=80010013 : 9
HOST_CR4=2000 : 10
HOST_CR3=8000000000000000 : 11
HOST_PAT=7040600070206 : 12
HOST_EFER=100 : 13
EXIT_CTLS=17efff : 11               neither is loaded
EXIT_CTLS=3fefff : 13
HOST_ES_SEL=13 : 14
HOST_CS_SEL=c : 15
HOST_SS_SEL=11 : 16
HOST_DS_SEL=11 : 17
HOST_FS_SEL=11 : 18
HOST_GS_SEL=11 : 19
HOST_TR_SEL=1a : 20
HOST_CS_SEL=0 : 20
HOST_SYSENTER_ESP=900000000000 : 21
HOST_SYSENTER_EIP=900000000000 : 22
HOST_FS_BASE=900000000000 : 23
HOST_GS_BASE=900000000000 : 24
HOST_TR_BASE=900000000000 : 25
HOST_GDTR_BASE=900000000000 : 26
HOST_IDTR_BASE=900000000000 : 27
ENTRY_INTR_INFO=80000f2d : 30       three of them at once
"""
CONTROLS_TOLD = [
    ("IO_BITMAP_A", PAGE), ("IO_BITMAP_B", PAGE), ("MSR_BITMAP", PAGE), ("VIRTUAL_APIC_PAGE", PAGE), ("CR3_TARGETS", "at most 4"), ("VPID", "must not be 0"),
    ("EPTP", "bits that must be 0"), ("ENTRY_INTR_INFO", "reserved type of event"), ("ENTRY_INTR_INFO", "NMI has vector 2"), ("ENTRY_INTR_INFO", CODE),
    ("HOST_CR0", "bit 5 is 0: VMX operation fixes it"), ("HOST_CR3", "bit 63 is 1: must be a physical address"), ("HOST_PAT", "no such memory type"),
    ("HOST_EFER", "LMA and LME must be 1"), *[(f"HOST_{s}_SEL", "RPL and TI must be 0") for s in ("ES", "SS", "DS", "FS", "GS", "TR")], ("HOST_CS_SEL", "must not be null"),
    *[(f"HOST_{a}", CANONICAL) for a in ("SYSENTER_ESP", "SYSENTER_EIP", "FS_BASE")],  # the other four are the CPU's: written again when it takes the vCPU
    ("HOST_CR4", "bit 5 is 0: a 64-bit host needs PAE"),
]

# In 64-bit mode: the running guest, paused.
LONG = """
GUEST_SYSENTER_ESP=900000000000 : 1
GUEST_SYSENTER_EIP=900000000000 : 2
GUEST_SYSENTER_EIP=0 GUEST_CR0=80010033 : 1
GUEST_CR0=880050033 : 2
GUEST_CR0=10031 : 2                 paging must be on
GUEST_CR0=80010030 : 2              and with it protected mode
GUEST_CR0=80010031 GUEST_CR4=20 : 2
GUEST_CR4=a020 : 2
GUEST_CR4=2040 : 2                  no PAE
GUEST_CR4=2060 ENTRY_CTLS=d1ff : 2  EFER does not fit
PDPTE0=3 : 3
PDPTE1=200000000001 : 4
PDPTE2=200000000000 : 4             not present
PDPTE0=0 PDPTE1=0 PDPTE2=0 GUEST_CR4=22060 : 3
GUEST_CR4=2060 GUEST_RIP=100000000 : 3
GUEST_EFER=0 GUEST_RIP=100010 : 1   32-bit code with paging
GUEST_CR3=200000000000 : 2
GUEST_CR3=104000 GUEST_EFER=500 : 2
ENTRY_CTLS=d3ff : 1
GUEST_RIP=900000000000 : 2
GUEST_RIP=100010 GUEST_DEBUGCTL=9 : 2
GUEST_DR7=100000400 : 3
ENTRY_CTLS=d3fb : 1                 neither is loaded
ENTRY_CTLS=d3ff : 3
GUEST_DEBUGCTL=0 GUEST_DR7=400 GUEST_PAT=807040600070406 : 2
GUEST_PAT=7040600070403 : 2
ENTRY_CTLS=93ff : 1
ENTRY_CTLS=d3ff : 2
GUEST_PAT=7040600070406 GUEST_EFER=1500 : 2
GUEST_EFER=400 : 2
ENTRY_CTLS=53ff : 1
ENTRY_CTLS=d3ff GUEST_EFER=500 : 1
GUEST_RFLAGS=0 : 2
GUEST_RFLAGS=400002 : 2
GUEST_RFLAGS=a : 2
GUEST_RFLAGS=2 VMCS_LINK=1001 : 2
VMCS_LINK=200000000000 : 2
VMCS_LINK=ffffffffffffffff : 1
GUEST_ACTIVITY=4 : 2
GUEST_ACTIVITY=3 : 1
ENTRY_INTR_INFO=80000202 : 2        does not wake what waits for a SIPI
GUEST_ACTIVITY=2 : 1                but from shutdown it does
ENTRY_INTR_INFO=80000312 : 1
ENTRY_INTR_INFO=80000301 : 2
GUEST_ACTIVITY=1 : 1
ENTRY_INTR_INFO=80000312 : 1
ENTRY_INTR_INFO=80000202 : 1
ENTRY_INTR_INFO=80000700 : 2        would wake it, if Bochs had it
ENTRY_INTR_INFO=80000306 : 2
ENTRY_INTR_INFO=80000020 : 2        IF is off
GUEST_RFLAGS=202 : 1
GUEST_ACTIVITY=2 : 2
GUEST_ACTIVITY=0 GUEST_INTERRUPTIBILITY=1 : 2
ENTRY_INTR_INFO=80000202 : 2
GUEST_INTERRUPTIBILITY=2 : 2
GUEST_INTERRUPTIBILITY=8 : 2
ENTRY_INTR_INFO=0 : 1
GUEST_INTERRUPTIBILITY=3 : 2
GUEST_INTERRUPTIBILITY=4 : 2
GUEST_INTERRUPTIBILITY=80000000 : 2
GUEST_INTERRUPTIBILITY=1 GUEST_ACTIVITY=1 : 2
GUEST_ACTIVITY=0 GUEST_RFLAGS=2 : 2
GUEST_RFLAGS=302 : 2                a single step that is not pending
GUEST_PENDING_DEBUG=4000 : 1
GUEST_DEBUGCTL=2 : 2                steps from branch to branch
GUEST_PENDING_DEBUG=0 : 1
GUEST_PENDING_DEBUG=2000 : 2
GUEST_DEBUGCTL=0 GUEST_PENDING_DEBUG=0 GUEST_INTERRUPTIBILITY=0 : 1
GUEST_ACTIVITY=1 : 2
GUEST_RFLAGS=2 : 1
SS_AR=c0f3 : 3                      HLT in user mode; CS has another level
SS_AR=c093 GUEST_ACTIVITY=0 : 1
FS_BASE=900000000000 : 2
GS_BASE=900000000000 : 3
TR_BASE=900000000000 : 4
LDTR_BASE=900000000000 : 4          it is not usable
LDTR_AR=82 : 5
LDTR_SEL=54 : 6
FS_BASE=0 GS_BASE=0 TR_BASE=0 LDTR_BASE=0 LDTR_SEL=0 : 1
LDTR_AR=80 : 2
LDTR_AR=92 : 2
LDTR_AR=100082 : 2
LDTR_AR=10000 TR_AR=1008b : 2
TR_AR=83 : 2
TR_AR=9b : 2
TR_AR=b : 2
TR_AR=8b TR_SEL=44 : 2
TR_SEL=0 TR_LIMIT=100fff : 2
TR_LIMIT=67 CS_BASE=100000000 : 2
CS_BASE=0 ES_BASE=100000000 : 2
ES_BASE=0 CS_AR=a098 : 2
CS_AR=a091 : 2
CS_AR=a08b : 2
CS_AR=a0fb : 2
CS_AR=a0ff : 2
CS_AR=a09f : 1                      conforming
CS_AR=a093 : 1                      data, which an unrestricted guest may have
CS_AR=a01b : 2
CS_AR=a29b : 2
CS_AR=e09b : 2
CS_AR=a09b CS_LIMIT=fffe : 2
CS_LIMIT=ffffffff DS_AR=c092 : 2
DS_AR=c099 : 2
DS_AR=c09b : 1
DS_AR=4013 : 3                      not present, and small with a large limit
DS_AR=c0f3 SS_AR=c091 : 2
SS_AR=1c093 : 1
SS_AR=c093 PROC_CTLS2=137a : 1      no unrestricted guest: with paging it may be
SS_SEL=11 : 3
SS_SEL=10 DS_SEL=1003 DS_AR=c093 : 2
DS_AR=c09f : 1                      conforming code
DS_AR=c0f3 CS_AR=a093 : 2
CS_AR=a09b GUEST_CR0=10031 : 3      paging it must have, and 64-bit mode too
GUEST_CR0=80010031 PROC_CTLS2=13fa : 1
GUEST_GDTR_BASE=900000000000 : 2
GUEST_IDTR_BASE=900000000000 : 3
GUEST_GDTR_LIMIT=10000 : 4
GUEST_IDTR_LIMIT=10000 : 5
GUEST_EFER=1500 : 6
FS_BASE=900000000000 : 7
TR_BASE=900000000000 : 8
DS_AR=c092 : 9
GUEST_PENDING_DEBUG=2000 : 10
GUEST_DEBUGCTL=9 : 11
"""
LONG_TOLD = [
    ("GUEST_DEBUGCTL", "bits that must be 0"), ("GUEST_SYSENTER_ESP", CANONICAL), ("GUEST_EFER", "bit 12 is 1: bits that must be 0"), ("GUEST_GDTR_BASE", CANONICAL),
    ("GUEST_IDTR_BASE", CANONICAL), ("GUEST_GDTR_LIMIT", "bit 16 is 1"), ("GUEST_IDTR_LIMIT", "bit 16 is 1"), ("DS", "no such type here"),
    ("FS", "the base must be canonical"), ("TR", "the base must be canonical"), ("GUEST_PENDING_DEBUG", "bits that must be 0"),
]
FLAT_DATA = " ".join(f"{s}_LIMIT=ffff {s}_AR=f3" for s in ("ES", "CS", "SS", "DS", "FS", "GS"))
# Virtual-8086 mode, real mode and segments that only 32-bit code has, from flat protected mode.
LEGACY = f"""
GUEST_RFLAGS=20002 {FLAT_DATA} : 0
DS_BASE=10000 : 1
GS_LIMIT=fffff : 2
CS_AR=fb : 3
GUEST_CR0=30 : 4                    not in real mode
GUEST_RFLAGS=2 : 1                  which has no user mode either
GUEST_CR0=31 : 0
DS_BASE=0 GS_LIMIT=ffff CS_AR=c09b CS_LIMIT=ffffffff SS_AR=93 : 0
CS_AR=c093 : 0                      data, which an unrestricted guest may have
SS_AR=f3 : 1
SS_AR=93 CS_AR=c0f3 : 1
CS_AR=c09b TR_AR=83 : 0             a TSS of 16 bits
TR_AR=89 : 1
TR_AR=8b ES_BASE=8000000000000000 : 1
ES_AR=100f3 : 0                     not usable: its base does not matter
GUEST_CR4=22040 : 1
GUEST_EFER=400 : 2
GUEST_CR0=80000031 GUEST_EFER=100 : 2
GUEST_EFER=0 : 1
GUEST_CR4=2060 PDPTE3=9003 : 1
"""
LEGACY_TOLD = [("GUEST_PDPTE", "bit 1 is 1: bits that must be 0")]


def write_all(corbel, guest, steps):
    """Each step's writes; how many rules are broken behind each step must be what it says."""
    field = encodings()
    for step in steps.strip().split("\n"):
        writes, count = re.fullmatch(r"([^:]*) : (\d+)(?: .*)?", step).groups()
        for name, value in (w.split("=") for w in writes.split()):
            got = broken(corbel, guest, field[name], int(value, 16))
        assert got == int(count), f"{step}: {got} rules"


@pytest.mark.parametrize("guest,steps,told,refusal", [("poweroff", CONTROLS, CONTROLS_TOLD, "CR3 targets 5"), ("spin", LONG, LONG_TOLD, "DS not ACCESSED"),
                                                      ("poweroff", LEGACY, LEGACY_TOLD, "PDPTRs Checks Failed")], ids=["controls and host", "64-bit", "legacy"])
def test_each_rule_counts_while_it_is_broken(corbel, guest, steps, told, refusal):
    corbel.run(f"destroy {guest}")  # of a case that failed, so that it fails alone
    corbel.ok(f"create -p {guest}")
    if guest == "spin":
        corbel.ok_and("unpause spin", "spin: up")
        corbel.ok("pause spin")
    write_all(corbel, guest, steps)
    before, mark = len(oracle(corbel)), len(corbel.text)
    corbel.ok_and(f"unpause {guest}", rf"{guest}: (killed|crashed|stopped)")
    corbel.run("")
    explained = re.findall(r"d\d+v0 entry refused: (\S+) \(0x[0-9a-f]+\) (.*)", corbel.text[mark:])
    assert len(explained) == len(told) and all(name == field and words in said for (field, said), (name, words) in zip(explained, told)), explained
    assert len(oracle(corbel)) == before + 1 and refusal in oracle(corbel)[-1], oracle(corbel)[before:]
    corbel.ok(f"destroy {guest}")
    corbel.audit()


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
