/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The mechanism of VT-x as the rest of root mode sees it. Works on struct vmx_vcpu, which is embedded in struct
 * vcpu; knows nothing of domains. SDM vol 3, "Introduction to Virtual Machine Extensions" and following. */
#pragma once

#include "ept/ept.h"
#include "kernel/abi/control.h"
#include "kernel/core/addr.h"
#include "kernel/core/status.h"
#include "kernel/time/deadline.h"
#include "vmx/caps.h"

/* The guest's registers outside the VMCS. */
#define VMX_GPRS(X) X(rax) X(rcx) X(rdx) X(rbx) X(rbp) X(rsi) X(rdi) X(r8) X(r9) X(r10) X(r11) X(r12) X(r13) X(r14) X(r15)
#define VMX_GPR(name) uint64_t name;
struct vmx_gprs { VMX_GPRS(VMX_GPR) };

struct vmexit { /* filled once per exit by vmx/exit/dispatch.c */
    bool entry_failure;
    uint32_t reason, tsc;   /* below CBL_EXIT_REASONS at the latest when it was handled; the low half of the TSC then, or when its CPU turned to it again */
    uint64_t qualification; /* read only for the reasons that need it, else of an earlier exit */
};

struct vlapic {
    uint32_t id;
    uint64_t base_msr;      /* IA32_APIC_BASE as the guest sees it; x2APIC mode always */
    struct deadline timer;
    uint64_t timer_due;     /* host TSC; 0: it is not running */
    bool timer_rearm;       /* a periodic timer fired: the vCPU's next turn on a CPU arms it again */
};

/* Who wrote a VMCS field last, by vmcs_slot: the low halves of text addresses. Caller ~0: not kept, nor is the value. */
#define VMCS_SLOTS 119U
struct vmcs_write { uint64_t value; uint32_t site, caller; };

struct vmx_vcpu {
    struct vmx_gprs gprs;
    uint64_t cr2;
    uint64_t host_rsp;      /* as in the VMCS; 0: the VMCS is clear, so it is set and launched (enter.asm) */
    hpa_t vmcs;
    void *apic_page, *xsave; /* virtual-APIC page, XSAVE/FXSAVE image: frames of root's */
    hpa_t apic_page_pa, xsave_pa;
    uint64_t xcr0;
    uint64_t dr[4], dr6;    /* DR7 is in the VMCS */
    uint64_t star, lstar, cstar, fmask, kernel_gs_base, tsc_aux, spec_ctrl, xss;
    uint64_t tsc_offset;
    uint16_t vpid, domid;   /* domid: for logs and IBPB */
    uint32_t vcpu_id, last_cpu;
    bool privileged;        /* Dom0's bitmaps and CPUID */
    struct ept *ept;
    struct vmexit exit;
    uint32_t callback_vector; /* 0: none; injected at entry while upcall_pending */
    union { /* what vmx_inject has to look at */
        struct { bool nmi_pending, reinject_valid, window_open, irr_dirty; }; /* irr_dirty: IRR may hold something that entry has not seen yet; atomic */
        uint32_t inject_work;
    };
    uint32_t reinject_info, reinject_error, reinject_len; /* interrupted event, to be delivered again */
    struct vlapic vlapic;
    uint64_t exits;
    struct cbl_exit_count by_reason[CBL_EXIT_REASONS];
    uint32_t proc_ctls, tpr_threshold; /* as last written to the VMCS */
    const char *kill_why;     /* set by the handler that answers KILL */
    struct vmcs_write wrote[VMCS_SLOTS];
};

struct vmx_create {
    uint16_t domid;
    uint32_t vcpu_id, apic_id;
    bool privileged;
    struct ept *ept;
    uint64_t tsc_offset;
};

/* Reads the capability MSRs; names each missing required feature in the log. Once, on the boot CPU. */
enum status vmx_global_init(void);
/* FEATURE_CONTROL set and locked if it was open, VMXON. On each CPU. */
enum status vmx_cpu_init(void);

/* Allocates and sets up VMCS, APIC page, XSAVE area for a vCPU in the PVH reset state (all registers zero until
 * context set). */
