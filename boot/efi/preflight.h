/* SPDX-License-Identifier: Apache-2.0
 * [FW][HOST] Can this machine run Corbel? What is missing, in words, and what to do. The judgement is pure; probe.c
 * asks the CPU. Nothing is changed: root itself sets and locks IA32_FEATURE_CONTROL just before VMXON. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "boot/boot_info.h"
#include "boot/efi/memtype.h"

#define PREFLIGHT_MAX_LINES 64U
#define PREFLIGHT_REST_MIB  32U /* beside Dom0: root, its tables, one small guest */

/* The VM-execution, exit and entry controls. */
enum preflight_group {
    PREFLIGHT_PIN,
    PREFLIGHT_PRIMARY,
    PREFLIGHT_SECONDARY,
    PREFLIGHT_EXIT,
    PREFLIGHT_ENTRY,
    PREFLIGHT_GROUPS
};

struct preflight_facts {
    char vendor[16];     /* CPUID.0 */
    char brand[52];      /* CPUID.80000002-4, "" if none */
    char hypervisor[16]; /* CPUID.40000000 under another hypervisor, else "" */
    bool has_vmx;
    bool has_svm;
    bool has_x2apic;
    bool has_nx;
    bool has_xsave;
    bool xsavec_fails; /* it has XSAVEC, which saves to other places than the SDM says */
    bool has_long_mode;
    uint32_t linear_bits;
    /* Valid with has_vmx only. */
    uint64_t feature_control;   /* IA32_FEATURE_CONTROL */
    uint32_t allowed[PREFLIGHT_GROUPS]; /* allowed 1-settings of the controls; secondary ones 0 if there are none */
    uint32_t forced[PREFLIGHT_GROUPS];  /* those that must be 1 */
    uint64_t vmx_basic, vmx_misc;       /* IA32_VMX_BASIC, IA32_VMX_MISC */
    uint64_t cr0_fixed0, cr4_fixed0;    /* what must be 1 in VMX operation */
    uint64_t arch_caps;                 /* IA32_ARCH_CAPABILITIES, 0 if there is none */
    uint64_t ept_vpid;          /* IA32_VMX_EPT_VPID_CAP, 0 if there is none */
    /* Memory, from the firmware's map. */
    uint64_t free_mib;
    uint64_t largest_low_mib; /* largest free stretch below 4 GiB of whole aligned 2 MiB units */
    uint32_t dom0_mem_mib;
};

/* ABSENT: optional, slower without. UNKNOWN: cannot be asked because something before it is missing. */
enum preflight_result { PREFLIGHT_OK, PREFLIGHT_ABSENT, PREFLIGHT_UNKNOWN, PREFLIGHT_MISSING };

struct preflight_line {
    enum preflight_result result;
    char what[48];
    char why[112];
    char fix[160];
};

struct preflight_report {
    uint32_t count;
    uint32_t missing;
    struct preflight_line lines[PREFLIGHT_MAX_LINES];
};

/* Judges the facts. */
void preflight_judge(const struct preflight_facts *facts, struct preflight_report *report);

/* The controls of a group without which Corbel does not run. */
uint32_t preflight_required(enum preflight_group group);

/* Asks the CPU that it runs on (CPUID; the VMX capability MSRs only if it has VMX). Leaves the memory part alone. */
void preflight_probe(struct preflight_facts *facts);

/* With the components OFFER turned on: does XSAVEC save them to where the SDM says? The CPU has it. */
bool preflight_xsavec(uint64_t offer);

/* The APIC id of the CPU that it runs on. */
uint32_t preflight_apic_id(void);

/* The TSC's rate as CPUID 0x15 says it, Hz; 0: it does not. */
uint64_t preflight_tsc_hz(void);

/* Bits of a guest-physical address that this CPU translates. */
unsigned preflight_address_bits(void);

/* This CPU's memory types. */
const struct mtrr_state *preflight_mtrrs(void);

/* CVE-2018-12207: can a guest that changes the size of an executable page halt the machine? Intel cores up to Cascade Lake. */
bool preflight_multihit(void);

/* This CPU's CPUID. */
struct boot_cpuid_leaf preflight_cpuid(uint32_t leaf, uint32_t subleaf);
