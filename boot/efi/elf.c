/* SPDX-License-Identifier: Apache-2.0
 * [FW][HOST] ELF64 images: from the bytes of a file to a checked plan of copies. Pure.
 *
 * Headers are copied out before use: a file promises no alignment. */
#include "boot/efi/elf.h"

#include <stdbool.h>

#include "boot/efi/lib.h"

#define PAGE       4096UL
#define LARGE_PAGE (2UL << 20)

#define ELF_IDENT       0x00010102464c457fUL /* magic, 64-bit, little-endian, version 1, System V */
#define ELF_IDENT_MASK  0x00ffffffffffffffUL /* not the OS ABI: GNU tools set it for some features */
#define ELF_EXEC        2U
#define ELF_DYN         3U
#define ELF_X86_64      62U
#define ELF_MAX_HEADERS 64U

#define SEG_LOAD    1U
#define SEG_DYNAMIC 2U
#define SEG_INTERP  3U
#define SEG_NOTE    4U
#define SEG_X       1U
#define SEG_W       2U

#define NOTE_PHYS32_ENTRY 18U /* XEN_ELFNOTE_PHYS32_ENTRY of xen/elfnote.h */

struct elf_header {
    uint64_t ident;
    uint64_t ident_pad;
    uint16_t type;
    uint16_t machine;
    uint32_t version;
    uint64_t entry;
    uint64_t phoff;
    uint64_t shoff;
    uint32_t flags;
    uint16_t ehsize;
    uint16_t phentsize;
    uint16_t phnum;
    uint16_t shentsize;
    uint16_t shnum;
    uint16_t shstrndx;
};
_Static_assert(sizeof(struct elf_header) == 64, "ELF64 file header");

struct program_header {
    uint32_t type;
    uint32_t flags;
    uint64_t offset;
    uint64_t vaddr;
    uint64_t paddr;
    uint64_t filesz;
    uint64_t memsz;
    uint64_t align;
};
_Static_assert(sizeof(struct program_header) == 56, "ELF64 program header");

struct image {
    const uint8_t *file;
    uint64_t bytes;
    struct elf_header header;
    uint64_t limit_bytes;
};

static bool inside(uint64_t offset, uint64_t length, uint64_t total)
{
    return offset <= total && length <= total - offset;
}

static struct program_header program_header(const struct image *image, uint32_t index)
{
    struct program_header h;

    memcpy(&h, image->file + image->header.phoff + (uint64_t)index * sizeof(h), sizeof(h));
    return h;
}

static const char *check_file(struct image *image)
{
    struct elf_header *h = &image->header;

    if (image->bytes < sizeof(*h)) {
        return "it is too short for an ELF file";
    }
    memcpy(h, image->file, sizeof(*h));
    if ((h->ident & ELF_IDENT_MASK) != (ELF_IDENT & ELF_IDENT_MASK)) {
        return "it is not a 64-bit little-endian ELF file";
    }
    if (h->machine != ELF_X86_64) {
        return "it is not for x86-64";
    }
    if (h->phentsize != sizeof(struct program_header) || h->phnum == 0 || h->phnum > ELF_MAX_HEADERS) {
        return "its table of program headers has a wrong size";
    }
    if (!inside(h->phoff, (uint64_t)h->phnum * sizeof(struct program_header), image->bytes)) {
        return "it is truncated (the program headers lie outside)";
    }
    return NULL;
}

static const char *check_segment(const struct image *image, const struct program_header *h)
{
    if (h->type == SEG_INTERP || h->type == SEG_DYNAMIC) {
        return "it is dynamically linked";
    }
    if ((h->type == SEG_LOAD || h->type == SEG_NOTE) && !inside(h->offset, h->filesz, image->bytes)) {
        return "it is truncated (a segment lies outside)";
    }
    if (h->type != SEG_LOAD) {
        return NULL;
    }
    if (h->filesz > h->memsz) {
        return "a segment is larger in the file than in memory";
    }
    if (h->memsz > UINT64_MAX - h->paddr || h->memsz > UINT64_MAX - h->vaddr) {
        return "a segment wraps around the end of the address space";
    }
    return NULL;
}

static const char *overlap(const struct elf_plan *plan, const struct elf_segment *s)
{
    for (uint32_t i = 0; i < plan->nr_segments; i++) {
        const struct elf_segment *other = &plan->segments[i];
        if (s->offset < other->offset + other->mem_bytes && other->offset < s->offset + s->mem_bytes) {
            return "two segments overlap";
        }
    }
    return NULL;
}

/* Adds a checked segment that lies at `base` or above. */
static const char *add_segment(const struct image *image, const struct program_header *h, uint64_t base,
                               struct elf_plan *plan)
{
    struct elf_segment s = {h->offset, h->filesz, h->paddr - base, h->memsz};
    uint64_t limit = image->limit_bytes & ~(PAGE - 1);

    if (!inside(s.offset, s.mem_bytes, limit)) {
        return "it needs more memory than it may have";
    }
    if (plan->nr_segments == ELF_MAX_SEGMENTS) {
        return "it has too many segments";
    }
    const char *why = overlap(plan, &s);
    if (why != NULL) {
        return why;
    }
    plan->segments[plan->nr_segments++] = s;
    uint64_t end = (s.offset + s.mem_bytes + PAGE - 1) & ~(PAGE - 1);
    plan->span_bytes = end > plan->span_bytes ? end : plan->span_bytes;
    return NULL;
}

static const char *add_segments(const struct image *image, uint64_t base, struct elf_plan *plan)
{
    for (uint32_t i = 0; i < image->header.phnum; i++) {
        struct program_header h = program_header(image, i);
        if (h.type != SEG_LOAD || h.memsz == 0) {
            continue;
        }
        const char *why = add_segment(image, &h, base, plan);
        if (why != NULL) {
            return why;
        }
    }
    return NULL;
}

