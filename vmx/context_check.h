/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Can this CPU take these register values? Pure. What remains, VM entry checks itself, and a refusal stops that
 * domain. */
#pragma once

#include "kernel/abi/control.h"
#include "vmx/caps.h"

/* SDM vol 1, "XCR0": what XSETBV accepts, within OFFER. */
bool context_xcr0_valid(uint64_t value, uint64_t offer);
bool context_valid(const struct cbl_vcpu_context *c, const struct vmx_caps *caps, unsigned phys_bits);
