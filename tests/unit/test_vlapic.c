/* SPDX-License-Identifier: Apache-2.0
 * [HOST] vmx/vlapic.c and vmx/inject.c: registers, priorities, the timer's arithmetic, and which event the next entry
 * delivers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/cpu/x86.h"
#include "vmx/caps.h"
#include "vmx/vlapic.h"
#include "vmx/vmcs.h"

#define MASKED 0x10000U
#define PERIODIC 0x20000U
#define TSC_DEADLINE 0x40000U

struct vmx_caps vmx_caps;
static uint64_t fields[0x8000];
static unsigned writes;
static uint32_t page[1024];
static struct vmx_vcpu v;

uint64_t vmcs_fake_read(uint32_t field) { return fields[field]; }
void vmcs_fake_write(uint32_t field, uint64_t value)
{
    writes++;
    fields[field] = value;
}

static int reset(void **state)
{
    (void)state;
    memset(fields, 0, sizeof(fields));
    memset(&v, 0, sizeof(v));
    memset(&vmx_caps, 0, sizeof(vmx_caps));
    v.apic_page = page;
    v.vlapic.id = 0x12;
    v.vlapic.base_msr = 0xfee00c00;
    vlapic_reset(&v);
    assert_int_equal(vlapic_write(&v, VLAPIC_SVR, 0x1ff, 0), VLAPIC_DONE);
    fields[VMCS_GUEST_RFLAGS] = RFLAGS_IF | 2;
    fields[VMCS_GUEST_CR0] = CR0_PE | CR0_PG;
    writes = 0;
    return 0;
}

static uint64_t reg(uint32_t n, uint64_t now)
{
    uint64_t value;
    assert_true(vlapic_read(&v, n, now, &value));
    return value;
}

static void test_registers(void **state)
{
    (void)state;
    uint64_t value;
    assert_int_equal(reg(VLAPIC_ID, 0), 0x12);
    assert_int_equal(reg(VLAPIC_VERSION, 0), 0x50014);
    assert_int_equal(reg(VLAPIC_LDR, 0), 0x10004);
    assert_int_equal(vlapic_write(&v, VLAPIC_TPR, 0x100, 0), VLAPIC_GP);
    assert_int_equal(vlapic_write(&v, VLAPIC_TPR, 0x35, 0), VLAPIC_DONE);
    assert_int_equal(reg(VLAPIC_TPR, 0), 0x35);
    assert_int_equal(vlapic_write(&v, VLAPIC_EOI, 1, 0), VLAPIC_GP);
    assert_int_equal(vlapic_write(&v, VLAPIC_ID, 1, 0), VLAPIC_GP);
    assert_int_equal(vlapic_write(&v, VLAPIC_LDR, 1, 0), VLAPIC_GP);
    assert_int_equal(vlapic_write(&v, VLAPIC_TPR, 1UL << 32, 0), VLAPIC_GP);
    assert_int_equal(vlapic_write(&v, 0x0e, 0, 0), VLAPIC_GP); /* DFR is gone in x2APIC mode */
    const uint32_t absent[] = {0x00, 0x09, 0x0c, 0x0e, 0x29, 0x2f, 0x31, 0x3a, VLAPIC_EOI, VLAPIC_SELF_IPI};
    for (unsigned i = 0; i < ARRAY_SIZE(absent); i++)
        assert_false(vlapic_read(&v, absent[i], 0, &value));
    assert_int_equal(vlapic_write(&v, VLAPIC_LVT_TIMER, 0x80000, 0), VLAPIC_GP);
    assert_int_equal(vlapic_write(&v, 0x35, 0x700, 0), VLAPIC_DONE); /* LINT0, ExtINT */
    assert_int_equal(reg(0x35, 0), 0x700);
    assert_int_equal(vlapic_write(&v, VLAPIC_SVR, 0xff, 0), VLAPIC_DONE); /* software disable masks the LVTs */
    assert_int_equal(reg(0x35, 0), 0x10700);
    assert_int_equal(vlapic_write(&v, 0x35, 0x700, 0), VLAPIC_DONE);
    assert_int_equal(reg(0x35, 0), 0x10700);
}

