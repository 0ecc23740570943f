#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""[HOST] `make bench`: boots Corbel twice in Bochs without input, its console a file, and prints what was measured, in ticks (one instruction = one tick).
Both runs must give the same figures. Writes build/bench.json."""
import json
import os
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "system"))
from corbel import guest_files, make_image, vmx_text  # noqa: E402
from emulator import Machine  # noqa: E402

# The sleep lets idle time clean memory: `create` is measured with clean memory. Files come from memory: no disk waits. Dom0's books are taken three times while one
# guest with a card is idle: what a look at them costs is in both times and goes away in the difference. exec has room for 255 characters: hence the short names.
CFG = """loglvl = info
volume = \\guests
mitigations = off
exec = sleep 20;create boot:/bench/bench.vmx;bench;wait bench;create boot:/k.vmx;block-attach k memory:2;wait k;create boot:/a.vmx;create boot:/q.vmx;wait q;\
list --json 0;sleep 1;list --json 0;sleep 11;list --json 0;host-poweroff -f
"""
# Of dom0_idle_*: one timer that fires each second would be more than either.
GOALS = {"boot_to_prompt": 30_000_000, "create_to_first_instruction": 1_000_000, "root_memory": 2 << 20, "dom0_memory": 32 << 20, "create_overhead": 128 << 10,
         "dom0_idle_second": 500, "dom0_idle_exits": 5}
# Of rows: from a guest to Dom0 and back, all that Dom0 and root do included; of net_stream_dom0: Dom0's and root's share of one frame of 1500 bytes.
ROW_GOALS = {"dom0_event_and_back": 2500, "disk_read_4k": 6000, "disk_write_4k": 6000, "net_stream_dom0": 6000}
TICK_NS = 20  # Bochs's clock: emulator.py
LIMIT_S = 400


def card(last, more=""):
    return f'ethernet0.present = "TRUE"\nethernet0.addressType = "static"\nethernet0.address = "00:50:56:00:00:0{last}"\n' + more


def files():
    both = {**guest_files("bench", bench='corbel.cmdline = "con=xen n=500"\n'),
            "\\guests\\k.vmx": vmx_text("k", 16, "blkbench.elf"),
            "\\guests\\a.vmx": vmx_text("a", 16, "netbench.elf", card(1, 'corbel.cmdline = "answer"\n')),
            "\\guests\\q.vmx": vmx_text("q", 16, "netbench.elf", card(2))}
    for name in ("blkbench", "netbench"):
        both[f"\\guests\\{name}.elf"] = os.path.join(ROOT, "build", "guests", f"{name}.elf")
    return {k.replace("\\corbel\\vm", "\\guests"): v for k, v in both.items()}


def one_run(number):
    path = os.path.join(ROOT, "build", "images", f"bench{number}.img")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    make_image(path, {**files(), "\\corbel\\corbel.cfg": CFG.encode()}, 96)
    out = os.path.join(ROOT, "build", "logs", f"bench{number}.log")
    os.makedirs(os.path.dirname(out), exist_ok=True)
    if os.path.exists(out):
        os.unlink(out)
    machine = Machine("bochs", path, com1_file=out)
    try:
        deadline = time.monotonic() + LIMIT_S
        while machine.running() and time.monotonic() < deadline:
            time.sleep(0.5)
        ended = not machine.running()
    finally:
        machine.close()
    with open(out, encoding="utf-8", errors="replace") as f:
        text = f.read()
    if not ended:
        sys.exit(f"error: bench: the machine did not end within {LIMIT_S} s: its console is in {out}:\n{text[-2000:]}")
    bad = re.search(r"(\w+): \d+ passed, [1-9]\d* failed", text)
    if bad:
        sys.exit(f"error: bench: guest {bad.group(1)} found something wrong, so its figures mean nothing: {out} tells what")
    return parse(text)


def idle_figures(text):
    """Dom0's ticks in one idle second, and how often it left its guest mode in ten: as often as it woke, or more often. The first second and the ten that follow
    have the same printing in them."""
    looks = [(int(ns), int(exits)) for ns, exits in re.findall(r'^\[\{"name": "Domain-0".*"cpu_ns": (\d+),.*"exits": (\d+),', text, re.M)]
    if len(looks) != 3:
        return {}
    (ns1, exits1), (ns2, exits2), (ns3, exits3) = looks
    return {"dom0_idle_second": max(0, (ns3 - ns2) - (ns2 - ns1)) // TICK_NS // 10, "dom0_idle_exits": max(0, (exits3 - exits2) - (exits2 - exits1))}


def parse(text):
    figures = idle_figures(text)
    for m in re.finditer(r"^([a-z0-9_.]+)\s*:?\s+(\d+) (ticks|bytes)\r?$", text, re.M):
        figures[m.group(1)] = int(m.group(2))
    rows = {m.group(1): {"min": int(m.group(2)), "med": int(m.group(3)), "p99": int(m.group(4))}
            for m in re.finditer(r"BENCH (\S+) n=\d+ min=(\d+) med=(\d+) avg=\d+ p99=(\d+)", text)}
    return figures, rows


def row_goal(name, row):
    if name not in ROW_GOALS:
        return ""
    return f"  goal {ROW_GOALS[name]}: {'reached' if row['min'] <= ROW_GOALS[name] else 'MISSED'}"


def main():
    with ThreadPoolExecutor(2) as pool:
        (figures, rows), (again, rows_again) = pool.map(one_run, (1, 2))
    with open(os.path.join(ROOT, "tests", "bench", "peers.json"), encoding="utf-8") as f:
        peers = json.load(f)
    failed = 0
    print(f"{'measured':<32}{'figure':>14}  {'goal':>12}")
    for key, value in figures.items():
        goal = GOALS.get(key)
        note = "" if goal is None else ("reached" if value <= goal else "MISSED")
        print(f"{key:<32}{value:>14}  {'' if goal is None else goal:>12}  {note}")
    for key in GOALS:
        if key not in figures:
            print(f"error: bench: {key} was not measured: see build/logs/bench1.log")
            failed = 1
    for key in ROW_GOALS:
        if key not in rows:
            print(f"error: bench: {key} was not measured: see build/logs/bench1.log")
            failed = 1
    print(f"\n{'operation (ticks)':<28}{'Corbel min':>11}{'med':>8}{'p99':>8}{'KVM':>8}{'Xen':>8}")
    for name, r in rows.items():
        kvm, xen = peers.get(name, [None, None])
        print(f"{name:<28}{r['min']:>11}{r['med']:>8}{r['p99']:>8}{kvm if kvm else '-':>8}{xen if xen else '-':>8}{row_goal(name, r)}")
    same = figures == again and all(rows[k]["min"] == rows_again.get(k, {}).get("min") for k in rows)
    print("\nboth runs gave the same figures" if same else "\nerror: bench: the two runs differ: build/logs/bench1.log and bench2.log tell where")
    if not same:
        for k in sorted(set(figures) | set(again)):
            if figures.get(k) != again.get(k):
                print(f"  {k}: {figures.get(k)} and {again.get(k)}")
        for k in rows:
            if rows[k]["min"] != rows_again.get(k, {}).get("min"):
                print(f"  {k}: {rows[k]['min']} and {rows_again.get(k, {}).get('min')}")
    with open(os.path.join(ROOT, "build", "bench.json"), "w", encoding="utf-8") as f:
        json.dump({"figures": figures, "rows": rows}, f, indent=1)
    sys.exit(1 if failed or not same else 0)


if __name__ == "__main__":
    main()
