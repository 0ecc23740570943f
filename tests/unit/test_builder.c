/* SPDX-License-Identifier: Apache-2.0
 * [HOST] The whole domain builder on a fake domain: memory in large and small blocks, ELF and bzImage kernels, ramdisk,
 * start info, registers, and every refusal in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <elf.h>
#include <xen/arch-x86/hvm/start_info.h>
#include <xen/errno.h>

#include "dom0/builder/acpi_tables.h"
#include "dom0/builder/builder.h"
#include "dom0/builder/kernel_cache.h"
#include "dom0/builder/start_info.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/kernel/thread.h"

#define MIB  (1UL << 20)
#define PAGE 4096UL

/* ---- the fake machine ---------------------------------------------------------------------------- */

static struct {
    uint8_t *ram; /* of the guest, 0 .. ram_bytes */
    size_t ram_bytes;
    uint64_t high_next, low_next; /* without RAM to write to: what was given, in order */
    bool huge;
    uint8_t extra[16][PAGE]; /* pages outside */
    uint64_t extra_gfn[16];
    unsigned extras;
    bool *populated;     /* per page of RAM */
    unsigned large_left; /* 2 MiB blocks that the host has */
    uint64_t small_left;
    unsigned populate_calls, maps, open_maps;
    long populate_error;
    struct cbl_vcpu_context context;
    bool context_set;
    unsigned heap_blocks, borrowed, borrows, fail_borrow;
    uint64_t host_free;
    unsigned progress_calls, stop_at;
    uint64_t last_done, last_total;
    bool in_memory; /* do files lie in memory? */
} m;

void *heap_alloc(size_t size)
{
    m.heap_blocks++;
    return calloc(1, size ? size : 1);
}
void heap_free(void *p)
{
    m.heap_blocks -= p != NULL;
    free(p);
}
void *memory_borrow(size_t bytes)
{
    if (++m.borrows == m.fail_borrow) {
        return NULL;
    }
    m.borrowed++;
    return calloc(1, bytes);
}
void memory_return(void *p, size_t bytes)
{
    (void)bytes;
    m.borrowed -= p != NULL;
    free(p);
}
void thread_yield(void) {}
void thread_preemptible(bool on) { (void)on; }
const char *errno_text(long err)
{
    (void)err;
    return "refused";
}

struct file {
    const uint8_t *data;
    size_t size;
};
uint64_t file_size(const struct file *f) { return f->size; }
const void *file_memory(const struct file *f) { return m.in_memory ? f->data : NULL; }
bool file_read(struct file *f, uint64_t off, void *buf, size_t len, size_t *got, struct error *e)
{
    (void)e;
    *got = off >= f->size ? 0 : f->size - off < len ? f->size - off : len;
    memcpy(buf, f->data + off, *got);
    return true;
}

static long populate(struct cbl_mem_units *op)
{
    m.populate_calls++;
    assert_int_equal(op->domid, 7);
    assert_true(op->nr <= 512 && op->nr > 0);
    assert_int_equal(op->gfn & ((1UL << op->order) - 1), 0);
    for (op->done = 0; op->done < op->nr; op->done++) {
        if (m.populate_error != 0) {
            return m.populate_error;
        }
        uint64_t gfn = op->gfn + ((uint64_t)op->done << op->order);
        if (op->order == 9 ? m.large_left == 0 : m.small_left == 0) {
            return -XEN_ENOMEM;
        }
        op->order == 9 ? m.large_left-- : m.small_left--;
        if (m.huge && (gfn < GUEST_LOW_MAX / PAGE || gfn >= GUEST_HIGH_BASE / PAGE)) {
            uint64_t *next = gfn < GUEST_LOW_MAX / PAGE ? &m.low_next : &m.high_next;
            assert_int_equal(gfn, *next); /* once each, without a gap */
            *next = gfn + (1UL << op->order);
        }
        for (uint64_t i = gfn; i < gfn + (1UL << op->order); i++) {
            if (i < m.ram_bytes / PAGE) {
                assert_false(m.populated[i]);
                m.populated[i] = true;
            } else if (!m.huge || i < GUEST_HIGH_BASE / PAGE) {
                m.extra_gfn[m.extras++] = i;
            }
        }
    }
    return 0;
}