static void test_priorities(void **state)
{
    (void)state;
    assert_int_equal(vlapic_deliverable(&v), -1);
    vlapic_set_irr(&v, 0x31);
    vlapic_set_irr(&v, 0xf6);
    assert_int_equal(vlapic_deliverable(&v), 0xf6);
    vlapic_accept(&v, 0xf6);
    assert_int_equal(vlapic_ppr(&v), 0xf0);
    assert_int_equal(vlapic_highest_irr(&v), 0x31);
    assert_int_equal(vlapic_deliverable(&v), -1); /* 0xf6 is in service */
    assert_int_equal(vlapic_write(&v, VLAPIC_EOI, 0, 0), VLAPIC_DONE);
    assert_int_equal(vlapic_deliverable(&v), 0x31);
    assert_int_equal(vlapic_write(&v, VLAPIC_TPR, 0x30, 0), VLAPIC_DONE);
    assert_int_equal(vlapic_deliverable(&v), -1); /* the same class is not above */
    assert_false(vlapic_has_pending(&v));
    assert_int_equal(vlapic_write(&v, VLAPIC_TPR, 0x2f, 0), VLAPIC_DONE);
    assert_int_equal(vlapic_deliverable(&v), 0x31);
    vlapic_accept(&v, 0x31);
    vlapic_take_back(&v, 0x31);
    assert_int_equal(vlapic_deliverable(&v), 0x31);
    assert_int_equal(reg(VLAPIC_ISR + 1, 0), 0);
}

static void test_disabled_and_illegal(void **state)
{
    (void)state;
    assert_int_equal(vlapic_write(&v, VLAPIC_SVR, 0xff, 0), VLAPIC_DONE);
    vlapic_set_irr(&v, 0x40);
    assert_int_equal(vlapic_highest_irr(&v), -1);
    assert_int_equal(vlapic_write(&v, VLAPIC_SVR, 0x1ff, 0), VLAPIC_DONE);
    vlapic_set_irr(&v, 3);
    assert_int_equal(vlapic_highest_irr(&v), -1);
    assert_int_equal(vlapic_write(&v, VLAPIC_ESR, 0, 0), VLAPIC_DONE);
    assert_int_equal(vlapic_write(&v, VLAPIC_ESR, 1, 0), VLAPIC_GP);
    assert_int_equal(reg(VLAPIC_ESR, 0), 0);
    assert_int_equal(vlapic_write(&v, VLAPIC_SELF_IPI, 0x141, 0), VLAPIC_GP);
    assert_int_equal(vlapic_write(&v, VLAPIC_SELF_IPI, 0xff, 0), VLAPIC_DONE);
    assert_int_equal(vlapic_highest_irr(&v), 0xff);
}

static void test_destinations(void **state)
{
    (void)state;
    assert_true(vlapic_is_addressed(&v, 0x12, false));
    assert_false(vlapic_is_addressed(&v, 0x10, false));
    assert_true(vlapic_is_addressed(&v, 0xffffffff, false));
    assert_true(vlapic_is_addressed(&v, 0xffffffff, true));
    assert_true(vlapic_is_addressed(&v, 0x10006, true));  /* cluster 1, members 1 and 2 */
    assert_false(vlapic_is_addressed(&v, 0x10002, true));
    assert_false(vlapic_is_addressed(&v, 0x4, true));
    assert_int_equal(vlapic_write(&v, VLAPIC_ICR, 0x500000000c500UL, 0), VLAPIC_SEND);
    assert_int_equal(reg(VLAPIC_ICR, 0), 0x500000000c500UL);
    assert_int_equal(vlapic_write(&v, VLAPIC_ICR, 0x100000, 0), VLAPIC_GP);
}

