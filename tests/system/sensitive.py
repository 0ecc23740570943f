#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""[HOST] What guest `sensitive` printed, on the bare CPU and on Corbel: read, compared, and written down as docs/sensitive-instructions.md.
The tables below say why a guest sees something else than the bare CPU shows, and what makes an instruction exit; the test lets no entry be without use."""
import os
import re

from corbel import ROOT, Corbel, guest_files, make_image

MODES = ("r0", "p0", "p3", "c0", "c3", "l0", "l3", "v3")
RING0, RING3 = ("r0", "p0", "c0", "l0"), ("p3", "c3", "l3", "v3")
ALL = MODES
HEX = "([0-9a-f]+)"
RECORD = re.compile(rf"S\|([^|\n]+)\|{HEX}\|{HEX}\|{HEX}\|{HEX}\|([0-9a-f]+|S|E)\|{HEX}\|([0-9a-f]*)\|([^|\n]*)\|([0-9a-f]*)$", re.M)
BARE_EFI = os.path.join(ROOT, "build", "bare", "BOOTX64.EFI")
GUEST_ELF = os.path.join(ROOT, "build", "guests", "sensitive.elf")
DOCUMENT = os.path.join(ROOT, "docs", "sensitive-instructions.md")
SOURCE = os.path.join(ROOT, "tests", "guest", "sensitive", "instructions.asm")
VECTORS = {0: "#DE", 1: "#DB", 4: "#OF", 5: "#BR", 6: "#UD", 7: "#NM", 8: "#DF", 10: "#TS", 11: "#NP", 12: "#SS", 13: "#GP", 14: "#PF", 16: "#MF", 17: "#AC"}
WITH_ERROR = (8, 10, 11, 12, 13, 14, 17)
FAULTS = WITH_ERROR + (0, 6, 7)
REGISTERS = {"a": "EAX", "b": "EBX", "c": "ECX", "d": "EDX", "S": "ESI", "T": "EDI"}

ALLOWED = "CPUID is an allow-list (boot/efi/guest_cpuid.c): "
# Why a guest sees something else: (the instructions as guest `sensitive` names them, modes, reason).
DIFFERENCES = [
    (["cpuid 0", "cpuid 5", "cpuid 6", "cpuid 0xa", "cpuid 0x15", "sti shadow over cpuid", "mov ss shadow over cpuid", "single step of cpuid"], ALL,
     ALLOWED + "leaves end at 0xd, power management, MONITOR, performance counters and the TSC's rate are not there; leaf 6 says that the APIC timer never stops"),
    (["cpuid ends RF"], ("p0", "p3", "c0", "c3", "l0", "l3", "v3"), ALLOWED + "leaves end at 0xd"),
    (["single step of mov to cr0: NE off"], RING0,
     "at such an exit the CPU saves no pending debug exception (SDM vol 3, \"Saving Non-Register State\"), and the step comes when the instruction has run again; "
     "this emulator saves the step, which then comes before it"),
    (["an unaligned access with AC"], ("p3", "c3", "l3", "v3"),
     "at an exit for a fault the CPU saves RF as the fault would push it, 1 (SDM vol 3, \"Saving RIP, RSP, RFLAGS, and SSP\"); this emulator saves it as it was"),
    (["cpuid 1"], ALL,
     ALLOWED + "VMX, SMX, MONITOR, machine checks, debug store, thermal control and threads are hidden; x2APIC, TSC deadline timer and a hypervisor are shown"),
    (["cpuid 7"], ALL, ALLOWED + "TSC_ADJUST is hidden, a guest cannot set its clock"),
    (["cpuid 0xb"], ALL, "the topology is the guest's: one thread for each core, numbered from 0"),
    (["cpuid 0xd.1"], ALL, "XSAVES is hidden, and the size is that of the parts turned on: this emulator's own says 0"),
    (["cpuid 0x40000000"], ALL, "the leaves of Xen's interface; the bare CPU answers with its highest leaf's"),
    (["cpuid 0x80000001"], ("r0", "p0", "p3", "c0", "c3", "v3"), "the bit of SYSCALL is shown in all modes; Intel's CPUs show it in 64-bit mode only, where SYSCALL works"),
    (["mov to cr4: MCE"], RING0, "machine checks are the host's: CPUID does not offer MCE, and CR4.MCE is a reserved bit then"),
    (["mov to cr4: VMXE"], RING0, "CPUID does not offer VMX: CR4.VMXE is a reserved bit then"),
    (["the way into VMX operation"], ("p0", "l0"), "CPUID does not offer VMX: CR4.VMXE is a reserved bit then, FEATURE_CONTROL is locked without VMX"),
    (["rdpmc"], RING0, "performance counters are not offered: CPUID leaf 0xa is empty, RDPMC gives #GP"),
    (["rdmsr PMC0"], RING0, "performance counters are not offered: CPUID leaf 0xa is empty, their MSRs are not there"),
    (["monitor", "mwait"], RING0, "CPUID does not offer MONITOR: a guest waits with HLT"),
    (["in al, 0x80"], RING0, "no port belongs to a DomU: reading gives all ones, as an empty bus does, writing nothing"),
    (["in al, 0x80, IOPL 3"], ("p3", "c3", "l3"), "no port belongs to a DomU: reading gives all ones, as an empty bus does, writing nothing"),
    (["insb", "outsb", "rep insd of none"], RING0, "string instructions to ports would need their memory operand emulated: #GP, whatever the count"),
    (["xsaves", "xrstors"], RING0, "CPUID does not offer XSAVES"),
    (["rdmsr XSS"], RING0, "CPUID does not offer XSAVES, so that its MSR is not there"),
    (["rdmsr FEATURE_CONTROL"], RING0, "locked, without VMX; this firmware leaves it open"),
    (["wrmsr FEATURE_CONTROL"], RING0, "locked, so that writing it is #GP; this firmware leaves it open"),
    (["rdmsr PLATFORM_INFO", "rdmsr MTRR_PHYSBASE0", "rdmsr VMX_BASIC"], RING0, "the MSR is not on the list of those that guests have (vmx/msrs.def)"),
    (["rdmsr of none", "wrmsr of none"], RING0, "there is no such MSR: #GP, as of a real CPU; this emulator lets it pass"),
    (["rdmsr hypercall page"], RING0, "it can be written only; without a hypervisor there is none, and this emulator lets it pass"),
    (["wrmsr hypercall page"], RING0, "Xen's interface: the page of the guest's memory gets the hypercalls' entries; without a hypervisor there is none, and this emulator lets it pass"),
    (["rdmsr MTRRCAP", "rdmsr MTRR_DEF_TYPE"], RING0, "no variable ranges, no fixed ones, write-back: memory types are the EPT's"),
    (["rdmsr MISC_ENABLE"], RING0, "a constant: fast strings on, no branch trace store, no PEBS; this emulator has 0"),
    (["wrmsr APIC_BASE, another page"], RING0, "the local APIC's place is fixed (x2APIC mode has none in memory): another one is #GP"),
    (["vmcall", "vmcall 63"], ALL, "a hypercall, if by 64-bit code of ring 0; from ring 3 -EPERM, from other modes -ENOSYS. Without a hypervisor #UD"),
]

# What it goes through: (the instructions as a pattern, reasons of the exits that it makes, why it makes none where it does not fault either).
TABLES = "descriptor-table exiting is off, the register is in the VMCS's guest area"
SEGMENTS = "segment registers and descriptors are the guest's (VMCS guest area, its own tables)"
FLAGS = "RFLAGS is in the VMCS's guest area; the host's interrupts exit whatever the guest's IF says"
EVENTS = "the guest's own IDT; the exception bitmap has #DB, #AC and #MC only"
OWN_CR = "the bits are the guest's; where the guest/host masks say that they are not, the read shadow has what it wrote"
DEBUG = "MOV-DR exiting is off: DR7 is in the VMCS, the others are switched with the vCPU"
XSTATE = "the guest's own XCR0 and state, switched with the vCPU (vmx/switch.c)"
DIRECT = "open in the MSR bitmap: the value is in the VMCS, the APIC page, or switched with the vCPU"
NOT_WATCHED = "no control makes it exit"
# What asks for an exit; for the others nothing has to.
BECAUSE = {0: "the exception bitmap", 12: "HLT exiting", 15: "RDPMC exiting", 28: "the guest/host mask", 30: "the I/O bitmap", 31: "the MSR bitmap",
           32: "the MSR bitmap", 36: "MWAIT exiting", 39: "MONITOR exiting", 54: "WBINVD exiting"}
MECHANISMS = [
    (r"nop, nop end RF", [0], None),
    (r"an unaligned access with AC", [0], "ring 0 is not checked"),
    (r"a page of ring 0's", [], "the guest's own page tables; the EPT allows it"),
    (r"cpuid ends RF|mov ss shadow over cpuid, breakpoint on data", [10, 0], None),
    (r"wbinvd ends RF", [54, 0], None),
    (r"single step of mov to cr0: NE off", [28, 0], None),
    (r"single step of mov to cr4: reserved bit", [28], None),
    (r"single step of rdmsr x2APIC EOI", [31], None),
    (r"single step of rdmsr DEBUGCTL", [31, 0], None),
    (r"single step of wrmsr SYSENTER_ESP", [0], None),
    (r"single step of xsetbv", [55, 0], None),
    (r"sti shadow over a fault|mov ss shadow over a fault", [15], None),
    (r"rdmsr clears upper halves", [31], None),
    (r"nop|pause|clflush|arpl|clac|stac", [], NOT_WATCHED),
    (r"[sl][gi]dt|sldt.*|str.*|lldt of (an LDT|nothing)|ltr of a TSS", [], TABLES),
    (r"(lar|lsl|verr|verw)( .*)?", [], SEGMENTS),
    (r"mov from [cs]s|mov to [ds]s|push [cdsefg]s|pop [cdsefg]s|l[df]s", [], SEGMENTS),
    (r"lldt of code|ltr of (a busy TSS|nothing)|mov from dr4, DE|mov to [ds]s, .*|mov to cs|(push cs|pop [ds]s), 64 bits|pop fs, ring 0's", [], None),
    (r"(pushf|popf|cli|sti)(, .*| sets .*)?", [], FLAGS),
    (r"sti shadow", [], "virtual-interrupt delivery: the CPU holds the virtual interrupt back and delivers it"),
    (r"sti shadow over cpuid", [10], None),
    (r"mov ss shadow|single step|int1|mov from dr0 with dr7.GD|a breakpoint on data", [0], None),
    (r"(mov ss shadow over|single step of) cpuid", [10, 0], None),
    (r"single step of wbinvd", [54, 0], None),
    (r"single step of out", [30, 0], None),
    (r"(jmp|call) far(, immediate)?|call through a gate|ret far|iret.*", [], SEGMENTS),
    (r"jmp far to data|ret far to an inner ring", [], None),
    (r"int .*|int3|into", [], EVENTS),
    (r"ud2|mov from cr[15]|(fninit|movaps|wait|xsave) with .*|.* without its CR4 bit|wrmsr", [], None),
    (r"syscall|sysret.*|sysenter|sysexit|swapgs.*|rdfsbase|wrgsbase", [], "its MSRs are the guest's: in the VMCS or switched with the vCPU"),
    (r"smsw.*|lmsw.*|clts|mov from cr0|mov from cr4|mov to cr0, same|mov to cr0: (TS.*|WP.*)|mov to cr4: (TSD.*|VME.*|SMAP|SMEP|PCIDE)", [], OWN_CR),
    (r"mov from cr2|mov to cr2", [], "CR2 is switched at entry and exit"),
    (r"mov from cr3|mov to cr3, same", [], "CR3-load and CR3-store exiting are off: the EPT confines the guest"),
    (r"mov from cr8|mov to cr8", [], "TPR shadow: the virtual-APIC page"),
    (r"mov to cr8: reserved bit|mov to cr3: reserved bits|mov to cr0: (PG.*|upper half)|mov to cr4: PAE off in long mode|mov to dr7: reserved bits", [], None),
    (r"mov to cr0: (NE off|CD and NW)", [28], None),
    (r"mov to cr0: NW alone|mov to cr4: (MCE|UMIP|LA57|VMXE|SMXE|PKE|reserved bit)", [28], None),
    (r"the way into VMX operation", [31, 28], None),
    (r"mov (from|to) dr[067]|mov from dr4, no DE", [], DEBUG),
    (r"hlt until an interrupt", [12], None),
    (r"hlt(, IOPL 3)?", [], None),
    (r"invlpg|invpcid", [], "VPID keeps the translations of guests apart; INVLPG exiting is off"),
    (r"invpcid: no such type", [], None),
    (r"invd", [13], None),
    (r"wbinvd", [54], None),
    (r"cpuid ([0-9].*|with a prefix|clears upper halves)", [10], None),
    (r"rdtscp?(, TSD)?", [], "RDTSC exiting is off: TSC offset"),
    (r"rdpmc( of nothing)?", [15], None),
    (r"rdrand|rdseed", [], "RDRAND and RDSEED exiting are off"),
    (r"monitor", [39], None),
    (r"mwait", [36], None),
    (r"umonitor|umwait|tpause|rdpkru|wrpkru", [], None),
    (r"(in|out) .*|insb|outsb|rep insd of none", [30], None),
    (r"xgetbv|xgetbv 1|xsave|xsaveopt|xsavec|xrstor|fxsave", [], XSTATE),
    (r"xgetbv 2|xrstor: bad header|xsaves|xrstors", [], None),
    (r"xsetbv(: .*)?", [55], None),
    (r"rdmsr (PLATFORM_ID|APIC_BASE|FEATURE_CONTROL|microcode revision|PMC0|PLATFORM_INFO|MTRR.*|MISC_ENABLE|DEBUGCTL|VMX_BASIC|TSC_DEADLINE|x2APIC EOI|XSS|hypercall page|of none)", [31], None),
    (r"rdmsr (TSC|SYSENTER_EIP|PAT|x2APIC id|x2APIC version|EFER|LSTAR|GS_BASE|TSC_AUX)", [], DIRECT),
    (r"wrmsr (APIC_BASE, another page)", [31, 32], None),
    (r"wrmsr (APIC_BASE, as it is|MISC_ENABLE, as it is|MTRR_DEF_TYPE, as it is)", [31, 32], None),
    (r"wrmsr (TSC, as it is|FEATURE_CONTROL|VMX_BASIC|x2APIC id|hypercall page|of none)", [32], None),
    (r"wrmsr DEBUGCTL: LBR", [32, 31], None),
    (r"wrmsr (SYSENTER_ESP|PAT|x2APIC EOI|x2APIC TPR|EFER: NXE)", [], DIRECT),
    (r"wrmsr (SYSENTER_ESP|LSTAR), not canonical|wrmsr PAT: no such type|wrmsr EFER: (LME.*|SVME)|wrmsr x2APIC EOI, not 0", [], None),
    (r"vmcall.*", [18], None),
    (r"vmclear", [19], None), (r"vmlaunch", [20], None), (r"vmptrld", [21], None), (r"vmptrst", [22], None), (r"vmread", [23], None), (r"vmresume", [24], None),
    (r"vmwrite", [25], None), (r"vmxoff", [26], None), (r"vmxon", [27], None), (r"invept", [50], None), (r"invvpid", [53], None),
    (r"vmfunc|getsec|rsm|encl[suv]|pconfig|seamcall|tdcall|vmrun|vmmcall|stgi|invlpga", [], None),
]


def run(kind):
    """All outcomes {(name, mode): (exits, fields)} on the "bare" CPU or in a "guest"."""
    bare = kind == "bare"
    path = os.path.join(ROOT, "build", "images", f"sensitive-{kind}.img")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    nothing = {f"\\corbel\\{name}": None for name in ("corbel.elf", "dom0.elf", "corbel.cfg")}
    files = {**nothing, "\\EFI\\BOOT\\BOOTX64.EFI": BARE_EFI, "\\guest.elf": GUEST_ELF} if bare else guest_files("sensitive")
    machine = Corbel(make_image(path, files, 64 if bare else 128), f"sensitive_{kind}", stock=True)
    try:
        if not bare:
            machine.boot().send("create sensitive\r")
        end = machine.expect(r"sensitive: done|bare: failed.*|lines dropped|sensitive: crashed|unexpected exception.*", 180)
        assert end.group(0) == "sensitive: done", machine.text[-1500:]
        if not bare:
            machine.expect("sensitive: powered off")
            machine.run("")
            machine.audit()
        return read(machine.text)
    finally:
        machine.close()


def read(text):
    found = {}
    for m in RECORD.finditer(text.replace("\r", "")):
        modes, exits = int(m.group(2), 16), int(m.group(3), 16)
        for i, mode in enumerate(MODES):
            if modes >> i & 1:
                assert (m.group(1), mode) not in found, f"{m.group(1)}, {mode}: twice"
                found[m.group(1), mode] = (bool(exits >> i & 1), m.groups()[3:])
    return found


def names(found):
    return list(dict.fromkeys(name for name, _ in found))


def modes_of(found, name):
    return [mode for mode in MODES if (name, mode) in found]


def differing(bare, guest):
    """{name: modes in which the outcome differs}"""
    out = {}
    for name, mode in bare:
        if bare[name, mode][1] != guest[name, mode][1]:
            out.setdefault(name, []).append(mode)
    return out


def explanations():
    """{name: [(modes, reason)]}"""
    out = {}
    for whom, modes, reason in DIFFERENCES:
        for name in whom:
            out.setdefault(name, []).append((modes, reason))
    return out


def unexplained(bare, guest):
    why = explanations()
    return [(name, mode) for name, modes in differing(bare, guest).items() for mode in modes
            if sum(mode in m for m, _ in why.get(name, [])) != 1]


def stale(bare, guest):
    """Explanations that say more than there is to explain."""
    differs = differing(bare, guest)
    return [(name, mode) for name, all_of in explanations().items() for modes, _ in all_of for mode in modes
            if mode not in differs.get(name, []) and ((name, mode) in bare or modes not in (ALL, RING0, RING3))]


# ---- exits ----

def handlers():
    """{exit reason: "handler, file"} of the hypervisor's own table."""
    with open(os.path.join(ROOT, "vmx", "exit", "exits.def"), encoding="utf-8") as f:
        rows = re.findall(r"^EXIT\((\d+), (\d+), (\w+),", f.read(), re.M)
    where = {}
    folder = os.path.join(ROOT, "vmx", "exit")
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), encoding="utf-8") as f:
            for handler in re.findall(r"^enum exit_action (exit_\w+)\(.*\{|^enum exit_action (exit_\w+)\(.*\)$", f.read(), re.M):
                where[handler[0] or handler[1]] = name
    return {reason: f"`{handler}`, vmx/exit/{where[handler]}" for first, last, handler in rows for reason in range(int(first), int(last) + 1)}


