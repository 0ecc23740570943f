/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] See bitmaps.h. A set bit means exit. SDM vol 3, "MSR-Bitmap Address" and "I/O-Bitmap Addresses". */
#include "vmx/bitmaps.h"

#include "kernel/core/log.h"
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

static bool bit_get(hpa_t map, uint32_t bit)
{
    return (((const uint8_t *)root_va(map))[bit / 8] >> bit % 8 & 1) != 0;
}

static void bit_put(hpa_t map, uint32_t bit, bool value)
{
    uint8_t *byte = (uint8_t *)root_va(map) + bit / 8;
    uint32_t mask = 1U << bit % 8;
    *byte = (uint8_t)(value ? *byte | mask : *byte & ~mask);
}

static enum status new_map(hpa_t *map, uint8_t fill)
{
    hfn_t f;
    enum status status = frame_alloc(FRAME_ORDER_4K, FRAME_OWNER_ROOT, FRAME_ROOT, &f);
    if (status != STATUS_OK) {
        return status;
    }
    *map = hpa_of_hfn(f);
    memset(root_va(*map), fill, PAGE_SIZE);
    return STATUS_OK;
}

/* ---- MSRs: four quarters, reads low and high, writes low and high ---- */

static bool msr_has_bit(uint32_t msr)
{
    return msr < MSRS_PER_HALF || (msr >= MSR_HIGH_BASE && msr < MSR_HIGH_BASE + MSRS_PER_HALF);
}

static uint32_t msr_bit(uint32_t msr, bool write)
{
    return (write ? 2 * MSRS_PER_HALF : 0) + (msr >= MSR_HIGH_BASE ? MSRS_PER_HALF : 0) + msr % MSRS_PER_HALF;
}

static bool msr_direct(uint32_t bit)
{
    uint32_t msr = bit % MSRS_PER_HALF + ((bit / MSRS_PER_HALF & 1) != 0 ? MSR_HIGH_BASE : 0);
    return msr_policy(msr, bit >= 2 * MSRS_PER_HALF, &vmx_caps).access == MSR_DIRECT;
}

static void apply_msrs(void)
{
    uint32_t msr;
    for (unsigned i = 0; msr_policy_listed(i, &msr); i++) {
        for (unsigned write = 0; write < 2 && msr_has_bit(msr); write++) {
            uint32_t bit = msr_bit(msr, write != 0);
            bit_put(domu.msr, bit, !msr_direct(bit));
        }
    }
}

static bool msrs_agree(void)
{
    const uint64_t *words = root_va(domu.msr);
    uint32_t msr;
    for (uint32_t bit = 0; bit < 4 * MSRS_PER_HALF; bit++) { /* what is open may be */
        if (words[bit / 64] == ~0UL) {
            bit |= 63;
        } else if (!bit_get(domu.msr, bit) && !msr_direct(bit)) {
            return false;
        }
    }
    for (unsigned i = 0; msr_policy_listed(i, &msr); i++) { /* and what may be is open */
        for (unsigned write = 0; write < 2 && msr_has_bit(msr); write++) {
            uint32_t bit = msr_bit(msr, write != 0);
            if (bit_get(domu.msr, bit) == msr_direct(bit)) {
                return false;
            }
        }
    }
    return true;
}

/* ---- ports ---- */

static void port_put(uint32_t port)
{
    bit_put(port < PORTS_PER_MAP ? dom0.io_a : dom0.io_b, port % PORTS_PER_MAP, true);
}

static bool port_get(uint32_t port)
{
    return bit_get(port < PORTS_PER_MAP ? dom0.io_a : dom0.io_b, port % PORTS_PER_MAP);
}

/* The console's eight ports, wherever they start: exactly one of them is a multiple of eight. STEP is called for each. */
static bool each_console_port(bool (*step)(uint32_t port))
{
    for (uint32_t at = 0; at < 2 * PORTS_PER_MAP; at += 8) {
        if (!uart_owns_port((uint16_t)at)) {
            continue;
        }
        for (uint32_t port = at < 7 ? 0 : at - 7; port < MIN(at + 8, 2 * PORTS_PER_MAP); port++) {
            if (uart_owns_port((uint16_t)port) && !step(port)) {
                return false;
            }
        }
    }
    return true;
}

static bool each_kept_port(bool (*step)(uint32_t port))
{
    struct io_range r;
    for (unsigned i = 0; io_policy_kept(i, &r); i++) {
        for (uint32_t port = r.first; port <= r.last; port++) {
            if (!step(port)) {
                return false;
            }
        }
    }
    return each_console_port(step);
}

static bool keep(uint32_t port)
{
    port_put(port);
    return true;
}

static bool is_kept(uint32_t port)
{
    return port_get(port);
}

static bool ports_agree(void)
{
    for (uint32_t port = 0; port < 2 * PORTS_PER_MAP; port++) { /* what is closed must be closed */
        const uint64_t *words = root_va(port < PORTS_PER_MAP ? dom0.io_a : dom0.io_b);
        if (words[port % PORTS_PER_MAP / 64] == 0) {
            port |= 63;
        } else if (port_get(port) && io_policy_direct(true, (uint16_t)port, uart_owns_port((uint16_t)port))) {
            return false;
        }
    }
    const uint64_t *words = root_va(domu.io_a);
    for (unsigned i = 0; i < PAGE_SIZE / 8; i++) {
        if (words[i] != ~0UL) {
            return false;
        }
    }
    return each_kept_port(is_kept);
}

bool bitmaps_check(char *why, size_t len)
{
    const char *wrong = !msrs_agree() ? "the MSR bitmap differs from the policy" : !ports_agree() ? "an I/O bitmap differs from the policy" : NULL;
    if (wrong != NULL) {
        str_copy(why, len, wrong);
    }
    return wrong == NULL;
}

enum status bitmaps_init(void)
{
    const struct { hpa_t *map; uint8_t fill; } maps[] = {{&domu.msr, 0xff}, {&domu.io_a, 0xff}, {&dom0.io_a, 0}, {&dom0.io_b, 0}};
    char why[64];
    for (unsigned i = 0; i < ARRAY_SIZE(maps); i++) {
        enum status status = new_map(maps[i].map, maps[i].fill);
        if (status != STATUS_OK) {
            return status;
        }
    }
    domu.io_b = domu.io_a; /* all ones, both */
    dom0.msr = domu.msr;
    apply_msrs();
    (void)each_kept_port(keep);
    if (!bitmaps_check(why, sizeof(why))) {
        log_error("%s", why);
        return STATUS_BAD_STATE;
    }
    return STATUS_OK;
}

const struct bitmaps *bitmaps_for(bool privileged)
{
    return privileged ? &dom0 : &domu;
}
