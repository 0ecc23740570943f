/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Fills a VMCS. All work on the current one. */
#pragma once

#include "vmx/vmx.h"

/* CR0 bits that guests only see: real caches stay on, NE is fixed in VMX operation. */
#define SETUP_CR0_MASK (CR0_NE | CR0_CD | CR0_NW)
#define SETUP_PAT_RESET 0x0007040600070406UL

void setup_controls(const struct vmx_vcpu *v);
/* What is the same on all CPUs, and what is this CPU's own (again when the vCPU moves). */
void setup_host(void);
void setup_host_cpu(void);
/* The state after INIT (SDM vol 3, "Processor State After Reset"), real mode at SELECTOR << 4. Registers in V too, but
 * not the local APIC. */
void setup_guest_reset(struct vmx_vcpu *v, uint16_t selector);
/* CR0 and CR4 as the guest shall see them; real ones get what VMX operation demands. */
void setup_guest_cr0(uint64_t value);
void setup_guest_cr4(uint64_t value);
/* Segment register I in the hardware's order: ES CS SS DS FS GS LDTR TR. Access rights 0: unusable. */
void setup_segment(unsigned i, const struct cbl_segment *s);