enum status vmx_vcpu_create(struct vmx_vcpu *v, const struct vmx_create *how);
/* Frees them. Precondition: not loaded on any CPU (vmx_unload done on the CPU that had it). */
void vmx_vcpu_destroy(struct vmx_vcpu *v);
/* Makes V's VMCS current and switches all state outside the VMCS (XSAVE, MSRs, DRs): eager, at each change of vCPU. */
void vmx_load(struct vmx_vcpu *v);
/* Saves that state and VMCLEARs, so that another CPU may load it. */
void vmx_unload(struct vmx_vcpu *v);
void vmx_clear_buffers(void); /* L1D and the CPU's buffers, as mitigations want it */
enum status vmx_enter_asm(struct vmx_vcpu *v); /* enter.asm */
/* Books root's time since the exit, or since the vCPU was loaded. */
static inline struct cbl_exit_count *vmx_book_ticks(struct vmx_vcpu *v)
{
    struct cbl_exit_count *c = &v->by_reason[v->exit.reason];
    c->ticks += (uint32_t)__builtin_ia32_rdtsc() - v->exit.tsc;
    return c;
}
/* One round trip into the guest. STATUS_OK: v->exit is to be filled by exit dispatch. STATUS_INVALID:
 * VMLAUNCH/VMRESUME failed (the log says why; domain_kill adds the dump). */
static inline enum status vmx_enter(struct vmx_vcpu *v)
{
    if (vmx_caps.flush_l1d || vmx_caps.verw)
        vmx_clear_buffers();
    vmx_book_ticks(v)->count++;
    v->exits++;
    return vmx_enter_asm(v);
}

/* Chooses and sets the event for the next entry: NMI > UPCALL (callback vector, when UPCALL_PENDING and the vector is
 * set) > local APIC. Opens the interrupt or NMI window when it cannot be delivered yet. Precondition: loaded. */
void vmx_inject(struct vmx_vcpu *v, bool callback);
static inline void vmx_inject_pending(struct vmx_vcpu *v, bool upcall_pending)
{
    bool callback = upcall_pending && v->callback_vector != 0;
    /* Acquire in vmx_inject; here a stale false only delays to the kick that follows vlapic_set_irr. */
    if (callback || v->inject_work != 0)
        vmx_inject(v, callback);
}
/* Would an interrupt be taken now if HLT ended (IF=1, nothing blocking)? Used by HLT with a pending event. */
bool vmx_interruptible(struct vmx_vcpu *v);
/* Is an NMI pending that ends a HLT (no other one is being handled)? Precondition: loaded. */
bool vmx_nmi_deliverable(struct vmx_vcpu *v);
bool vmx_if_set(struct vmx_vcpu *v); /* RFLAGS.IF */

/* Fixed interrupt VECTOR for the vCPU's local APIC (IRR). Any CPU under the vCPU's lock rules of the domain layer; the
 * caller kicks. */
void vlapic_set_irr(struct vmx_vcpu *v, uint8_t vector);
bool vlapic_has_pending(struct vmx_vcpu *v);

/* Register state in and out; V need not be loaded. Values are checked (canonical, reserved bits): STATUS_INVALID. */
enum status vmx_context_get(struct vmx_vcpu *v, struct cbl_vcpu_context *out);
enum status vmx_context_set(struct vmx_vcpu *v, const struct cbl_vcpu_context *in);
/* INIT/SIPI: real mode at VECTOR << 12. */
void vmx_start_sipi(struct vmx_vcpu *v, uint8_t vector);

/* Precondition: loaded, and it just left its guest. */
uint64_t vmx_cr0(struct vmx_vcpu *v);
uint64_t vmx_cr3(struct vmx_vcpu *v);

/* Puts exception VECTOR in line for the next entry; ERROR is dropped where the CPU pushes none. Precondition: loaded. */
void vmx_inject_exception(struct vmx_vcpu *v, uint8_t vector, uint32_t error);

/* For tests of refused entries: VALUE into VMCS field FIELD as it is; *BROKEN: how many rules the entry breaks then. V
 * need not be loaded. STATUS_DENIED, and nothing is changed: no such field, or control or host state that breaks none. */
enum status vmx_poke(struct vmx_vcpu *v, uint32_t field, uint64_t value, uint32_t *broken);

/* Registers, VMCS, last exit: for the console key, kills and panics. */
void vmx_dump(struct vmx_vcpu *v);
