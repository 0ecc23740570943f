/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] From a build request to a domain that can run: memory, kernel, ramdisk, ACPI, start info, the first vCPU's
 * registers. */
#include "dom0/builder/builder.h"

#include "dom0/builder/acpi_tables.h"
#include "dom0/builder/guest_memory.h"
#include "dom0/builder/kernel.h"
#include "dom0/builder/start_info.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/lib/string.h"

#define PAGE          4096ULL
#define SPECIAL_GPA   0xfeff8000ULL
#define SPECIAL_BYTES 0x8000ULL

_Static_assert(GUEST_STORE_GFN *PAGE >= SPECIAL_GPA && (GUEST_CONSOLE_GFN + 1) * PAGE <= SPECIAL_GPA + SPECIAL_BYTES,
               "the ring pages are in the reserved range");

static bool check_request(const struct build_request *r, struct error *e)
{
    unsigned long mib = (unsigned long)(r->mem_bytes >> 20);
    if (r->mem_bytes < GUEST_RAM_MIN || r->mem_bytes % PAGE != 0) {
        return error_set(e, EXIT_FAILED, "memsize: %lu MiB is too little: at least 4 MiB", mib);
    }
    if (r->mem_bytes > GUEST_RAM_MAX) {
        return error_set(e, EXIT_FAILED, "memsize: %lu MiB is more than this version gives one guest: at most %llu MiB",
                         mib, GUEST_RAM_MAX >> 20);
    }
    if (r->vcpus == 0 || r->vcpus > ACPI_TABLES_MAX_VCPUS) {
        return error_set(e, EXIT_FAILED, "numvcpus: %u is out of range: 1 to 32", r->vcpus);
    }
    if (r->cmdline != NULL && strlen(r->cmdline) > GUEST_CMDLINE_MAX) {
        return error_set(e, EXIT_FAILED, "corbel.cmdline: longer than %u characters: shorten it", GUEST_CMDLINE_MAX);
    }
    if (r->ramdisk != NULL && file_size(r->ramdisk) == 0) {
        return error_set(e, EXIT_FAILED, "ramdisk %s: the file is empty: copy it again or take the line out",
                         r->ramdisk_path);
    }
    return true;
}

static bool between(void *ctx, uint64_t pages)
{
    struct build *b = ctx;
    return build_progress(b, "memory", pages * PAGE, b->r->mem_bytes);
}

static bool populate(struct build *b)
{
    uint32_t acpi_pages = (uint32_t)(ACPI_TABLES_BYTES / PAGE);
    return guest_memory_populate(&b->memory, b->e) && guest_memory_populate_at(&b->memory, GUEST_STORE_GFN, 1, b->e) &&
           guest_memory_populate_at(&b->memory, GUEST_CONSOLE_GFN, 1, b->e) &&
           guest_memory_populate_at(&b->memory, GUEST_ACPI_GPA / PAGE, acpi_pages, b->e);
}

static bool write_tables(struct build *b)
{
    _Static_assert(ACPI_TABLES_BYTES <= GUEST_INFO_BYTES, "one buffer serves both");
    uint8_t *buf = heap_alloc(GUEST_INFO_BYTES);
    if (buf == NULL) {
        return error_set(b->e, EXIT_NO_RESOURCE, "start info: Dom0 has no memory left: close other work and try again");
    }
    size_t len = start_info_build(buf, &b->layout, b->r->cmdline);
    bool ok = guest_memory_write(&b->memory, b->layout.info_gpa, buf, len, b->e);
    memset(buf, 0, GUEST_INFO_BYTES);
    len = acpi_tables_build(buf, GUEST_ACPI_GPA, b->r->vcpus);
    ok = ok && guest_memory_write(&b->memory, GUEST_ACPI_GPA, buf, len, b->e);
    heap_free(buf);
    return ok;
}

