# SPDX-License-Identifier: Apache-2.0
"""[HOST] What a guest can take from the others: how long single hypercalls are, and what a guest that computes, and one that asks Dom0, keep while a third does its worst.
All in ticks of the emulated TSC, by guests (tests/guest/gauge, storm, endings). One boot on one CPU. The bounds here are those of docs/status.md."""
import os
import re

import pytest
from corbel import ROOT, guest_files, vmx_text

# Hypercalls with the largest arguments that are carried out in one call: at most so many ticks.
CALLS = {}
# What it does; the cases of guest `storm` (of `endings` with a star); then the bounds: what the guest that computes keeps of 1000, the longest time that is taken from it
# at once, and in how many ticks the one that asks has its answer.
STORMS = []
CPUS = {"ipis": 4, "ping-pong": 4, "starts": 4}
CASES = [(case, share, gap, answer) for _, cases, share, gap, answer in STORMS for case in cases]
WINDOWS = 3
SHARE = re.compile(r"gauge: share (\d+) of 1000, longest gap (\d+) ticks\s")
ANSWER = re.compile(r"gauge: asked (\d+) times, longest (\d+) ticks, mean (\d+) ticks\s")


def name_of(case):
    return "e-" + case[:-1] if case.endswith("*") else "s-" + case


def FILES():
    files = guest_files("gauge", "regress-0010", gauge='corbel.cmdline = "share"\n')
    files["\\corbel\\vm\\asker\\asker.vmx"] = vmx_text("asker", 8, "../gauge/gauge.elf", 'corbel.cmdline = "ask"\n')
    for guest in ("storm", "endings"):
        files[f"\\corbel\\vm\\{guest}\\{guest}.elf"] = f"build/guests/{guest}.elf"
    for case in ["cost", *(c for c, *_ in CASES)]:
        guest, word = ("endings", case[:-1]) if case.endswith("*") else ("storm", case)
        files[f"\\corbel\\vm\\{name_of(case)}\\{name_of(case)}.vmx"] = vmx_text(name_of(case), 64, f"../{guest}/{guest}.elf", f'corbel.cmdline = "{word}"\n', CPUS.get(case, 1))
    return files


def call_row(name, bound):
    return f"| {name} | {bound:,} |"


def storm_row(words, cases, share, gap, answer):
    return f"| {words} ({', '.join(c.rstrip('*') for c in cases)}) | {share / 10:.0f} % | {gap:,} | {answer:,} |"


def test_the_documented_bounds_are_these():
    with open(os.path.join(ROOT, "docs", "status.md"), encoding="utf-8") as f:
        text = f.read()
    missing = [row for row in [*(call_row(*c) for c in CALLS.items()), *(storm_row(*s) for s in STORMS)] if row not in text]
    assert not missing, "\n".join(missing)


def test_single_hypercalls(corbel):
    corbel.ok_and("create s-cost", r"cost: \d+ passed, 0 failed", 300)
    figures = {m.group(1): int(m.group(2)) for m in re.finditer(r"cost ([^\n]*): (\d+) ticks", corbel.text)}
    assert set(figures) == set(CALLS), set(figures) ^ set(CALLS)
    print(figures)
    late = {name: ticks for name, ticks in figures.items() if ticks > CALLS[name]}
    assert not late, late
    corbel.audit()


def test_regressions(corbel):
    m = corbel.ok_and("create regress-0010", r"regress-0010: (\d+) passed, (\d+) failed[\s\S]*?regress-0010: powered off", 300)
    assert int(m.group(1)) == 12 and m.group(2) == "0", corbel.text[-1500:]


def windows(corbel, mark):
    """What both tell in WINDOWS windows that begin behind MARK."""
    while True:
        shares, answers = SHARE.findall(corbel.text, mark)[1:], ANSWER.findall(corbel.text, mark)[1:]  # the first has begun before
        if min(len(shares), len(answers)) >= WINDOWS:
            return [tuple(map(int, s)) for s in shares], [tuple(map(int, a)) for a in answers]
        at = corbel.at
        corbel.expect(r"gauge: (share|asked)[^\n]*\n", 300)
        corbel.at = max(at, corbel.at)


def measured(corbel):
    shares, answers = windows(corbel, len(corbel.text))
    return sum(s for s, _ in shares) / len(shares), max(g for _, g in shares), max(longest for _, longest, _ in answers)


def test_two_that_measure(corbel):
    corbel.ok("create gauge")
    corbel.ok("create asker")
    share, gap, answer = measured(corbel)
    assert share > 900 and gap < 100000 and answer < 50000, (share, gap, answer)


@pytest.mark.parametrize("case,least,gap_limit,answer_limit", CASES, ids=[c for c, *_ in CASES])
def test_others_keep_their_share(corbel, case, least, gap_limit, answer_limit):
    corbel.ok_and(f"create {name_of(case)}", rf"(storm|endings): {case.rstrip('*')}: going")
    share, gap, answer = measured(corbel)
    print(f"{case}: share {share:.0f}, gap {gap}, answer {answer}")
    assert share >= least, (case, share, gap, answer)
    assert gap <= gap_limit, (case, share, gap, answer)
    assert answer <= answer_limit, (case, share, gap, answer)
    corbel.run("")
    corbel.ok(f"destroy {name_of(case)}")


def test_nothing_broke(corbel):
    corbel.audit()
    assert not re.search(r"FAILED|panic", corbel.text), corbel.text[-2000:]