def mechanism_of(name):
    found = [(reasons, otherwise) for whom, reasons, otherwise in MECHANISMS if re.fullmatch(whom, name)]
    assert len(found) == 1, f"{name}: {len(found)} mechanisms"
    return found[0]


def mechanism(name, exited, fields, table):
    reasons, otherwise = mechanism_of(name)
    if exited:
        return ", then ".join(f"exit {r}{f' by {BECAUSE[r]}' if r in BECAUSE else ''} ({table[r]})" for r in reasons)
    if int(fields[0], 16) in FAULTS:
        return "no exit: the CPU faults"
    return "no exit: " + otherwise


def wrong_mechanisms(guest):
    bad = []
    for name in names(guest):
        reasons, otherwise = mechanism_of(name)
        exits = [guest[name, mode][0] for mode in modes_of(guest, name)]
        if any(exits) != bool(reasons):
            bad.append(f"{name}: " + ("an exit that nobody expects" if any(exits) else "no exit"))
        silent = [guest[name, mode][1] for mode in modes_of(guest, name) if not guest[name, mode][0]]
        needed = any(int(f[0], 16) not in FAULTS for f in silent)
        if needed != bool(otherwise):
            bad.append(f"{name}: " + ("why it does not exit is not said" if needed else "a reason not to exit that nothing needs"))
    return bad + [f"{whom}: no such instruction" for whom, _, _ in MECHANISMS if not any(re.fullmatch(whom, name) for name in names(guest))]


