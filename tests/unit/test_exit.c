/* SPDX-License-Identifier: Apache-2.0
 * [HOST] The exit path from dispatch.c through the real handlers, on a VMCS made of an array: what each exit reads,
 * changes and leads to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/core/log.h"
#include "kernel/cpu/x86.h"
#include "kernel/domain/physmap.h"
#include "kernel/hypercall/dispatch.h"
#include "kernel/platform/irq.h"
#include "kernel/platform/uart.h"
#include "kernel/time/clock.h"
#include "vmx/caps.h"
#include "boot/efi/guest_cpuid.h"
#include "vmx/cpuid_policy.h"
#include "vmx/exit/dispatch.h"
#include "vmx/exit/handlers.h"
#include "vmx/switch.h"
#include "vmx/vlapic.h"
#include "vmx/vmcs.h"
#include "vmx/vmcs_check.h"

struct vmx_caps vmx_caps;
static uint64_t fields[0x8000];
static uint32_t page[2][1024];
static struct vcpu vcpus[2];
static struct domain dom;
static struct vcpu *const v = &vcpus[0];
static const char *killed;
static unsigned vectors, kicks, blocks, halts, shutdowns, inits, sipis, hypercalls;
static uint8_t last_vector, last_sipi, guest_page[4096];
static enum hypercall_result hc_answer;
static struct deadline *armed;

uint64_t vmcs_fake_read(uint32_t f) { return fields[f]; }
void vmcs_fake_write(uint32_t f, uint64_t value) { fields[f] = value; }
void log_guest(uint16_t domid, const char *fmt, ...) { (void)domid; (void)fmt; }
void log_line(enum log_level level, const char *fmt, ...) { (void)level; (void)fmt; }
void domain_kill(struct domain *d, const char *why) { assert_ptr_equal(d, &dom); killed = why; }
void domain_shutdown(struct domain *d, uint32_t reason) { (void)d; assert_int_equal(reason, CBL_SHUTDOWN_CRASH); shutdowns++; }
struct domain_locked domain_lock(struct domain *d) { return (struct domain_locked){d}; }
void domain_unlock(struct domain_locked l) { (void)l; }
void irq_dispatch(uint8_t vector) { last_vector = vector; vectors++; }
void vcpu_kick(struct vcpu *w) { (void)w; kicks++; }
void vcpu_block(struct vcpu *w) { (void)w; blocks++; }
void vcpu_halt(struct vcpu *w) { (void)w; halts++; }
void vcpu_init_signal(struct vcpu *w) { assert_ptr_equal(w, &vcpus[1]); inits++; }
void vcpu_sipi(struct vcpu *w, uint8_t vector) { assert_ptr_equal(w, &vcpus[1]); last_sipi = vector; sipis++; }
enum hypercall_result hypercall_dispatch(struct vcpu *w) { (void)w; hypercalls++; return hc_answer; }
bool uart_owns_port(uint16_t port) { return port >= 0x3f8 && port < 0x400; }
uint64_t clock_tsc_khz(void) { return 50000; }
void clock_pv_factors(uint32_t *mul, int8_t *shift, uint64_t *t, uint64_t *ns) { *mul = 1; *shift = 0; *t = *ns = 0; }
void switch_set_xcr0(struct vmx_vcpu *w, uint64_t value) { w->xcr0 = value; }
void vmx_dump(struct vmx_vcpu *w) { (void)w; }
static unsigned explained;
unsigned vmcs_explain(struct vmx_vcpu *w, bool guest_state, bool quiet) { (void)w; assert_true(guest_state && !quiet); return ++explained; }
void deadline_set(struct deadline *d, uint64_t tsc) { d->tsc = tsc; armed = d; }
void deadline_cancel(struct deadline *d) { (void)d; armed = NULL; }
enum status physmap_copy_to(struct domain *d, gpa_t dst, const void *src, size_t len)
{
    (void)d;
    if (dst.v < 0x5000 || dst.v + len > 0x6000)
        return STATUS_FAULT;
    memcpy(guest_page + (dst.v - 0x5000), src, len);
    return STATUS_OK;
}
static struct ept_leaf leaf;
static bool mapped;
static enum status split_answer;
bool ept_lookup(const struct ept *e, gfn_t g, struct ept_leaf *out) { (void)e; (void)g; *out = leaf; return mapped; }
enum status ept_split_exec(struct ept *e, gfn_t g) { (void)e; (void)g; return split_answer; }

struct boot_info host_info __asm__("boot_info"); /* root's own is constant */
static struct boot_cpuid_leaf host(uint32_t a, uint32_t c) { return (struct boot_cpuid_leaf){a == 0 ? 0xd : 0x100 + a, c, 0xffffffff, 0xffffffff}; }

