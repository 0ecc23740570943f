/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Loading an ELF kernel that arrives as a stream. The layouts are those of the ELF-64 object file format. */
#include "dom0/builder/elf_plan.h"

#include <xen/elfnote.h>

#include "dom0/lib/string.h"

struct ehdr {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
_Static_assert(sizeof(struct ehdr) == 64, "ELF64");

struct phdr {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};
_Static_assert(sizeof(struct phdr) == 56, "ELF64");

#define PT_LOAD   1U
#define PT_NOTE   4U
#define EM_X86_64 62U
#define CLASS64   2U
#define LITTLE    1U
/* Far above any guest's memory, far below where sums of 64-bit numbers could wrap. */
#define GPA_LIMIT (1ULL << 40)

static const char *check_ehdr(const struct ehdr *h, size_t len)
{
    if (memcmp(h->ident, "\177ELF", 4) != 0) {
        return "the unpacked kernel is not an ELF file: use Debian's linux-image-cloud-amd64";
    }
    if (h->ident[4] != CLASS64 || h->ident[5] != LITTLE || h->machine != EM_X86_64) {
        return "not a 64-bit x86 ELF file: build the kernel for x86-64";
    }
    if (h->phentsize != sizeof(struct phdr) || h->phnum == 0) {
        return "an ELF file without program headers: link it as an executable";
    }
    if (h->phoff > len || h->phnum > (len - h->phoff) / sizeof(struct phdr)) {
        return "the ELF program headers are not in the first 8 KiB: link it in the usual way";
    }
    return NULL;
}

static const char *add_segment(struct elf_plan *p, const struct phdr *h)
{
    if (p->segments == ELF_PLAN_SEGMENTS) {
        return "an ELF file with more than 16 segments: link it with fewer";
    }
    if (h->filesz > h->memsz || h->paddr > GPA_LIMIT || h->memsz > GPA_LIMIT) {
        return "an ELF segment has impossible sizes: the file is damaged";
    }
    p->segment[p->segments++] = (struct elf_segment){h->offset, h->filesz, h->paddr, h->memsz};
    p->low = h->paddr < p->low ? h->paddr : p->low;
    p->high = h->paddr + h->memsz > p->high ? h->paddr + h->memsz : p->high;
    return NULL;
}

static const char *add_note(struct elf_plan *p, const struct phdr *h)
{
    if (p->notes == ELF_PLAN_NOTES || h->filesz > ELF_PLAN_NOTE_BYTES - p->note_bytes) {
        return "the ELF notes are larger than 64 KiB: the file is damaged";
    }
    p->note[p->notes].off = h->offset;
    p->note[p->notes++].len = h->filesz;
    p->note_bytes += h->filesz;
    return NULL;
}

const char *elf_plan_make(const void *head, size_t len, uint64_t file_size, struct elf_plan *out)
{
    struct ehdr eh;
    *out = (struct elf_plan){.low = UINT64_MAX};
    if (len < sizeof(eh)) {
        return "too short for an ELF file: copy it again";
    }
    memcpy(&eh, head, sizeof(eh));
    const char *why = check_ehdr(&eh, len);
    for (unsigned i = 0; i < eh.phnum && why == NULL; i++) {
        struct phdr ph;
        memcpy(&ph, (const uint8_t *)head + eh.phoff + i * sizeof(ph), sizeof(ph));
        bool load = ph.type == PT_LOAD && ph.memsz > 0;
        if (!load && ph.type != PT_NOTE) {
            continue;
        }
        if (ph.offset > file_size || ph.filesz > file_size - ph.offset) {
            return "an ELF segment lies behind the end of the file: copy it again";
        }
        why = load ? add_segment(out, &ph) : add_note(out, &ph);
        out->file_end = ph.offset + ph.filesz > out->file_end ? ph.offset + ph.filesz : out->file_end;
    }
    if (why == NULL && out->segments == 0) {
        why = "an ELF file with nothing to load: link it as an executable";
    }
    return why;
}

/* The common part of [OFF, OFF+LEN) and [FROM, FROM+COUNT). */
static bool overlap(uint64_t off, size_t len, uint64_t from, uint64_t count, uint64_t *begin, size_t *n)
{
    uint64_t end = off + len < from + count ? off + len : from + count;
    *begin = off > from ? off : from;
    *n = *begin < end ? (size_t)(end - *begin) : 0;
    return *n > 0;
}

bool elf_plan_feed(const struct elf_plan *p, uint64_t off, const uint8_t *data, size_t len, uint8_t *notes,
                   bool (*place)(void *ctx, uint64_t gpa, const void *data, size_t len), void *ctx)
{
    uint64_t begin, note_at = 0;
    size_t n;
    for (unsigned i = 0; i < p->notes; i++) {
        if (overlap(off, len, p->note[i].off, p->note[i].len, &begin, &n)) {
            memcpy(notes + note_at + (begin - p->note[i].off), data + (begin - off), n);
        }
        note_at += p->note[i].len;
    }
    for (unsigned i = 0; i < p->segments; i++) {
        const struct elf_segment *s = &p->segment[i];
        if (overlap(off, len, s->file_off, s->file_len, &begin, &n) &&
            !place(ctx, s->gpa + (begin - s->file_off), data + (begin - off), n)) {
            return false;
        }
    }
    return true;
}

static uint32_t get32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

/* Walks one PT_NOTE: {name size, desc size, type, name, desc}, name and desc padded to 4. */
static bool find_entry(const uint8_t *note, uint64_t len, uint32_t *entry)
{
    while (len >= 12) {
        uint64_t name = ((uint64_t)get32(note) + 3U) & ~3ULL, desc_len = get32(note + 4),
                 desc = (desc_len + 3U) & ~3ULL;
        if (name + desc_len > len - 12U) {
            return false;
        }
        if (get32(note + 8) == XEN_ELFNOTE_PHYS32_ENTRY && get32(note) == 4 && memcmp(note + 12, "Xen", 4) == 0 &&
            (desc_len == 4 || desc_len == 8)) {
            uint64_t high = desc_len == 8 ? get32(note + 12 + name + 4) : 0;
            *entry = get32(note + 12 + name);
            return high == 0;
        }
        uint64_t step = 12U + name + desc;
        if (step > len) {
            return false;
        }
        note += step;
        len -= step;
    }
    return false;
}

const char *elf_plan_entry(const struct elf_plan *p, const uint8_t *notes, uint32_t *entry)
{
    bool found = false;
    for (unsigned i = 0; i < p->notes && !found; i++) {
        found = find_entry(notes, p->note[i].len, entry);
        notes += p->note[i].len;
    }
    if (!found) {
        return "the kernel has no PVH entry (ELF note Xen, PHYS32_ENTRY): use a kernel built with CONFIG_PVH";
    }
    for (unsigned i = 0; i < p->segments; i++) {
        if (*entry >= p->segment[i].gpa && *entry - p->segment[i].gpa < p->segment[i].mem_len) {
            return NULL;
        }
    }
    return "the kernel's PVH entry lies outside its segments: the file is damaged";
}
