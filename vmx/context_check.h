/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Can this CPU take these register values? Pure. What remains, VM entry checks itself, and a refusal stops that
 * domain. */
#pragma once

#include "kernel/abi/control.h"
#include "vmx/caps.h"

static inline bool context_canonical(uint64_t a) { return (uint64_t)((int64_t)(a << 16) >> 16) == a; }
/* The bits that make IA32_PAT no valid one: each byte is 0, 1, 4, 5, 6 or 7. */
static inline uint64_t context_wrong_pat(uint64_t pat) { return (pat & 0xf8f8f8f8f8f8f8f8UL) | (~pat >> 1 & pat & 0x0202020202020202UL); }
/* SDM vol 1, "XCR0": what XSETBV accepts, within OFFER. */
bool context_xcr0_valid(uint64_t value, uint64_t offer);
bool context_valid(const struct cbl_vcpu_context *c, const struct vmx_caps *caps, unsigned phys_bits);
