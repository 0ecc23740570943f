#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""[HOST] `make bench`: boots Corbel in Bochs without input, its console a file, and prints what was measured, in ticks (one instruction = one tick), beside what KVM and Xen
cost and the goals. Several boots (BOOTS), two at a time; those with `twice` must give the same figures both times. Writes build/bench.json and build/bench.svg and compares with
baseline.json; `--write` (make bench BASELINE=write) makes what was measured the baseline, and writes the table of docs/performance.md and docs/bench.svg."""
import json
import os
import re
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "tests", "system"), os.path.join(ROOT, "tests", "bench")]
import report  # noqa: E402
import trace  # noqa: E402
from corbel import make_image, vmx_text  # noqa: E402
from emulator import Machine  # noqa: E402

# Files come from memory: no disk waits. exec has room for 255 characters: hence the short names.
CFG = """loglvl = info
volume = \\guests
mitigations = {mitigations}
exec = {exec}
"""
# What a guest measures alone (b) and with a neighbour (p, m). The sleep lets idle time clean memory: `create` is measured with clean memory.
EXITS = "sleep 20;create boot:/b.vmx;bench;wait b;create boot:/i.vmx;bench i;destroy i;bench;create boot:/p.vmx;create boot:/m.vmx;wait m"
# What goes through Dom0: disks (k), network (a, q). Dom0's books are taken three times while one guest with a card is idle: what a look at them costs is in both times and goes
# away in the difference.
DISK = "create boot:/k.vmx;block-attach k memory:2;wait k"
RINGS = f"{DISK};create boot:/a.vmx;create boot:/q.vmx;wait q;list --json 0;sleep 1;list --json 0;sleep 11;list --json 0"
# TCP from guest to guest (t to s), then from a guest to Dom0 (s has a web server).
TCP = "create boot:/s.vmx;create boot:/t.vmx;wait t;network-config static 10.0.0.9/24;fetch http://10.0.0.1/a hd0p1:/a;fetch http://10.0.0.1/b hd0p1:/b;wait s"
# The second virtual CPU on a CPU of its own.
TWO_CPUS = "create -p boot:/x.vmx;vcpu-pin x 0 0;vcpu-pin x 1 1;unpause x;wait x"
TRACED = "sleep 20;create boot:/b.vmx;wait b;create boot:/p.vmx;create boot:/m.vmx;wait m"
IDLE_DOMAINS = 64


class Boot:
    """EXEC is run at Dom0's prompt. TRACED: the guests mark their samples, Bochs's debugger says what they execute."""

    def __init__(self, commands, mitigations="off", cpus=1, idle=0, twice=False, traced=False):
        self.exec, self.mitigations, self.cpus, self.idle, self.twice, self.traced = commands, mitigations, cpus, idle, twice, traced


BOOTS = {
    "exits": Boot(EXITS, twice=True),
    "rings": Boot(RINGS, twice=True),
    "tcp": Boot(TCP, twice=True),
    "idle64": Boot(f"{EXITS};{DISK}", idle=IDLE_DOMAINS),
    "counts": Boot(f"{TRACED};{DISK};create boot:/a.vmx;create boot:/q.vmx;wait q", traced=True),
    "mitigated": Boot(f"{EXITS};{DISK}", mitigations="on"),
    "cpus2": Boot(TWO_CPUS, cpus=2),
}
# For `make test`: without what goes through Dom0, whose traces are long.
BOOTS_OF_TESTS = {"counts": Boot(TRACED, traced=True)}
TICK_NS = 20  # Bochs's clock: emulator.py
LIMIT_S = 400


def card(last, more=""):
    return f'ethernet0.present = "TRUE"\nethernet0.addressType = "static"\nethernet0.address = "00:50:56:00:00:0{last}"\n' + more


def files(traced=False):
    """{destination: source}. Guests that measure get the word "trace" in a traced boot."""
    word = " trace" if traced else ""
    both = {"b.vmx": vmx_text("b", 64, "bench.elf", f'corbel.cmdline = "con=xen n={200 if traced else 2000}{word}"\n'),
            "i.vmx": vmx_text("i", 64, "tiny.elf"),
            "p.vmx": vmx_text("p", 8, "pairbench.elf", 'corbel.cmdline = "peer"\n'),
            "m.vmx": vmx_text("m", 8, "pairbench.elf", f'corbel.cmdline = "pair{word}"\n'),
            "x.vmx": vmx_text("x", 8, "pairbench.elf", 'corbel.cmdline = "ipi"\n', 2),
            "k.vmx": vmx_text("k", 16, "blkbench.elf", f'corbel.cmdline = "disk{word}"\n'),
            "a.vmx": vmx_text("a", 16, "netbench.elf", card(1, 'corbel.cmdline = "answer"\n')),
            "s.vmx": vmx_text("s", 16, "tcpbench.elf", card(3, 'corbel.cmdline = "serve"\n')),
            "t.vmx": vmx_text("t", 16, "tcpbench.elf", card(4)),
            "q.vmx": vmx_text("q", 16, "netbench.elf", card(2, f'corbel.cmdline = "ask{word}"\n'))}
    for name in ("bench", "tiny", "pairbench", "blkbench", "netbench", "tcpbench"):
        both[f"{name}.elf"] = os.path.join(ROOT, "build", "guests", f"{name}.elf")
    return {f"\\guests\\{k}": v for k, v in both.items()}


def idle_files(count):
    """COUNT tiny guests that the disk's list of guests to start at boot names."""
    if not count:
        return {}
    folder, names = "\\corbel\\vm\\", [f"i{n:02}.vmx" for n in range(count)]
    out = {folder + n: vmx_text(n[:-4], 8, "tiny.elf") for n in names}
    out[folder + "tiny.elf"] = os.path.join(ROOT, "build", "guests", "tiny.elf")
    out["\\corbel\\autostart.cfg"] = "\n".join(names) + "\n"
    return out