static int reset(void **state)
{
    (void)state;
    memset(fields, 0, sizeof(fields));
    memset(vcpus, 0, sizeof(vcpus));
    memset(&dom, 0, sizeof(dom));
    vmx_caps = (struct vmx_caps){.xcr0_offer = 7};
    guest_cpuid_build(host, &vmx_caps, &host_info.cpuid);
    dom.nr_vcpus = 2;
    for (unsigned i = 0; i < 2; i++) {
        dom.vcpus[i] = &vcpus[i];
        vcpus[i].id = i;
        vcpus[i].domain = &dom;
        vcpus[i].vmx.apic_page = page[i];
        vcpus[i].vmx.vlapic.id = 2 * i;
        vcpus[i].vmx.vlapic.base_msr = 0xfee00c00;
        vlapic_reset(&vcpus[i].vmx);
        vlapic_write(&vcpus[i].vmx, VLAPIC_SVR, 0x1ff, 0);
    }
    killed = NULL;
    armed = NULL;
    vectors = kicks = blocks = halts = shutdowns = inits = sipis = hypercalls = 0;
    hc_answer = HC_DONE;
    mapped = false;
    split_answer = STATUS_NOT_FOUND;
    fields[VMCS_GUEST_RIP] = 0x1000;
    fields[VMCS_EXIT_INSTR_LEN] = 3;
    fields[VMCS_GUEST_RFLAGS] = 2;
    fields[VMCS_GUEST_CR0] = CR0_PE | CR0_PG;
    fields[VMCS_GUEST_EFER] = EFER_LMA | EFER_LME;
    fields[VMCS_ENTRY_CTLS] = ENTRY_IA32E;
    fields[VMCS_GUEST_CS_AR] = SEG_LONG | 0x9b;
    fields[VMCS_GUEST_SS_AR] = 0x93;
    return 0;
}

static void leave(uint32_t reason, uint64_t qualification)
{
    fields[VMCS_EXIT_REASON] = reason;
    fields[VMCS_EXIT_QUALIFICATION] = qualification;
    exit_dispatch(v);
}

#define ADVANCED() assert_int_equal(fields[VMCS_GUEST_RIP], 0x1003)
#define STAYED() assert_int_equal(fields[VMCS_GUEST_RIP], 0x1000)

static void expect_exception(uint8_t vector)
{
    STAYED();
    assert_true(v->vmx.reinject_valid);
    assert_int_equal(v->vmx.reinject_info & 0x800007ff, 0x80000300U | vector);
    v->vmx.reinject_valid = false;
}

static void test_advance(void **state)
{
    (void)state;
    v->vmx.gprs.rax = 0;
    leave(10, 0);
    ADVANCED();
    assert_int_equal(v->vmx.gprs.rax, 0xd);
    assert_int_equal(fields[VMCS_GUEST_PENDING_DEBUG], 0);
    fields[VMCS_GUEST_INTERRUPTIBILITY] = BLOCK_STI | BLOCK_NMI;
    fields[VMCS_GUEST_RFLAGS] = RFLAGS_TF | 2;
    leave(10, 0);
    assert_int_equal(fields[VMCS_GUEST_INTERRUPTIBILITY], BLOCK_NMI);
    assert_int_equal(fields[VMCS_GUEST_PENDING_DEBUG], PENDING_DEBUG_BS);
}

