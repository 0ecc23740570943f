/* SPDX-License-Identifier: Apache-2.0
 * [FW][HOST] What CPUID says to guests: an allow-list of leaves and bits over what the host has. vmx/cpuid_policy.c adds
 * what differs from vCPU to vCPU. Pure. */
#pragma once

#include <stdint.h>

#include "boot/boot_info.h"

typedef struct boot_cpuid_leaf guest_cpuid_function(uint32_t leaf, uint32_t subleaf);

/* Reads the host's CPUID and applies the policy. */
void guest_cpuid_build(guest_cpuid_function *host, const struct vmx_caps *caps, struct boot_cpuid *to);
