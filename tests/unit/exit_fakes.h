/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Two vCPUs on a VMCS made of an array, and everything below the exit handlers as counters: for test_exit and the fuzzer of exits. UNIT_exit in
 * units.mk names the real files. */
#pragma once

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
