/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Access to the current VMCS. Each width has its own enum type, so that a read or write with the wrong width
 * does not compile (-Wenum-conversion). Control bit names: SDM vol 3, "VM-Execution Control Fields" and following. */
#pragma once

#include "kernel/core/status.h"
#include "kernel/core/types.h"
#include "vmx/vmcs_fields.h"
#include "vmx/vmx.h"

/* Controls; those that are only required are in caps.c. */
#define PIN_PREEMPTION_TIMER (1U << 6)
#define PROC_INTERRUPT_WINDOW (1U << 2)
#define PROC_NMI_WINDOW (1U << 22)
#define PROC2_RDTSCP (1U << 3)
#define PROC2_APIC (1U << 4 | 1U << 8 | 1U << 9) /* x2APIC mode, APIC registers, virtual-interrupt delivery */
#define PROC2_INVPCID (1U << 12)
#define ENTRY_IA32E (1U << 9)

/* Interruption information, SDM vol 3, "Format of the VM-Entry Interruption-Information Field". */
#define INTR_VALID (1U << 31)
#define INTR_UNBLOCK_NMI (1U << 12) /* exit only: NMI unblocking due to IRET */
#define INTR_ERROR_CODE (1U << 11)
#define INTR_TYPE(info) ((info) >> 8 & 7U)
enum intr_type {
    INTR_TYPE_EXTERNAL = 0U, INTR_TYPE_NMI = 2, INTR_TYPE_EXCEPTION = 3, INTR_TYPE_SOFT_INTERRUPT = 4,
    INTR_TYPE_PRIV_EXCEPTION = 5, INTR_TYPE_SOFT_EXCEPTION = 6
};

/* Interruptibility state, SDM vol 3, "Guest Non-Register State". */
#define BLOCK_STI 1U
#define BLOCK_MOV_SS 2U
#define BLOCK_NMI 8U

#define PENDING_DEBUG_BS (1UL << 14)

/* FIELD's place in vmx_vcpu.wrote; 0 for what Corbel does not write. By width and type (control, exit information, guest,
 * host); fields of one kind follow each other. */
static inline uint32_t vmcs_slot(uint32_t field)
{
    static const uint8_t first[] = {1, 2, 2, 11, 18, 36, 36, 40, 42, 58, 58, 82, 83, 87, 87, 107, VMCS_SLOTS};
    uint32_t kind = (field >> 11 & 12) | (field >> 10 & 3), slot = first[kind] + (field >> 1 & 31);
    return slot < first[kind + 1] ? slot : 0;
}

#define SEG_UNUSABLE (1U << 16)
#define SEG_LONG (1U << 13)
#define SEG_DPL(ar) ((ar) >> 5 & 3U)

#ifdef CORBEL_HOST_TEST
uint64_t vmcs_fake_read(uint32_t field);
void vmcs_fake_write(uint32_t field, uint64_t value);
static inline uint64_t vmcs_raw_read(uint32_t field) { return vmcs_fake_read(field); }
static inline uint64_t vmread_sure(uint32_t field) { return vmcs_fake_read(field); }
static inline void vmcs_raw_write(uint32_t field, uint64_t value) { vmcs_fake_write(field, value); }
static inline void vmcs_write(uint32_t field, uint64_t value) { vmcs_fake_write(field, value); }
static inline void vmwrite32_hot(struct vmx_vcpu *v, enum vmcs32 f, uint32_t value) { (void)v; vmcs_fake_write(f, value); }
#else
/* Our own bug: a field that this CPU lacks, or no current VMCS. Panics. Called by enter.asm. */
void vmcs_access_failed(uint32_t field) __attribute__((noreturn));

/* The field is in RAX, where vmcs_failed (enter.asm) looks for it. */
static inline uint64_t vmcs_raw_read(uint32_t field)
{
    uint64_t value;
    __asm__ volatile("vmread %1, %0\n\tjbe vmcs_failed" : "=r"(value) : "a"((uint64_t)field) : "cc");
    return value;
}

/* Of a vCPU that just left its guest, so that its VMCS is current, and a field that all CPUs have: it cannot fail. */
static inline uint64_t vmread_sure(uint32_t field)
{
    uint64_t value;
    __asm__ volatile("vmread %1, %0" : "=r"(value) : "r"((uint64_t)field) : "cc");
    return value;
}

static inline void vmcs_raw_write(uint32_t field, uint64_t value)
{
    __asm__ volatile("vmwrite %0, %1\n\tjbe vmcs_failed" : : "r"(value), "a"((uint64_t)field) : "cc", "memory");
}

/* VMWRITE, with a note in the vCPU of who did it. */
void vmcs_record_write(uint32_t field, uint64_t value);
static inline void vmcs_write(uint32_t field, uint64_t value)
{
    vmcs_record_write(field, value);
    __asm__ volatile(""); /* the call is no jump: the note names the function that has it */
}

/* On the way to an entry: the note costs one instruction. The address's high half marks the caller as not kept. */
static inline __attribute__((always_inline)) void vmwrite32_hot(struct vmx_vcpu *v, enum vmcs32 f, uint32_t value)
{
    __asm__ volatile("0: vmwrite %1, %2\n\tjbe vmcs_failed\n\tmovq $0b, %0" : "=m"(*(uint64_t *)(void *)&v->wrote[vmcs_slot(f)].site)
                     : "r"((uint64_t)value), "a"((uint64_t)f) : "cc", "memory");
}
#endif

static inline uint16_t vmread16(enum vmcs16 f) { return (uint16_t)vmcs_raw_read(f); }
static inline uint32_t vmread32(enum vmcs32 f)
{
    uint64_t value = vmcs_raw_read(f);
    if (value >> 32 != 0)
        __builtin_unreachable(); /* a read of a 32-bit field clears the rest: no need to do it again */
    return (uint32_t)value;
}
static inline uint64_t vmread64(enum vmcs64 f) { return vmcs_raw_read(f); }
static inline uint64_t vmreadn(enum vmcsn f) { return vmcs_raw_read(f); }
static inline void vmwrite16(enum vmcs16 f, uint16_t v) { vmcs_write(f, v); }
static inline void vmwrite32(enum vmcs32 f, uint32_t v) { vmcs_write(f, v); }
static inline void vmwrite64(enum vmcs64 f, uint64_t v) { vmcs_write(f, v); }
static inline void vmwriten(enum vmcsn f, uint64_t v) { vmcs_write(f, v); }

/* Makes V's VMCS current on this CPU, and all its other state that in V, for as long as vmcs_return is not called,
 * whatever vCPU is loaded. Not nested. */
void vmcs_borrow(struct vmx_vcpu *v);
void vmcs_return(struct vmx_vcpu *v);
/* VMPTRLD and VMCLEAR; our bug when they fail: panics. */
void vmcs_make_current(struct vmx_vcpu *v);
void vmcs_clear(struct vmx_vcpu *v);
/* Called by enter.asm when VMLAUNCH or VMRESUME failed: says why. */
enum status vmx_entry_failed(struct vmx_vcpu *v);