long hypercall3(uint64_t nr, uint64_t a, uint64_t b, uint64_t c)
{
    (void)c;
    assert_int_equal(nr, CBL_HYPERCALL);
    switch (a) {
    case CTL_MEM_POPULATE:
        return populate((struct cbl_mem_units *)b);
    case CTL_HOST_INFO:
        ((struct cbl_host_info *)b)->mem_free_bytes = m.host_free;
        return 0;
    case CTL_CONTEXT_GET:
        ((struct cbl_vcpu_context_op *)b)->ctx = m.context;
        return 0;
    case CTL_CONTEXT_SET:
        m.context = ((struct cbl_vcpu_context_op *)b)->ctx;
        m.context_set = true;
        return 0;
    default:
        fail();
        return -1;
    }
}

void *foreign_map(uint16_t domid, uint64_t gfn, uint64_t pages, bool writable)
{
    assert_int_equal(domid, 7);
    assert_true(writable && pages <= 512);
    m.maps++;
    for (unsigned i = 0; i < m.extras; i++) {
        if (m.extra_gfn[i] == gfn && pages == 1) {
            m.open_maps++;
            return m.extra[i];
        }
    }
    if (gfn + pages > m.ram_bytes / PAGE) {
        return NULL;
    }
    for (uint64_t i = gfn; i < gfn + pages; i++) {
        assert_true(m.populated[i]);
    }
    m.open_maps++;
    return m.ram + gfn * PAGE;
}

void foreign_unmap(void *va, uint64_t pages)
{
    (void)va;
    (void)pages;
    m.open_maps--;
}

static bool on_progress(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    assert_ptr_equal(ctx, &m);
    assert_non_null(what);
    assert_true(done <= total);
    m.last_done = done;
    m.last_total = total;
    return ++m.progress_calls != m.stop_at;
}

static void machine(size_t ram_bytes)
{
    kernel_cache_drop();
    assert_int_equal(m.borrowed, 0);
    free(m.ram);
    free(m.populated);
    memset(&m, 0, sizeof(m));
    m.ram = calloc(1, ram_bytes);
    m.populated = calloc(ram_bytes / PAGE, sizeof(bool));
    m.ram_bytes = ram_bytes;
    m.large_left = 10000;
    m.small_left = 1000000;
    m.in_memory = true;
    memset(&m.context, 0x5a, sizeof(m.context));
}

/* ---- images ---------------------------------------------------------------------------------------- */

#define NOTE_AT 0x200U
#define CODE_AT 0x1000U

/* An ELF kernel with CODE bytes of code at GPA, entry 16 bytes in. */
static uint8_t *elf_new(uint64_t gpa, size_t code, size_t bss, size_t *len)
{
    *len = CODE_AT + code;
    uint8_t *f = calloc(1, *len);
    Elf64_Ehdr *e = (Elf64_Ehdr *)f;
    memcpy(e->e_ident, "\177ELF\2\1\1", 7);
    e->e_machine = EM_X86_64;
    e->e_phoff = sizeof(*e);
    e->e_phentsize = sizeof(Elf64_Phdr);
    e->e_phnum = 2;
    Elf64_Phdr *p = (Elf64_Phdr *)(f + sizeof(*e));
    p[0] =
        (Elf64_Phdr){.p_type = PT_LOAD, .p_offset = CODE_AT, .p_paddr = gpa, .p_filesz = code, .p_memsz = code + bss};
    p[1] = (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = NOTE_AT, .p_filesz = 24};
    uint32_t note[6] = {4, 8, 18, 0, (uint32_t)gpa + 16, 0};
    memcpy(&note[3], "Xen", 4);
    memcpy(f + NOTE_AT, note, sizeof(note));
    for (size_t i = 0; i < code; i++) {
        f[CODE_AT + i] = (uint8_t)(i * 31 + (i >> 8));
    }
    return f;
}

