# SPDX-License-Identifier: Apache-2.0
"""[HOST] What needs no machine: unit tests, short fuzzing, lint, the budget of root mode, the second compiler."""
import glob
import os
import re
import subprocess
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def names(pattern, prefix):
    return sorted(os.path.basename(p)[len(prefix):-2] for p in glob.glob(os.path.join(ROOT, pattern)))


def run(argv, **kw):
    r = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False, **kw)
    assert r.returncode == 0, (r.stdout + r.stderr)[-4000:]
    return r.stdout + r.stderr


@pytest.mark.parametrize("unit", names("tests/unit/test_*.c", "test_"))
def test_unit(unit):
    out = run([f"build/unit/{unit}"], timeout=300)
    assert "PASSED" in out


@pytest.mark.parametrize("target", names("tests/fuzz/fuzz_*.c", "fuzz_"))
def test_fuzz(target):
    corpus = os.path.join(ROOT, "build", "fuzz", "corpus-" + target)
    os.makedirs(corpus, exist_ok=True)
    committed = glob.glob(os.path.join(ROOT, "tests", "fuzz", "corpus", target))
    # always the same beginning, so that a run says something about the code and not about luck; `make fuzz` begins elsewhere each time
    run([f"build/fuzz/{target}", "-seed=1", "-max_total_time=15", "-artifact_prefix=build/fuzz/", corpus, *committed], timeout=120)


def test_coverage():
    print(run(["make", "-s", "coverage"], timeout=300))


def test_every_order_of_events():
    out = run(["build/races/explore"], timeout=600)
    print(out)
    assert "(not all)" not in out


def test_threads():
    print(run(["build/races/threads", "8"], timeout=300, env={**os.environ, "TSAN_OPTIONS": "suppressions=tests/races/tsan.supp"}))


def test_explorer_and_threads_find_mistakes():
    print(run(["make", "-s", "mutants"], timeout=600))


def test_each_place_that_asks_for_memory_was_refused_once():
    print(run([sys.executable, "tests/alloc_sites.py"], timeout=300))


def test_lint():
    run(["make", "-s", "lint"], timeout=300)


def test_tcb():
    run(["make", "-s", "tcb"], timeout=60)


def test_the_benchmark_s_table_and_chart_are_those_of_its_baseline():
    sys.path.insert(0, os.path.join(ROOT, "tests", "bench"))
    import report  # pylint: disable=import-outside-toplevel
    assert not report.stale()


def test_the_benchmark_s_comparison_notices_what_is_worse():
    sys.path.insert(0, os.path.join(ROOT, "tests", "bench"))
    import report  # pylint: disable=import-outside-toplevel

    def told(judge, **wrong):
        result = report.baseline()
        for name, new in wrong.items():
            part = "rows" if name in result["rows"] else "figures"
            if new is None:
                del result[part][name]
            else:
                result[part][name].update(new)
        return [line.split(":")[0].split(" ")[0] for line in judge(result)]
    cpuid, destroy = report.baseline()["rows"]["cpuid"], report.baseline()["figures"]["destroy"]
    assert told(report.changed) == told(report.missing) == told(report.grown) == told(report.better) == []
    assert told(report.changed, cpuid={"min": cpuid["min"] * 103 // 100 + 1}, destroy={"value": destroy["value"] * 103 // 100}) == ["destroy", "cpuid"]
    assert told(report.changed, cpuid={"counts": {**cpuid["counts"], "WRMSR": 1}}) == ["cpuid"]
    assert told(report.better, cpuid={"min": cpuid["min"] - 10}) == ["cpuid"]
    assert told(report.missing, cpuid=None, destroy=None) == ["destroy", "cpuid"]
    assert told(report.grown, cpuid={"with64": cpuid["min"] * 12 // 10}, destroy={"with64": destroy["value"] * 12 // 10}) == ["destroy", "cpuid"]


def test_clang_builds_it_without_a_warning():
    run(["make", "-s", "B=build/clang", "CC=clang", "build/clang/corbel.elf", "build/clang/dom0.elf", "build/clang/BOOTX64.EFI"], timeout=600)


def test_each_key_of_vmx_files_is_in_the_documentation():
    with open(os.path.join(ROOT, "dom0", "manager", "vmx_keys.def"), encoding="utf-8") as f:
        rows = re.findall(r'^VMX_(KEY|NIC|DISK|FIXED)\("([^"]+)"', f.read(), re.M)
    with open(os.path.join(ROOT, "docs", "cli.md"), encoding="utf-8") as f:
        text = f.read()
    assert len(rows) > 40
    missing = [key for kind, key in rows if f"`{'scsi0:0.' if kind == 'DISK' else ''}{key.replace('#', 'N')}`" not in text]
    assert not missing


def test_each_bug_that_has_a_guest_is_in_the_list():
    """Of docs/status.md: numbers without a gap, the folders that there are, tests that name the guest."""
    with open(os.path.join(ROOT, "docs", "status.md"), encoding="utf-8") as f:
        rows = re.findall(r"^\| (0\d{3}(?:, 0\d{3})*) \| ([^|]*) \| [^|]*\| ([^|]*)\|$", f.read(), re.M)
    guests = {}
    for numbers, bug, tests in rows:
        guests.update({int(n): [] if bug.startswith("not used") else re.findall(r"test_\w+", tests) for n in numbers.split(", ")})
    there = {int(path[-4:]) for path in glob.glob(os.path.join(ROOT, "tests", "guest", "regress-*"))}
    assert list(guests) == list(range(1, max(guests) + 1)) and {n for n, tests in guests.items() if tests} == there
    for n, test in ((n, test) for n, tests in guests.items() for test in tests):
        with open(os.path.join(ROOT, "tests", "system", test + ".py"), encoding="utf-8") as f:
            assert f'"regress-{n:04}"' in f.read(), (n, test)