static void test_timer_one_shot(void **state)
{
    (void)state;
    assert_int_equal(vlapic_write(&v, VLAPIC_LVT_TIMER, 0x40, 0), VLAPIC_TIMER);
    assert_int_equal(vlapic_write(&v, VLAPIC_DIVIDE, 3, 0), VLAPIC_DONE); /* by 16 */
    assert_int_equal(v.vlapic.timer_due, 0);
    assert_int_equal(vlapic_write(&v, VLAPIC_INITIAL_COUNT, 1000, 50000), VLAPIC_TIMER);
    assert_int_equal(v.vlapic.timer_due, 50000 + 16000);
    assert_int_equal(reg(VLAPIC_CURRENT_COUNT, 50000), 1000);
    assert_int_equal(reg(VLAPIC_CURRENT_COUNT, 58000), 500);
    assert_int_equal(reg(VLAPIC_CURRENT_COUNT, 66000), 0);
    vlapic_timer_fired(&v, 66001);
    assert_int_equal(vlapic_highest_irr(&v), 0x40);
    assert_int_equal(v.vlapic.timer_due, 0);
    assert_int_equal(vlapic_write(&v, VLAPIC_INITIAL_COUNT, 5, 70000), VLAPIC_TIMER);
    assert_int_equal(vlapic_write(&v, VLAPIC_INITIAL_COUNT, 0, 70001), VLAPIC_TIMER);
    assert_int_equal(v.vlapic.timer_due, 0);
    assert_int_equal(vlapic_write(&v, VLAPIC_DIVIDE, 0x10, 0), VLAPIC_GP);
    const struct { uint32_t dcr; unsigned by; } divides[] = {{0, 2}, {1, 4}, {2, 8}, {3, 16}, {8, 32}, {9, 64}, {10, 128}, {11, 1}};
    for (unsigned i = 0; i < ARRAY_SIZE(divides); i++) {
        assert_int_equal(vlapic_write(&v, VLAPIC_DIVIDE, divides[i].dcr, 1), VLAPIC_DONE);
        assert_int_equal(vlapic_write(&v, VLAPIC_INITIAL_COUNT, 100, 1000), VLAPIC_TIMER);
        assert_int_equal(v.vlapic.timer_due, 1000 + 100 * divides[i].by);
    }
}

static void test_timer_periodic(void **state)
{
    (void)state;
    assert_int_equal(vlapic_write(&v, VLAPIC_LVT_TIMER, 0x40 | PERIODIC | MASKED, 0), VLAPIC_TIMER);
    assert_int_equal(vlapic_write(&v, VLAPIC_DIVIDE, 11, 0), VLAPIC_DONE);
    assert_int_equal(vlapic_write(&v, VLAPIC_INITIAL_COUNT, 100000, 1000), VLAPIC_TIMER);
    vlapic_timer_fired(&v, 101500);
    assert_int_equal(vlapic_highest_irr(&v), -1); /* masked: runs, tells nobody */
    assert_int_equal(v.vlapic.timer_due, 201000);
    vlapic_timer_fired(&v, 900000); /* far behind: no burst */
    assert_int_equal(v.vlapic.timer_due, 1000000);
    assert_int_equal(vlapic_write(&v, VLAPIC_INITIAL_COUNT, 1, 2000), VLAPIC_TIMER);
    assert_int_equal(v.vlapic.timer_due, 2000 + VLAPIC_MIN_PERIOD_TICKS);
}