/* A bzImage around PACKED bytes of a kernel of ELF_LEN bytes. */
static uint8_t *bzimage_around(const uint8_t *packed, size_t packed_len, size_t elf_len, bool length_word, size_t *len)
{
    size_t off = 5 * 512;
    uint32_t payload = (uint32_t)packed_len + (length_word ? 4 : 0), total = (uint32_t)elf_len;
    uint8_t *f = calloc(1, off + payload + 100);
    memcpy(f + 0x202, "HdrS", 4);
    f[0x206] = 0x0f;
    f[0x207] = 0x02;
    memcpy(f + 0x24c, &payload, 4);
    memcpy(f + off, packed, packed_len);
    memcpy(f + off + payload - 4, &total, 4);
    *len = off + payload + 100;
    return f;
}

/* In LZ4 blocks of BLOCK bytes that hold the bytes as they are (token 15, the rest of the count, literals). */
static uint8_t *bzimage_new(const uint8_t *elf, size_t elf_len, size_t block, uint32_t magic, size_t *len)
{
    uint8_t *z = malloc(elf_len + elf_len / 200 + 64 * (elf_len / block + 2)), *p = z + 4;
    memcpy(z, &magic, 4);
    for (size_t at = 0; at < elf_len; at += block) {
        size_t n = elf_len - at < block ? elf_len - at : block, more = n - 15;
        uint8_t *head = p;
        p += 4;
        *p++ = 0xf0;
        for (; more >= 255; more -= 255) {
            *p++ = 255;
        }
        *p++ = (uint8_t)more;
        memcpy(p, elf + at, n);
        p += n;
        uint32_t packed = (uint32_t)(p - head - 4);
        memcpy(head, &packed, 4);
    }
    uint8_t *f = bzimage_around(z, (size_t)(p - z), elf_len, true, len);
    free(z);
    return f;
}

/* Packed by a real tool. */
static uint8_t *bzimage_by(const char *command, const uint8_t *elf, size_t elf_len, bool length_word, size_t *len)
{
    char in[] = "/tmp/corbel-elf-XXXXXX", line[300];
    int fd = mkstemp(in);
    assert_int_equal(write(fd, elf, elf_len), elf_len);
    close(fd);
    snprintf(line, sizeof(line), "%s -c < %s", command, in);
    FILE *p = popen(line, "r");
    uint8_t *z = malloc(2 * elf_len);
    size_t n = fread(z, 1, 2 * elf_len, p);
    if (pclose(p) != 0) {
        fail_msg("%s failed: is it installed?", line);
    }
    unlink(in);
    uint8_t *f = bzimage_around(z, n, elf_len, length_word, len);
    free(z);
    return f;
}

static struct error err;
static bool build(uint64_t mem, const void *kernel, size_t kernel_len, const void *ramdisk, size_t ramdisk_len,
                  const char *cmdline)
{
    struct file k = {kernel, kernel_len}, r = {ramdisk, ramdisk_len};
    struct build_request req = {.domid = 7,
                                .vcpus = 2,
                                .mem_bytes = mem,
                                .kernel = &k,
                                .ramdisk = ramdisk == NULL ? NULL : &r,
                                .cmdline = cmdline,
                                .kernel_path = "vmlinuz",
                                .ramdisk_path = "initrd",
                                .progress = on_progress,
                                .ctx = &m};
    err = (struct error){0};
    bool ok = builder_build(&req, &err);
    assert_int_equal(m.open_maps, 0);
    assert_int_equal(m.heap_blocks, 0);
    struct kernel_cache_figures kept;
    kernel_cache_figures(&kept);
    assert_int_equal(m.borrowed, 2 * kept.kernels); /* all but what is kept went back */
    assert_int_equal(ok, err.text[0] == '\0');
    return ok;
}

