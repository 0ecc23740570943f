/* SPDX-License-Identifier: Apache-2.0
 * [FW][HOST] What CPUID says to guests: an allow-list of leaves and bits over what the host has. vmx/cpuid_policy.c adds
 * what differs from vCPU to vCPU. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "boot/boot_info.h"

#define GUEST_CPUID_XCR0 0xe7UL /* x87, SSE, AVX, AVX-512: what fits one page and has no supervisor part */
/* Of IA32_ARCH_CAPABILITIES: "not affected" statements, and that IBRS covers all modes: true for a guest as well. */
#define GUEST_CPUID_ARCH_CAPS 0x0c00e163UL

struct guest_cpuid_host {
    struct boot_cpuid_leaf (*cpuid)(uint32_t leaf, uint32_t subleaf);
    uint64_t xcr0;        /* what XCR0 may hold; 0: no XSAVE */
    uint64_t arch_caps;   /* IA32_ARCH_CAPABILITIES, 0: there is none */
    bool rdtscp, invpcid; /* the CPU has it, and lets guests have it */
};

void guest_cpuid_build(const struct guest_cpuid_host *host, struct boot_cpuid *to);
