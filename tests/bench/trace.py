# SPDX-License-Identifier: Apache-2.0
"""[HOST] Which instructions a row of the benchmark executes. Guests that are told to ("trace") stop Bochs's debugger by XCHG BX,BX before and after the last samples of
a row; between the two it prints each instruction. So nothing is compiled in: it is the image that the ticks are measured with, and a path's length must be its ticks."""
import os
import re
import subprocess
import sys
import threading
from collections import Counter

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ELF = os.path.join(ROOT, "build", "corbel.elf")
BASE = 0xffffffff80000000  # where root and Dom0 are linked: both, in different frames
LINE = re.compile(rb"\(\d+\)\.\[\d+\] \[0x([0-9a-f]+)\] [0-9a-f]+:([0-9a-f]+) \(.*?\): (\S+)(.*?);")
# What costs a tick here and hundreds of cycles on hardware. Of root's instructions only; INVPCID and INVVPID are TLB flushes like INVEPT.
COUNTED = {"vmread": "VMREAD", "vmwrite": "VMWRITE", "rdmsr": "RDMSR", "wrmsr": "WRMSR", "invlpg": "INVLPG", "invept": "INVEPT", "invvpid": "INVEPT", "invpcid": "INVEPT", "mov cr": "CR"}
KINDS = ["VMREAD", "VMWRITE", "RDMSR", "WRMSR", "INVLPG", "INVEPT", "CR", "IPI", "exits"]


def symbols():
    out = subprocess.run(["nm", ELF], check=True, capture_output=True, text=True).stdout
    return {name: int(at, 16) for at, _, name in (line.split() for line in out.splitlines() if line.count(" ") == 2)}


def record(machine, limit_s):
    """Runs MACHINE (with its debugger) to its end; returns the windows in their order, each a list of (physical address, linear address, mnemonic). None: it took longer than LIMIT_S."""
    late = threading.Event()
    timer = threading.Timer(limit_s, lambda: (late.set(), machine.proc.kill()))
    timer.start()
    windows, now = [], None
    for line in machine.proc.stdout:
        if b") Magic breakpoint" in line:
            if now is None:
                now = []
            else:
                windows.append(now)
                now = None
            try:
                machine.proc.stdin.write(b"trace off\nc\n" if now is None else b"trace on\nc\n")
                machine.proc.stdin.flush()
            except BrokenPipeError:
                break
        elif now is not None:
            m = LINE.match(line)
            if m:
                to_cr = m.group(3) == b"mov" and m.group(4).startswith(b" cr")
                now.append((int(m.group(1), 16), int(m.group(2), 16), "mov cr" if to_cr else sys.intern(m.group(3).decode())))
    timer.cancel()
    return None if late.is_set() else windows


def between_stamps(window):
    """What lies between the first RDTSC and the last, the last one included: as many as the guest sees ticks."""
    at = [i for i, step in enumerate(window) if step[2] == "rdtsc"]
    return window[at[0] + 1:at[-1] + 1]


class Path:
    """The shortest of a row's windows: TICKS as the guest sees them, ROOT's instructions (their addresses), COUNTS by kind."""

    def __init__(self, windows, syms):
        steps = min((between_stamps(w) for w in windows), key=len)
        root_at = next((pa - (va - BASE) for pa, va, _ in steps if va == syms["vmx_exit_entry"]), None)
        in_root = [s for s in steps if root_at is not None and s[1] >= BASE and s[0] - (s[1] - BASE) == root_at]
        self.ticks = len(steps)
        self.root = [va for _, va, _ in in_root]
        self.counts = {k: 0 for k in KINDS}
        for _, va, name in in_root:
            if name in COUNTED:
                self.counts[COUNTED[name]] += 1
            self.counts["IPI"] += va == syms["lapic_ipi"]
            self.counts["exits"] += va == syms["vmx_exit_entry"]


def paths(windows, log):
    """{row: Path}. LOG's lines TRACE name the rows in the order of their windows; all rows have equally many."""
    names = re.findall(r"TRACE (\S+)", log)
    if not names or len(windows) % len(names):
        raise ValueError(f"{len(windows)} traced windows for {len(names)} rows: the console's log and the debugger's output disagree")
    each, syms = len(windows) // len(names), symbols()
    return {name: Path(windows[i * each:(i + 1) * each], syms) for i, name in enumerate(names)}


def places(addresses):
    """{address: (function, file, line)}, inlined functions by their own lines."""
    asked = sorted(set(addresses))
    out = subprocess.run(["addr2line", "-f", "-e", ELF], input="\n".join(hex(a) for a in asked), check=True, capture_output=True, text=True).stdout.splitlines()
    return {a: (function, *place(where)) for a, function, where in zip(asked, out[::2], out[1::2])}


def place(where):
    """"/…/vmx/vmx/enter.asm:20 (discriminator 1)": NASM names its folder twice."""
    path, _, line = where.split(" ")[0].partition(":")
    path = os.path.relpath(path, ROOT) if path.startswith("/") else path
    if not os.path.exists(os.path.join(ROOT, path)):
        first, _, rest = path.partition("/")
        path = rest if rest.startswith(first + "/") else path
    while not os.path.exists(os.path.join(ROOT, path)) and "/" in path:
        path = path.partition("/")[2]
    return path, int(line) if line.isdigit() else 0


def by_line(path):
    """Root's instructions of PATH as rows [file, first line, last line, function, instructions]: neighbouring lines of one function are one row in assembly."""
    found = places(path.root)
    lines = Counter(found[a] for a in path.root)
    rows = []
    for (function, file, line), n in sorted(lines.items(), key=lambda i: (i[0][1], i[0][2], i[0][0])):
        last = rows[-1] if rows else None
        if last and file.endswith(".asm") and last[0] == file and last[3] == function and line - last[2] <= 3:
            last[2], last[4] = line, last[4] + n
        else:
            rows.append([file, line, line, function, n])
    return rows


def main():
    """trace.py ROW…: what the rows execute in root mode, by function and line, from the image that was built last."""
    import bench  # pylint: disable=import-outside-toplevel
    run = bench.one_run("counts")
    for name in sys.argv[1:] or run.paths:
        path = run.paths[name]
        print(f"\n{name}: {path.ticks} ticks, {len(path.root)} of them in root mode; " + ", ".join(f"{v} {k}" for k, v in path.counts.items() if v))
        functions = Counter()
        for file, first, last, function, n in by_line(path):
            functions[f"{function} ({file})"] += n
            print(f"{n:7} {file}:{first}{'' if first == last else f'-{last}'} {function}")
        print("  by function: " + ", ".join(f"{n} {name}" for name, n in functions.most_common()))


if __name__ == "__main__":
    main()