static const uint8_t *extra_page(uint64_t gfn)
{
    for (unsigned i = 0; i < m.extras; i++) {
        if (m.extra_gfn[i] == gfn) {
            return m.extra[i];
        }
    }
    fail();
    return NULL;
}

/* ---- tests ------------------------------------------------------------------------------------------ */

static void tiny_elf(void **state)
{
    (void)state;
    size_t len;
    uint8_t *elf = elf_new(MIB, 3000, 5000, &len);
    machine(4 * MIB);
    assert_true(build(4 * MIB, elf, len, NULL, 0, "console=hvc0"));
    assert_memory_equal(m.ram + MIB, elf + CODE_AT, 3000);
    assert_int_equal(m.ram[MIB + 3000], 0);
    assert_int_equal(m.populate_calls, 4); /* two large blocks in one call, three single pages */
    assert_int_equal(m.maps, 2);           /* one window for kernel and start info, one page for ACPI */
    /* Registers: what has to be, and what is left alone. */
    assert_true(m.context_set);
    assert_int_equal(m.context.rip, MIB + 16);
    assert_int_equal(m.context.cr0, 0x11);
    assert_int_equal(m.context.cr4, 0);
    assert_int_equal(m.context.efer, 0);
    assert_int_equal(m.context.rflags, 2);
    assert_int_equal(m.context.cs.ar, 0xc09b);
    assert_int_equal(m.context.ss.limit, 0xffffffff);
    assert_int_equal(m.context.tr.ar, 0x8b);
    assert_int_equal(m.context.tr.limit, 0x67);
    assert_int_equal(m.context.r15, 0);
    assert_int_equal(m.context.apic_base, 0x5a5a5a5a5a5a5a5a);
    assert_int_equal(m.context.tsc_offset, 0x5a5a5a5a5a5a5a5a);
    /* Start info. */
    assert_in_range(m.context.rbx, 0x1000, 0x9ffff);
    struct hvm_start_info *si = (struct hvm_start_info *)(m.ram + m.context.rbx);
    assert_int_equal(si->magic, XEN_HVM_START_MAGIC_VALUE);
    assert_int_equal(si->version, 1);
    assert_int_equal(si->nr_modules, 0);
    assert_string_equal((char *)m.ram + si->cmdline_paddr, "console=hvc0");
    assert_int_equal(si->rsdp_paddr, GUEST_ACPI_GPA);
    assert_memory_equal(extra_page(GUEST_ACPI_GPA / PAGE), "RSD PTR ", 8);
    extra_page(GUEST_STORE_GFN);
    extra_page(GUEST_CONSOLE_GFN);
    assert_int_equal(si->memmap_entries, 3);
    struct hvm_memmap_table_entry *map = (struct hvm_memmap_table_entry *)(m.ram + si->memmap_paddr);
    assert_int_equal(map[0].addr, 0);
    assert_int_equal(map[0].size, 4 * MIB);
    assert_int_equal(map[0].type, 1);
    assert_int_equal(map[1].addr, GUEST_ACPI_GPA);
    assert_int_equal(map[1].type, 3);
    assert_true(map[2].addr <= GUEST_STORE_GFN * PAGE && map[2].addr + map[2].size > GUEST_CONSOLE_GFN * PAGE);
    assert_int_equal(map[2].type, 2);
    free(elf);
}

