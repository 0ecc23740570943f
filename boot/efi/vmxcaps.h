/* SPDX-License-Identifier: Apache-2.0
 * [FW][HOST] How root uses this CPU's VT-x. Pure. */
#pragma once

#include "boot/efi/guest_cpuid.h"
#include "boot/efi/preflight.h"

/* Of the components in HOST, CPUID's leaf 0xd, those on offer: x87, SSE, AVX, AVX-512 as a whole: what fits one page and has no supervisor part. */
static inline uint64_t vmxcaps_xcr0(uint64_t host) { return (host & 0xe4) == 0xe4 ? host & 0xe7 : host & 7; }

/* Of IA32_ARCH_CAPABILITIES: "not affected" statements, and that IBRS covers all modes: true for a guest as well. */
#define VMXCAPS_ARCH_CAPS 0x0c00e163UL

/* Chooses by the facts, which preflight_judge() found sufficient. */
void vmxcaps_choose(const struct preflight_facts *facts, guest_cpuid_function *cpuid, uint32_t tsc_khz, bool mitigations,
                    struct vmx_caps *caps);