# ---- the document ----

def words(fields, name=""):
    """An outcome for people."""
    vector, error, where, flags, cs, registers, memory = fields
    v, f = int(vector, 16), int(flags, 16)
    if v in VECTORS:
        code, more = int(error, 16) & 0xffff, int(error, 16) >> 16
        text = VECTORS[v] + (f"({code:#x})" if v in WITH_ERROR and code else "(0)" if v in WITH_ERROR else "")
        if v == 1:
            text += (" behind it" if where == "E" else f" at byte {int(where, 16) if where != 'S' else 0}") + f", DR6 {more & 0xffff:#x}"
        elif v == 14:
            text += f", CR2 {more:#x}"
    elif v == 3:
        text = "runs" if where == "E" else f"goes to {int(where, 16) + 0x9000 - 1:#x}"
    else:
        text = f"interrupt {v:#x}" + (" behind it" if where == "E" else f" at byte {int(where, 16)}")
    if cs:
        text += f", CS {int(cs, 16):#x}"
    if v not in VECTORS or v == 1:
        text += registers_in_words(registers)
    other = f & ~0x308d7
    if other:
        text += f", flags {other:#x}"
    if v == 3 and re.match("lar|lsl|ver[rw]|arpl", name):
        text += ", ZF 1" if f & 0x40 else ", ZF 0"
    if memory:
        text += f", memory {memory}"
    return text


