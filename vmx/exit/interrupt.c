/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Events: the host's interrupts, NMIs and machine checks, and the guest exceptions that are watched. */
#include "kernel/cpu/idle.h"
#include "kernel/cpu/x86.h"
#include "kernel/platform/irq.h"
#include "vmx/exit/decode.h"
#include "vmx/exit/handlers.h"
#include "vmx/vlapic.h"
#include "vmx/vmcs.h"

#define VECTOR_DB 1U
#define VECTOR_AC 17U
#define VECTOR_MC 18U

enum exit_action exit_external_interrupt(struct vcpu *v)
{
    (void)v;
    irq_dispatch((uint8_t)vmread32(VMCS_EXIT_INTR_INFO)); /* acknowledged by the exit */
    return EXIT_RESUME;
}

/* The guest ran its longest time without an exit. Interrupts that are pending come in now: under Bochs a guest that is
 * entered with IF=0 and keeps it so is not left for them, although external-interrupt exiting is on. */
enum exit_action exit_time_limit(struct vcpu *v)
{
    (void)v;
    cpu_idle_poll();
    return EXIT_RESUME;
}

/* Whatever waited is looked at before the next entry; the window closes itself when nothing waits. */
enum exit_action exit_window(struct vcpu *v) { (void)v; return EXIT_RESUME; }

/* The exception takes the place of the event whose delivery raised it; an interrupt or NMI among these must not be
 * lost. SDM vol 3, "Interrupt 8 - Double Fault Exception": with #DB and #AC, which are benign, events are handled one
 * after the other. */
static void put_back_interrupted(struct vmx_vcpu *v)
{
    if (!v->reinject_valid)
        return;
    uint8_t vector = (uint8_t)v->reinject_info;
    if (INTR_TYPE(v->reinject_info) == INTR_TYPE_NMI) {
        v->nmi_pending = true;
    } else if (INTR_TYPE(v->reinject_info) == INTR_TYPE_EXTERNAL && vector != v->callback_vector) {
        vlapic_take_back(v, vector);
        if (vmx_caps.virtual_interrupts) /* SVI: what is in service still; RVI follows from IRR at entry */
            vmwrite16(VMCS_GUEST_INTR_STATUS, (uint16_t)((vmread16(VMCS_GUEST_INTR_STATUS) & 0xff) | MAX(vlapic_highest_isr(v), 0) << 8));
    }
    v->reinject_valid = false;
}

/* The exit left DR6 and DR7 as they were; delivery is to find them as the CPU would have set them. */
static void debug_registers(uint64_t qualification)
{
    uint64_t dr6 = read_dr6();
    write_dr6((dr6 & ~0xfUL) | (qualification & DECODE_DB_DR6));
    if ((qualification & DECODE_DB_ACCESS) != 0)
        vmwriten(VMCS_GUEST_DR7, vmreadn(VMCS_GUEST_DR7) & ~DECODE_DB_ACCESS); /* DR7.GD has the same place */
}

static void reinject(struct vcpu *v, uint32_t info)
{
    if ((info & INTR_UNBLOCK_NMI) != 0 && !v->vmx.reinject_valid) /* IRET had lifted NMI blocking when it faulted */
        vmwrite32(VMCS_GUEST_INTERRUPTIBILITY, vmread32(VMCS_GUEST_INTERRUPTIBILITY) | BLOCK_NMI);
    put_back_interrupted(&v->vmx);
    uint32_t error = (info & INTR_ERROR_CODE) != 0 ? vmread32(VMCS_EXIT_INTR_ERROR) : 0;
    vmx_inject_exception(&v->vmx, (uint8_t)info, error);
    if (INTR_TYPE(info) == INTR_TYPE_PRIV_EXCEPTION) { /* INT1: a trap of an instruction, whose length delivery needs */
        v->vmx.reinject_info = info & (INTR_VALID | 0x7ff);
        v->vmx.reinject_len = vmread32(VMCS_EXIT_INSTR_LEN);
    }
}

enum exit_action exit_exception(struct vcpu *v)
{
    uint32_t info = vmread32(VMCS_EXIT_INTR_INFO);
    uint8_t vector = (uint8_t)info;
    if (INTR_TYPE(info) == INTR_TYPE_NMI) {
        __asm__ volatile("int $2" : : : "memory"); /* the host's: its handler's IRET also ends NMI blocking */
    } else if (vector == VECTOR_MC) {
        __asm__ volatile("int $18" : : : "memory"); /* the machine's trouble, not the guest's */
    } else if (vector == VECTOR_DB || vector == VECTOR_AC) {
        if (vector == VECTOR_DB)
            debug_registers(v->vmx.exit.qualification);
        reinject(v, info);
    } else {
        return exit_kill(v, "an exception that nobody asked to see");
    }
    return EXIT_RESUME;
}

enum exit_action exit_triple_fault(struct vcpu *v)
{
    vmx_dump(&v->vmx);
    domain_shutdown(v->domain, CBL_SHUTDOWN_CRASH);
    return EXIT_RESUME; /* a vCPU of a domain that is shut down is held: the run loop picks another */
}
