/* SPDX-License-Identifier: Apache-2.0
 * [FW][HOST] ELF64 images: from the bytes of a file to a checked plan of copies. Pure.
 *
 * A plan is made first and every number in it is checked against the file; loading then cannot fail. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define ELF_MAX_SEGMENTS 16U

struct elf_segment {
    uint64_t file_offset;
    uint64_t file_bytes;
    uint64_t offset;    /* in the loaded image */
    uint64_t mem_bytes; /* >= file_bytes; the rest is zero */
};

struct elf_plan {
    uint64_t span_bytes;   /* of the loaded image incl. bss; page-aligned */
    uint64_t entry_offset; /* in the loaded image */
    uint32_t nr_segments;
    struct elf_segment segments[ELF_MAX_SEGMENTS];
};

/* Plans the hypervisor: ET_EXEC, physical addresses counting from 0, entry = e_entry by the segment that holds it, no
 * segment both writable and executable. Returns NULL, or why the file is refused. `limit_bytes` bounds the span. */
const char *elf_plan_root(const void *file, size_t bytes, uint64_t limit_bytes, struct elf_plan *plan);

/* Plans Dom0: offset 0 is its lowest physical address rounded down to 2 MiB, entry = its PVH note (Xen, type 18). */
const char *elf_plan_dom0(const void *file, size_t bytes, uint64_t limit_bytes, struct elf_plan *plan);

/* Copies the segments of a plan of that very file to `memory`, which has plan->span_bytes bytes, and zeroes the rest.
 */
void elf_load(const struct elf_plan *plan, const void *file, void *memory);
