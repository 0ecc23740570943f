/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] See bitmaps.h. A set bit means exit. SDM vol 3, "MSR-Bitmap Address" and "I/O-Bitmap Addresses". Filling goes
 * through the tables' rows and costs little at boot; that the result agrees with the policy for every MSR and port
 * there is, the unit test shows. */
#include "vmx/bitmaps.h"

#include "kernel/core/printf.h"
#include "kernel/core/string.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/pagetable.h"
#include "kernel/platform/uart.h"
#include "vmx/msr_policy.h"

#define MSRS_PER_HALF 0x2000U
#define MSR_HIGH_BASE 0xc0000000U
#define PORTS_PER_MAP 0x8000U

const struct port_range bitmaps_kept[BITMAPS_KEPT] = {
    {0x20, 0x21},   /* 8259 interrupt controllers: masked for good */
    {0xa0, 0xa1},
    {0x40, 0x43},   /* 8254 timer */
    {0xcf9, 0xcf9}, /* reset */
};

/* One MSR bitmap for all; DomUs reach no port, so that one closed map serves as both of theirs. */
enum { MAP_MSR, MAP_CLOSED, MAP_DOM0_A, MAP_DOM0_B, MAPS };
static struct bitmaps domu, dom0;
static hpa_t *const places[MAPS] = {&domu.msr, &domu.io_a, &dom0.io_a, &dom0.io_b};
static const char *const names[MAPS] = {"the MSR bitmap", "the DomUs' I/O bitmap", "Dom0's I/O bitmap A", "Dom0's I/O bitmap B"};

static void put(uint8_t *map, uint32_t bit, bool exits)
{
    uint32_t mask = 1U << bit % 8;
    if (bit < 8 * PAGE_SIZE)
        map[bit / 8] = (uint8_t)(exits ? map[bit / 8] | mask : map[bit / 8] & ~mask);
}

/* Four quarters: reads of low and high MSRs, writes of low and high ones. MSRs outside both ranges always exit. */
static void open_msr(uint8_t *map, uint32_t msr)
{
    bool high = msr >= MSR_HIGH_BASE;
    if (msr - (high ? MSR_HIGH_BASE : 0) >= MSRS_PER_HALF)
        return;
    for (uint32_t write = 0; write < 2; write++) {
        if (msr_policy(msr, write != 0, &vmx_caps).access == MSR_DIRECT)
            put(map, (2 * write + high) * MSRS_PER_HALF + msr % MSRS_PER_HALF, false);
    }
}

/* Dom0's map of the ports [BASE, +32768): all but those kept. The console has eight, of which just one is a multiple of
 * eight. */
static void fill_ports(uint8_t *map, uint32_t base)
{
    memset(map, 0, PAGE_SIZE);
    for (unsigned i = 0; i < BITMAPS_KEPT; i++) {
        for (uint32_t port = bitmaps_kept[i].first; port <= bitmaps_kept[i].last; port++)
            put(map, port - base, true);
    }
    for (uint32_t at = 0; at < PORTS_PER_MAP; at++) {
        uint16_t port = (uint16_t)(base + at);
        if (at % 8 == 0 && !uart_owns_port(port) && !uart_owns_port((uint16_t)(port + 7)))
            at += 7;
        else if (uart_owns_port(port))
            put(map, at, true);
    }
}

static void fill(unsigned which, uint8_t *map)
{
    memset(map, 0xff, PAGE_SIZE);
    for (unsigned i = 0; which == MAP_MSR && i < msr_nr_rows; i++) {
        for (uint32_t msr = msr_rows[i].first; msr <= msr_rows[i].last; msr++)
            open_msr(map, msr);
    }
    if (which == MAP_DOM0_A || which == MAP_DOM0_B)
        fill_ports(map, which == MAP_DOM0_B ? PORTS_PER_MAP : 0);
}

enum status bitmaps_init(void)
{
    for (unsigned i = 0; i < MAPS; i++) {
        hfn_t f;
        enum status status = frame_alloc(FRAME_ORDER_4K, FRAME_OWNER_ROOT, FRAME_ROOT, &f);
        if (status != STATUS_OK)
            return status;
        *places[i] = hpa_of_hfn(f);
        fill(i, root_va(*places[i]));
    }
    domu.io_b = domu.io_a;
    dom0.msr = domu.msr;
    return STATUS_OK;
}

bool bitmaps_check(char *why, size_t len)
{
    hfn_t f;
    if (frame_alloc(FRAME_ORDER_4K, FRAME_OWNER_ROOT, FRAME_ROOT, &f) != STATUS_OK)
        return true; /* no memory to compare in: nothing found */
    uint8_t *fresh = root_va(hpa_of_hfn(f));
    bool ok = true;
    for (unsigned i = 0; i < MAPS && ok; i++) {
        fill(i, fresh);
        ok = memcmp(fresh, root_va(*places[i]), PAGE_SIZE) == 0;
        if (!ok)
            snprintf(why, len, "%s differs from the policy", names[i]);
    }
    frame_free(f, FRAME_ORDER_4K);
    return ok;
}

const struct bitmaps *bitmaps_for(bool privileged) { return privileged ? &dom0 : &domu; }
