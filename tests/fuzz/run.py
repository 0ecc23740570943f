#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""[HOST] Runs fuzzers, two at a time, and prints one line for each: executions, edges covered of all there are, findings. `make fuzz` calls it.
A finding's input stays in build/fuzz. Exit 1 if there is one."""
import argparse
import glob
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

GOAL = 10_000_000  # executions of each target in one run


def first(pattern, text, default=0):
    m = re.search(pattern, text)
    return int(m.group(1)) if m else default


def fuzz(target, seconds, runs):
    """Runs TARGET; (name, executions, edges, all edges, seconds, finding or None)."""
    corpus = f"build/fuzz/corpus-{target}"
    os.makedirs(corpus, exist_ok=True)
    argv = [f"build/fuzz/{target}", f"-max_total_time={seconds}", f"-runs={runs}", "-max_len=1024" if target in ("hypercall", "exit") else "-max_len=0",
            "-print_final_stats=1", f"-artifact_prefix=build/fuzz/{target}-", corpus]
    if os.path.isdir(f"tests/fuzz/corpus/{target}"):
        argv.append(f"tests/fuzz/corpus/{target}")
    begin = time.monotonic()
    r = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False)
    log = r.stdout + r.stderr
    with open(f"build/fuzz/{target}.log", "w", encoding="utf-8") as f:
        f.write(log)
    executions = first(r"number_of_executed_units: +(\d+)", log) or max(map(int, re.findall(r"^#(\d+)", log, re.M)), default=0)
    edges = max(map(int, re.findall(r" cov: (\d+) ", log)), default=0)
    finding = None
    if r.returncode:
        said = re.findall(r"^(?:fuzz_\w+: .*|SUMMARY: .*|.*runtime error: .*)$", log, re.M)
        finding = f"{said[0] if said else log[-300:]}; input: {first_path(log)}"
    return target, executions, edges, first(r"\((\d+) inline 8-bit counters\)", log), time.monotonic() - begin, finding


def first_path(log):
    m = re.search(r"Test unit written to (\S+)", log)
    return m.group(1) if m else "none"


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seconds", type=int, default=600)
    p.add_argument("--runs", type=int, default=-1, help="executions of each target; then --seconds is the longest")
    p.add_argument("targets", nargs="*")
    args = p.parse_args()
    targets = args.targets or sorted(os.path.basename(f)[5:-2] for f in glob.glob("tests/fuzz/fuzz_*.c"))
    findings = short = 0
    print("target        executions  per second   edges of all  findings")
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for name, executions, edges, total, took, finding in pool.map(lambda t: fuzz(t, args.seconds, args.runs), targets):
            print(f"{name:<12} {executions:>11} {executions / took:>11.0f} {edges:>7} {total:>6}  {1 if finding else 0}", flush=True)
            findings += finding is not None
            short += executions < GOAL
            if finding:
                print("  " + finding, flush=True)
    print(f"fuzz: {len(targets)} targets, {len(targets) - short} of them with {GOAL} executions or more in this run, {findings} findings")
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
