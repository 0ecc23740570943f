/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Kernel images: which kind, where the kernel is, and planning and loading an ELF file from a stream. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <elf.h>

#include "dom0/builder/elf_plan.h"
#include "dom0/builder/image.h"

static void put32(uint8_t *p, uint32_t v) { memcpy(p, &v, 4); }

static void bzimage_header(uint8_t *h, uint8_t sects, uint16_t version, uint32_t off, uint32_t len)
{
    memset(h, 0, IMAGE_HEAD_BYTES);
    h[0x1f1] = sects;
    memcpy(h + 0x202, "HdrS", 4);
    memcpy(h + 0x206, &version, 2);
    put32(h + 0x248, off);
    put32(h + 0x24c, len);
}

static void detection(void **state)
{
    (void)state;
    uint8_t h[IMAGE_HEAD_BYTES];
    struct image im;
    /* The numbers of Debian's cloud kernel. */
    bzimage_header(h, 0x26, 0x20f, 0x4cc - 0x200 + 0x200, 14063308);
    assert_null(image_detect(h, sizeof(h), 14186432, &im));
    assert_int_equal(im.kind, IMAGE_BZIMAGE);
    assert_int_equal(im.payload_off, 0x27 * 512 + 0x4cc);
    assert_int_equal(im.payload_len, 14063304);
    /* setup_sects 0 means 4. */
    bzimage_header(h, 0, 0x20f, 0, 100);
    assert_null(image_detect(h, sizeof(h), 5000, &im));
    assert_int_equal(im.payload_off, 5 * 512);
    /* Payload behind the end, in each way; offsets that would wrap. */
    static const struct {
        uint32_t off, len;
    } wrong[] = {{5000, 100}, {2440, 100}, {0, 2441}, {0xffffffff, 1}, {0, 0xffffffff}, {0xffffffff, 0xffffffff},
                 {0, 15}};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        bzimage_header(h, 4, 0x20f, wrong[i].off, wrong[i].len);
        assert_non_null(image_detect(h, sizeof(h), 5000, &im));
    }
    bzimage_header(h, 4, 0x207, 0, 100);
    assert_non_null(strstr(image_detect(h, sizeof(h), 5000, &im), "2.08"));
    bzimage_header(h, 4, 0x20f, 0, 100);
    assert_non_null(image_detect(h, 0x24f, 5000, &im)); /* a short file */
    assert_non_null(image_detect("", 0, 0, &im));
    assert_non_null(image_detect("MZ", 2, 2, &im));
    assert_null(image_detect("\177ELF", 4, 4, &im));
    assert_int_equal(im.kind, IMAGE_ELF);
}

static void compressions(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *name;
    } known[] = {
        {"\x02\x21\x4c\x18..", "LZ4"},
        {"\x1f\x8b....", "gzip"},
        {"BZh...", "bzip2"},
        {"\x5d\0\0...", "LZMA"},
        {"\xfd"
         "7zXZ\0",
         "XZ"},
        {"\x89LZO..", "LZO"},
        {"\x28\xb5\x2f\xfd..", "zstd"},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        assert_string_equal(image_compression((const uint8_t *)known[i].bytes), known[i].name);
    }
    assert_null(image_compression((const uint8_t *)"\177ELF.."));
}

/* A small kernel: one segment of code, one with more memory than file, a note. */
#define FILE_BYTES 0x600U
static uint8_t file[FILE_BYTES];

static Elf64_Phdr *phdr(unsigned i) { return (Elf64_Phdr *)(file + sizeof(Elf64_Ehdr)) + i; }

static void make_elf(uint32_t desc_len)
{
    memset(file, 0, sizeof(file));
    Elf64_Ehdr *e = (Elf64_Ehdr *)file;
    memcpy(e->e_ident, "\177ELF\2\1\1", 7);
    e->e_machine = EM_X86_64;
    e->e_phoff = sizeof(*e);
    e->e_phentsize = sizeof(Elf64_Phdr);
    e->e_phnum = 4;
    *phdr(0) = (Elf64_Phdr){.p_type = PT_LOAD,
                            .p_offset = 0x200,
                            .p_paddr = 0x100000,
                            .p_vaddr = 0xffffffff81000000,
                            .p_filesz = 0x200,
                            .p_memsz = 0x200};
    *phdr(1) =
        (Elf64_Phdr){.p_type = PT_LOAD, .p_offset = 0x400, .p_paddr = 0x102000, .p_filesz = 0x100, .p_memsz = 0x3000};
    *phdr(2) = (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = 0x500, .p_filesz = 0x80};
    *phdr(3) = (Elf64_Phdr){.p_type = PT_GNU_STACK};
    for (unsigned i = 0x200; i < 0x500; i++) {
        file[i] = (uint8_t)(i * 7);
    }
    uint8_t *n = file + 0x500;
    put32(n, 4);
    put32(n + 4, 5);
    put32(n + 8, 6); /* another note, of odd length */
    memcpy(n + 12, "Xen", 4);
    n += 24;
    put32(n, 4);
    put32(n + 4, desc_len);
    put32(n + 8, 18);
    memcpy(n + 12, "Xen", 4);
    put32(n + 16, 0x100080);
}

struct seen {
    uint8_t memory[0x3000];
};
static bool keep(void *ctx, uint64_t gpa, const void *data, size_t len)
{
    struct seen *s = ctx;
    assert_in_range(gpa, 0x100000, 0x102fff);
    memcpy(s->memory + (gpa - 0x100000), data, len);
    return true;
}

