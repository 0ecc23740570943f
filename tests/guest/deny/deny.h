/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] The parts of the guest `deny`, one per file; each checks and counts by itself. */
#pragma once

#include "tests/guest/lib/guest.h"

#define VECTOR_DB 1U
#define VECTOR_NMI 2U
#define VECTOR_UD 6U
#define VECTOR_GP 13U

#define EPERM 1
#define EFAULT 14
#define EINVAL 22
#define ENOSYS 38

struct cpuid { uint32_t eax, ebx, ecx, edx; };
static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid r;
    __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}

void deny_ports(void);
void deny_msrs(void);
void deny_cpuid(void);
void deny_instructions(void);
void deny_control_registers(void);
void deny_hypercalls(void);
void deny_steps(void);
void deny_interrupts(void);