class Run:
    """What one boot measured: FIGURES {name: value}, ROWS {name: {min, med, p99}}, PATHS {row: trace.Path} of a traced one."""

    def __init__(self, text, paths):
        self.rows = {m.group(1): {"min": int(m.group(2)), "med": int(m.group(3)), "p99": int(m.group(4))}
                     for m in re.finditer(r"BENCH (\S+) n=\d+ min=(\d+) med=(\d+) avg=\d+ p99=(\d+)", text)}
        self.figures = idle_figures(text)
        for m in re.finditer(r"^([a-z0-9_.]+)\s*:?\s+(\d+) (ticks|bytes)\r?$", text, re.M):
            self.figures.setdefault(m.group(1), int(m.group(2)))  # the verb `bench` is run more than once: the first is of the guest that counts
        self.paths = paths

    def same(self, other):
        """Names of what differs: figures, and the rows' minima."""
        mine, theirs = ({**r.figures, **{k: v["min"] for k, v in r.rows.items()}} for r in (self, other))
        return [f"{k}: {mine.get(k)} and {theirs.get(k)}" for k in sorted(set(mine) | set(theirs)) if mine.get(k) != theirs.get(k)]


def idle_figures(text):
    """Dom0's ticks in one idle second, and how often it left its guest mode in ten: as often as it woke, or more often. The first second and the ten that follow
    have the same printing in them."""
    looks = [(int(ns), int(exits)) for ns, exits in re.findall(r'^\[\{"name": "Domain-0".*"cpu_ns": (\d+),.*"exits": (\d+),', text, re.M)]
    if len(looks) != 3:
        return {}
    (ns1, exits1), (ns2, exits2), (ns3, exits3) = looks
    return {"dom0_idle_second": max(0, (ns3 - ns2) - (ns2 - ns1)) // TICK_NS // 10, "dom0_idle_exits": max(0, (exits3 - exits2) - (exits2 - exits1))}


STARTS = threading.Lock()


def start(*args, **kwargs):
    """Bochs seeds its RDRAND with the second in which it starts. No two boots have the same one: otherwise two boots would agree also in what depends on random numbers."""
    with STARTS:
        time.sleep(1.1)
        return Machine(*args, **kwargs)


def one_run(name, again="", boot=None):
    boot = boot or BOOTS[name]
    path = os.path.join(ROOT, "build", "images", f"bench-{name}{again}.img")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    cfg = CFG.format(mitigations=boot.mitigations, exec=boot.exec + ";host-poweroff -f")
    make_image(path, {**files(boot.traced), **idle_files(boot.idle), "\\corbel\\corbel.cfg": cfg.encode()}, 96)
    out = os.path.join(ROOT, "build", "logs", f"bench-{name}{again}.log")
    os.makedirs(os.path.dirname(out), exist_ok=True)
    if os.path.exists(out):
        os.unlink(out)
    machine = start("bochs", path, stock=True, com1_file=out, cpus=boot.cpus, debugger=boot.traced)
    windows = []
    try:
        deadline = time.monotonic() + LIMIT_S
        if boot.traced:
            windows = trace.record(machine, LIMIT_S)
        while windows is not None and machine.running() and time.monotonic() < deadline:
            time.sleep(0.2)
        ended = windows is not None and not machine.running()
    finally:
        machine.close()
        os.unlink(path)
    with open(out, encoding="utf-8", errors="replace") as f:
        text = f.read()
    if not ended:
        sys.exit(f"error: bench: the machine did not end within {LIMIT_S} s: its console is in {out}:\n{text[-2000:]}")
    bad = re.search(r"(\w+): \d+ passed, [1-9]\d* failed", text)
    if bad:
        sys.exit(f"error: bench: guest {bad.group(1)} found something wrong, so its figures mean nothing: {out} tells what")
    return Run(text, trace.paths(windows, text) if boot.traced else {})


def measure(names):
    """{name: [Run, …]}: two for the boots that are made twice. Two machines at a time."""
    jobs = [(n, again) for n in names for again in (["", "-again"] if BOOTS[n].twice else [""])]
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda job: one_run(*job), jobs))
    out = {}
    for (name, _), run in zip(jobs, runs):
        out.setdefault(name, []).append(run)
    return out


def main():
    write = "--write" in sys.argv[1:]
    began = time.monotonic()
    runs = measure(BOOTS)
    result = report.gather({name: each[0] for name, each in runs.items()})
    print(report.text(result))
    problems = report.missing(result)
    for name, each in runs.items():
        if len(each) == 2:
            problems += [f"the two boots `{name}` differ in {line}: build/logs/bench-{name}.log and bench-{name}-again.log tell where" for line in each[0].same(each[1])]
    problems += report.grown(result)
    with open(os.path.join(ROOT, "build", "bench.json"), "w", encoding="utf-8") as f:
        f.write(report.dump(result))
    with open(os.path.join(ROOT, "build", "bench.svg"), "w", encoding="utf-8") as f:
        f.write(report.svg(result))
    print(f"\nbuild/bench.json, build/bench.svg; {time.monotonic() - began:.0f} s")
    if write and not problems:
        report.write(result)
        print("written: tests/bench/baseline.json, docs/performance.md, docs/bench.svg")
    elif not problems:
        problems = report.changed(result)
        for line in report.better(result):
            print(f"note: {line}: make bench BASELINE=write keeps it")
    for line in problems:
        print(f"error: bench: {line}")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
