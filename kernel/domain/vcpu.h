/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] A virtual CPU: what the scheduler runs. vmx is first: the exit path starts from it. */
#ifndef KERNEL_DOMAIN_VCPU_H
#define KERNEL_DOMAIN_VCPU_H

#include "kernel/domain/domain.h"
#include "kernel/time/deadline.h"
#include "vmx/vmx.h"

enum vcpu_state { VCPU_DOWN, VCPU_RUNNABLE, VCPU_RUNNING, VCPU_BLOCKED };

struct vcpu {
    struct vmx_vcpu vmx;
    struct domain *domain;
    uint32_t id;
    enum vcpu_state state;      /* scheduler's lock */
    uint32_t cpu;               /* where it runs or ran */
    void *info;                 /* struct vcpu_info: in shared_info, or in the registered and pinned frame (root's mapping or window pin) */
    hfn_t info_hfn;             /* of the registered one; HFN_INVALID: still in shared_info */
    uint32_t info_offset;
    gpa_t runstate_gpa;         /* registered area, by gpa; v = ~0: none */
    uint64_t runstate_entry_ns;
    uint64_t runstate_ns[4];
    bool runstate_flag;         /* VMASST_TYPE_runstate_update_flag */
    gpa_t time_gpa;
    struct deadline singleshot;
    struct deadline poll_timer;
    bool polling;
    uint32_t virq_port[24];
    /* scheduler */
    struct vcpu *rq_next;
    uint64_t vruntime_ns;
    uint32_t weight;
    uint64_t slice_end_tsc;
};

/* The vCPU that contains VMX. */
static inline struct vcpu *vcpu_of_vmx(struct vmx_vcpu *vmx) { return CONTAINER_OF(vmx, struct vcpu, vmx); }
/* Is an event to be delivered (evtchn_upcall_pending, local APIC, NMI)? */
bool vcpu_event_pending(struct vcpu *v);
/* Marks V waiting unless vcpu_event_pending; wakes are never lost. Precondition: V is this CPU's current. */
void vcpu_block(struct vcpu *v);
/* Makes V runnable if it waits, and gets the CPU that runs it out of the guest. Any context. */
void vcpu_kick(struct vcpu *v);
/* HLT: IF=1 waits; IF=0 takes the vCPU down, and the domain powers off with its last one. */
void vcpu_halt(struct vcpu *v);
/* INIT/SIPI from another vCPU's local APIC. */
void vcpu_init_signal(struct vcpu *v);
void vcpu_sipi(struct vcpu *v, uint8_t vector);

#endif
