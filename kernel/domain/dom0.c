/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Builds Dom0: PVH entry state and start info as the Xen ABI has them, memory 1:1 with the host's. */
#include "kernel/domain/dom0.h"

#include "kernel/core/log.h"
#include "kernel/core/panic.h"
#include "kernel/core/string.h"
#include "kernel/cpu/features.h"
#include "kernel/cpu/x86.h"
#include "kernel/domain/physmap.h"
#include "kernel/domain/vcpu.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/window.h"

#include <xen/xen.h>
#include <xen/arch-x86/hvm/start_info.h>

_Static_assert(sizeof(struct hvm_start_info) == 56 && sizeof(struct hvm_modlist_entry) == 32, "PVH ABI");
_Static_assert(sizeof(struct hvm_memmap_table_entry) == 24, "PVH ABI");

/* What lies where in the last 32 KiB of Dom0's RAM. */
struct tables {
    struct hvm_start_info start;
    struct hvm_memmap_table_entry memmap[2];
    char cmdline[64];
    struct hvm_modlist_entry modules[BOOT_MAX_MODULES];
    char names[BOOT_MAX_MODULES][sizeof(((struct boot_module *)0)->name)];
};
_Static_assert(sizeof(struct tables) <= DOM0_TABLES_BYTES, "fits its place");

static uint64_t scratch_gfn;

uint64_t dom0_scratch_gfn(void) { return scratch_gfn; }

bool dom0_write_tables(const struct boot_info *boot, void *out, uint64_t base)
{
    struct tables *t = out;
    if (boot->nr_modules > BOOT_MAX_MODULES || boot->dom0_size <= DOM0_TABLES_BYTES)
        return false;
    str_copy(t->cmdline, sizeof(t->cmdline), "corbel");
    t->memmap[0] = (struct hvm_memmap_table_entry){.addr = boot->dom0_base, .size = base - boot->dom0_base, .type = XEN_HVM_MEMMAP_TYPE_RAM};
    t->memmap[1] = (struct hvm_memmap_table_entry){.addr = base, .size = DOM0_TABLES_BYTES, .type = XEN_HVM_MEMMAP_TYPE_RESERVED};
    for (uint32_t i = 0; i < boot->nr_modules; i++) {
        memcpy(t->names[i], boot->modules[i].name, sizeof(t->names[i]) - 1); /* OUT is zeroed: terminated in any case */
        t->modules[i] = (struct hvm_modlist_entry){.paddr = boot->modules[i].base, .size = boot->modules[i].size,
                                                   .cmdline_paddr = base + offsetof(struct tables, names) + i * sizeof(t->names[0])};
    }
    t->start = (struct hvm_start_info){
        .magic = XEN_HVM_START_MAGIC_VALUE, .version = 1, .flags = SIF_PRIVILEGED | SIF_INITDOMAIN, .nr_modules = boot->nr_modules,
        .modlist_paddr = boot->nr_modules ? base + offsetof(struct tables, modules) : 0, .cmdline_paddr = base + offsetof(struct tables, cmdline),
        .rsdp_paddr = boot->rsdp, .memmap_paddr = base + offsetof(struct tables, memmap), .memmap_entries = ARRAY_SIZE(t->memmap)};
    return true;
}

static void place_tables(const struct boot_info *boot, uint64_t base)
{
    static char image[DOM0_TABLES_BYTES]; /* boot only */
    if (!dom0_write_tables(boot, image, base))
        panic("Dom0's start info does not fit: %u modules, %lu bytes of RAM", boot->nr_modules, boot->dom0_size);
    for (uint64_t at = 0; at < DOM0_TABLES_BYTES; at += PAGE_SIZE)
        memcpy(window_open(hfn_of_hpa(hpa(base + at))), image + at, PAGE_SIZE);
}

static bool overlaps_ram(const struct boot_info *boot, uint64_t gfn_value)
{
    uint64_t from = gfn_value << PAGE_SHIFT, to = from + (DOM0_SCRATCH_PAGES << PAGE_SHIFT);
    for (uint32_t i = 0; i < boot->nr_ranges; i++) {
        if (boot->ranges[i].base < to && boot->ranges[i].base + boot->ranges[i].size > from)
            return true;
    }
    return false;
}

static void choose_scratch(const struct boot_info *boot)
{
    uint64_t limit = physmap_gfn_limit();
    scratch_gfn = limit / 2;
    while (scratch_gfn + DOM0_SCRATCH_PAGES <= limit && overlaps_ram(boot, scratch_gfn))
        scratch_gfn += DOM0_SCRATCH_PAGES;
    if (scratch_gfn + DOM0_SCRATCH_PAGES > limit)
        panic("no free guest-physical range for Dom0's foreign mappings");
}

static void map(struct domain_locked l, uint64_t base, uint64_t size, unsigned rights, const char *what)
{
    uint64_t pages = (size + PAGE_SIZE - 1) >> PAGE_SHIFT;
    enum status s = physmap_map_identity(l, gfn(base >> PAGE_SHIFT), pages, rights);
    if (s != STATUS_OK)
        panic("Dom0's %s at 0x%lx cannot be mapped: %s", what, base, status_name(s));
    l.d->pages += pages;
}

/* 32-bit protected mode, flat, paging off: XEN's PVH start state. SDM vol 3, "Checks on Guest Segment Registers" for the access rights. */
static void entry_state(struct vcpu *v, uint64_t entry, uint64_t start_info)
{
    const struct cbl_segment code = {.limit = ~0U, .ar = 0xc09b, .selector = 8}, data = {.limit = ~0U, .ar = 0xc093, .selector = 16};
    struct cbl_vcpu_context c = {.rip = entry, .rbx = start_info, .rflags = 2, .cr0 = CR0_PE | CR0_ET, .dr6 = 0xffff0ff0, .dr7 = 0x400};
    c.cs = code;
    c.ds = c.es = c.fs = c.gs = c.ss = data;
    c.tr = (struct cbl_segment){.limit = 0x67, .ar = 0x8b};
    c.ldtr = (struct cbl_segment){.ar = 0x10000};
    c.pat = 0x0007040600070406;
    c.xcr0 = 1;
    c.apic_base = 0xfee00d00;
    enum status s = vmx_context_set(&v->vmx, &c);
    if (s != STATUS_OK)
        panic("Dom0's entry state is refused: %s", status_name(s));
    v->initialised = true;
}

void dom0_build(const struct boot_info *boot)
{
    struct domain *d;
    choose_scratch(boot);
    enum status s = domain_create_dom0(frame_stats().total, 1, &d);
    if (s != STATUS_OK)
        panic("Dom0 cannot be created: %s", status_name(s));
    struct domain_locked l = domain_lock(d);
    map(l, boot->dom0_base, boot->dom0_size, EPT_RWX, "RAM");
    for (uint32_t i = 0; i < boot->nr_modules; i++)
        map(l, boot->modules[i].base, boot->modules[i].size, EPT_R, "module");
    uint64_t base = boot->dom0_base + boot->dom0_size - DOM0_TABLES_BYTES;
    place_tables(boot, base);
    entry_state(d->vcpus[0], boot->dom0_entry, base);
    domain_unlock(l);
    if (boot->machine.iommus_on != 0)
        log_warn("vtd: %u units do not turn off; devices may fail", boot->machine.iommus_on);
    log_info("d0 has %lu MiB at 0x%lx, %u modules, entry 0x%lx", boot->dom0_size >> 20, boot->dom0_base, boot->nr_modules, boot->dom0_entry);
}
