# SPDX-License-Identifier: Apache-2.0
"""[HOST] Guests that try what they must not, beside one that only computes: they get the architecture's answer or are stopped in words, and
nobody else notices. One boot for all."""
import re

import pytest
from corbel import guest_files, vmx_text

PARTS = {"ports": 265000, "msrs": 106000, "cpuid": 3000, "instructions": 650, "control": 230, "steps": 50, "interrupts": 16, "hypercalls": 15000}

REGRESSIONS = {"regress-0005": 10000, "regress-0006": 0, "regress-0007": 5}  # name: checks at least

NO_MEMORY = "access to memory that it does not have"
TASK = "a hardware task switch, which Corbel does not offer"
MODE = "it left x2APIC mode, the only one that Corbel offers"
# What guest `endings` does: what the hypervisor and Dom0 say, in the log and at the prompt.
STOPPED = {
    "task-jump": TASK, "task-call": TASK, "task-gate": TASK, "xapic": MODE, "no-apic": MODE,
    "read": NO_MEMORY, "write": NO_MEMORY, "fetch": NO_MEMORY, "lapic": NO_MEMORY, "tables": NO_MEMORY, "stack": NO_MEMORY, "idt": NO_MEMORY, "give-code": NO_MEMORY,
}
ENDED = {
    "triple": "crashed", "edge": "powered off", "down": "powered off", "halt": "powered off", "poweroff": "powered off",
    "watchdog": "its watchdog expired", "soft-reset": "ended for an unknown reason",
}
BUSY = {"block": "b", "poll": "b", "loop-ac": "r", "loop-db": "r", "ipi": "r", "nmi": "r", "port": "r", "string": "r", "msr": "r", "hypercall": "r", "timer": "r", "deadline": "r"}


def FILES():
    return {
        **guest_files("spin", "deny", "fpu", *REGRESSIONS),
        "\\corbel\\vm\\fpu2\\fpu2.vmx": vmx_text("fpu2", 8, "../fpu/fpu.elf"),
        **{f"\\corbel\\vm\\{c}\\{c}.vmx": vmx_text(c, 16, "../endings/endings.elf", f'corbel.cmdline = "{c}"\n') for c in (*STOPPED, *ENDED, *BUSY)},
        "\\corbel\\vm\\endings\\endings.elf": "build/guests/endings.elf",
        **{f"\\corbel\\vm\\deny-{p}\\deny-{p}.vmx": vmx_text(f"deny-{p}", 16, "../deny/deny.elf", f'corbel.cmdline = "{p}"\n') for p in PARTS},
    }


def others_go_on(corbel):
    """Dom0 answers, the spinning guest has run since the last time, every invariant holds."""
    corbel.run("")
    assert "r" in corbel.rows()["spin"][3]
    corbel.audit()


def failures(corbel, mark):
    return re.findall(r"FAILED:[^\n]*\n[^\n]*", corbel.text[mark:])


def denied(corbel, name, at_least):
    mark = corbel.at
    m = corbel.ok_and(f"create {name}", rf"deny: (\d+) passed, (\d+) failed[\s\S]*?{name}: powered off", 400)
    assert m.group(2) == "0", "\n".join(failures(corbel, mark))
    assert int(m.group(1)) > at_least, m.group(0)
    others_go_on(corbel)


def test_a_guest_computes_meanwhile(corbel):
    corbel.ok("create spin")


def test_ports(corbel):
    denied(corbel, "deny-ports", PARTS["ports"])


def test_msrs(corbel):
    denied(corbel, "deny-msrs", PARTS["msrs"])


def test_cpuid(corbel):
    denied(corbel, "deny-cpuid", PARTS["cpuid"])


def test_instructions(corbel):
    denied(corbel, "deny-instructions", PARTS["instructions"])


def test_control_registers(corbel):
    denied(corbel, "deny-control", PARTS["control"])


def test_single_steps_and_breakpoints(corbel):
    denied(corbel, "deny-steps", PARTS["steps"])


def test_interrupts_and_nmis(corbel):
    denied(corbel, "deny-interrupts", PARTS["interrupts"])


def test_hypercalls(corbel):
    denied(corbel, "deny-hypercalls", PARTS["hypercalls"])


def test_regressions(corbel):
    for name, checks in REGRESSIONS.items():
        m = corbel.ok_and(f"create {name}", rf"{name}: (\d+) passed, (\d+) failed[\s\S]*?{name}: powered off")
        assert int(m.group(1)) >= checks and m.group(2) == "0", corbel.text[-1500:]
        others_go_on(corbel)


@pytest.mark.parametrize("case", STOPPED)
def test_it_is_stopped_in_words(corbel, case):
    corbel.ok_and(f"create {case}", rf"endings: {case}: going[\s\S]*?d\d+ is stopped: {STOPPED[case]}[\s\S]*?{case}: stopped by the hypervisor: {STOPPED[case]}")
    corbel.run("")
    assert "c" in corbel.rows()[case][3]
    corbel.ok(f"destroy {case}")
    others_go_on(corbel)


@pytest.mark.parametrize("case", ENDED)
def test_it_ends(corbel, case):
    m = corbel.ok_and(f"create {case}", rf"endings: {case}: going[\s\S]*?{case}: {ENDED[case]}")
    assert "FAILED" not in m.group(0), m.group(0)
    corbel.run("")
    if case in corbel.rows():
        corbel.ok(f"destroy {case}")
    others_go_on(corbel)


@pytest.mark.parametrize("case", BUSY)
def test_it_keeps_itself_busy(corbel, case):
    corbel.ok_and(f"create {case}", rf"endings: {case}: going")
    for _ in range(3):
        corbel.run("")
        assert BUSY[case] in corbel.rows()[case][3]
    others_go_on(corbel)
    corbel.ok(f"destroy {case}")
    assert f"endings: {case}: FAILED" not in corbel.text
    others_go_on(corbel)


def test_guests_keep_their_vector_registers(corbel):
    for name in ("fpu", "fpu2"):
        corbel.ok(f"create -p {name}")
    corbel.ok("unpause fpu")
    corbel.ok_and("unpause fpu2", r"(fpu: \d+ passed, 0 failed[\s\S]*){2}")
    assert corbel.text.count("fpu: AVX-512") == 2
    corbel.run("")
    others_go_on(corbel)
