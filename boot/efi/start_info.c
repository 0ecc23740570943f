/* SPDX-License-Identifier: Apache-2.0
 * [FW][HOST] Dom0's PVH start info and first registers as the Xen ABI has them. Pure. */
#include "boot/efi/start_info.h"

#include <stddef.h>

#include <xen/xen.h>
#include <xen/arch-x86/hvm/start_info.h>

#include "boot/efi/lib.h"

_Static_assert(sizeof(struct hvm_start_info) == 56 && sizeof(struct hvm_modlist_entry) == 32, "PVH ABI");
_Static_assert(sizeof(struct hvm_memmap_table_entry) == 24, "PVH ABI");

struct tables {
    struct hvm_start_info start;
    struct hvm_memmap_table_entry memmap[2];
    char cmdline[64];
    struct hvm_modlist_entry modules[BOOT_MAX_MODULES];
    char names[BOOT_MAX_MODULES][sizeof(((struct boot_module *)0)->name)];
};
_Static_assert(sizeof(struct tables) <= START_INFO_BYTES, "fits its place");

bool start_info_build(const struct boot_info *boot, void *out, uint64_t base)
{
    static const char cmdline[] = "corbel";
    struct tables *t = out;

    if (boot->nr_modules > BOOT_MAX_MODULES || boot->dom0_size <= START_INFO_BYTES) {
        return false;
    }
    memset(out, 0, START_INFO_BYTES);
    memcpy(t->cmdline, cmdline, sizeof(cmdline));
    t->memmap[0] = (struct hvm_memmap_table_entry){
        .addr = boot->dom0_base, .size = base - boot->dom0_base, .type = XEN_HVM_MEMMAP_TYPE_RAM};
    t->memmap[1] = (struct hvm_memmap_table_entry){
        .addr = base, .size = START_INFO_BYTES, .type = XEN_HVM_MEMMAP_TYPE_RESERVED};
    for (uint32_t i = 0; i < boot->nr_modules; i++) {
        memcpy(t->names[i], boot->modules[i].name, sizeof(t->names[i]) - 1); /* terminated in any case */
        t->modules[i] = (struct hvm_modlist_entry){
            .paddr = boot->modules[i].base,
            .size = boot->modules[i].size,
            .cmdline_paddr = base + offsetof(struct tables, names) + i * sizeof(t->names[0]),
        };
    }
    t->start = (struct hvm_start_info){
        .magic = XEN_HVM_START_MAGIC_VALUE,
        .version = 1,
        .flags = SIF_PRIVILEGED | SIF_INITDOMAIN,
        .nr_modules = boot->nr_modules,
        .modlist_paddr = boot->nr_modules > 0 ? base + offsetof(struct tables, modules) : 0,
        .cmdline_paddr = base + offsetof(struct tables, cmdline),
        .rsdp_paddr = boot->rsdp,
        .memmap_paddr = base + offsetof(struct tables, memmap),
        .memmap_entries = sizeof(t->memmap) / sizeof(t->memmap[0]),
    };
    return true;
}

/* SDM vol 3, "Checks on Guest Segment Registers" for the access rights. */
void start_info_entry(uint64_t entry, uint64_t start_info, struct cbl_vcpu_context *c)
{
    const struct cbl_segment code = {.limit = ~0U, .ar = 0xc09b, .selector = 8};
    const struct cbl_segment data = {.limit = ~0U, .ar = 0xc093, .selector = 16};

    *c = (struct cbl_vcpu_context){
        .rip = entry,
        .rbx = start_info,
        .rflags = 2,
        .cr0 = 0x11, /* PE, ET */
        .dr6 = 0xffff0ff0,
        .dr7 = 0x400,
        .cs = code,
        .ds = data,
        .es = data,
        .fs = data,
        .gs = data,
        .ss = data,
        .tr = {.limit = 0x67, .ar = 0x8b},
        .ldtr = {.ar = 0x10000},
        .pat = 0x0007040600070406,
        .xcr0 = 1,
        .apic_base = 0xfee00d00,
    };
}
