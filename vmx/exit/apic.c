/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Local APIC writes: interprocessor interrupts and the timer. SDM vol 3, "Issuing Interprocessor Interrupts". */
#include "kernel/cpu/x86.h"
#include "vmx/exit/handlers.h"
#include "vmx/vlapic.h"

#define ICR_LOGICAL (1U << 11)
#define ICR_ASSERT (1U << 14)
#define ICR_LEVEL (1U << 15)

enum delivery { DELIVER_FIXED = 0, DELIVER_LOWEST = 1, DELIVER_NMI = 4, DELIVER_INIT = 5, DELIVER_SIPI = 6 };
enum shorthand { TO_DEST = 0, TO_SELF = 1, TO_ALL = 2, TO_OTHERS = 3 };

static void deliver(struct vcpu *target, uint32_t icr)
{
    enum delivery mode = (enum delivery)(icr >> 8 & 7);
    if (mode == DELIVER_FIXED || mode == DELIVER_LOWEST) {
        vlapic_set_irr(&target->vmx, (uint8_t)icr);
        vcpu_kick(target);
    } else if (mode == DELIVER_NMI) {
        __atomic_store_n(&target->vmx.nmi_pending, true, __ATOMIC_RELEASE);
        vcpu_kick(target);
    } else if (mode == DELIVER_INIT && (icr & (ICR_LEVEL | ICR_ASSERT)) != ICR_LEVEL) {
        vcpu_init_signal(target); /* level de-assert does nothing on any CPU of today */
    } else if (mode == DELIVER_SIPI) {
        vcpu_sipi(target, (uint8_t)icr);
    }
}

static bool addressed(const struct vcpu *from, const struct vcpu *to, uint64_t icr)
{
    enum shorthand who = (enum shorthand)(icr >> 18 & 3);
    if (who == TO_DEST)
        return vlapic_is_addressed(&to->vmx, (uint32_t)(icr >> 32), (icr & ICR_LOGICAL) != 0);
    return who == TO_ALL || (who == TO_SELF) == (to == from);
}

static void send(struct vcpu *v, uint64_t icr)
{
    uint32_t mode = icr >> 8 & 7;
    if ((icr >> 18 & 3) == TO_SELF && mode == DELIVER_FIXED) { /* the frequent one */
        deliver(v, (uint32_t)icr);
        return;
    }
    for (uint32_t i = 0; i < v->domain->nr_vcpus; i++) {
        struct vcpu *to = v->domain->vcpus[i];
        /* A vCPU cannot take itself down or start itself while it runs: INIT and SIPI go to others only. */
        if (to == NULL || !addressed(v, to, icr) || (mode >= DELIVER_INIT && to == v))
            continue;
        deliver(to, (uint32_t)icr);
        if (mode == DELIVER_LOWEST)
            return; /* the first that matches is as good as any */
    }
}

static void timer_due(struct deadline *self)
{
    struct vcpu *v = vcpu_of_vmx(CONTAINER_OF(self, struct vmx_vcpu, vlapic.timer));
    vlapic_timer_fired(&v->vmx, rdtsc());
    v->vmx.vlapic.timer_rearm = v->vmx.vlapic.timer_due != 0; /* not here: a vCPU that does not run would cost others its timer */
    vcpu_kick(v);
}

void exit_apic_timer(struct vcpu *v)
{
    struct vlapic *apic = &v->vmx.vlapic;
    apic->timer.fire = timer_due;
    apic->timer_rearm = false;
    if (apic->timer_due == 0 || vlapic_timer_silent(&v->vmx))
        deadline_cancel(&apic->timer);
    else
        deadline_set(&apic->timer, apic->timer_due);
}

enum exit_action exit_apic_write(struct vcpu *v, uint32_t reg, uint64_t value)
{
    enum vlapic_result result = vlapic_write(&v->vmx, reg, value, rdtsc());
    if (result == VLAPIC_SEND)
        send(v, value);
    if (result == VLAPIC_TIMER)
        exit_apic_timer(v);
    return result == VLAPIC_GP ? EXIT_INJECT_GP : EXIT_ADVANCE;
}
