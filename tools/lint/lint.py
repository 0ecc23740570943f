#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""[HOST] Checks that no compiler makes: layers, worlds, headers that compile alone, W^X of the images, forbidden words and calls.
Prints one line per offence, then `lint: N checks, M offences`; exit 1 if there is one."""
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

# Lowest first; an include may only go down or stay (DESIGN: layers in root mode).
LAYERS = [("kernel/abi",), ("kernel/core", "boot"), ("kernel/cpu",), ("kernel/mm",), ("kernel/platform",), ("kernel/smp", "kernel/time"), ("ept",), ("vmx",),
          ("kernel/sched", "kernel/domain"), ("kernel/hypercall",), ("vmx/exit",), ("kernel",)]
ROOT_FOLDERS = [f for layer in LAYERS for f in layer]
# Upward includes that are part of the design, each with its reason.
ALLOWED_UP = {
    ("kernel/sched", "kernel/domain"): "one layer in both directions: the scheduler runs vCPUs",
    ("kernel/domain", "kernel/hypercall/copy.h"): "runstate and time areas are guest memory",
}
WORLD_OF = {"boot/efi": "FW", "boot": "ROOT", "kernel": "ROOT", "vmx": "ROOT", "ept": "ROOT", "drivers": "DOM0", "dom0": "DOM0", "tests/guest": "DOMU"}
SHARED_HEADERS = ("kernel/abi/", "boot/boot_info.h", "kernel/core/types.h")
MAX_LINE = 200
NO_PANIC = ("kernel/hypercall/", "vmx/exit/")
FORBIDDEN = [(re.compile(r"\b(TODO|FIXME|XXX)\b"), "unfinished business in the source"),
             (re.compile(r"(?<![\w.])/work/|\.\./shared"), "a path of somebody's workplace")]

offences = []
checks = 0


def offence(path, line, text):
    offences.append(f"{path}:{line}: {text}")


def sources():
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=True).stdout
    return [p for p in out.split("\n") if p and os.path.exists(p)]


def layer_of(folder):
    for i, names in enumerate(LAYERS):
        if folder in names:
            return i
    return None


def check_includes(path, lines):
    global checks
    folder = os.path.dirname(path)
    mine = layer_of(folder)
    for n, line in enumerate(lines, 1):
        m = re.match(r'#include "([^"]+)"', line)
        if not m:
            continue
        checks += 1
        target = m.group(1)
        if any(target.startswith(s) for s in SHARED_HEADERS):
            continue
        theirs = layer_of(os.path.dirname(target))
        if mine is not None:
            if theirs is None and not target.startswith("gen") and "/" in target:
                offence(path, n, f"root mode includes {target} of another world")
            elif theirs is not None and theirs > mine and not any(
                    folder == a and target.startswith(b) for a, b in ALLOWED_UP):
                offence(path, n, f"{folder} (layer {mine}) includes {target} (layer {theirs}) above it")
            if target.endswith("_priv.h") and os.path.dirname(target) != folder:
                offence(path, n, f"{target} is private to its folder")
        elif path.startswith(("dom0/", "drivers/")) and theirs is not None and not target.startswith("kernel/core/types.h"):
            offence(path, n, f"Dom0 includes root mode's {target}")


def check_text(path, lines):
    global checks
    if path.startswith("tools/lint/"):
        return
    for n, line in enumerate(lines, 1):
        checks += 1
        for pattern, why in FORBIDDEN:
            if pattern.search(line):
                offence(path, n, why)
        if path.endswith((".c", ".h", ".asm", ".py")):
            if len(line) > MAX_LINE:
                offence(path, n, f"line of {len(line)} characters")
            if "\t" in line:
                offence(path, n, "tab")
            if line != line.rstrip():
                offence(path, n, "space at the end of the line")
        if path.startswith(NO_PANIC) and re.search(r"\bpanic\(|\bASSERT\(", line):
            offence(path, n, "a panic below a hypercall or exit handler")
    if path.endswith((".c", ".h", ".asm", ".def")) and "SPDX-License-Identifier" not in "".join(lines[:2]):
        offence(path, 1, "no SPDX line")
    if path.endswith((".c", ".h", ".asm")) and not path.startswith("tests/") and not re.search(r"\[(FW|ROOT|DOM0|DOMU|HOST)\]", "".join(lines[:6])):
        offence(path, 1, "the head comment names no world")


def check_header(path):
    flags = ["-std=gnu2x", "-ffreestanding", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-Wno-pragma-once-outside-header", "-I.", "-Ibuild/gen", "-D__XEN_INTERFACE_VERSION__=0x00040e00"]
    if path.startswith("boot/efi/"):
        flags += ["-I/usr/include/efi", "-I/usr/include/efi/x86_64", "-I/usr/include/efi/protocol", "-DGNU_EFI_USE_MS_ABI", "-fshort-wchar"]
    probe = f'#include "{path}"\n'
    r = subprocess.run(["gcc", *flags, "-x", "c", "-"], input=probe, capture_output=True, text=True, check=False)
    return path, r.stderr.strip().split("\n")[0] if r.returncode else None


def check_elf(path):
    global checks
    if not os.path.exists(path):
        offence(path, 0, "not built")
        return
    out = subprocess.run(["readelf", "-lW", path], capture_output=True, text=True, check=True).stdout
    for line in out.split("\n"):
        m = re.match(r"\s+LOAD\s+(.*)", line)
        if m:
            checks += 1
            rights = m.group(1)[m.group(1).index(" "):]
            flags = re.search(r"0x[0-9a-f]+ 0x[0-9a-f]+ ([RWE ]{3}) ", rights).group(1)
            if "W" in flags and "E" in flags:
                offence(path, 0, "a segment is writable and executable")


def main():
    global checks
    headers = []
    for path in sources():
        if not path.endswith((".c", ".h", ".asm", ".def", ".py", ".md", ".mk", ".ld", ".cfg", ".vmx")) and "/" in path and not path.startswith("tools/"):
            continue
        if path.startswith(("tests/vmx/", "tests/fuzz/corpus/")):  # other people's bytes, on purpose; and a fuzzer's
            continue
        with open(path, encoding="utf-8") as f:
            lines = f.read().split("\n")
        check_text(path, lines)
        if path.endswith((".c", ".h")):
            check_includes(path, lines)
        if path.endswith(".h") and not path.startswith("tests/"):
            headers.append(path)
    with ThreadPoolExecutor(2) as pool:
        for path, why in pool.map(check_header, headers):
            checks += 1
            if why:
                offence(path, 1, f"does not compile alone: {why}")
    for elf in ("build/corbel.elf", "build/dom0.elf"):
        check_elf(elf)
    for line in offences:
        print(line)
    print(f"lint: {checks} checks, {len(offences)} offences")
    sys.exit(1 if offences else 0)


if __name__ == "__main__":
    main()