static void ramdisk_and_small_files(void **state)
{
    (void)state;
    size_t len;
    uint8_t *elf = elf_new(MIB, 3 * MIB + 77, 0, &len);
    size_t rd_len = 2 * MIB + 12345;
    uint8_t *rd = malloc(rd_len);
    for (size_t i = 0; i < rd_len; i++) {
        rd[i] = (uint8_t)(i * 13 + (i >> 9));
    }
    for (int in_memory = 0; in_memory < 2; in_memory++) {
        machine(9 * MIB + 8192); /* not a multiple of 2 MiB */
        m.in_memory = in_memory;
        assert_true(build(m.ram_bytes, elf, len, rd, rd_len, NULL));
        assert_memory_equal(m.ram + MIB, elf + CODE_AT, 3 * MIB + 77);
        struct hvm_start_info *si = (struct hvm_start_info *)(m.ram + m.context.rbx);
        assert_int_equal(si->cmdline_paddr, 0);
        assert_int_equal(si->nr_modules, 1);
        struct hvm_modlist_entry *mod = (struct hvm_modlist_entry *)(m.ram + si->modlist_paddr);
        assert_int_equal(mod->size, rd_len);
        assert_int_equal(mod->paddr % PAGE, 0);
        assert_true(mod->paddr + rd_len <= m.ram_bytes);
        assert_true(mod->paddr >= MIB + len);
        assert_memory_equal(m.ram + mod->paddr, rd, rd_len);
        assert_true(m.progress_calls >= 4);
        assert_int_equal(m.last_done, rd_len);
        assert_int_equal(m.last_total, rd_len);
        for (size_t i = 0; i < m.ram_bytes / PAGE; i++) {
            assert_true(m.populated[i]);
        }
    }
    free(rd);
    free(elf);
}

static void bzimage(void **state)
{
    (void)state;
    size_t len, bz_len;
    uint8_t *elf = elf_new(16 * MIB, 9 * MIB, MIB, &len);
    for (int i = 0; i < 4; i++) {
        size_t block = i < 2 ? 8 * MIB : 1000000;
        uint8_t *bz = bzimage_new(elf, len, block, 0x184c2102, &bz_len);
        machine(32 * MIB);
        m.in_memory = i % 2;
        assert_true(build(32 * MIB, bz, bz_len, NULL, 0, NULL));
        assert_memory_equal(m.ram + 16 * MIB, elf + CODE_AT, 9 * MIB);
        assert_int_equal(m.context.rip, 16 * MIB + 16);
        assert_int_equal(m.last_done, len);
        free(bz);
    }
    free(elf);
}

static void each_method(void **state)
{
    (void)state;
    static const struct {
        const char *command;
        bool length_word;
    } by[] = {{"xz --check=crc32 --x86 --lzma2=dict=32MiB", true},
              {"gzip -n -9", false},
              {"bzip2 -9", true},
              {"zstd -q --ultra -22", true},
              {"lz4 -q -l -9", true}};
    size_t len, bz_len;
    uint8_t *elf = elf_new(16 * MIB, 3 * MIB, MIB, &len);
    for (size_t i = 0; i < sizeof(by) / sizeof(by[0]); i++) {
        uint8_t *bz = bzimage_by(by[i].command, elf, len, by[i].length_word, &bz_len);
        for (unsigned way = 0; way < 4; way++) {
            machine(32 * MIB);
            m.in_memory = way % 2;
            m.host_free = way < 2 ? 0 : 1UL << 30; /* with memory to keep it, and without */
            if (!build(32 * MIB, bz, bz_len, NULL, 0, NULL)) {
                fail_msg("%s: %s", by[i].command, err.text);
            }
            assert_memory_equal(m.ram + 16 * MIB, elf + CODE_AT, 3 * MIB);
            assert_int_equal(m.context.rip, 16 * MIB + 16);
        }
        /* Each loan that cannot be had: told, and the rest goes back (build looks). */
        for (unsigned n = 1; n <= 5; n++) {
            machine(32 * MIB);
            m.in_memory = false;
            m.host_free = 1UL << 30;
            m.fail_borrow = n;
            bool ok = build(32 * MIB, bz, bz_len, NULL, 0, NULL);
            assert_true(ok || (err.code == EXIT_NO_RESOURCE && strstr(err.text, "MiB of free memory to") != NULL));
            assert_true(n != 1 || !ok);
        }
        free(bz);
    }
    free(elf);
}

