/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] What this CPU's VT-x can do, read once. SDM vol 3, appendix "VMX Capability Reporting Facility". */
#pragma once

#include "kernel/core/status.h"
#include "kernel/core/types.h"

struct vmx_caps {
    uint32_t revision;
    uint32_t pin, proc, proc2, exit, entry; /* the settings in use: required ones plus those optional ones that exist */
    uint64_t cr0_fixed0, cr4_fixed0;        /* bits that must be 1 in VMX operation */
    uint32_t preemption_ticks;              /* timer value for PREEMPTION_US; 0: no such timer */
    uint64_t guest_cr4;                     /* bits that a guest may own */
    uint64_t xcr0_offer;                    /* 0: no XSAVE; FXSAVE is used */
    uint64_t arch_caps;                     /* IA32_ARCH_CAPABILITIES as guests see it */
    bool virtual_interrupts; /* x2APIC mode + APIC registers + virtual-interrupt delivery, all three */
    bool invvpid;            /* single-context INVVPID */
    bool rdtscp, spec_ctrl, ibpb;
    bool flush_l1d, verw;    /* needed before each entry */
    bool ibpb_on_switch;
};

extern struct vmx_caps vmx_caps; /* written by caps_init only */

/* Reads everything. STATUS_UNSUPPORTED: something required is missing. */
enum status caps_init(void);