static void test_advance_wraps(void **state)
{
    (void)state;
    fields[VMCS_GUEST_RIP] = 0xfffffffe;
    leave(10, 0);
    assert_int_equal(fields[VMCS_GUEST_RIP], 0x100000001UL);
    fields[VMCS_GUEST_RIP] = 0xfffffffe;
    fields[VMCS_GUEST_CS_AR] = 0xc9b; /* compatibility mode */
    leave(10, 0);
    assert_int_equal(fields[VMCS_GUEST_RIP], 1);
    fields[VMCS_GUEST_RIP] = 0xfffffffe;
    fields[VMCS_GUEST_CS_AR] = SEG_LONG | 0x9b;
    fields[VMCS_ENTRY_CTLS] = 0; /* the bit means nothing outside long mode */
    leave(10, 0);
    assert_int_equal(fields[VMCS_GUEST_RIP], 1);
}

static void test_unknown_kills(void **state)
{
    (void)state;
    const uint32_t reasons[] = {3, 4, 5, 6, 14, 16, 17, 29, 33, 37, 40, 44, 45, 46, 47, 51, 57, 58, 60, 62, 63, 64, 68, 75, 78, 999};
    for (unsigned i = 0; i < ARRAY_SIZE(reasons); i++) {
        killed = NULL;
        leave(reasons[i], 0);
        assert_non_null(killed);
        STAYED();
    }
    killed = NULL;
    explained = 0;
    leave(0x80000021U, 0);
    assert_non_null(killed);
    assert_true(v->vmx.exit.entry_failure);
    assert_int_equal(explained, 1);
    for (uint32_t other = 34; other <= 41; other += 7) { /* MSR loading, machine check: not the guest state's fault */
        killed = NULL;
        leave(1U << 31 | other, 0);
        assert_non_null(killed);
    }
    assert_int_equal(explained, 1);
}

static void test_undefined(void **state)
{
    (void)state;
    const uint32_t reasons[] = {11, 19, 20, 21, 22, 23, 24, 25, 26, 27, 36, 39, 50, 53, 59};
    for (unsigned i = 0; i < ARRAY_SIZE(reasons); i++) {
        leave(reasons[i], 0);
        expect_exception(6);
    }
    leave(15, 0);
    expect_exception(13);
    leave(54, 0);
    ADVANCED();
    assert_null(killed);
}

static void test_vmcall_gate(void **state)
{
    (void)state;
    fields[VMCS_GUEST_SS_AR] = 0xf3;
    leave(18, 0);
    ADVANCED();
    assert_int_equal(v->vmx.gprs.rax, (uint64_t)-1);
    fields[VMCS_GUEST_SS_AR] = 0x93;
    fields[VMCS_GUEST_CS_AR] = 0xc9b;
    leave(18, 0);
    assert_int_equal(v->vmx.gprs.rax, (uint64_t)-38);
    fields[VMCS_GUEST_CS_AR] = SEG_LONG | 0x9b;
    fields[VMCS_GUEST_EFER] = 0;
    leave(18, 0);
    assert_int_equal(v->vmx.gprs.rax, (uint64_t)-38);
    assert_int_equal(hypercalls, 0);
    fields[VMCS_GUEST_EFER] = EFER_LMA;
    fields[VMCS_GUEST_RIP] = 0x1000;
    hc_answer = HC_BLOCK;
    leave(18, 0);
    ADVANCED();
    assert_int_equal(hypercalls, 1);
    assert_int_equal(blocks, 1);
    hc_answer = HC_STOP;
    leave(18, 0);
    assert_int_equal(fields[VMCS_GUEST_RIP], 0x1006);
}