static void test_timer_deadline(void **state)
{
    (void)state;
    vlapic_tsc_deadline_write(&v, 5000); /* not in that mode: ignored */
    assert_int_equal(vlapic_tsc_deadline_read(&v), 0);
    assert_int_equal(vlapic_write(&v, VLAPIC_LVT_TIMER, 0x41 | TSC_DEADLINE, 0), VLAPIC_TIMER);
    v.tsc_offset = 400;
    vlapic_tsc_deadline_write(&v, 5000);
    assert_int_equal(v.vlapic.timer_due, 4600);
    assert_int_equal(vlapic_write(&v, VLAPIC_INITIAL_COUNT, 9, 0), VLAPIC_DONE);
    assert_int_equal(reg(VLAPIC_CURRENT_COUNT, 0), 0);
    vlapic_timer_fired(&v, 4601);
    assert_int_equal(vlapic_tsc_deadline_read(&v), 0);
    assert_int_equal(vlapic_highest_irr(&v), 0x41);
    v.tsc_offset = 7000;
    vlapic_tsc_deadline_write(&v, 6000); /* before the host's clock began: due at once */
    assert_int_equal(v.vlapic.timer_due, 1);
    v.tsc_offset = 400;
    vlapic_tsc_deadline_write(&v, 6000);
    assert_int_equal(vlapic_tsc_deadline_read(&v), 6000);
    assert_int_equal(vlapic_write(&v, VLAPIC_LVT_TIMER, 0x41, 0), VLAPIC_TIMER);
    assert_int_equal(v.vlapic.timer_due, 0);
}

/* ---- injection ---- */

#define EXTERNAL(n) (INTR_VALID | (n))
static uint64_t take_event(void)
{
    uint64_t info = fields[VMCS_ENTRY_INTR_INFO];
    fields[VMCS_ENTRY_INTR_INFO] = 0; /* the CPU clears the valid bit at the exit */
    return info;
}

static void test_nothing_costs_nothing(void **state)
{
    (void)state;
    vmx_inject_pending(&v, true); /* no vector registered */
    vmx_inject_pending(&v, false);
    assert_int_equal(writes, 0);
}

static void test_callback(void **state)
{
    (void)state;
    v.callback_vector = 0xf3;
    vmx_inject_pending(&v, true);
    assert_int_equal(take_event(), EXTERNAL(0xf3));
    fields[VMCS_GUEST_RFLAGS] = 2; /* IF=0: a window opens, once */
    vmx_inject_pending(&v, true);
    assert_int_equal(take_event(), 0);
    assert_int_equal(fields[VMCS_PROC_CTLS], PROC_INTERRUPT_WINDOW);
    writes = 0;
    vmx_inject_pending(&v, true);
    assert_int_equal(writes, 0);
    fields[VMCS_GUEST_RFLAGS] = RFLAGS_IF | 2;
    fields[VMCS_GUEST_INTERRUPTIBILITY] = BLOCK_STI;
    vmx_inject_pending(&v, true);
    assert_int_equal(take_event(), 0);
    fields[VMCS_GUEST_INTERRUPTIBILITY] = 0;
    vmx_inject_pending(&v, true);
    assert_int_equal(take_event(), EXTERNAL(0xf3));
    assert_int_equal(fields[VMCS_PROC_CTLS], 0);
    fields[VMCS_GUEST_RFLAGS] = 2;
    vmx_inject_pending(&v, true);
    fields[VMCS_GUEST_RFLAGS] = RFLAGS_IF | 2;
    vmx_inject_pending(&v, false); /* the guest saw the flag by itself: the window closes */
    assert_int_equal(take_event(), 0);
    assert_int_equal(fields[VMCS_PROC_CTLS], 0);
}

static void test_order(void **state)
{
    (void)state;
    v.callback_vector = 0xf3;
    v.nmi_pending = true;
    vlapic_set_irr(&v, 0x50);
    vmx_inject_exception(&v, 13, 0x18);
    vmx_inject_pending(&v, true);
    assert_int_equal(take_event(), INTR_VALID | INTR_ERROR_CODE | 3U << 8 | 13);
    assert_int_equal(fields[VMCS_ENTRY_ERROR_CODE], 0x18);
    assert_int_equal(fields[VMCS_PROC_CTLS], PROC_NMI_WINDOW | PROC_INTERRUPT_WINDOW);
    vmx_inject_pending(&v, true);
    assert_int_equal(take_event(), INTR_VALID | 2U << 8 | 2);
    assert_int_equal(fields[VMCS_PROC_CTLS], PROC_INTERRUPT_WINDOW);
    vmx_inject_pending(&v, true);
    assert_int_equal(take_event(), EXTERNAL(0xf3));
    assert_int_equal(fields[VMCS_PROC_CTLS], PROC_INTERRUPT_WINDOW); /* the APIC's still waits */
    vmx_inject_pending(&v, false);
    assert_int_equal(take_event(), EXTERNAL(0x50));
    assert_int_equal(fields[VMCS_PROC_CTLS], 0);
    assert_int_equal(reg(VLAPIC_ISR + 2, 0), 1U << 16);
    vmx_inject_pending(&v, false);
    assert_int_equal(take_event(), 0);
}

