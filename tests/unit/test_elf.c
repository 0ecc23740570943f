/* SPDX-License-Identifier: Apache-2.0
 * [HOST] boot/efi/elf.c: good images load where they must, and each kind of damage is refused. */
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/efi/elf.h"

#define LIMIT     (16UL << 20)
#define ROOT_BASE 0xffffffff80000000UL

/* A small image: text, data with bss, and a note. */
struct file {
    Elf64_Ehdr header;
    Elf64_Phdr ph[3];
    struct {
        Elf64_Nhdr head;
        char name[4];
        uint64_t entry;
    } note;
    uint8_t text[64];
    uint8_t data[16];
};

static struct file file;
static struct elf_plan plan;

static Elf64_Phdr segment(uint32_t type, uint32_t flags, size_t offset, uint64_t vaddr, uint64_t paddr, size_t filesz,
                          uint64_t memsz)
{
    return (Elf64_Phdr){.p_type = type,
                        .p_flags = flags,
                        .p_offset = offset,
                        .p_vaddr = vaddr,
                        .p_paddr = paddr,
                        .p_filesz = filesz,
                        .p_memsz = memsz,
                        .p_align = 4096};
}

static int make(void **state)
{
    (void)state;
    memset(&file, 0, sizeof(file));
    memcpy(file.header.e_ident, "\177ELF\2\1\1", 7);
    file.header.e_type = ET_EXEC;
    file.header.e_machine = EM_X86_64;
    file.header.e_phoff = offsetof(struct file, ph);
    file.header.e_phentsize = sizeof(Elf64_Phdr);
    file.header.e_phnum = 3;
    file.header.e_entry = ROOT_BASE + 0x1010;
    file.ph[0] = segment(PT_LOAD, PF_R | PF_X, offsetof(struct file, text), ROOT_BASE + 0x1000, 0x1000, 64, 64);
    file.ph[1] = segment(PT_LOAD, PF_R | PF_W, offsetof(struct file, data), ROOT_BASE + 0x2000, 0x2000, 16, 0x5000);
    file.ph[2] = segment(PT_NOTE, PF_R, offsetof(struct file, note), 0, 0, sizeof(file.note), sizeof(file.note));
    file.note.head = (Elf64_Nhdr){4, 8, 18};
    memcpy(file.note.name, "Xen", 4);
    file.note.entry = 0x1020;
    memset(file.text, 0xcc, sizeof(file.text));
    memset(file.data, 0xdd, sizeof(file.data));
    return 0;
}

/* The plan from a copy of exactly `bytes`, so that reading past the end is caught; loads it when good. */
static const char *plan_bytes(bool root, size_t bytes, uint8_t **memory)
{
    uint8_t *copy = malloc(bytes > 0 ? bytes : 1);

    memcpy(copy, &file, bytes);
    const char *why = root ? elf_plan_root(copy, bytes, LIMIT, &plan) : elf_plan_dom0(copy, bytes, LIMIT, &plan);
    if (why == NULL) {
        uint8_t *to = malloc(plan.span_bytes);
        memset(to, 0x55, plan.span_bytes);
        elf_load(&plan, copy, to);
        if (memory != NULL) {
            *memory = to;
        } else {
            free(to);
        }
    }
    free(copy);
    return why;
}

static const char *root(void) { return plan_bytes(true, sizeof(file), NULL); }
static const char *dom0(void) { return plan_bytes(false, sizeof(file), NULL); }

static void has(const char *why, const char *words)
{
    assert_non_null(why);
    assert_non_null(strstr(why, words));
}

static void test_root(void **state)
{
    uint8_t *memory = NULL;

    (void)state;
    assert_null(plan_bytes(true, sizeof(file), &memory));
    assert_int_equal(plan.entry_offset, 0x1010);
    assert_int_equal(plan.span_bytes, 0x7000);
    assert_int_equal(memory[0], 0);
    assert_int_equal(memory[0x1000], 0xcc);
    assert_int_equal(memory[0x103f], 0xcc);
    assert_int_equal(memory[0x1040], 0);
    assert_int_equal(memory[0x200f], 0xdd);
    assert_int_equal(memory[0x2010], 0);
    assert_int_equal(memory[0x6fff], 0);
    free(memory);
}