def registers_in_words(registers):
    return "".join(f", {REGISTERS[part[0]]} {int(part[1:], 16):#x}" for part in registers.split(" ") if part)


def sections():
    """[(heading, names)] in the source's order."""
    out = []
    with open(SOURCE, encoding="utf-8") as f:
        for line in f:
            heading, test = re.match(r"; ---- (.*) ----", line), re.match(r'test "([^"]+)"', line)
            if heading:
                out.append((heading.group(1), []))
            elif test and out:
                out[-1][1].append(test.group(1))
    return out


def mode_words(modes, of):
    if list(modes) == list(of):
        return "all" if tuple(of) == ALL else ", ".join(modes)
    for text, group in (("ring 0", RING0), ("ring 3", RING3)):
        if list(modes) == [m for m in of if m in group] and len(modes) > 1:
            return text
    return ", ".join(modes)


def rows(name, bare, guest, table):
    why = explanations().get(name, [])
    groups = {}
    for mode in modes_of(bare, name):
        b, (exited, g) = words(bare[name, mode][1], name), guest[name, mode]
        same = bare[name, mode][1] == g
        reason = "" if same else next(r for m, r in why if mode in m)
        groups.setdefault((b, "the same" if same else words(g, name), mechanism(name, exited, g, table), reason), []).append(mode)
    return [(mode_words(modes, modes_of(bare, name)), *row) for row, modes in groups.items()]


