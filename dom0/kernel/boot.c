/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] What Dom0 was started with: found on the boot page tables, copied, so that nothing later depends on where
 * it lay. */
#include "dom0/kernel/boot.h"

#include <xen/arch-x86/hvm/start_info.h>

#include "dom0/kernel/boot_priv.h"
#include "dom0/kernel/fatal.h"
#include "dom0/kernel/foreign.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/kernel/page.h"
#include "dom0/kernel/paging.h"
#include "dom0/lib/string.h"

_Static_assert(sizeof(struct hvm_start_info) == 56 && sizeof(struct hvm_modlist_entry) == 32, "PVH layout");
_Static_assert(sizeof(struct hvm_memmap_table_entry) == 24, "PVH layout");

#define MODULES_MAX 64U
#define NAME_MAX    112U
#define REACH       (4UL << 30) /* the boot tables' direct map */
#define XEN_LEAF    0x40000000U

struct module {
    uint64_t phys, size;
    char name[NAME_MAX];
};

static struct {
    bool on_corbel;
    struct cbl_host_info host;
    uint64_t rsdp;
    char cmdline[256];
    size_t count;
    struct module modules[MODULES_MAX];
} boot;

bool boot_on_corbel(void) { return boot.on_corbel; }
size_t boot_module_count(void) { return boot.count; }
uint64_t boot_rsdp(void) { return boot.rsdp; }
const char *boot_cmdline(void) { return boot.cmdline; }
const struct cbl_host_info *boot_host_info(void) { return &boot.host; }

struct boot_module_view boot_module_get(size_t i)
{
    if (i >= boot.count) {
        return (struct boot_module_view){};
    }
    const struct module *m = &boot.modules[i];
    return (struct boot_module_view){m->name, (const void *)(MODULE_BASE + m->phys), m->size};
}

static uint64_t module_pages(const struct module *m)
{
    return (m->phys % PAGE_SIZE + m->size + PAGE_SIZE - 1) / PAGE_SIZE;
}
static uint64_t module_first(const struct module *m) { return m->phys & ~(PAGE_SIZE - 1); }

/* BYTES of physical memory as the boot tables show them; NULL: out of their reach. */
static const void *early_view(uint64_t phys, uint64_t bytes)
{
    return phys != 0 && phys < REACH && bytes <= REACH - phys ? (const void *)(DIRECT_BASE + phys) : NULL;
}

static void early_string(uint64_t phys, char *out, size_t size)
{
    const char *s = early_view(phys, size);
    out[0] = '\0';
    if (s != NULL) {
        size_t n = strnlen(s, size - 1);
        memcpy(out, s, n);
        out[n] = '\0';
    }
}

static bool hypervisor_present(void)
{
    uint32_t a = 1, b, c, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d) : "2"(0));
    if ((c >> 31) == 0) {
        return false;
    }
    a = XEN_LEAF;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d) : "2"(0));
    return a >= XEN_LEAF + 2 && b == 0x566e6558U && c == 0x65584d4dU && d == 0x4d4d566eU; /* "XenVMMXenVMM" */
}

static void copy_modules(const struct hvm_start_info *info)
{
    const struct hvm_modlist_entry *list =
        early_view(info->modlist_paddr, info->nr_modules * sizeof(struct hvm_modlist_entry));
    for (size_t i = 0; list != NULL && i < info->nr_modules && boot.count < MODULES_MAX; i++) {
        if (list[i].size == 0 || list[i].paddr >= 1UL << 46 || list[i].size >= 1UL << 40) {
            continue;
        }
        struct module *m = &boot.modules[boot.count++];
        m->phys = list[i].paddr;
        m->size = list[i].size;
        early_string(list[i].cmdline_paddr, m->name, sizeof(m->name));
    }
}

static bool find_ram(const struct hvm_start_info *info, uint64_t base, struct boot_ram *ram)
{
    const struct hvm_memmap_table_entry *map =
        early_view(info->memmap_paddr, info->memmap_entries * sizeof(struct hvm_memmap_table_entry));
    for (size_t i = 0; map != NULL && i < info->memmap_entries; i++) {
        bool here = map[i].addr <= base && base - map[i].addr < map[i].size;
        if (map[i].type == XEN_HVM_MEMMAP_TYPE_RAM && here) {
            uint64_t end = map[i].addr + map[i].size;
            ram->base = (map[i].addr + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
            ram->end = (end < REACH ? end : REACH) & ~(PAGE_SIZE - 1);
            return true;
        }
    }
    return false;
}

bool boot_init(uint64_t start, uint64_t base, struct boot_ram *ram)
{
    const struct hvm_start_info *info = early_view(start, sizeof(*info));
    boot.on_corbel = hypervisor_present();
    if (boot.on_corbel && (control(CTL_HOST_INFO, &boot.host) != 0 || boot.host.abi_version != CBL_ABI_VERSION)) {
        fatal("this hypervisor does not offer version %u of Corbel's control interface", CBL_ABI_VERSION);
    }
    if (info == NULL || info->magic != XEN_HVM_START_MAGIC_VALUE || info->version < 1) {
        return false;
    }
    boot.rsdp = info->rsdp_paddr;
    early_string(info->cmdline_paddr, boot.cmdline, sizeof(boot.cmdline));
    copy_modules(info);
    return find_ram(info, base, ram);
}

void boot_reserve_modules(void)
{
    for (size_t i = 0; i < boot.count; i++) {
        page_reserve(boot.modules[i].phys, boot.modules[i].size);
    }
}

bool boot_map_modules(void)
{
    for (size_t i = 0; i < boot.count; i++) {
        const struct module *m = &boot.modules[i];
        if (!paging_map(MODULE_BASE + module_first(m), module_first(m), module_pages(m) * PAGE_SIZE, PAGING_READ)) {
            boot.count = i;
            return false;
        }
    }
    return true;
}

void boot_modules_release(void)
{
    while (boot.count != 0) {
        const struct module *m = &boot.modules[--boot.count];
        paging_unmap(MODULE_BASE + module_first(m), module_pages(m) * PAGE_SIZE);
        if (boot.on_corbel) {
            foreign_release(module_first(m), module_pages(m)); /* at worst it stays ours */
        }
    }
}
