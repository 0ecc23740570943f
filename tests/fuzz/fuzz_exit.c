/* SPDX-License-Identifier: Apache-2.0
 * [HOST] What a guest can make of exits: any sequence of them with any registers and qualifications, and between them what an entry does, through the real
 * dispatcher, handlers, local APIC, injection, MSR, port and CPUID policies, on a VMCS that is an array. What the next entry would be given is an event that
 * the CPU accepts in that mode; only 64-bit kernel code gets to a hypercall; no reserved vector is requested; nothing of the guest's reaches the host's half
 * of the VMCS or its control fields but the few that are meant. */
#include <stdio.h>
#include <stdlib.h>

#include "exit_fakes.h"
#include "tests/fuzz/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(cond, what) do { if (!(cond)) { fprintf(stderr, "fuzz_exit: %s (%s:%d)\n", what, __FILE__, __LINE__); abort(); } } while (0)

static bool with_callback;

static uint32_t msr(void)
{
    static const uint32_t known[] = {0x10, 0x1b, 0x3a, 0x48, 0x49, 0x8b, 0xfe, 0x10a, 0x10b, 0x174, 0x1a0, 0x1d9, 0x277, 0x2ff, 0x6e0, 0x6e0, 0x40000000, 0xc0000080, 0xc0000103, 0x832, 0x838,
                                     0x83e, 0x80f, 0x80b, 0x808, 0x830, 0x830, 0x83f, 0x828, 0x839, 0x810, 0x820};
    uint8_t b = next();
    return b < 0xc0 ? known[b % ARRAY_SIZE(known)] : b < 0xe0 ? 0x800 + next() % 0x44U : b < 0xf0 ? (uint32_t)raw(2) : (uint32_t)raw(4);
}

static uint64_t value(void)
{
    static const uint64_t known[] = {0, 1, 0xff, 0x1ff, 0x31, 0x20031, 0x40031, 0x10031, 0x4500, 0x4610, 0xc4500, 0x84400, 0x40041, 0xfee00d00, 0xfee00c00, 0x5000, 0x5fff, 1UL << 32, ~0UL, 0x40030};
    uint8_t b = next();
    return b < 0xd0 ? known[b % ARRAY_SIZE(known)] : raw(b < 0xe8 ? 4 : 8);
}

/* Only what the CPU reports, SDM vol 3, "Information for VM Exits That Occur During Event Delivery". */
static uint32_t interrupted(void)
{
    uint8_t b = next(), vector = next();
    const enum intr_type types[] = {INTR_TYPE_EXTERNAL, INTR_TYPE_NMI, INTR_TYPE_EXCEPTION, INTR_TYPE_SOFT_INTERRUPT, INTR_TYPE_PRIV_EXCEPTION, INTR_TYPE_SOFT_EXCEPTION};
    if (b < 0x80)
        return 0;
    enum intr_type type = types[b % ARRAY_SIZE(types)];
    if (type == INTR_TYPE_EXTERNAL) /* only what was in service can have been under way; nothing else is injected */
        return vlapic_highest_isr(&v->vmx) >= 16 ? INTR_VALID | (uint32_t)vlapic_highest_isr(&v->vmx) : 0;
    vector = type == INTR_TYPE_NMI ? 2 : type == INTR_TYPE_EXCEPTION ? vector & 31 : type == INTR_TYPE_PRIV_EXCEPTION ? 1 : type == INTR_TYPE_SOFT_EXCEPTION ? 3 + (vector & 1) : vector;
    vector = vector == 2 && type == INTR_TYPE_EXCEPTION ? 0 : vector;
    bool error = type == INTR_TYPE_EXCEPTION && (fields[VMCS_GUEST_CR0] & CR0_PE) && (vector == 8 || (vector >= 10 && vector <= 14) || vector == 17);
    return INTR_VALID | (uint32_t)type << 8 | vector | (error ? INTR_ERROR_CODE : 0);
}

static void registers(void)
{
    v->vmx.gprs.rcx = msr();
    uint64_t n = value();
    v->vmx.gprs.rax = (v->vmx.gprs.rax & ~0xffffffffUL) | (uint32_t)n;
    v->vmx.gprs.rdx = n >> 32;
}

/* Those that need privileged instructions of the host are left out: #DB, #MC, NMI, the time limit, Dom0's PCI address port. */
static void one_exit(uint32_t reason)
{
    uint64_t q = 0;
    registers();
    if (reason == 0)
        fields[VMCS_EXIT_INTR_INFO] = INTR_VALID | INTR_TYPE_EXCEPTION << 8 | (next() & 1 ? 17 | INTR_ERROR_CODE : 6) | (next() & 1 ? INTR_UNBLOCK_NMI : 0);
    else if (reason == 1)
        fields[VMCS_EXIT_INTR_INFO] = INTR_VALID | next();
    else if (reason == 10)
        v->vmx.gprs.rax = next() % 4 ? next() % 0x24U + (next() & 1 ? 0x80000000U : 0) : 0x40000000U + next() % 8U, v->vmx.gprs.rcx = next();
    else if (reason == 28)
        q = raw(2);
    else if (reason == 30)
        q = raw(4);
    else if (reason == 48)
        q = raw(2), fields[VMCS_GUEST_PHYS_ADDR] = raw(4), mapped = next() & 1, leaf = (struct ept_leaf){.hfn = {1}, .order = 9U * (next() & 1U), .rights = next() & 7U};
    else
        q = next();
    hc_answer = (enum hypercall_result)(next() % 3);
    fields[VMCS_IDT_VECTORING] = interrupted();
    fields[VMCS_EXIT_INSTR_LEN] = 1 + next() % 15U;
    leave(reason, q);
    v->vmx.exit.qualification = 0;
}