static void msr(uint32_t reason, uint32_t index, uint64_t value)
{
    v->vmx.gprs.rcx = 0xffffffff00000000UL | index;
    v->vmx.gprs.rax = 0xffffffff00000000UL | (uint32_t)value;
    v->vmx.gprs.rdx = 0xffffffff00000000UL | value >> 32;
    fields[VMCS_GUEST_RIP] = 0x1000;
    leave(reason, 0);
}
#define RDMSR 31
#define WRMSR 32

static void test_msrs(void **state)
{
    (void)state;
    msr(RDMSR, MSR_MISC_ENABLE, 0);
    ADVANCED();
    assert_int_equal(v->vmx.gprs.rax, 0x1801);
    assert_int_equal(v->vmx.gprs.rdx, 0);
    msr(RDMSR, 0x606, 0);
    expect_exception(13);
    msr(WRMSR, 0x8b, 5);
    ADVANCED();
    msr(WRMSR, 0x10a, 5);
    expect_exception(13);
    msr(RDMSR, MSR_APIC_BASE, 0);
    assert_int_equal(v->vmx.gprs.rax, 0xfee00c00);
    msr(WRMSR, MSR_APIC_BASE, 0xfee00c00);
    ADVANCED();
    msr(WRMSR, MSR_APIC_BASE, 0xfef00c00);
    expect_exception(13);
    msr(WRMSR, MSR_MTRR_DEF_TYPE, 0xc06); /* no effect */
    ADVANCED();
    msr(RDMSR, MSR_MTRR_DEF_TYPE, 0);
    assert_int_equal(v->vmx.gprs.rax, 0x806);
    msr(WRMSR, MSR_DEBUGCTL, 1);
    ADVANCED();
    msr(RDMSR, MSR_DEBUGCTL, 0);
    assert_int_equal(v->vmx.gprs.rax, 0);
    assert_null(killed);
    msr(WRMSR, MSR_APIC_BASE, 0xfee00800);
    assert_non_null(killed);
    STAYED();
}

static void test_hypercall_page(void **state)
{
    (void)state;
    const uint8_t stub[] = {0xb8, 0x1d, 0, 0, 0, 0x0f, 0x01, 0xc1, 0xc3, 0};
    msr(WRMSR, 0x40000000, 0x5000);
    ADVANCED();
    assert_memory_equal(guest_page + 32 * 0x1d, stub, sizeof(stub));
    msr(WRMSR, 0x40000000, 0x5001); /* a second page */
    expect_exception(13);
    msr(WRMSR, 0x40000000, 0x9000); /* no memory there */
    expect_exception(13);
    msr(RDMSR, 0x40000000, 0);
    expect_exception(13);
}

static void test_ipis(void **state)
{
    (void)state;
    msr(WRMSR, 0x830, 2UL << 32 | 0x40f6);
    ADVANCED();
    assert_int_equal(vlapic_highest_irr(&vcpus[1].vmx), 0xf6);
    assert_int_equal(vlapic_highest_irr(&vcpus[0].vmx), -1);
    assert_int_equal(kicks, 1);
    msr(WRMSR, 0x830, 2UL << 32 | 0xc500);
    msr(WRMSR, 0x830, 2UL << 32 | 0x8500); /* de-assert */
    assert_int_equal(inits, 1);
    msr(WRMSR, 0x830, 2UL << 32 | 0x699);
    assert_int_equal(sipis, 1);
    assert_int_equal(last_sipi, 0x99);
    msr(WRMSR, 0x830, 0xc0400); /* NMI, all but self */
    assert_true(vcpus[1].vmx.nmi_pending);
    assert_false(vcpus[0].vmx.nmi_pending);
    msr(WRMSR, 0x830, 0x80041); /* all */
    assert_int_equal(vlapic_highest_irr(&vcpus[0].vmx), 0x41);
    msr(WRMSR, 0x830, 0x4c500); /* INIT to itself: not now */
    assert_int_equal(inits, 1);
    msr(WRMSR, 0x830, 0x40005); /* vector below 16: to itself, and dropped */
    assert_int_equal(vlapic_highest_irr(&vcpus[0].vmx), 0x41);
    msr(WRMSR, 0x831, 0);
    expect_exception(13);
    msr(WRMSR, 0x83f, 0x55);
    assert_int_equal(vlapic_highest_irr(&vcpus[0].vmx), 0x55);
}

