/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] A virtual CPU: what the scheduler runs. vmx is first: the exit path starts from it. */
#pragma once

#include "kernel/domain/domain.h"
#include "kernel/sched/sched.h"
#include "kernel/time/deadline.h"
#include "vmx/vmx.h"

#define VCPU_NR_VIRQS 24U

struct vcpu_info;

struct vcpu {
    struct vmx_vcpu vmx;
    struct domain *domain;
    uint32_t id;
    struct sched_unit sched;    /* state, run queue place, running time: the scheduler's lock */
    void *info;                 /* its struct vcpu_info while that is in shared_info; NULL once the guest registered another place */
    hfn_t info_hfn;             /* frame of the registered one, referenced; HFN_INVALID: none */
    uint32_t info_offset;
    gpa_t runstate_gpa;         /* registered areas, by gpa; v = ~0: none */
    gpa_t time_gpa;
    bool runstate_flag;         /* VMASST_TYPE_runstate_update_flag */
    bool initialised;           /* its registers were set (context) or it was started by SIPI */
    bool polling;               /* event lock */
    bool waits_for_sipi;        /* after INIT, and from the start on; atomic */
    uint16_t sipi;              /* started by a SIPI with this vector, + 1: its next turn on a CPU begins there; atomic */
    struct deadline singleshot;
    struct deadline poll_timer;
    uint32_t virq_port[VCPU_NR_VIRQS]; /* event lock */
};

/* The vCPU that contains VMX. */
static inline struct vcpu *vcpu_of_vmx(struct vmx_vcpu *vmx) { return CONTAINER_OF(vmx, struct vcpu, vmx); }
static inline struct vcpu *vcpu_of_sched(struct sched_unit *u) { return CONTAINER_OF(u, struct vcpu, sched); }
/* Its struct vcpu_info, wherever it is now; valid as long as what window_open gives. */
struct vcpu_info *vcpu_info(struct vcpu *v);
/* evtchn_upcall_pending of it, its first byte (kernel/domain/event.c pins that). Inline: each entry asks. */
static inline bool vcpu_upcall_pending(struct vcpu *v)
{
    void *info = __atomic_load_n(&v->info, __ATOMIC_ACQUIRE); /* pairs with vcpu_register_info */
    return __atomic_load_n((const uint8_t *)(info ? info : vcpu_info(v)), __ATOMIC_ACQUIRE);
}
/* Marks V waiting unless an event is to be delivered (evtchn_upcall_pending, local APIC, NMI); wakes are never lost.
 * Precondition: V is this CPU's current. */
void vcpu_block(struct vcpu *v);
/* Makes V runnable if it waits, and gets the CPU that runs it out of the guest. Any context. */
void vcpu_kick(struct vcpu *v);
/* HLT: IF=1 waits; IF=0 takes the vCPU down, and the domain powers off with its last one. */
void vcpu_halt(struct vcpu *v);
/* INIT/SIPI from another vCPU's local APIC. What SIPI starts, vcpu_start prepares on the CPU that has V loaded. */
void vcpu_init_signal(struct vcpu *v);
void vcpu_sipi(struct vcpu *v, uint8_t vector);
void vcpu_start(struct vcpu *v);
/* Waits until V, which is held, is loaded on no CPU. The caller holds no lock. */
void vcpu_settle(struct vcpu *v);

/* D's next vCPU, down. */
enum status vcpu_create(struct domain *d);
/* The last one goes first. Precondition: held and settled. */
void vcpu_destroy(struct domain_locked l, struct vcpu *v);
/* VCPUOP_up and _down: a down vCPU keeps its registers. The last one going down powers the domain off. */
void vcpu_up(struct vcpu *v);
void vcpu_down(struct vcpu *v);
/* VCPUOP_register_vcpu_info: from now on only the place at G + OFFSET is maintained; contents move, everything is marked pending.
 * STATUS_INVALID: second time, or a place that is not 64 bytes of one page of its RAM. */
enum status vcpu_register_info(struct domain_locked l, struct vcpu *v, gfn_t g, uint32_t offset);
/* Absolute system time; a past one fires at once. Precondition: V is current. */
void vcpu_set_singleshot(struct vcpu *v, uint64_t ns);
