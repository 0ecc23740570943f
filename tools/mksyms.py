#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""[HOST] `nm -n` on stdin -> NASM on stdout: the hypervisor's symbol table for backtraces.

Layout of section .ksyms: u32 count, then count x {u32 offset from the image's start, u32 offset of the name},
then the names. The table comes last in .rodata, so that adding it moves no function.
"""
import sys

BASE = 0xFFFFFFFF80000000
rows = []
for line in sys.stdin:
    parts = line.split()
    if len(parts) == 3 and parts[1] in "tT":
        rows.append((int(parts[0], 16) - BASE, parts[2]))
print("section .ksyms progbits alloc noexec nowrite align=8")
print("global ksyms_table")
print(f"ksyms_table: dd {len(rows)}")
at = 0
for addr, name in rows:
    print(f"dd {addr}, {at}")
    at += len(name) + 1
for _, name in rows:
    print(f'db "{name}", 0')