/* As deadline_run does: a deadline that fires is off the queue. */
static void fire(void)
{
    struct deadline *d = armed;
    armed = NULL;
    d->fire(d);
}

static void test_apic_timer(void **state)
{
    (void)state;
    msr(WRMSR, 0x832, 0x60); /* one shot */
    msr(WRMSR, 0x838, 100000);
    assert_ptr_equal(armed, &v->vmx.vlapic.timer);
    fire();
    assert_int_equal(vlapic_highest_irr(&v->vmx), 0x60);
    assert_int_equal(kicks, 1);
    assert_null(armed);
    assert_false(v->vmx.vlapic.timer_rearm);
}

static void test_apic_periodic_timer(void **state)
{
    (void)state;
    msr(WRMSR, 0x832, 0x30061); /* periodic, masked: nobody would notice, so the host's timer is left alone */
    msr(WRMSR, 0x838, 100000);
    assert_null(armed);
    msr(WRMSR, 0x832, 0x20061);
    assert_ptr_equal(armed, &v->vmx.vlapic.timer);
    fire();
    assert_int_equal(vlapic_highest_irr(&v->vmx), 0x61);
    assert_null(armed); /* not before the vCPU's next turn */
    assert_true(v->vmx.vlapic.timer_rearm);
    exit_apic_timer(v);
    assert_ptr_equal(armed, &v->vmx.vlapic.timer);
    assert_false(v->vmx.vlapic.timer_rearm);
}

static void test_io(void **state)
{
    (void)state;
    v->vmx.gprs.rax = 0x1122334455667788UL;
    leave(30, 0x00610008);
    ADVANCED();
    assert_int_equal(v->vmx.gprs.rax, 0x11223344556677ffUL);
    leave(30, 0x00420008);
    assert_int_equal(v->vmx.gprs.rax, 0x1122334455667700UL);
    leave(30, 0x0cfc000b);
    assert_int_equal(v->vmx.gprs.rax, 0xffffffffUL);
    leave(30, 0x00800000);
    assert_null(killed);
    fields[VMCS_GUEST_RIP] = 0x1000;
    leave(30, 0x00e90030); /* rep outsb */
    expect_exception(13);
}

static void test_control_registers(void **state)
{
    (void)state;
    fields[VMCS_CR0_SHADOW] = CR0_PE | CR0_ET;
    v->vmx.gprs.rbx = CR0_PE | CR0_NE | CR0_PG | CR0_CD;
    leave(28, 0x300);
    STAYED(); /* the instruction runs again by itself */
    assert_int_equal(fields[VMCS_CR0_SHADOW], CR0_PE | CR0_ET | CR0_NE | CR0_CD);
    assert_int_equal(fields[VMCS_GUEST_CR0], CR0_PE | CR0_PG);
    /* What faults must leave the shadow as it was: NW without CD, PG without PE, bit 32, no paging in 64-bit code. */
    const uint64_t wrong[] = {CR0_PE | CR0_PG | CR0_NW, CR0_PG, CR0_PE | CR0_PG | 1UL << 32, CR0_PE};
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        v->vmx.gprs.rbx = wrong[i];
        leave(28, 0x300);
        expect_exception(13);
        assert_int_equal(fields[VMCS_CR0_SHADOW], CR0_PE | CR0_ET | CR0_NE | CR0_CD);
        assert_int_equal(fields[VMCS_GUEST_RFLAGS], RFLAGS_RF | 2); /* as a fault pushes it */
    }
    fields[VMCS_GUEST_CS_AR] = 0x409b; /* compatibility mode may leave paging */
    leave(28, 0x300);
    STAYED();
    assert_int_equal(fields[VMCS_CR0_SHADOW], CR0_PE | CR0_ET);
    fields[VMCS_GUEST_CS_AR] = SEG_LONG | 0x9b;
    leave(28, 0x004);
    expect_exception(13);
    assert_null(killed);
    leave(28, 0x003);
    assert_non_null(killed);
}

