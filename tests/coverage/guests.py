#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""[HOST] Runs system tests on the hypervisor that counts (build/cov/corbel.elf: tests/coverage/root_dump.c says how the counts get out) and prints how many lines and
branches of root's files guests reach, by gcc's own gcov. A line counts as covered when any machine executes it. `make coverage-guests` calls it. The system tests may fail on it,
for it is slower, and what they measure is wrong: that is said, and no error, since `make test` judges them; too little data is one."""
import json
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
COV = os.path.join(ROOT, "build", "cov")
RUNS = os.path.join(COV, "runs")
LIMIT_S = 7200


def run_tests(names):
    shutil.rmtree(RUNS, ignore_errors=True)
    os.makedirs(RUNS)
    env = {**os.environ, "CORBEL_ROOT_ELF": os.path.join(COV, "corbel.elf"), "CORBEL_KEEP_OUTPUT": RUNS}
    files = [f"tests/system/test_{name}.py" for name in names]
    r = subprocess.run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-n", "2", "--dist", "loadfile", "--tb=no", "--durations=0", "--durations-min=1", *files], cwd=ROOT,
                       env=env, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    with open(os.path.join(COV, "tests.log"), "w", encoding="utf-8") as f:
        f.write(r.stdout)
    return r.stdout.strip().split("\n")[-1] + " (build/cov/tests.log)"


def last_dump(path):
    """{file: bytes} of the last whole dump that a machine printed."""
    with open(path, "rb") as f:
        dumps = f.read().split(b"\nGCDA end\n")[:-1]
    if not dumps:
        return {}
    return {m.group(1).decode(): bytes.fromhex(m.group(2).decode()) for m in re.finditer(rb"^GCDA (\S+) ([0-9a-f]+)\r?$", dumps[-1], re.M)}


def gcov_of(dump):
    """[(path, line, executions, [times each way was taken])] of one machine."""
    for path, data in dump.items():
        with open(path, "wb") as f:
            f.write(data)
    notes = [path[:-4] + "gcno" for path in dump]
    r = subprocess.run(["gcov", "--json-format", "--branch-probabilities", "--branch-counts", "--stdout", *notes], cwd=ROOT, capture_output=True, text=True, check=True)
    for text in filter(str.strip, r.stdout.split("\n")):
        for file in json.loads(text)["files"]:
            for line in file["lines"]:
                yield file["file"], line["line_number"], line["count"], [b["count"] for b in line["branches"]]


def collect():
    lines, ways, machines = {}, {}, 0
    for name in sorted(os.listdir(RUNS)):
        dump = last_dump(os.path.join(RUNS, name))
        machines += bool(dump)
        for path, line, count, branches in gcov_of(dump) if dump else ():
            if path.endswith(".c"):
                lines[path, line] = lines.get((path, line), 0) + count
                for k, taken in enumerate(branches):
                    ways[path, line, k] = ways.get((path, line, k), 0) + taken
    return lines, ways, machines


def share(table, path=None):
    counts = [n for key, n in table.items() if path in (None, key[0])]
    return sum(n > 0 for n in counts), len(counts)


def cell(pair):
    return f"{pair[0]:>7} {pair[1]:>6} {100 * pair[0] // pair[1] if pair[1] else 100:>5} %"


def main():
    print(f"tests: {run_tests(sys.argv[1:])}")
    lines, ways, machines = collect()
    if machines < len(sys.argv) - 1:
        sys.exit(f"error: coverage-guests: {machines} machines left counts, fewer than there are tests: see {RUNS}")
    print(f"{'root, reached by guests':<38} lines covered  total        branches  total")
    for path in sorted({path for path, _ in lines}):
        print(f"  {path:<36} {cell(share(lines, path))} {cell(share(ways, path))}")
    print(f"  {'all, in ' + str(machines) + ' machines':<36} {cell(share(lines))} {cell(share(ways))}")
    missed = {}
    for path, line in sorted(key for key, n in lines.items() if n == 0):
        missed.setdefault(path, []).append(str(line))
    with open(os.path.join(COV, "missed.txt"), "w", encoding="ascii") as f:
        f.writelines(f"{path}: {' '.join(numbers)}\n" for path, numbers in missed.items())
    print("lines that no guest reached: build/cov/missed.txt")


if __name__ == "__main__":
    main()
