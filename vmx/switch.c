/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Guest state outside the VMCS: what, where, who moves it, when. Root itself uses none of it (it is built without
 * FPU code, has no breakpoints, no SYSCALL, no SWAPGS), so all of it stays in the registers from vmx_load to vmx_unload
 * and costs an exit nothing.
 *
 *   state                                             in struct vmx_vcpu      moved by
 *   general registers but RSP                         gprs                    enter.asm, each entry and exit
 *   x87, SSE, AVX, AVX-512                            xsave, xcr0             XSAVE/XRSTOR, load and unload
 *   CR2, DR0-3, DR6                                   cr2, dr, dr6            load and unload (DR7: VMCS)
 *   STAR LSTAR CSTAR FMASK KERNEL_GS_BASE             same names              load and unload; guests access the MSRs directly
 *   TSC_AUX, SPEC_CTRL, where they exist              same names              likewise
 *   XSS                                               xss, always 0           not offered to guests
 *   local APIC                                        apic_page, vlapic       stays in memory */
#include "vmx/switch.h"

#include "ept/hw.h"
#include "kernel/core/panic.h"
#include "kernel/core/string.h"
#include "kernel/cpu/gdt.h"
#include "kernel/cpu/percpu.h"
#include "kernel/cpu/x86.h"
#include "vmx/setup.h"
#include "vmx/vmcs.h"


static struct {
    struct vmx_vcpu *loaded;
    uint32_t last_owner; /* domid + 1 of the last vCPU loaded; 0: none yet */
} on_cpu[MAX_CPUS];

struct vmx_vcpu *switch_loaded(void) { return on_cpu[cpu_id()].loaded; }

static void xsetbv(uint64_t value)
{
    __asm__ volatile("xsetbv" : : "c"(0), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

/* All components that any guest may have are saved, not only those in its XCR0 now: it may turn one off and on again. */
static void fpu_save(struct vmx_vcpu *v)
{
    uint32_t all = (uint32_t)vmx_caps.xcr0_offer;
    if (all == 0) {
        __asm__ volatile("fxsave64 (%0)" : : "r"(v->xsave) : "memory");
        return;
    }
    xsetbv(all);
    __asm__ volatile("xsave64 (%0)" : : "r"(v->xsave), "a"(all), "d"(0) : "memory");
}

static void fpu_restore(const struct vmx_vcpu *v)
{
    uint32_t all = (uint32_t)vmx_caps.xcr0_offer;
    if (all == 0) {
        __asm__ volatile("fxrstor64 (%0)" : : "r"(v->xsave) : "memory");
        return;
    }
    xsetbv(all);
    __asm__ volatile("xrstor64 (%0)" : : "r"(v->xsave), "a"(all), "d"(0) : "memory");
    xsetbv(v->xcr0);
}

void switch_set_xcr0(struct vmx_vcpu *v, uint64_t value)
{
    v->xcr0 = value;
    xsetbv(value);
}

/* X(MSR, where, is it there) */
#define SWITCHED_MSRS(X)                                                                                                    \
    X(MSR_STAR, star, true) X(MSR_LSTAR, lstar, true) X(MSR_CSTAR, cstar, true) X(MSR_FMASK, fmask, true)                   \
    X(MSR_KERNEL_GS_BASE, kernel_gs_base, true) X(MSR_TSC_AUX, tsc_aux, vmx_caps.rdtscp) X(MSR_SPEC_CTRL, spec_ctrl, vmx_caps.spec_ctrl)

void switch_save(struct vmx_vcpu *v)
{
    fpu_save(v);
    v->cr2 = read_cr2();
    v->dr[0] = read_dr0();
    v->dr[1] = read_dr1();
    v->dr[2] = read_dr2();
    v->dr[3] = read_dr3();
    v->dr6 = read_dr6();
#define SAVE(msr, where, exists) \
    if (exists)                  \
        v->where = rdmsr(msr);
    SWITCHED_MSRS(SAVE)
    if (vmx_caps.spec_ctrl)
        wrmsr(MSR_SPEC_CTRL, 0);
}

void switch_restore(const struct vmx_vcpu *v)
{
    fpu_restore(v);
    write_cr2(v->cr2);
    write_dr0(v->dr[0]);
    write_dr1(v->dr[1]);
    write_dr2(v->dr[2]);
    write_dr3(v->dr[3]);
    write_dr6(v->dr6);
#define RESTORE(msr, where, exists) \
    if (exists)                     \
        wrmsr(msr, v->where);
    SWITCHED_MSRS(RESTORE)
}

void switch_reset(struct vmx_vcpu *v)
{
    uint16_t fcw = 0x37f;
    uint32_t mxcsr = 0x1f80;
    memset(v->xsave, 0, PAGE_SIZE);
    memcpy(v->xsave, &fcw, sizeof(fcw)); /* SDM vol 1, "FXSAVE Area" */
    memcpy((char *)v->xsave + 24, &mxcsr, sizeof(mxcsr));
    v->xcr0 = 1;
    v->cr2 = 0;
    memset(v->dr, 0, sizeof(v->dr));
    v->dr6 = 0xffff0ff0;
#define RESET(msr, where, exists) v->where = 0;
    SWITCHED_MSRS(RESET)
}

/* Translations that V left here before it ran elsewhere are stale. */
static void invalidate_vpid(uint16_t vpid)
{
    const struct { uint64_t vpid, address; } operand = {vpid, 0};
    bool failed;
    __asm__ volatile("invvpid %1, %2" : "=@ccbe"(failed) : "m"(operand), "r"(1UL) : "memory");
    if (failed)
        panic("INVVPID of %u failed", vpid);
}

void switch_forget_translations(const struct vmx_vcpu *v)
{
    if (vmx_caps.invvpid)
        invalidate_vpid(v->vpid);
    else
        hw_invept(v->ept->eptp);
}

static void moved_here(struct vmx_vcpu *v)
{
    switch_forget_translations(v);
    setup_host_cpu();
    v->last_cpu = cpu_id();
}

void vmx_load(struct vmx_vcpu *v)
{
    uint32_t cpu = cpu_id();
    ASSERT(on_cpu[cpu].loaded == NULL);
    vmcs_make_current(v);
    on_cpu[cpu].loaded = v;
    if (v->last_cpu != cpu)
        moved_here(v);
    if (vmx_caps.ibpb_on_switch && on_cpu[cpu].last_owner != v->domid + 1U)
        wrmsr(MSR_PRED_CMD, 1);
    on_cpu[cpu].last_owner = v->domid + 1U;
    switch_restore(v);
    v->exit.tsc = (uint32_t)rdtsc();
}

void vmx_unload(struct vmx_vcpu *v)
{
    uint32_t cpu = cpu_id();
    ASSERT(on_cpu[cpu].loaded == v);
    (void)vmx_book_ticks(v);
    switch_save(v);
    vmcs_clear(v);
    on_cpu[cpu].loaded = NULL;
}

void vmx_clear_buffers(void)
{
    if (vmx_caps.flush_l1d)
        wrmsr(MSR_FLUSH_CMD, 1); /* L1TF: the L1D holds nothing of root's or another guest's */
    if (vmx_caps.verw) {
        uint16_t selector = GDT_DATA; /* MDS: VERW with a writable segment overwrites the CPU's buffers */
        __asm__ volatile("verw %0" : : "m"(selector) : "cc");
    }
}