HEAD = """# Sensitive instructions

Generated by `make docs-sensitive` from a run of guest `sensitive` (tests/guest/sensitive): do not edit. `tests/system/test_sensitive.py` fails when this file is not
what the run gives, when a difference has no explanation, when an explanation explains nothing, and when an exit or its absence is not as the tables say.

Popek and Goldberg call an instruction sensitive when it changes or shows the machine's configuration (control-sensitive) or works differently by it (behaviour-sensitive),
and a machine can be virtualized by trapping when all of those trap. Seventeen of the old x86 do not: SGDT SIDT SLDT STR SMSW PUSHF POPF LAR LSL VERR VERW POP PUSH CALL JMP INT RET with
segments (IRET, MOV and others go with them). VT-x answers by giving the guest its own of all that they show: they run without an exit and show the guest's state. The table has them, all
privileged instructions, and those that exit from any ring.

The same program ran twice, on the same emulated CPU (Bochs, `corei7_skylake_x`): without a hypervisor, and as a guest of Corbel. Guests can use real mode (VT-x's "unrestricted guest"). The modes:

| | |
| --- | --- |
| r0 | real mode |
| p0, p3 | 32-bit protected mode with 32-bit paging, rings 0 and 3 |
| c0, c3 | compatibility mode (32-bit code in long mode), rings 0 and 3 |
| l0, l3 | 64-bit mode, rings 0 and 3 |
| v3 | virtual-8086 mode under 32-bit protected mode |

"Runs" means that it does, and what is behind it too. Compared are vector and error code, the faulting address, flags, CS, six registers, DR6 and DR7 of a #DB,
CR2 of a #PF, and 16 bytes of memory;
addresses and random numbers are what the program made of them: whether the time stamp grew, whether CF was 1. Registers are not repeated here where a fault left them
alone. "No exit" and "exit" are measured: a case in which the time stamp went on by 80 ticks more (one for each instruction) than in one that does nothing has made an
exit, and without a hypervisor none has. The exit's number is that of the SDM's appendix "VMX Basic Exit Reasons"; which one it was is not measured. IOPL 3, TF and so
on in a name is a bit that was set before, TS and EM in CR0, TSD, PVI and DE in CR4.

Not here, because they end the guest: HLT with interrupts off (a guest's power-off: test_lifecycle), hardware task switches, leaving x2APIC mode, memory that is not
there (test_deny). Virtual-8086 mode with CR4.VME is not here. What Corbel does on other CPU models is not here: of what CPUID lists on newer ones, UMIP is a guest's
own bit; PKU, CET, SGX, TSX, WAITPKG and MPX are hidden.
"""