static void test_nmi_blocked(void **state)
{
    (void)state;
    v.nmi_pending = true;
    fields[VMCS_GUEST_INTERRUPTIBILITY] = BLOCK_NMI;
    vmx_inject_pending(&v, false);
    assert_int_equal(take_event(), 0);
    assert_true(v.nmi_pending);
    assert_int_equal(fields[VMCS_PROC_CTLS], PROC_NMI_WINDOW);
}

static void test_exception_ends_shadow(void **state)
{
    (void)state;
    fields[VMCS_GUEST_INTERRUPTIBILITY] = BLOCK_MOV_SS;
    fields[VMCS_GUEST_CR0] = 0; /* real mode: no error code */
    vmx_inject_exception(&v, 13, 0);
    vmx_inject_pending(&v, false);
    assert_int_equal(take_event(), INTR_VALID | 3U << 8 | 13);
    assert_int_equal(fields[VMCS_GUEST_INTERRUPTIBILITY], 0);
}

static void test_tpr_threshold(void **state)
{
    (void)state;
    assert_int_equal(vlapic_write(&v, VLAPIC_TPR, 0x80, 0), VLAPIC_DONE);
    vlapic_set_irr(&v, 0x51);
    vmx_inject_pending(&v, false);
    assert_int_equal(take_event(), 0);
    assert_int_equal(fields[VMCS_PROC_CTLS], 0); /* a window would open at once and tell nothing */
    assert_int_equal(fields[VMCS_TPR_THRESHOLD], 5);
    page[0x80 / 4] = 0x40; /* the guest wrote CR8 */
    vmx_inject_pending(&v, false);
    assert_int_equal(take_event(), EXTERNAL(0x51));
    assert_int_equal(fields[VMCS_TPR_THRESHOLD], 0);
}

static void test_hardware_apic(void **state)
{
    (void)state;
    vmx_caps.virtual_interrupts = true;
    v.callback_vector = 0xf3;
    fields[VMCS_GUEST_INTR_STATUS] = 0x3100;
    vlapic_set_irr(&v, 0x51);
    vmx_inject_pending(&v, true);
    assert_int_equal(take_event(), EXTERNAL(0xf3));
    assert_int_equal(fields[VMCS_GUEST_INTR_STATUS], 0x3151);
    assert_int_equal(fields[VMCS_PROC_CTLS], 0);
    writes = 0;
    vmx_inject_pending(&v, false); /* the CPU has it */
    assert_int_equal(writes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_registers, reset),
        cmocka_unit_test_setup(test_priorities, reset),
        cmocka_unit_test_setup(test_disabled_and_illegal, reset),
        cmocka_unit_test_setup(test_destinations, reset),
        cmocka_unit_test_setup(test_timer_one_shot, reset),
        cmocka_unit_test_setup(test_timer_periodic, reset),
        cmocka_unit_test_setup(test_timer_deadline, reset),
        cmocka_unit_test_setup(test_nothing_costs_nothing, reset),
        cmocka_unit_test_setup(test_callback, reset),
        cmocka_unit_test_setup(test_order, reset),
        cmocka_unit_test_setup(test_nmi_blocked, reset),
        cmocka_unit_test_setup(test_exception_ends_shadow, reset),
        cmocka_unit_test_setup(test_tpr_threshold, reset),
        cmocka_unit_test_setup(test_hardware_apic, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
