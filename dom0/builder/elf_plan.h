/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Loading an ELF kernel that arrives as a stream: plan the segments from its head, then place each piece as it
 * passes by, and find the PVH entry in the notes at the end. Pure; every field is checked. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_PLAN_SEGMENTS   16U
#define ELF_PLAN_NOTES      4U
#define ELF_PLAN_NOTE_BYTES 65536U /* all notes together */
#define ELF_PLAN_HEAD_BYTES 8192U  /* ELF header and program headers have to be within */

struct elf_segment {
    uint64_t file_off, file_len, gpa, mem_len;
};

struct elf_plan {
    uint32_t segments, notes;
    struct elf_segment segment[ELF_PLAN_SEGMENTS];
    struct {
        uint64_t off, len;
    } note[ELF_PLAN_NOTES];
    uint64_t note_bytes;
    uint64_t low, high; /* gpa range of all segments */
    uint64_t file_end;  /* the stream is needed up to here */
};

/* From the first LEN bytes of a stream of FILE_SIZE bytes. NULL: planned; else "why: what to do". */
const char *elf_plan_make(const void *head, size_t len, uint64_t file_size, struct elf_plan *out);
/* The stream's bytes OFF .. OFF+LEN pass by: PLACE(ctx, gpa, data, len) for each part that belongs to a segment; parts
 * of notes go to NOTES (note_bytes large). false: PLACE said so. */
bool elf_plan_feed(const struct elf_plan *p, uint64_t off, const uint8_t *data, size_t len, uint8_t *notes,
                   bool (*place)(void *ctx, uint64_t gpa, const void *data, size_t len), void *ctx);
/* The PVH entry (note "Xen", type 18) in NOTES. NULL: *ENTRY is it and lies in a segment; else "why: what to do". */
const char *elf_plan_entry(const struct elf_plan *p, const uint8_t *notes, uint32_t *entry);
