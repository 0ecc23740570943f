/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] himem: a guest with more memory than fits below 4 GiB. Reads its memory map, maps the RAM from 4 GiB on and writes
 * to the first and last bytes of both parts.
 * Why: the builder splits RAM at the devices' addresses. Expected: "himem: N passed, 0 failed", then it powers off. */
#include <stdint.h>

#include <xen/arch-x86/hvm/start_info.h>

#include "tests/guest/lib/guest.h"

#define LOW_END   0xf0000000UL
#define HIGH_BASE (1UL << 32)
#define LARGE     (2UL << 20)
#define PRESENT_WRITE_LARGE 0x83UL

static uint64_t high_pd[512] __attribute__((aligned(4096)));

/* The first GiB from 4 GiB on, where it is. */
static void map_high(void)
{
    uint64_t cr3;
    __asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
    const uint64_t *pml4 = (const uint64_t *)(cr3 & ~0xfffUL);
    uint64_t *pdpt = (uint64_t *)(pml4[0] & ~0xfffUL);
    for (unsigned i = 0; i < 512; i++)
        high_pd[i] = (HIGH_BASE + i * LARGE) | PRESENT_WRITE_LARGE;
    pdpt[4] = (uint64_t)high_pd | 3;
    __asm__ volatile("mov %0, %%cr3" : : "r"(cr3) : "memory");
}

static volatile uint64_t *at(uint64_t gpa) { return (volatile uint64_t *)gpa; }

void guest_main(const void *start_info)
{
    const struct hvm_start_info *si = start_info;
    const struct hvm_memmap_table_entry *map = (const void *)si->memmap_paddr;
    uint64_t low = 0, high = 0;
    traps_on();
    for (uint32_t i = 0; i < si->memmap_entries; i++) {
        if (map[i].type == XEN_HVM_MEMMAP_TYPE_RAM && map[i].addr == 0)
            low = map[i].size;
        if (map[i].type == XEN_HVM_MEMMAP_TYPE_RAM && map[i].addr == HIGH_BASE)
            high = map[i].size;
    }
    check(low == LOW_END, "RAM from 0 on ends at %lx", low);
    check(high >= 4096 && high <= 512 * LARGE, "RAM from 4 GiB on: %lx bytes", high);
    map_high();
    uint64_t places[] = {low - 8, HIGH_BASE, HIGH_BASE + high / 2, HIGH_BASE + high - 8};
    for (unsigned i = 0; i < 4; i++)
        check(*at(places[i]) == 0, "not zero at %lx", places[i]);
    for (unsigned i = 0; i < 4; i++)
        *at(places[i]) = 0x1234567800000000UL + i;
    for (unsigned i = 0; i < 4; i++)
        check(*at(places[i]) == 0x1234567800000000UL + i, "not what was written at %lx", places[i]);
    say("himem: %lu MiB and %lu MiB", low >> 20, high >> 20);
    summary("himem");
    shut_down(0);
}
