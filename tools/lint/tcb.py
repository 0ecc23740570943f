#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""[HOST] Counts the lines of root-mode code (headers and .def files included, blanks and comments not), per folder, and fails above the budget."""
import os
import re
import sys

C_GOAL = 6000        # of this version
C_BUDGET = 10000     # of all versions: above it the build fails
ASM_BUDGET = 500
ROOTS = ("boot", "kernel", "vmx", "ept")
NOT_ROOT = ("boot/efi",)


def code_lines_c(text):
    text = re.sub(r'"(\\.|[^"\\\n])*"|\'(\\.|[^\'\\\n])*\'|/\*.*?\*/|//[^\n]*',
                  lambda m: m.group(0) if m.group(0)[0] in "\"'" else "\n" * m.group(0).count("\n"), text, flags=re.S)
    return sum(1 for line in text.split("\n") if line.strip())


def code_lines_asm(text):
    return sum(1 for line in text.split("\n") if line.split(";")[0].strip())


def files():
    for root in ROOTS:
        for folder, _, names in os.walk(root):
            if any(folder == n or folder.startswith(n + "/") for n in NOT_ROOT):
                continue
            for name in sorted(names):
                yield os.path.join(folder, name)


def count():
    c, asm = {}, {}
    for path in files():
        with open(path, encoding="utf-8") as f:
            text = f.read()
        folder = os.path.dirname(path)
        if path.endswith((".c", ".h", ".def")):
            c[folder] = c.get(folder, 0) + code_lines_c(text)
        elif path.endswith(".asm"):
            asm[folder] = asm.get(folder, 0) + code_lines_asm(text)
    return c, asm


def main():
    c, asm = count()
    print("root-mode lines of code      C    asm")
    for folder in sorted(set(c) | set(asm)):
        print(f"  {folder:<22} {c.get(folder, 0):>6} {asm.get(folder, 0):>6}")
    total_c, total_asm = sum(c.values()), sum(asm.values())
    print(f"  {'total':<22} {total_c:>6} {total_asm:>6}   (budget {C_BUDGET} and {ASM_BUDGET})")
    if total_c > C_GOAL:
        print(f"  {total_c - C_GOAL} lines above this version's goal of {C_GOAL}")
    if total_c > C_BUDGET or total_asm > ASM_BUDGET:
        sys.exit("error: tcb: root mode is over its budget: delete something")


if __name__ == "__main__":
    main()
