/* SPDX-License-Identifier: Apache-2.0
 * [FW][HOST] How root uses this CPU's VT-x. Pure. */
#pragma once

#include "boot/efi/guest_cpuid.h"
#include "boot/efi/preflight.h"

#define VMXCAPS_XCR0 0xe7UL /* on offer: x87, SSE, AVX, AVX-512: what fits one page and has no supervisor part */
/* Of IA32_ARCH_CAPABILITIES: "not affected" statements, and that IBRS covers all modes: true for a guest as well. */
#define VMXCAPS_ARCH_CAPS 0x0c00e163UL

/* Chooses by the facts, which preflight_judge() found sufficient. */
void vmxcaps_choose(const struct preflight_facts *facts, guest_cpuid_function *cpuid, uint32_t tsc_khz, bool mitigations,
                    struct vmx_caps *caps);
