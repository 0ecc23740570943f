#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""[HOST] Is there a place where root mode asks for memory at which tests/unit/test_alloc.c never makes it fail? The test writes down the return addresses of each
failure; they are compared with every call of an allocating function in root's sources. Prints one line per place; exit 1 if one is missing."""
import glob
import os
import re
import subprocess
import sys
import tempfile

TEST = "build/unit/alloc"
# Whatever gets memory, directly or through another of these.
ALLOCATING = ("frame_lists_take frame_take frame_alloc pool_page_alloc pool_grow pool_alloc domain_table_page alloc_table ept_init ept_prepare ept_split_exec event_init "
              "grant_init vcpu_create vmx_vcpu_create alloc_frames map_unit unmap_unit port_alloc active_of handle_find pagetable_map_root pagetable_map_mmio make_stacks").split()
CALL = re.compile(r"\b(" + "|".join(ALLOCATING) + r")\(")
BOOT = "while the machine starts, before there is a guest; a failure is told in words, and the start ends or goes on without it"
ELSEWHERE = {  # (file, function called): why it needs no failure there
    ("kernel/mm/pagetable.c", "frame_take"): "a table of root's own map: pagetable_map_root fails in its place",
    ("kernel/domain/physmap.c", "unmap_unit", "physmap_unmap_frame"): "takes out one 4 KiB leaf, for which nothing is split",
    ("vmx/exit/ept_violation.c", "ept_split_exec"): "fails in tests/unit/test_exit.c",
    ("kernel/smp/smp.c", "frame_alloc"): BOOT, ("kernel/smp/smp.c", "make_stacks"): BOOT, ("vmx/cpu.c", "frame_alloc"): BOOT, ("vmx/bitmaps.c", "frame_alloc"): BOOT,
    ("kernel/platform/lapic.c", "pagetable_map_mmio"): BOOT, ("kernel/platform/irq.c", "pagetable_map_mmio"): BOOT,
    ("kernel/platform/uart.c", "pagetable_map_mmio"): BOOT, ("kernel/platform/fbcon.c", "pagetable_map_mmio"): BOOT,
}


def calls():
    """(file, line, function called, function that calls) of root's sources."""
    for path in sorted(sum((glob.glob(p) for p in ("kernel/*.c", "kernel/*/*.c", "vmx/*.c", "vmx/exit/*.c", "ept/*.c")), [])):
        caller = ""
        with open(path, encoding="utf-8") as f:
            for n, line in enumerate(f, 1):
                head = re.match(r"[a-z].*?\b(\w+)\(.*[^;]$", line.rstrip())
                if head:
                    caller = head.group(1)
                code = re.sub(r"/\*.*|\"[^\"]*\"", "", line)
                for m in CALL.finditer(code):
                    if not (head and m.group(1) == caller):  # else it is its definition
                        yield path, n, m.group(1), caller


def reached():
    with tempfile.NamedTemporaryFile("r", suffix=".sites") as f:
        subprocess.run([TEST], env={**os.environ, "ALLOC_SITES": f.name}, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        addresses = f.read().split()
    out = subprocess.run(["addr2line", "-e", TEST, *addresses], capture_output=True, text=True, check=True).stdout
    return {(os.path.relpath(m.group(1)), int(m.group(2))) for m in re.finditer(r"^(\S+):(\d+)", out, re.M)}


def main():
    hit, missing, failed, excused = reached(), [], 0, 0
    for path, line, called, caller in calls():
        why = ELSEWHERE.get((path, called)) or ELSEWHERE.get((path, called, caller))
        if (path, line) in hit:
            failed += 1
            said = "failed"
        elif why:
            excused += 1
            said = why
        else:
            missing.append(f"{path}:{line}: {called} in {caller} never fails in {TEST}")
            said = "NEVER FAILED"
        print(f"  {path + ':' + str(line):<34} {called:<20} {said}")
    print(f"places where root asks for memory: {failed} failed, {excused} looked at by hand, {len(missing)} missing")
    sys.exit("\n".join("error: alloc_sites: " + m for m in missing) if missing else 0)


if __name__ == "__main__":
    main()