static void kept_kernel(void **state)
{
    (void)state;
    struct kernel_cache_figures before, after;
    size_t len, bz_len;
    uint8_t *elf = elf_new(16 * MIB, MIB, MIB, &len);
    uint8_t *bz = bzimage_by("gzip -n -1", elf, len, false, &bz_len);
    kernel_cache_figures(&before);
    machine(32 * MIB);
    m.host_free = 1UL << 30;
    assert_true(build(32 * MIB, bz, bz_len, NULL, 0, NULL));
    for (int i = 0; i < 2; i++) { /* the file's place in memory does not matter */
        memset(m.ram, 0, m.ram_bytes);
        memset(m.populated, 0, m.ram_bytes / PAGE);
        m.extras = 0;
        m.in_memory = i;
        unsigned borrows = m.borrows;
        assert_true(build(32 * MIB, bz, bz_len, NULL, 0, NULL));
        assert_memory_equal(m.ram + 16 * MIB, elf + CODE_AT, MIB);
        assert_int_equal(m.borrows - borrows, !i); /* nothing was unpacked */
    }
    kernel_cache_figures(&after);
    assert_int_equal(after.used - before.used, 2);
    /* The file changed. */
    elf[CODE_AT + 100] ^= 1;
    size_t changed_len;
    uint8_t *changed = bzimage_by("gzip -n -1", elf, len, false, &changed_len);
    memset(m.populated, 0, m.ram_bytes / PAGE);
    m.extras = 0;
    assert_true(build(32 * MIB, changed, changed_len, NULL, 0, NULL));
    assert_memory_equal(m.ram + 16 * MIB, elf + CODE_AT, MIB);
    /* A damaged one is not kept. */
    changed[5 * 512 + 5000] ^= 1;
    memset(m.populated, 0, m.ram_bytes / PAGE);
    m.extras = 0;
    assert_false(build(32 * MIB, changed, changed_len, NULL, 0, NULL));
    kernel_cache_figures(&after);
    assert_int_equal(after.kernels, 2);
    free(changed);
    free(bz);
    free(elf);
}

/* More than fits below the devices: the rest goes on at 4 GiB. The fake has RAM for the first MiBs only. */
static void above_4_gib(void **state)
{
    (void)state;
    static const struct {
        uint64_t mem, low, high;
    } sizes[] = {{GUEST_LOW_MAX, GUEST_LOW_MAX, 0},
                 {GUEST_LOW_MAX + PAGE, GUEST_LOW_MAX, PAGE},
                 {6UL << 30, GUEST_LOW_MAX, (6UL << 30) - GUEST_LOW_MAX},
                 {GUEST_RAM_MAX, GUEST_LOW_MAX, GUEST_RAM_MAX - GUEST_LOW_MAX}};
    size_t len;
    uint8_t *elf = elf_new(MIB, 3000, 0, &len);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        machine(GUEST_LOW_MAX);
        m.huge = true;
        m.high_next = GUEST_HIGH_BASE / PAGE;
        m.large_left = m.small_left = 1000000;
        assert_true(build(sizes[i].mem, elf, len, "ramdisk", 7, NULL));
        assert_int_equal(m.low_next * PAGE, sizes[i].low);
        assert_int_equal(m.high_next * PAGE, GUEST_HIGH_BASE + sizes[i].high);
        assert_in_range(m.large_left, 1000000 - (sizes[i].mem >> 21), 1000000 - (sizes[i].mem >> 21) + 1);
        struct hvm_start_info *si = (struct hvm_start_info *)(m.ram + m.context.rbx);
        struct hvm_memmap_table_entry *map = (struct hvm_memmap_table_entry *)(m.ram + si->memmap_paddr);
        assert_int_equal(si->memmap_entries, sizes[i].high > 0 ? 4 : 3);
        assert_int_equal(map[0].size, sizes[i].low);
        if (sizes[i].high > 0) {
            assert_int_equal(map[3].addr, GUEST_HIGH_BASE);
            assert_int_equal(map[3].size, sizes[i].high);
            assert_int_equal(map[3].type, XEN_HVM_MEMMAP_TYPE_RAM);
        }
        /* Linux takes a ramdisk's address as 32 bits. */
        struct hvm_modlist_entry *mod = (struct hvm_modlist_entry *)(m.ram + si->modlist_paddr);
        assert_int_equal(mod->paddr, sizes[i].low - PAGE);
        assert_memory_equal(m.ram + mod->paddr, "ramdisk", 7);
        assert_int_equal(si->cmdline_paddr, 0);
    }
    /* The host's memory ends above 4 GiB. */
    machine(GUEST_LOW_MAX);
    m.huge = true;
    m.high_next = GUEST_HIGH_BASE / PAGE;
    m.large_left = 2000;
    m.small_left = 7;
    assert_false(build(6UL << 30, elf, len, NULL, 0, NULL));
    assert_non_null(strstr(err.text, "4000 of 6144 MiB"));
    free(elf);
}