static void elf_loads_in_any_pieces(void **state)
{
    (void)state;
    for (uint32_t desc = 4; desc <= 8; desc += 4) {
        make_elf(desc);
        for (size_t piece = 1; piece <= FILE_BYTES; piece = piece * 3 + 1) {
            struct elf_plan p;
            struct seen s = {0};
            assert_null(elf_plan_make(file, FILE_BYTES, FILE_BYTES, &p));
            assert_int_equal(p.segments, 2);
            assert_int_equal(p.low, 0x100000);
            assert_int_equal(p.high, 0x105000);
            uint8_t *notes = malloc(p.note_bytes);
            for (size_t off = 0; off < FILE_BYTES; off += piece) {
                size_t n = FILE_BYTES - off < piece ? FILE_BYTES - off : piece;
                uint8_t *copy = malloc(n);
                memcpy(copy, file + off, n);
                assert_true(elf_plan_feed(&p, off, copy, n, notes, keep, &s));
                free(copy);
            }
            assert_memory_equal(s.memory, file + 0x200, 0x200);
            assert_memory_equal(s.memory + 0x2000, file + 0x400, 0x100);
            uint32_t entry = 0;
            assert_null(elf_plan_entry(&p, notes, &entry));
            assert_int_equal(entry, 0x100080);
            free(notes);
        }
    }
}

static void elf_refusals(void **state)
{
    (void)state;
    struct elf_plan p;
#define REFUSED(change)                                                                                                \
    do {                                                                                                               \
        make_elf(4);                                                                                                   \
        change;                                                                                                        \
        assert_non_null(elf_plan_make(file, FILE_BYTES, FILE_BYTES, &p));                                              \
    } while (0)
    Elf64_Ehdr *e = (Elf64_Ehdr *)file;
    REFUSED(file[0] = 0);
    REFUSED(e->e_ident[EI_CLASS] = ELFCLASS32);
    REFUSED(e->e_ident[EI_DATA] = ELFDATA2MSB);
    REFUSED(e->e_machine = EM_AARCH64);
    REFUSED(e->e_phentsize = 32);
    REFUSED(e->e_phnum = 0);
    REFUSED(e->e_phnum = 0xffff);
    REFUSED(e->e_phoff = FILE_BYTES);
    REFUSED(e->e_phoff = UINT64_MAX);
    REFUSED(phdr(0)->p_offset = FILE_BYTES + 1);
    REFUSED(phdr(0)->p_offset = UINT64_MAX);
    REFUSED(phdr(0)->p_filesz = UINT64_MAX);
    REFUSED(phdr(0)->p_filesz = 0x201);
    REFUSED(phdr(0)->p_memsz = UINT64_MAX);
    REFUSED(phdr(0)->p_paddr = UINT64_MAX - 4096);
    REFUSED(phdr(2)->p_filesz = UINT64_MAX);
    REFUSED(phdr(2)->p_offset = UINT64_MAX - 10);
    REFUSED((phdr(0)->p_type = PT_NULL, phdr(1)->p_type = PT_NULL));
    make_elf(4);
    phdr(2)->p_filesz = ELF_PLAN_NOTE_BYTES + 1;
    assert_non_null(elf_plan_make(file, FILE_BYTES, 1 << 20, &p));
    make_elf(4);
    assert_non_null(elf_plan_make(file, 63, FILE_BYTES, &p));
    assert_non_null(elf_plan_make(file, 100, FILE_BYTES, &p));
}

static void entry_refusals(void **state)
{
    (void)state;
    struct elf_plan p;
    uint32_t entry;
#define NO_ENTRY(change, words)                                                                                        \
    do {                                                                                                               \
        make_elf(4);                                                                                                   \
        change;                                                                                                        \
        assert_null(elf_plan_make(file, FILE_BYTES, FILE_BYTES, &p));                                                  \
        const char *why = elf_plan_entry(&p, file + 0x500, &entry);                                                    \
        assert_non_null(why);                                                                                          \
        assert_non_null(strstr(why, words));                                                                           \
    } while (0)
    uint8_t *n = file + 0x500 + 24;
    NO_ENTRY(put32(n + 8, 17), "no PVH entry");
    NO_ENTRY(memcpy(n + 12, "XeN", 3), "no PVH entry");
    NO_ENTRY(put32(n, 3), "no PVH entry");
    NO_ENTRY(put32(n + 4, 5), "no PVH entry");
    NO_ENTRY(put32(n - 24, 0xffffffff), "no PVH entry");
    NO_ENTRY(put32(n - 20, 0xfffffff0), "no PVH entry");
    NO_ENTRY((put32(n + 4, 8), put32(n + 20, 1)), "no PVH entry"); /* above 4 GiB */
    NO_ENTRY(put32(n + 16, 0x200000), "outside");
    NO_ENTRY(put32(n + 16, 0x105000), "outside");
    NO_ENTRY(phdr(2)->p_filesz = 24 + 16, "no PVH entry");
    NO_ENTRY(phdr(2)->p_type = PT_NULL, "no PVH entry");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(detection),    cmocka_unit_test(compressions),   cmocka_unit_test(elf_loads_in_any_pieces),
        cmocka_unit_test(elf_refusals), cmocka_unit_test(entry_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
