/* SPDX-License-Identifier: Apache-2.0
 * [HOST] A VMCS that is an array, around the real vmx/vmcs_setup.c, context.c and vmcs_check.c; and contexts that are right. Each test includes it once and
 * has vmcs_fake_write(). */
#pragma once

#include <stdint.h>
#include <string.h>

#include "kernel/core/ksyms.h"
#include "kernel/core/log.h"
#include "kernel/cpu/features.h"
#include "kernel/cpu/gdt.h"
#include "kernel/cpu/traps.h"
#include "kernel/cpu/x86.h"
#include "vmx/bitmaps.h"
#include "vmx/setup.h"
#include "vmx/switch.h"
#include "vmx/vmcs.h"
#include "vmx/vmcs_check.h"

#define SEG(part, i) (VMCS_GUEST_ES_##part + 2 * (i))
enum { ES, CS, SS, DS, FS, GS, LDTR, TR };

struct vmx_caps vmx_caps;
struct cpu_features cpu_features = {.phys_bits = 40};
char vmx_exit_entry[1];
static uint64_t fields[0x8000];
static struct vmx_vcpu v;
static struct ept ept = {.eptp = 0x169101e};
static struct vmcs_limits limits;

uint64_t vmcs_fake_read(uint32_t f) { return fields[f]; }
void log_line(enum log_level level, const char *fmt, ...) { (void)level; (void)fmt; }
const char *ksyms_lookup(uint64_t addr, uint64_t *offset) { *offset = addr; return "?"; }
const struct bitmaps *bitmaps_for(bool privileged)
{
    static const struct bitmaps b = {{0x1000}, {0x2000}, {0x3000}};
    (void)privileged;
    return &b;
}
void switch_reset(struct vmx_vcpu *w) { (void)w; }
void switch_forget_translations(const struct vmx_vcpu *w) { (void)w; }
void vmcs_borrow(struct vmx_vcpu *w) { (void)w; }
void vmcs_return(struct vmx_vcpu *w) { (void)w; }
uint64_t gdt_base(uint32_t cpu) { return cpu; }
uint64_t gdt_tss_base(uint32_t cpu) { return cpu; }
uint64_t traps_idt_base(void) { return 0; }

static struct cbl_vcpu_context pvh(void)
{
    struct cbl_vcpu_context c = {.rflags = 2, .rip = 0x1000850, .cr0 = CR0_PE | CR0_ET, .dr6 = 0xffff0ff0, .dr7 = 0x400};
    c.cs = (struct cbl_segment){.limit = ~0U, .ar = 0xc09b};
    c.ds = c.es = c.ss = (struct cbl_segment){.limit = ~0U, .ar = 0xc093};
    c.tr = (struct cbl_segment){.limit = 0x67, .ar = 0x8b};
    return c;
}

static struct cbl_vcpu_context long_mode(unsigned cpl)
{
    struct cbl_vcpu_context c = pvh();
    c.cr0 = CR0_PE | CR0_ET | CR0_PG | CR0_WP | CR0_AM | CR0_MP;
    c.cr4 = CR4_PAE | CR4_PGE | CR4_PCIDE | CR4_SMEP;
    c.cr3 = 0x12345000;
    c.efer = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
    c.rip = cpl == 3 ? 0x7f0012345678 : 0xffffffff81000000UL;
    c.rsp = 0xffffc90000000000UL;
    c.rflags = RFLAGS_IF | 2;
    c.gdt_base = c.idt_base = c.tr.base = c.gs.base = 0xfffffe0000001000UL;
    c.sysenter_eip = c.sysenter_esp = 0xffffffff81001000UL;
    c.gdt_limit = 0x7f;
    c.idt_limit = 0xfff;
    c.cs = (struct cbl_segment){.selector = (uint16_t)(cpl == 3 ? 0x33 : 0x10), .limit = ~0U, .ar = cpl == 3 ? 0xa0fb : 0xa09b};
    c.ss = (struct cbl_segment){.selector = (uint16_t)(cpl == 3 ? 0x2b : 0x18), .limit = ~0U, .ar = cpl == 3 ? 0xc0f3 : 0xc093};
    c.ds = c.es = (struct cbl_segment){0};
    c.tr.selector = 0x40;
    c.tr.limit = 0x206f;
    return c;
}

static void host(void)
{
    fields[VMCS_HOST_CR0] = 0x80010033;
    fields[VMCS_HOST_CR3] = 0x1601000;
    fields[VMCS_HOST_CR4] = CR4_VMXE | CR4_PAE | CR4_SMEP;
    fields[VMCS_HOST_PAT] = SETUP_PAT_RESET;
    fields[VMCS_HOST_EFER] = EFER_LMA | EFER_LME | EFER_NXE;
    fields[VMCS_HOST_CS_SEL] = 8;
    fields[VMCS_HOST_SS_SEL] = fields[VMCS_HOST_DS_SEL] = fields[VMCS_HOST_ES_SEL] = 0x10;
    fields[VMCS_HOST_TR_SEL] = 0x18;
    fields[VMCS_HOST_GS_BASE] = fields[VMCS_HOST_TR_BASE] = fields[VMCS_HOST_GDTR_BASE] = 0xffffffff80060000UL;
    fields[VMCS_HOST_IDTR_BASE] = fields[VMCS_HOST_RIP] = 0xffffffff80060000UL;
}

/* A vCPU as it is made, on a CPU of 2020. */
static void vmcs_made(bool soft_apic)
{
    static uint32_t apic_page[1024];
    uint64_t feature[] = {0x3a0000b5c0c1, 0x7f00000016, 0xfff9fffe0401e172, 0x7fffff00036dff, 0xffff000011ff, 0x300481e5, 0x80000021, 0xffffffff,
                          0x2000, 0x3767ff, 0, 0x13fb00000000, 0xf0106734041, 0x7f00000016, 0xfff9fffe04006172, 0x7fffff00036dfb, 0xffff000011fb};
    memset(fields, 0, sizeof(fields));
    memset(&v, 0, sizeof(v));
    memcpy(limits.msr, feature, sizeof(feature));
    limits.msr[0] |= 1UL << 55;
    limits.phys_bits = 40;
    limits.tpr = 0x35;
    vmx_caps = (struct vmx_caps){.pin = 0x7f, .proc = 0xb6206dfa, .proc2 = soft_apic ? 0x10aa : 0x13ba, .exit = 0x3fefff, .entry = 0xd1ff,
                                 .cr0_fixed0 = 0x80000021, .cr4_fixed0 = 0x2000, .guest_cr4 = 0x3707bf & ~CR4_MCE, .preemption_ticks = 100};
    vmx_caps.virtual_interrupts = !soft_apic;
    v.ept = &ept;
    v.vpid = 5;
    v.apic_page = apic_page;
    v.apic_page_pa = hpa(0x5000);
    v.proc_ctls = vmx_caps.proc & ~(PROC_INTERRUPT_WINDOW | PROC_NMI_WINDOW);
    setup_controls(&v);
    setup_guest_reset(&v, 0x9a00);
    host();
}