static void test_events(void **state)
{
    (void)state;
    fields[VMCS_EXIT_INTR_INFO] = INTR_VALID | 0x31;
    leave(1, 0);
    assert_int_equal(last_vector, 0x31);
    assert_int_equal(vectors, 1);
    STAYED();
    /* #AC while an APIC interrupt was being delivered: the exception goes first, the interrupt is not lost. */
    vlapic_set_irr(&v->vmx, 0x71);
    vlapic_accept(&v->vmx, 0x71);
    fields[VMCS_IDT_VECTORING] = INTR_VALID | 0x71;
    fields[VMCS_EXIT_INTR_INFO] = INTR_VALID | INTR_ERROR_CODE | 3U << 8 | 17;
    leave(0, 0);
    expect_exception(17);
    assert_int_equal(vlapic_deliverable(&v->vmx), 0x71);
    assert_int_equal(fields[VMCS_GUEST_INTR_STATUS], 0);
    /* With virtual-interrupt delivery the CPU keeps the vector in service too: that is the one below again. */
    vmx_caps.virtual_interrupts = true;
    for (uint8_t below = 0; below <= 0x51; below += 0x51) {
        if (below != 0) {
            vlapic_set_irr(&v->vmx, below);
            vlapic_accept(&v->vmx, below);
        }
        vlapic_accept(&v->vmx, 0x71);
        fields[VMCS_GUEST_INTR_STATUS] = 0x7133;
        leave(0, 0);
        expect_exception(17);
        assert_int_equal(fields[VMCS_GUEST_INTR_STATUS], below << 8 | 0x33);
        assert_true(v->vmx.irr_dirty);
    }
    fields[VMCS_IDT_VECTORING] = INTR_VALID | 2U << 8 | 2;
    leave(0, 0);
    expect_exception(17);
    assert_true(v->vmx.nmi_pending);
    fields[VMCS_EXIT_INTR_INFO] = INTR_VALID | 3U << 8 | 14;
    leave(0, 0);
    assert_non_null(killed);
}

static void test_redelivery(void **state)
{
    (void)state;
    fields[VMCS_IDT_VECTORING] = INTR_VALID | INTR_UNBLOCK_NMI | INTR_ERROR_CODE | 3U << 8 | 14;
    fields[VMCS_IDT_VECTORING_ERROR] = 7;
    mapped = true;
    leaf = (struct ept_leaf){.rights = EPT_RWX};
    leave(48, EPT_W);
    assert_null(killed);
    assert_true(v->vmx.reinject_valid);
    assert_int_equal(v->vmx.reinject_info, INTR_VALID | INTR_ERROR_CODE | 3U << 8 | 14);
    assert_int_equal(v->vmx.reinject_error, 7);
    v->vmx.reinject_valid = false;
    /* An IRET had lifted NMI blocking when it met the violation: it runs again, blocked again. Undefined while an event was under way. */
    leave(48, EPT_R | 1U << 12);
    assert_int_equal(fields[VMCS_GUEST_INTERRUPTIBILITY], 0);
    v->vmx.reinject_valid = false;
    fields[VMCS_IDT_VECTORING] = 0;
    leave(48, EPT_R | 1U << 12);
    assert_int_equal(fields[VMCS_GUEST_INTERRUPTIBILITY], BLOCK_NMI);
    fields[VMCS_GUEST_INTERRUPTIBILITY] = 0;
    leave(48, EPT_R);
    assert_int_equal(fields[VMCS_GUEST_INTERRUPTIBILITY], 0);
}