/* Access rights as in the VMCS (SDM vol. 3C, "Guest Register State"). */
#define AR_CODE32   0xc09bU /* present, ring 0, execute/read, accessed, 32-bit, 4 KiB granular */
#define AR_DATA32   0xc093U /* present, ring 0, read/write, accessed, 32-bit, 4 KiB granular */
#define AR_TSS_BUSY 0x8bU   /* present, 32-bit busy TSS */
#define AR_UNUSABLE 0x10000U

/* Xen's PVH entry: 32-bit protected mode without paging, flat segments, EBX = start info. */
static void pvh_entry(struct cbl_vcpu_context *c, uint32_t entry, uint64_t start_info)
{
    const struct cbl_segment code = {.limit = 0xffffffffU, .ar = AR_CODE32};
    const struct cbl_segment data = {.limit = 0xffffffffU, .ar = AR_DATA32};
    const struct cbl_segment none = {.ar = AR_UNUSABLE};
    c->rax = c->rcx = c->rdx = c->rsp = c->rbp = c->rsi = c->rdi = 0;
    c->r8 = c->r9 = c->r10 = c->r11 = c->r12 = c->r13 = c->r14 = c->r15 = 0;
    c->rbx = start_info;
    c->rip = entry;
    c->rflags = 2;
    c->cr0 = 0x11; /* PE, ET */
    c->cr2 = c->cr3 = c->cr4 = c->efer = 0;
    c->dr6 = 0xffff0ff0U;
    c->dr7 = 0x400;
    c->cs = code;
    c->ds = c->es = c->ss = data;
    c->fs = c->gs = c->ldtr = none;
    c->tr = (struct cbl_segment){.limit = 0x67, .ar = AR_TSS_BUSY};
    c->gdt_base = c->idt_base = 0;
    c->gdt_limit = c->idt_limit = 0;
    c->interruptibility = 0;
    c->activity = 0;
}

static bool set_entry(struct build *b)
{
    struct cbl_vcpu_context_op *op = heap_alloc(sizeof(*op));
    if (op == NULL) {
        return error_set(b->e, EXIT_NO_RESOURCE, "vCPU: Dom0 has no memory left: close other work and try again");
    }
    op->domid = b->r->domid;
    long ret = control(CTL_CONTEXT_GET, op);
    if (ret == 0) {
        pvh_entry(&op->ctx, b->entry, b->layout.info_gpa);
        ret = control(CTL_CONTEXT_SET, op);
    }
    heap_free(op);
    return ret == 0 ? true
                    : error_set(b->e, EXIT_FAILED, "vCPU 0 of domain %u: its registers could not be set: %s",
                                (unsigned)b->r->domid, errno_text(ret));
}

bool builder_build(const struct build_request *r, struct error *e)
{
    if (!check_request(r, e)) {
        return false;
    }
    struct build *b = heap_alloc(sizeof(*b));
    if (b == NULL) {
        return error_set(e, EXIT_NO_RESOURCE, "builder: Dom0 has no memory left: close other work and try again");
    }
    b->r = r;
    b->e = e;
    uint64_t low = r->mem_bytes < GUEST_LOW_MAX ? r->mem_bytes : GUEST_LOW_MAX, high = r->mem_bytes - low;
    b->memory = (struct guest_memory){
        .domid = r->domid, .low_pages = low / PAGE, .high_pages = high / PAGE, .between = between, .ctx = b};
    b->layout = (struct guest_layout){
        .ram_bytes = low,
        .high_bytes = high,
        .ramdisk_bytes = r->ramdisk == NULL ? 0 : file_size(r->ramdisk),
        .acpi_gpa = GUEST_ACPI_GPA,
        .acpi_bytes = ACPI_TABLES_BYTES,
        .special_gpa = SPECIAL_GPA,
        .special_bytes = SPECIAL_BYTES,
    };
    bool ok =
        populate(b) && kernel_load(b) && (r->ramdisk == NULL || ramdisk_load(b)) && write_tables(b) && set_entry(b);
    guest_memory_close(&b->memory);
    heap_free(b);
    return ok;
}