static void test_dom0(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        file.ph[i].p_paddr += 0x40000000 + 0x100000; /* anywhere: offsets count from the 2 MiB below */
    }
    file.note.entry = 0x40101020;
    assert_null(dom0());
    assert_int_equal(plan.entry_offset, 0x101020);
    assert_int_equal(plan.span_bytes, 0x107000);
    file.note.head.n_descsz = 4;
    assert_null(dom0());
    assert_int_equal(plan.entry_offset, 0x101020);
    file.header.e_type = ET_DYN;
    assert_null(dom0());
}

static void test_notes(void **state)
{
    (void)state;
    file.note.head.n_descsz = 6;
    has(dom0(), "wrong size");
    file.note.head.n_descsz = 9;
    has(dom0(), "truncated");
    file.note.head = (Elf64_Nhdr){4, 8, 17};
    has(dom0(), "no PVH entry note");
    file.note.head = (Elf64_Nhdr){0xffffffff, 0xffffffff, 18};
    has(dom0(), "truncated");
    file.note.head = (Elf64_Nhdr){4, 8, 18};
    file.note.entry = 0x2000;
    has(dom0(), "not in its code");
    file.note.entry = UINT64_MAX;
    has(dom0(), "no PVH");
    file.note.entry = 0x1020;
    file.note.name[0] = 'x';
    has(dom0(), "no PVH entry note");
}

static void test_every_truncation(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof(file); n++) {
        assert_non_null(plan_bytes(true, n, NULL));
        assert_non_null(plan_bytes(false, n, NULL));
    }
}

static void test_headers(void **state)
{
    (void)state;
    file.header.e_machine = EM_386;
    has(root(), "x86-64");
    make(NULL);
    file.header.e_ident[EI_CLASS] = ELFCLASS32;
    has(root(), "64-bit");
    make(NULL);
    file.header.e_type = ET_DYN;
    has(root(), "fixed addresses");
    make(NULL);
    file.header.e_phnum = 0xffff;
    has(root(), "program headers");
    make(NULL);
    file.header.e_phoff = UINT64_MAX - 8;
    has(root(), "truncated");
    make(NULL);
    file.header.e_phentsize = 1;
    has(root(), "program headers");
    make(NULL);
    file.ph[2].p_type = PT_INTERP;
    has(root(), "dynamically");
}

static void test_segments(void **state)
{
    (void)state;
    file.ph[1].p_offset = UINT64_MAX;
    has(root(), "truncated");
    make(NULL);
    file.ph[1].p_memsz = 8;
    has(root(), "larger in the file");
    make(NULL);
    file.ph[1].p_memsz = UINT64_MAX;
    has(root(), "wraps");
    make(NULL);
    file.ph[1].p_paddr = 0xfffffffffffff000;
    file.ph[1].p_memsz = 0xfff;
    file.ph[1].p_vaddr = 0;
    has(root(), "more memory");
    make(NULL);
    file.ph[1].p_memsz = LIMIT;
    has(root(), "more memory");
    make(NULL);
    file.ph[1].p_paddr = 0x1030;
    has(root(), "overlap");
    make(NULL);
    file.ph[0].p_flags |= PF_W;
    has(root(), "writable and executable");
    make(NULL);
    file.ph[0].p_type = file.ph[1].p_type = PT_NULL;
    has(root(), "nothing to load");
}

static void test_entry(void **state)
{
    (void)state;
    file.header.e_entry = ROOT_BASE + 0x1040; /* just behind the code */
    has(root(), "entry");
    file.header.e_entry = ROOT_BASE + 0x2000; /* data */
    has(root(), "entry");
    file.header.e_entry = 0;
    has(root(), "entry");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_root, make),    cmocka_unit_test_setup(test_dom0, make),
        cmocka_unit_test_setup(test_notes, make),   cmocka_unit_test_setup(test_every_truncation, make),
        cmocka_unit_test_setup(test_headers, make), cmocka_unit_test_setup(test_segments, make),
        cmocka_unit_test_setup(test_entry, make),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
