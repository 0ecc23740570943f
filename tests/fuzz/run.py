#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""[HOST] Runs fuzzers, as many at a time as there are CPUs, and prints one line for each when it ends: executions, how many in a second, edges covered of all
there are, inputs that it keeps, whether it came to ten million executions, findings. `make fuzz` calls it. A finding's input and all that a fuzzer says while
it runs (TARGET.log) stay in build/fuzz, what it keeps in build/fuzz/corpus-TARGET, from where the next run goes on. Exit 1 if there is a finding."""
import argparse
import glob
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

GOAL = 10_000_000  # executions of each target in one run
# The longest input, where what follows would not be looked at, and what else a target gets. hypercall has so many features in an input that libFuzzer's
# entropic schedule costs a fifth of its time and finds no more.
FLAGS = {
    "hypercall": ["-max_len=512", "-entropic=0"],
    "exit": ["-max_len=1024"],
    "context": ["-max_len=1024"],
    "vmdk": ["-max_len=4096"],
}
# A freed block waits in a queue of 16 MiB and not 256, which no cache holds, and keeps the address of who allocated it, not the whole stack: a finding's
# input run again without this shows that.
ENV = {**os.environ, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "quarantine_size_mb=16:malloc_context_size=1")}


def first(pattern, text, default=0):
    m = re.search(pattern, text)
    return int(m.group(1)) if m else default


def fuzz(target, seconds, runs):
    """Runs TARGET; a row of the table and the finding in words, or None."""
    corpus, path = f"build/fuzz/corpus-{target}", f"build/fuzz/{target}.log"
    os.makedirs(corpus, exist_ok=True)
    argv = [f"build/fuzz/{target}", f"-max_total_time={seconds}", f"-runs={runs}", "-timeout=60", "-print_final_stats=1",
            f"-artifact_prefix=build/fuzz/{target}-", *FLAGS.get(target, []), corpus]
    if os.path.isdir(f"tests/fuzz/corpus/{target}"):
        argv.append(f"tests/fuzz/corpus/{target}")
    begin = time.monotonic()
    with open(path, "w", encoding="utf-8") as f:
        status = subprocess.run(argv, stdout=f, stderr=subprocess.STDOUT, env=ENV, check=False).returncode
    took = time.monotonic() - begin
    with open(path, encoding="utf-8", errors="replace") as f:
        log = f.read()
    executions = first(r"number_of_executed_units: +(\d+)", log) or max(map(int, re.findall(r"^#(\d+)", log, re.M)), default=0)
    edges = max(map(int, re.findall(r" cov: (\d+) ", log)), default=0)
    row = {"target": target, "executions": executions, "per second": f"{executions / took:.0f}", "edges": edges, "of all": first(r"\((\d+) inline 8-bit counters\)", log),
           "inputs kept": len(os.listdir(corpus)), "10^7": "yes" if executions >= GOAL else "no", "findings": int(status != 0)}
    if status == 0:
        return row, None
    said = re.findall(r"^(?:fuzz_\w+: .*|SUMMARY: .*|.*runtime error: .*)$", log, re.M)
    kept = re.search(r"Test unit written to (\S+)", log)
    return row, f"{target}: {said[0] if said else log[-300:]}; input: {kept.group(1) if kept else 'none'}"


def line(cells):
    return f"{cells[0]:<10}" + "".join(f"{c:>12}" for c in cells[1:])


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seconds", type=int, default=600, help="the longest for each target; 0: no end but --runs")
    p.add_argument("--runs", type=int, default=-1, help="executions of each target, after which it ends")
    p.add_argument("targets", nargs="*")
    args = p.parse_args()
    known = sorted(os.path.basename(f)[5:-2] for f in glob.glob("tests/fuzz/fuzz_*.c"))
    for t in args.targets:
        if t not in known:
            sys.exit(f"error: fuzz: there is no target {t}: they are {' '.join(known)}")
    if args.seconds <= 0 and args.runs < 0:
        sys.exit("error: fuzz: it would never end: give SECONDS or RUNS")
    targets = args.targets or known
    findings, short = 0, []
    print(line(["target", "executions", "per second", "edges", "of all", "inputs kept", "10^7", "findings"]), flush=True)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for done in as_completed([pool.submit(fuzz, t, args.seconds, args.runs) for t in targets]):
            row, finding = done.result()
            print(line(list(row.values())), flush=True)
            if row["executions"] < GOAL:
                short.append(f"{row['target']} ({row['executions']})")
            if finding:
                findings += 1
                print("  " + finding, flush=True)
    print(f"fuzz: {len(targets)} targets, {findings} findings; with {GOAL} executions in this run: {'all' if not short else len(targets) - len(short)}")
    if short:
        print(f"fuzz: without: {', '.join(sorted(short))}")
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