/* Checks all headers and finds the lowest physical address, 2 MiB-aligned. */
static const char *survey(const struct image *image, uint64_t *base)
{
    uint64_t lowest = UINT64_MAX;

    for (uint32_t i = 0; i < image->header.phnum; i++) {
        struct program_header h = program_header(image, i);
        const char *why = check_segment(image, &h);
        if (why != NULL) {
            return why;
        }
        if (h.type == SEG_LOAD && h.memsz != 0 && h.paddr < lowest) {
            lowest = h.paddr;
        }
    }
    if (lowest == UINT64_MAX) {
        return "it has nothing to load";
    }
    *base = lowest & ~(LARGE_PAGE - 1);
    return NULL;
}

/* ---- the hypervisor ------------------------------------------------------------------ */
static const char *root_entry(const struct image *image, struct elf_plan *plan)
{
    for (uint32_t i = 0; i < image->header.phnum; i++) {
        struct program_header h = program_header(image, i);
        if (h.type != SEG_LOAD) {
            continue;
        }
        if ((h.flags & SEG_W) != 0 && (h.flags & SEG_X) != 0) {
            return "a segment is writable and executable";
        }
        uint64_t into = image->header.entry - h.vaddr;
        if ((h.flags & SEG_X) != 0 && image->header.entry >= h.vaddr && into < h.filesz) {
            plan->entry_offset = h.paddr + into;
        }
    }
    return plan->entry_offset == UINT64_MAX ? "its entry point is not in its code" : NULL;
}

const char *elf_plan_root(const void *file, size_t bytes, uint64_t limit_bytes, struct elf_plan *plan)
{
    struct image image = {.file = file, .bytes = bytes, .limit_bytes = limit_bytes};
    uint64_t base;

    memset(plan, 0, sizeof(*plan));
    plan->entry_offset = UINT64_MAX;
    const char *why = check_file(&image);
    if (why == NULL) {
        why = image.header.type != ELF_EXEC ? "it is not an executable with fixed addresses" : survey(&image, &base);
    }
    if (why == NULL) { /* its physical addresses count from 0: the loader adds where it put it */
        why = add_segments(&image, 0, plan);
    }
    return why != NULL ? why : root_entry(&image, plan);
}

/* ---- Dom0 ---------------------------------------------------------------------------- */
static bool in_code(const struct image *image, uint64_t paddr)
{
    for (uint32_t i = 0; i < image->header.phnum; i++) {
        struct program_header h = program_header(image, i);
        if (h.type == SEG_LOAD && (h.flags & SEG_X) != 0 && paddr >= h.paddr && paddr - h.paddr < h.filesz) {
            return true;
        }
    }
    return false;
}

/* One note segment. *entry changes when it holds Xen's note of type 18 (descriptor of 4 or 8 bytes, all parts padded to
 * 4). */
static const char *scan_notes(const struct image *image, const struct program_header *segment, uint64_t *entry)
{
    const uint8_t *p = image->file + segment->offset;
    uint64_t left = segment->filesz;
    uint32_t head[3]; /* namesz, descsz, type */

    while (left >= sizeof(head)) {
        memcpy(head, p, sizeof(head));
        uint64_t name = ((uint64_t)head[0] + 3) & ~3UL;
        uint64_t body = name + (((uint64_t)head[1] + 3) & ~3UL);
        p += sizeof(head);
        left -= sizeof(head);
        if (name + head[1] > left) {
            return "a note is truncated";
        }
        if (head[2] == NOTE_PHYS32_ENTRY && head[0] == 4 && memcmp(p, "Xen", 4) == 0) {
            if (head[1] != 4 && head[1] != 8) {
                return "its PVH note has a wrong size";
            }
            *entry = 0;
            memcpy(entry, p + name, head[1]);
        }
        body = body < left ? body : left; /* the last descriptor may lack its padding */
        p += body;
        left -= body;
    }
    return NULL;
}

static const char *dom0_entry(const struct image *image, uint64_t base, struct elf_plan *plan)
{
    uint64_t entry = UINT64_MAX;

    for (uint32_t i = 0; i < image->header.phnum; i++) {
        struct program_header h = program_header(image, i);
        const char *why = h.type == SEG_NOTE ? scan_notes(image, &h, &entry) : NULL;
        if (why != NULL) {
            return why;
        }
    }
    if (entry == UINT64_MAX) {
        return "it has no PVH entry note";
    }
    if (!in_code(image, entry)) {
        return "its PVH entry point is not in its code";
    }
    plan->entry_offset = entry - base;
    return NULL;
}

const char *elf_plan_dom0(const void *file, size_t bytes, uint64_t limit_bytes, struct elf_plan *plan)
{
    struct image image = {.file = file, .bytes = bytes, .limit_bytes = limit_bytes};
    uint64_t base = 0;

    memset(plan, 0, sizeof(*plan));
    const char *why = check_file(&image);
    if (why == NULL && image.header.type != ELF_EXEC && image.header.type != ELF_DYN) {
        why = "it is not an executable";
    }
    if (why == NULL) {
        why = survey(&image, &base);
    }
    if (why == NULL) {
        why = add_segments(&image, base, plan);
    }
    return why != NULL ? why : dom0_entry(&image, base, plan);
}

void elf_load(const struct elf_plan *plan, const void *file, void *memory)
{
    memset(memory, 0, plan->span_bytes);
    for (uint32_t i = 0; i < plan->nr_segments; i++) {
        const struct elf_segment *s = &plan->segments[i];
        memcpy((uint8_t *)memory + s->offset, (const uint8_t *)file + s->file_offset, s->file_bytes);
    }
}
