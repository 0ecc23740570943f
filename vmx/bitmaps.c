/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] See bitmaps.h. A set bit means exit. SDM vol 3, "MSR-Bitmap Address" and "I/O-Bitmap Addresses". Filling goes
 * through the tables' rows and costs little at boot; that the result agrees with the policy for every MSR and port
 * there is, the unit test shows. */
#include "vmx/bitmaps.h"

#include "kernel/core/string.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/pagetable.h"
#include "kernel/platform/uart.h"
#include "vmx/io_policy.h"
#include "vmx/msr_policy.h"

#define MSRS_PER_HALF 0x2000U
#define MSR_HIGH_BASE 0xc0000000U
#define PORTS_PER_MAP 0x8000U

static struct bitmaps domu, dom0;

static void put(uint8_t *map, uint32_t bit, bool exits)
{
    uint32_t mask = 1U << bit % 8;
    map[bit / 8] = (uint8_t)(exits ? map[bit / 8] | mask : map[bit / 8] & ~mask);
}

/* Four quarters: reads of low and high MSRs, writes of low and high ones. MSRs outside both ranges always exit. */
static void fill_msr(uint8_t *map)
{
    uint32_t msr;
    memset(map, 0xff, PAGE_SIZE);
    for (unsigned i = 0; msr_policy_listed(i, &msr); i++) {
        bool high = msr >= MSR_HIGH_BASE;
        if (msr - (high ? MSR_HIGH_BASE : 0) >= MSRS_PER_HALF)
            continue;
        for (uint32_t write = 0; write < 2; write++) {
            bool direct = msr_policy(msr, write != 0, &vmx_caps).access == MSR_DIRECT;
            put(map, (2 * write + high) * MSRS_PER_HALF + msr % MSRS_PER_HALF, !direct);
        }
    }
}

static void fill_io_closed(uint8_t *map) { memset(map, 0xff, PAGE_SIZE); }

/* Dom0's map of the ports [BASE, +32768). The console has eight ports, of which just one is a multiple of eight. */
static void fill_io(uint8_t *map, uint32_t base)
{
    struct io_range r;
    memset(map, 0, PAGE_SIZE);
    for (unsigned i = 0; io_policy_kept(i, &r); i++) {
        for (uint32_t port = r.first; port <= r.last; port++) {
            if (port - base < PORTS_PER_MAP)
                put(map, port - base, true);
        }
    }
    for (uint32_t at = 0; at < PORTS_PER_MAP; at++) {
        if (at % 8 == 0 && !uart_owns_port((uint16_t)(base + at)) && !uart_owns_port((uint16_t)(base + at + 7)))
            at += 7;
        else
            put(map, at, !io_policy_direct(true, (uint16_t)(base + at), uart_owns_port((uint16_t)(base + at))));
    }
}

static void fill_io_low(uint8_t *map) { fill_io(map, 0); }

static void fill_io_high(uint8_t *map) { fill_io(map, PORTS_PER_MAP); }

static const struct { hpa_t *map; void (*fill)(uint8_t *map); const char *wrong; } maps[] = {
    {&domu.msr, fill_msr, "the MSR bitmap differs from the policy"},
    {&domu.io_a, fill_io_closed, "the DomUs' I/O bitmap differs from the policy"},
    {&dom0.io_a, fill_io_low, "Dom0's I/O bitmap A differs from the policy"},
    {&dom0.io_b, fill_io_high, "Dom0's I/O bitmap B differs from the policy"},
};

static enum status new_map(uint8_t **map)
{
    hfn_t f;
    enum status status = frame_alloc(FRAME_ORDER_4K, FRAME_OWNER_ROOT, FRAME_ROOT, &f);
    if (status == STATUS_OK)
        *map = root_va(hpa_of_hfn(f));
    return status;
}

enum status bitmaps_init(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(maps); i++) {
        uint8_t *map;
        enum status status = new_map(&map);
        if (status != STATUS_OK)
            return status;
        maps[i].fill(map);
        *maps[i].map = root_pa(map);
    }
    domu.io_b = domu.io_a;
    dom0.msr = domu.msr;
    return STATUS_OK;
}

bool bitmaps_check(char *why, size_t len)
{
    uint8_t *fresh;
    if (new_map(&fresh) != STATUS_OK)
        return true; /* no memory to compare in: nothing found */
    const char *wrong = NULL;
    for (unsigned i = 0; i < ARRAY_SIZE(maps) && wrong == NULL; i++) {
        maps[i].fill(fresh);
        if (memcmp(fresh, root_va(*maps[i].map), PAGE_SIZE) != 0)
            wrong = maps[i].wrong;
    }
    frame_free(hfn_of_hpa(root_pa(fresh)), FRAME_ORDER_4K);
    if (wrong != NULL)
        str_copy(why, len, wrong);
    return wrong == NULL;
}

const struct bitmaps *bitmaps_for(bool privileged) { return privileged ? &dom0 : &domu; }