def document(bare, guest):
    table = handlers()
    differs = differing(bare, guest)
    pairs = sum(len(m) for m in differs.values())
    exits = sum(1 for exited, _ in guest.values() if exited)
    out = [HEAD, f"{len(names(bare))} cases, {len(bare)} with their modes; {exits} of these make an exit; {pairs} differ from the bare CPU, for {len({r for _, _, r in DIFFERENCES})} reasons.\n",
           "## Why a guest sees something else\n"]
    reasons = {}
    for whom, _, reason in DIFFERENCES:
        reasons.setdefault(reason, []).extend(whom)
    out += [f"- {', '.join(dict.fromkeys(whom))}: {reason}." for reason, whom in reasons.items()]
    for heading, members in sections():
        out.append(f"\n## {heading[0].upper() + heading[1:]}\n\n| instruction | mode | bare CPU | guest | by | why not the same |\n| --- | --- | --- | --- | --- | --- |")
        for name in members:
            for i, row in enumerate(rows(name, bare, guest, table)):
                out.append("| " + " | ".join((name if i == 0 else "", *row)) + " |")
    return "\n".join(out) + "\n"


def main():
    bare, guest = run("bare"), run("guest")
    for name, mode in unexplained(bare, guest):
        print(f"not explained: {name}, {mode}: {words(bare[name, mode][1])} / {words(guest[name, mode][1])}")
    for name, mode in stale(bare, guest):
        print(f"nothing to explain: {name}, {mode}")
    for text in wrong_mechanisms(guest):
        print(text)
    with open(DOCUMENT, "w", encoding="utf-8") as f:
        f.write(document(bare, guest))


if __name__ == "__main__":
    main()