static void few_large_blocks(void **state)
{
    (void)state;
    size_t len;
    uint8_t *elf = elf_new(MIB, 100, 0, &len);
    machine(16 * MIB);
    m.large_left = 3;
    assert_true(build(16 * MIB, elf, len, NULL, 0, NULL));
    for (size_t i = 0; i < 16 * MIB / PAGE; i++) {
        assert_true(m.populated[i]);
    }
    /* The host's memory ends. */
    machine(16 * MIB);
    m.large_left = 3;
    m.small_left = 700;
    assert_false(build(16 * MIB, elf, len, NULL, 0, NULL));
    assert_int_equal(err.code, EXIT_NO_RESOURCE);
    assert_non_null(strstr(err.text, "8 of 16 MiB"));
    machine(16 * MIB);
    m.populate_error = -XEN_EPERM;
    assert_false(build(16 * MIB, elf, len, NULL, 0, NULL));
    assert_int_equal(err.code, EXIT_FAILED);
    free(elf);
}

/* A kernel that sits where the start info would be. */
static void low_kernel(void **state)
{
    (void)state;
    static const struct {
        uint64_t gpa;
        size_t code, bss;
    } at[] = {
        {0x1000, 100, 0}, {0x0, 0x9e000 + 1, 0}, {0x2fff, 1, 0}, {0x0, 100, 0x100000}, {0x0, 100, 0x200000 - 100},
    };
    for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        size_t len;
        uint8_t *elf = elf_new(at[i].gpa, at[i].code < 32 ? 32 : at[i].code, at[i].bss, &len);
        machine(8 * MIB);
        assert_true(build(8 * MIB, elf, len, "ramdisk", 7, "x"));
        assert_memory_equal(m.ram + at[i].gpa, elf + CODE_AT, at[i].code);
        uint64_t end = at[i].gpa + at[i].code + at[i].bss;
        assert_true(m.context.rbx >= end || m.context.rbx + 8192 <= at[i].gpa);
        assert_false(m.context.rbx < 0x100000 && m.context.rbx + 8192 > 0xa0000);
        struct hvm_start_info *si = (struct hvm_start_info *)(m.ram + m.context.rbx);
        assert_int_equal(si->magic, XEN_HVM_START_MAGIC_VALUE);
        struct hvm_modlist_entry *mod = (struct hvm_modlist_entry *)(m.ram + si->modlist_paddr);
        assert_memory_equal(m.ram + mod->paddr, "ramdisk", 7);
        free(elf);
    }
}

#define REFUSED(words, ...)                                                                                            \
    do {                                                                                                               \
        assert_false(build(__VA_ARGS__));                                                                              \
        if (strstr(err.text, words) == NULL) {                                                                         \
            fail_msg("\"%s\" in: %s", words, err.text);                                                                \
        }                                                                                                              \
        assert_false(m.context_set);                                                                                   \
    } while (0)

