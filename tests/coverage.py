#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""[HOST] Runs unit tests that were built with --coverage and prints how many lines and branches of root's pure files they execute, by gcc's own gcov.
A line counts as covered when any unit test executes it, a branch (a way out of a condition) when any takes it. Headers are not counted; files that no unit test compiles are named.
`make coverage` calls it; exit 1 if a test fails or the total is below the goal."""
import argparse
import glob
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

GOAL = 90  # per cent of the lines of all pure files together
GOAL_BRANCHES = 80


def execute(run):
    """Runs one unit test from scratch; an error text, or None."""
    for old in glob.glob(os.path.join(os.path.dirname(run), "*.gcda")):
        os.unlink(old)
    r = subprocess.run([run], capture_output=True, text=True, errors="replace", timeout=60, check=False)
    return f"error: coverage: {run} fails:\n{(r.stdout + r.stderr)[-2000:]}" if r.returncode else None


def counts(run):
    """{path: ({line: executions}, {(line, which branch): times taken})} of one unit test that has run."""
    folder = os.path.dirname(run)
    notes = [os.path.basename(p) for p in glob.glob(os.path.join(folder, "*.gcno"))]
    r = subprocess.run(["gcov", "--json-format", "--branch-probabilities", "--branch-counts", "--stdout", *notes], cwd=folder, capture_output=True, text=True, check=True)
    lines = {}
    for text in filter(str.strip, r.stdout.split("\n")):
        for file in json.loads(text)["files"]:
            of, ways = lines.setdefault(file["file"], ({}, {}))
            for line in file["lines"]:
                n = line["line_number"]
                of[n] = of.get(n, 0) + line["count"]
                for k, branch in enumerate(line["branches"]):
                    ways[n, k] = ways.get((n, k), 0) + branch["count"]
    return lines


def ranges(numbers):
    """[1, 2, 3, 7] -> "1-3 7"."""
    out = []
    for n in numbers:
        if out and n == out[-1][1] + 1:
            out[-1][1] = n
        else:
            out.append([n, n])
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in out)


def row(name, covered, total, taken, ways):
    return (f"  {name:<36} {covered:>7} {total:>6} {100 * covered // total if total else 100:>5} %"
            f" {taken:>7} {ways:>6} {100 * taken // ways if ways else 100:>5} %")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--pure", nargs="+", required=True)
    p.add_argument("--root", nargs="+", required=True)
    p.add_argument("--runs", nargs="+", required=True)
    args = p.parse_args()
    with ThreadPoolExecutor(2) as pool:
        errors = [e for e in pool.map(execute, args.runs) if e]
        if errors:
            sys.exit("\n".join(errors))
        merged = {}
        for lines in pool.map(counts, args.runs):
            for path, both in lines.items():
                for into, of in zip(merged.setdefault(path, ({}, {})), both):
                    for n, count in of.items():
                        into[n] = into.get(n, 0) + count
    print("root's pure files                lines covered  total        branches  total")
    covered = total = taken = ways = 0
    for path in args.pure:
        of, branches = merged.get(path, ({}, {}))
        name = "/run-" + os.path.basename(path)[:-2] + ".gcno"
        if not of and not any(os.path.exists(os.path.dirname(run) + name) for run in args.runs):  # else it holds data only
            sys.exit(f"error: coverage: {path}: gcov knows no line of it: tests/unit/units.mk and the test must name it by this path")
        missing = sorted(n for n, count in of.items() if not count)
        untaken = sorted({n for (n, _), count in branches.items() if not count})
        gone = sum(count > 0 for count in branches.values())
        print(row(path, len(of) - len(missing), len(of), gone, len(branches)),
              f" not: {ranges(missing)}; branches: {ranges(untaken)}" if os.environ.get("V") else "")
        covered += len(of) - len(missing)
        total += len(of)
        taken += gone
        ways += len(branches)
    print(row("total", covered, total, taken, ways), f"  (goals {GOAL} %, {GOAL_BRANCHES} %)")
    others = sorted(set(args.root) - set(args.pure))
    print("not unit-tested:", " ".join(others))
    if 100 * covered < GOAL * total or 100 * taken < GOAL_BRANCHES * ways:
        sys.exit(f"error: coverage: unit tests execute {covered} of {total} lines and {taken} of {ways} branches of root's pure files: "
                 f"test more: {GOAL} % and {GOAL_BRANCHES} % are the goals (`make coverage V=1` names the lines)")


if __name__ == "__main__":
    main()
