/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Layout of a new guest's memory and its PVH start info. */
#include "dom0/builder/start_info.h"

#include <stdbool.h>

#include <xen/arch-x86/hvm/start_info.h>

#include "dom0/lib/string.h"

_Static_assert(sizeof(struct hvm_start_info) == 56, "PVH");
_Static_assert(sizeof(struct hvm_modlist_entry) == 32, "PVH");
_Static_assert(sizeof(struct hvm_memmap_table_entry) == 24, "PVH");

#define PAGE 4096ULL
/* Linux's first page tables map only this much. */
#define INFO_LIMIT (1ULL << 30)
#define INFO_LOW   0x1000ULL
/* Kept free of everything that we place: the VGA and ROM area. */
#define HOLE_BEGIN 0xa0000ULL
#define HOLE_END   0x100000ULL

static bool free_of_segments(const struct elf_plan *k, uint64_t begin, uint64_t bytes)
{
    for (unsigned i = 0; i < k->segments; i++) {
        if (begin < k->segment[i].gpa + k->segment[i].mem_len && k->segment[i].gpa < begin + bytes) {
            return false;
        }
    }
    return true;
}

static unsigned long long mib_up(uint64_t bytes) { return (unsigned long long)((bytes + (1U << 20) - 1U) >> 20); }

const char *guest_layout_plan(const struct elf_plan *kernel, struct guest_layout *l, char *text, size_t text_len)
{
    uint64_t kernel_end = (kernel->high + PAGE - 1U) & ~(PAGE - 1U);
    if (kernel->high > l->ram_bytes) {
        (void)snprintf(text, text_len, "it loads up to %llu MiB and the guest has %llu MiB: raise memsize",
                       mib_up(kernel->high), mib_up(l->ram_bytes));
        return text;
    }
    l->info_gpa = INFO_LOW;
    if (!free_of_segments(kernel, l->info_gpa, GUEST_INFO_BYTES)) {
        l->info_gpa = kernel_end > HOLE_BEGIN - GUEST_INFO_BYTES && kernel_end < HOLE_END ? HOLE_END : kernel_end;
    }
    if (l->info_gpa + GUEST_INFO_BYTES > INFO_LIMIT || l->info_gpa + GUEST_INFO_BYTES > l->ram_bytes) {
        (void)snprintf(text, text_len, "no room for the start info below the kernel's end at %llu MiB: raise memsize",
                       mib_up(kernel->high));
        return text;
    }
    uint64_t used = l->info_gpa > kernel_end ? l->info_gpa : kernel_end;
    used = l->info_gpa >= kernel_end ? used + GUEST_INFO_BYTES : used;
    used = used < HOLE_END ? HOLE_END : used;
    uint64_t need = (l->ramdisk_bytes + PAGE - 1U) & ~(PAGE - 1U);
    if (l->ramdisk_bytes > l->ram_bytes || used > l->ram_bytes || need > (l->ram_bytes & ~(PAGE - 1U)) - used) {
        (void)snprintf(text, text_len, "kernel and ramdisk need %llu MiB and the guest has %llu MiB: raise memsize",
                       mib_up(used + need), mib_up(l->ram_bytes));
        return text;
    }
    l->ramdisk_gpa = need == 0 ? 0 : (l->ram_bytes & ~(PAGE - 1U)) - need;
    return NULL;
}

size_t start_info_build(uint8_t *buf, const struct guest_layout *l, const char *cmdline)
{
    const size_t mods_at = sizeof(struct hvm_start_info) + 8U;
    const size_t map_at = mods_at + sizeof(struct hvm_modlist_entry);
    const struct hvm_memmap_table_entry map[4] = {
        {.addr = 0, .size = l->ram_bytes, .type = XEN_HVM_MEMMAP_TYPE_RAM},
        {.addr = l->acpi_gpa, .size = l->acpi_bytes, .type = XEN_HVM_MEMMAP_TYPE_ACPI},
        {.addr = l->special_gpa, .size = l->special_bytes, .type = XEN_HVM_MEMMAP_TYPE_RESERVED},
        {.addr = GUEST_HIGH_BASE, .size = l->high_bytes, .type = XEN_HVM_MEMMAP_TYPE_RAM},
    };
    const size_t cmd_at = map_at + sizeof(map);
    struct hvm_start_info si = {
        .magic = XEN_HVM_START_MAGIC_VALUE,
        .version = 1,
        .rsdp_paddr = l->acpi_gpa,
        .memmap_paddr = l->info_gpa + map_at,
        .memmap_entries = l->high_bytes > 0 ? 4 : 3,
    };
    size_t end = cmd_at;
    memcpy(buf + map_at, map, sizeof(map));
    if (l->ramdisk_bytes > 0) {
        struct hvm_modlist_entry mod = {.paddr = l->ramdisk_gpa, .size = l->ramdisk_bytes};
        memcpy(buf + mods_at, &mod, sizeof(mod));
        si.nr_modules = 1;
        si.modlist_paddr = l->info_gpa + mods_at;
    }
    if (cmdline != NULL && cmdline[0] != '\0') {
        size_t len = strlen(cmdline) + 1U;
        memcpy(buf + cmd_at, cmdline, len);
        si.cmdline_paddr = l->info_gpa + cmd_at;
        end += len;
    }
    memcpy(buf, &si, sizeof(si));
    return end;
}