static void refusals(void **state)
{
    (void)state;
    size_t len, bz_len;
    uint8_t *elf = elf_new(MIB, 6 * MIB, 0, &len);
    machine(8 * MIB);
    REFUSED("memsize", MIB, elf, len, NULL, 0, NULL);
    REFUSED("524288", (512UL << 30) + PAGE, elf, len, NULL, 0, NULL);
    REFUSED("memsize", 8 * MIB + 1, elf, len, NULL, 0, NULL);
    machine(4 * MIB);
    REFUSED("raise memsize", 4 * MIB, elf, len, NULL, 0, NULL);
    machine(8 * MIB);
    REFUSED("kernel and ramdisk need 9 MiB", 8 * MIB, elf, len, elf, 2 * MIB - PAGE, NULL);
    machine(8 * MIB);
    REFUSED("empty", 8 * MIB, elf, len, "", 0, NULL);
    char *line = malloc(4100);
    memset(line, 'x', 4099);
    line[4099] = '\0';
    REFUSED("cmdline", 8 * MIB, elf, len, NULL, 0, line);
    free(line);
    REFUSED("neither", 8 * MIB, "hello", 5, NULL, 0, NULL);
    machine(8 * MIB);
    REFUSED("neither", 8 * MIB, "", 0, NULL, 0, NULL);
    elf[NOTE_AT + 8] = 17;
    machine(8 * MIB);
    REFUSED("CONFIG_PVH", 8 * MIB, elf, len, NULL, 0, NULL);
    elf[NOTE_AT + 8] = 18;
    static const struct {
        uint32_t magic;
        const char *name;
    } packed[] = {{0x8000005d, "packed with LZMA: use"},
                  {0x587a37fd, "packed with an unknown method: use"},
                  {0x4f5a4c89, "packed with LZO: use"},
                  {0x8b1f, "damaged"},
                  {0xfd2fb528, "packed with zstd in a way"},
                  {0x31685a42, "damaged"}};
    for (size_t i = 0; i < sizeof(packed) / sizeof(packed[0]); i++) {
        uint8_t *bz = bzimage_new(elf, len, 8 * MIB, packed[i].magic, &bz_len);
        machine(8 * MIB);
        REFUSED(packed[i].name, 8 * MIB, bz, bz_len, NULL, 0, NULL);
        free(bz);
    }
    uint8_t *bz = bzimage_new(elf, len, 1 * MIB, 0x184c2102, &bz_len);
    bz[5 * 512 + 4]++; /* the first block's length */
    machine(8 * MIB);
    REFUSED("damaged", 8 * MIB, bz, bz_len, NULL, 0, NULL);
    bz[5 * 512 + 4]--;
    uint8_t top = bz[bz_len - 101];
    bz[bz_len - 101] = 0x7f; /* nearly 2 GiB */
    machine(8 * MIB);
    REFUSED("another length", 8 * MIB, bz, bz_len, NULL, 0, NULL);
    bz[bz_len - 101] = top;
    bz[bz_len - 101]++; /* the length behind the payload */
    machine(8 * MIB);
    REFUSED("another length", 8 * MIB, bz, bz_len, NULL, 0, NULL);
    bz[bz_len - 101]--;
    machine(8 * MIB);
    m.stop_at = 1;
    REFUSED("memory: loading was stopped at 8192 of 8192 KiB", 8 * MIB, bz, bz_len, NULL, 0, NULL);
    machine(8 * MIB);
    m.stop_at = 2;
    REFUSED("kernel: loading was stopped", 8 * MIB, bz, bz_len, NULL, 0, NULL);
    free(bz);
    free(elf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiny_elf),   cmocka_unit_test(ramdisk_and_small_files),
        cmocka_unit_test(bzimage),    cmocka_unit_test(few_large_blocks), cmocka_unit_test(above_4_gib),
        cmocka_unit_test(each_method), cmocka_unit_test(kept_kernel),
        cmocka_unit_test(low_kernel), cmocka_unit_test(refusals),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    kernel_cache_drop();
    free(m.ram);
    free(m.populated);
    return failed;
}