/* SDM vol 3, "VM-Entry Control Fields for Event Injection". */
static void event_is_valid(void)
{
    uint32_t info = (uint32_t)fields[VMCS_ENTRY_INTR_INFO], vector = info & 0xff;
    if (!(info & INTR_VALID))
        return;
    enum intr_type type = (enum intr_type)INTR_TYPE(info);
    must((info & 0x7ffff000) == 0 && (uint32_t)type != 1 && (uint32_t)type != 7, "reserved bits or type of an event");
    must(type != INTR_TYPE_NMI || vector == 2, "an NMI with another vector");
    must(type != INTR_TYPE_EXCEPTION || vector < 32, "an exception with another vector");
    bool error = vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
    must(!(info & INTR_ERROR_CODE) || (type == INTR_TYPE_EXCEPTION && error), "an error code for what has none");
    must(!(info & INTR_ERROR_CODE) || (fields[VMCS_GUEST_CR0] & CR0_PE), "an error code in real mode");
    must(type != INTR_TYPE_SOFT_INTERRUPT || (fields[VMCS_ENTRY_INSTR_LEN] >= 1 && fields[VMCS_ENTRY_INSTR_LEN] <= 15), "an instruction without length");
}

static void apic_is_valid(struct vmx_vcpu *w)
{
    const uint32_t *p = w->apic_page;
    must((p[VLAPIC_IRR << 2] & 0xffff) == 0 && (p[VLAPIC_ISR << 2] & 0xffff) == 0, "a reserved vector is requested");
    must(vlapic_highest_irr(w) < 256 && vlapic_highest_isr(w) < 256 && vlapic_ppr(w) < 256 && vlapic_deliverable(w) < 256, "a priority");
    must(w->vlapic.base_msr == 0xfee00c00, "the local APIC has moved");
}

/* 64-bit kernel code, unless M says: user, compatibility or 32-bit code, real mode; single steps. */
static void guest_mode(uint8_t m)
{
    fields[VMCS_GUEST_RFLAGS] |= m & 16 ? RFLAGS_TF : 0;
    if ((m & 15) == 15) {
        fields[VMCS_GUEST_CR0] = 0;
        fields[VMCS_GUEST_CS_AR] = 0x9b;
    } else if (m & 1) {
        fields[VMCS_GUEST_SS_AR] = 0xf3;
        fields[VMCS_GUEST_CS_AR] = SEG_LONG | 0xfb;
    }
    if (m & 2)
        fields[VMCS_GUEST_CS_AR] = (fields[VMCS_GUEST_CS_AR] & ~(uint64_t)SEG_LONG) | (1U << 14);
    if ((m & 6) == 6)
        fields[VMCS_GUEST_EFER] = fields[VMCS_ENTRY_CTLS] = 0;
}

static void entry(void)
{
    v->vmx.callback_vector = with_callback ? 0xf3 : 0;
    fields[VMCS_ENTRY_INTR_INFO] = 0; /* as the CPU leaves it */
    fields[VMCS_GUEST_RFLAGS] = (fields[VMCS_GUEST_RFLAGS] & ~RFLAGS_IF) | (next() & 1 ? RFLAGS_IF : 0) | 2;
    vmx_inject_pending(&v->vmx, next() & 1);
    event_is_valid();
}

static const uint32_t ours[] = {VMCS_EPTP, VMCS_VPID, VMCS_PIN_CTLS, VMCS_PROC_CTLS2, VMCS_EXIT_CTLS, VMCS_EXCEPTION_BITMAP, VMCS_CR0_MASK, VMCS_CR4_MASK, VMCS_HOST_RIP, VMCS_HOST_CR3,
                                VMCS_HOST_CR0, VMCS_HOST_CR4, VMCS_HOST_GS_BASE, VMCS_MSR_BITMAP, VMCS_IO_BITMAP_A, VMCS_IO_BITMAP_B};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint32_t reasons[] = {10, 18, 1, 12, 32, 32, 32, 32, 31, 31, 30, 7, 56, 43, 0, 28, 48, 49, 2, 9, 13, 54, 55, 15, 11, 19, 36, 76, 3, 33, 64, 99};
    in.p = data;
    in.len = size;
    (void)reset(NULL);
    vmx_caps.virtual_interrupts = next() & 1;
    uint8_t mode = next();
    with_callback = mode & 1;
    guest_mode(mode >> 1);
    for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
        fields[ours[i]] = 0x5a5a0000 + i;
    for (unsigned i = 0; in.len > 0 && i < 64 && !killed; i++) {
        uint8_t op = next();
        if (op >= 0xf0 && armed)
            armed->fire(armed);
        else if (op >= 0xe0)
            entry();
        else
            one_exit(reasons[op % ARRAY_SIZE(reasons)]);
        apic_is_valid(&vcpus[0].vmx);
        apic_is_valid(&vcpus[1].vmx);
    }
    for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
        must(fields[ours[i]] == 0x5a5a0000 + i, "a field of the host's has changed");
    bool kernel_64 = SEG_DPL(fields[VMCS_GUEST_SS_AR]) == 0 && (fields[VMCS_GUEST_CS_AR] & SEG_LONG) && (fields[VMCS_GUEST_EFER] & EFER_LMA);
    must(hypercalls == 0 || kernel_64, "a hypercall from outside of 64-bit kernel code");
    must(fields[VMCS_CR0_SHADOW] <= 0xffffffff && !(cpuid_policy_get(1, 0, &(struct cpuid_vcpu){0}).ecx & 1U << 5), "CPUID offers VMX");
    return 0;
}