static void test_ept_violation(void **state)
{
    (void)state;
    leave(48, EPT_R);
    assert_non_null(killed);
    killed = NULL;
    mapped = true;
    leaf = (struct ept_leaf){.rights = EPT_R};
    leave(48, EPT_W);
    assert_non_null(killed);
    killed = NULL;
    leaf = (struct ept_leaf){.rights = EPT_RWX, .order = 9};
    split_answer = STATUS_OK;
    leave(48, EPT_X);
    assert_null(killed);
    split_answer = STATUS_NO_MEMORY;
    leave(48, EPT_X);
    assert_non_null(killed);
}

static void test_hlt_and_rest(void **state)
{
    (void)state;
    fields[VMCS_GUEST_RFLAGS] = RFLAGS_IF | 2;
    leave(12, 0);
    ADVANCED();
    assert_int_equal(blocks, 1);
    fields[VMCS_GUEST_RFLAGS] = 2;
    leave(12, 0);
    assert_int_equal(halts, 1);
    assert_int_equal(fields[VMCS_GUEST_RIP], 0x1006);
    fields[VMCS_GUEST_RFLAGS] = RFLAGS_TF | 2; /* the step's trap ends it at once */
    leave(12, 0);
    assert_int_equal(halts, 1);
    assert_int_equal(blocks, 1);
    assert_int_equal(fields[VMCS_GUEST_RIP], 0x1009);
    assert_int_equal(fields[VMCS_GUEST_PENDING_DEBUG], PENDING_DEBUG_BS);
    fields[VMCS_GUEST_RFLAGS] = 2;
    leave(2, 0);
    assert_int_equal(shutdowns, 1);
    fields[VMCS_GUEST_RIP] = 0x1000;
    v->vmx.gprs.rcx = 0;
    v->vmx.gprs.rdx = 0;
    v->vmx.gprs.rax = 7;
    leave(55, 0);
    ADVANCED();
    assert_int_equal(v->vmx.xcr0, 7);
    fields[VMCS_GUEST_RIP] = 0x1000;
    v->vmx.gprs.rax = 5;
    leave(55, 0);
    expect_exception(13);
    v->vmx.gprs.rax = 7;
    v->vmx.gprs.rcx = 1;
    leave(55, 0);
    expect_exception(13);
    v->vmx.gprs.rcx = 0;
    v->vmx.gprs.rax = 3;
    fields[VMCS_GUEST_SS_AR] = 0xf3; /* from user mode */
    leave(55, 0);
    expect_exception(13);
    assert_int_equal(v->vmx.xcr0, 7);
    leave(9, 0);
    assert_non_null(killed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_advance, reset),
        cmocka_unit_test_setup(test_advance_wraps, reset),
        cmocka_unit_test_setup(test_unknown_kills, reset),
        cmocka_unit_test_setup(test_undefined, reset),
        cmocka_unit_test_setup(test_vmcall_gate, reset),
        cmocka_unit_test_setup(test_msrs, reset),
        cmocka_unit_test_setup(test_hypercall_page, reset),
        cmocka_unit_test_setup(test_ipis, reset),
        cmocka_unit_test_setup(test_apic_timer, reset),
        cmocka_unit_test_setup(test_apic_periodic_timer, reset),
        cmocka_unit_test_setup(test_io, reset),
        cmocka_unit_test_setup(test_control_registers, reset),
        cmocka_unit_test_setup(test_events, reset),
        cmocka_unit_test_setup(test_redelivery, reset),
        cmocka_unit_test_setup(test_ept_violation, reset),
        cmocka_unit_test_setup(test_hlt_and_rest, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
