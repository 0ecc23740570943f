/* SPDX-License-Identifier: Apache-2.0
 * [HOST] What guests may touch: MSR and port policies with the bitmaps made from them (every bit), CPUID, register
 * contexts, qualification decoders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/cpu/x86.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/pagetable.h"
#include "kernel/platform/uart.h"
#include "vmx/bitmaps.h"
#include "vmx/context_check.h"
#include "boot/efi/guest_cpuid.h"
#include "vmx/cpuid_policy.h"
#include "vmx/exit/decode.h"
#include "vmx/msr_policy.h"
#include "vmx/vlapic.h"

struct vmx_caps vmx_caps;
static uint16_t console = 0x3f8;
static unsigned live;

/* root_va() adds a constant: a "physical" address is chosen so that the sum is host memory. */
enum status frame_alloc(unsigned order, uint16_t owner, enum frame_type type, hfn_t *out)
{
    void *page = aligned_alloc(4096, 4096);
    assert_int_equal(order, 0);
    assert_int_equal(owner, FRAME_OWNER_ROOT);
    assert_int_equal(type, FRAME_ROOT);
    *out = hfn_of_hpa(root_pa(page));
    live++;
    return STATUS_OK;
}

void frame_free(hfn_t f, unsigned order)
{
    assert_int_equal(order, 0);
    free(root_va(hpa_of_hfn(f)));
    live--;
}

bool uart_owns_port(uint16_t port) { return port >= console && port < console + 8; }
static bool bit(hpa_t map, uint32_t n) { return (((const uint8_t *)root_va(map))[n / 8] >> n % 8 & 1) != 0; }

static void check_msr_bitmap(const struct bitmaps *b)
{
    for (uint32_t i = 0; i < 0x2000; i++) {
        assert_int_equal(bit(b->msr, i), msr_policy(i, false, &vmx_caps).access != MSR_DIRECT);
        assert_int_equal(bit(b->msr, 0x2000 + i), msr_policy(0xc0000000U + i, false, &vmx_caps).access != MSR_DIRECT);
        assert_int_equal(bit(b->msr, 0x4000 + i), msr_policy(i, true, &vmx_caps).access != MSR_DIRECT);
        assert_int_equal(bit(b->msr, 0x6000 + i), msr_policy(0xc0000000U + i, true, &vmx_caps).access != MSR_DIRECT);
    }
}

/* The policy in other words than the bitmaps' code: does an access to PORT go to the device? */
static bool io_policy_direct(bool privileged, uint16_t port, bool owned)
{
    if (!privileged || owned)
        return false;
    for (unsigned i = 0; i < BITMAPS_KEPT; i++) {
        if (port >= bitmaps_kept[i].first && port <= bitmaps_kept[i].last)
            return false;
    }
    return true;
}

static void check_io_bitmaps(const struct bitmaps *b, bool privileged)
{
    for (uint32_t port = 0; port < 0x10000; port++) {
        bool direct = io_policy_direct(privileged, (uint16_t)port, uart_owns_port((uint16_t)port));
        assert_int_equal(bit(port < 0x8000 ? b->io_a : b->io_b, port & 0x7fff), !direct);
    }
}

static void test_bitmaps(void **state)
{
    (void)state;
    const uint16_t consoles[] = {0x3f8, 0x2f8, 0xe0a4, 0x7ffc, 0xfff0};
    char why[64];
    for (unsigned i = 0; i < 2 * ARRAY_SIZE(consoles); i++) {
        console = consoles[i / 2];
        vmx_caps = (struct vmx_caps){.virtual_interrupts = i % 2, .rdtscp = i % 2, .spec_ctrl = i % 2, .ibpb = true};
        assert_int_equal(bitmaps_init(), STATUS_OK);
        check_msr_bitmap(bitmaps_for(false));
        check_msr_bitmap(bitmaps_for(true));
        check_io_bitmaps(bitmaps_for(false), false);
        check_io_bitmaps(bitmaps_for(true), true);
        unsigned before = live;
        assert_true(bitmaps_check(why, sizeof(why)));
        uint8_t *map = root_va(i % 2 ? bitmaps_for(true)->io_b : bitmaps_for(false)->msr);
        map[77] ^= 0x10;
        assert_false(bitmaps_check(why, sizeof(why)));
        assert_non_null(strstr(why, i % 2 ? "bitmap B" : "MSR"));
        assert_int_equal(live, before);
        frame_free(hfn_of_hpa(bitmaps_for(false)->msr), 0);
        frame_free(hfn_of_hpa(bitmaps_for(false)->io_a), 0);
        frame_free(hfn_of_hpa(bitmaps_for(true)->io_a), 0);
        frame_free(hfn_of_hpa(bitmaps_for(true)->io_b), 0);
    }
    console = 0x3f8;
}

static enum msr_access rd(uint32_t msr) { return msr_policy(msr, false, &vmx_caps).access; }
static enum msr_access wr(uint32_t msr) { return msr_policy(msr, true, &vmx_caps).access; }

static void test_msrs(void **state)
{
    (void)state;
    vmx_caps = (struct vmx_caps){0};
    const uint32_t never[] = {0x79, 0x3b, 0x122, 0x179, 0x186, 0x309, 0x38f, 0x480, 0x48b, 0x560, 0x606, 0x840, 0x8ff, 0xda0, 0xc0010015U, 0xc0011029U, ~0U};
    for (unsigned i = 0; i < ARRAY_SIZE(never); i++) {
        assert_int_equal(rd(never[i]), MSR_GP);
        assert_int_equal(wr(never[i]), MSR_GP);
    }
    assert_int_equal(rd(MSR_TSC_AUX), MSR_GP);
    assert_int_equal(rd(MSR_SPEC_CTRL), MSR_GP);
    assert_int_equal(wr(MSR_PRED_CMD), MSR_GP);
    assert_int_equal(rd(MSR_ARCH_CAPABILITIES), MSR_GP);
    vmx_caps = (struct vmx_caps){.rdtscp = true, .spec_ctrl = true, .ibpb = true, .arch_caps = 1};
    assert_int_equal(rd(MSR_TSC_AUX), MSR_DIRECT);
    assert_int_equal(wr(MSR_SPEC_CTRL), MSR_DIRECT);
    assert_int_equal(wr(MSR_PRED_CMD), MSR_DIRECT);
    assert_int_equal(rd(MSR_PRED_CMD), MSR_GP);
    assert_int_equal(wr(MSR_ARCH_CAPABILITIES), MSR_GP);
    /* A kernel reads this before it has an IDT. */
    assert_int_equal(msr_policy(MSR_MISC_ENABLE, false, &vmx_caps).access, MSR_FIXED);
    assert_int_equal(msr_policy(MSR_MISC_ENABLE, false, &vmx_caps).value & 1, 1);
    assert_int_equal(msr_policy(MSR_FEATURE_CONTROL, false, &vmx_caps).value, 1);
    assert_int_equal(wr(MSR_FEATURE_CONTROL), MSR_GP);
    assert_int_equal(wr(MSR_TSC), MSR_FIXED);
    for (uint32_t msr = 0x800; msr < 0x840; msr++) {
        assert_int_equal(rd(msr), MSR_HANDLER);
        assert_int_equal(wr(msr), MSR_HANDLER);
    }
    vmx_caps.virtual_interrupts = true;
    assert_int_equal(wr(0x80b), MSR_DIRECT);
    assert_int_equal(wr(0x830), MSR_HANDLER);
    assert_int_equal(rd(0x839), MSR_HANDLER); /* the current count is computed */
}

/* With APIC virtualization, a register that the CPU answers is one that vlapic.c would answer. */
static void test_direct_apic_reads_exist(void **state)
{
    (void)state;
    static uint32_t page[1024];
    struct vmx_vcpu v = {.apic_page = page};
    vlapic_reset(&v);
    vmx_caps = (struct vmx_caps){.virtual_interrupts = true};
    for (uint32_t reg = 0; reg < 0x40; reg++) {
        uint64_t value;
        if (rd(0x800 + reg) == MSR_DIRECT)
            assert_true(vlapic_read(&v, reg, 0, &value));
    }
}

static void test_ports(void **state)
{
    (void)state;
    assert_false(io_policy_direct(false, 0x80, false));
    assert_true(io_policy_direct(true, 0x80, false));
    assert_true(io_policy_direct(true, 0x61, false));
    assert_true(io_policy_direct(true, 0xcfc, false));
    assert_false(io_policy_direct(true, 0x3f8, true));
    assert_false(io_policy_direct(true, 0x43, false));
    assert_false(io_policy_direct(true, 0xcf9, false));
}

/* ---- CPUID ---- */

struct boot_info host_info __asm__("boot_info"); /* root's own is constant */
static struct boot_cpuid_leaf all_ones(uint32_t leaf, uint32_t subleaf)
{
    struct boot_cpuid_leaf r = {~0U, ~0U, ~0U, ~0U};
    if (leaf == 0)
        r.eax = 0x20;
    if (leaf == 0x80000000U)
        r.eax = 0x80000021U;
    if (leaf == 0xd && subleaf > 1) {
        const uint32_t place[] = {0, 0, 576, 960, 1024, 1088, 1152, 1664}, size[] = {0, 0, 256, 64, 64, 64, 512, 1024};
        r = (struct boot_cpuid_leaf){subleaf < 8 ? size[subleaf] : 0, subleaf < 8 ? place[subleaf] : 0, 0, 0};
    }
    return r;
}

static const struct cpuid_vcpu one = {.apic_id = 6, .vcpu_id = 3, .nr_vcpus = 4, .domid = 9, .xcr0 = 1, .tsc_khz = 50000, .tsc_mul = 5, .tsc_shift = -1};

static void build(uint64_t xcr0, bool more)
{
    vmx_caps = (struct vmx_caps){.xcr0_offer = xcr0, .rdtscp = more, .proc2 = more ? ~0U : 0, .arch_caps = more};
    guest_cpuid_build(all_ones, &vmx_caps, &host_info.cpuid);
}

static void test_cpuid_hides(void **state)
{
    (void)state;
    build(0xe7, true);
    assert_int_equal(cpuid_policy_get(0, 0, &one).eax, 0xd);
    struct cpuid_regs r = cpuid_policy_get(1, 0, &one);
    const unsigned ecx_hidden[] = {2, 3, 4, 5, 6, 7, 8, 10, 11, 14, 15, 18};
    for (unsigned i = 0; i < ARRAY_SIZE(ecx_hidden); i++)
        assert_int_equal(r.ecx >> ecx_hidden[i] & 1, 0);
    assert_int_equal(r.ecx >> 31, 1);
    assert_int_equal(r.ecx >> 27 & 1, 0);
    assert_int_equal(r.edx & (1U << 7 | 1U << 14 | 1U << 18 | 1U << 21 | 1U << 22), 0);
    assert_int_equal(r.ebx >> 24, 6);
    r = cpuid_policy_get(7, 0, &one);
    const unsigned ebx_hidden[] = {1, 2, 4, 11, 12, 14, 15, 22, 25, 26, 27};
    for (unsigned i = 0; i < ARRAY_SIZE(ebx_hidden); i++)
        assert_int_equal(r.ebx >> ebx_hidden[i] & 1, 0);
    const unsigned ecx7_hidden[] = {3, 4, 5, 7, 13, 16, 23, 24, 29, 30, 31};
    for (unsigned i = 0; i < ARRAY_SIZE(ecx7_hidden); i++)
        assert_int_equal(r.ecx >> ecx7_hidden[i] & 1, 0);
    assert_int_equal(r.edx & (1U << 28 | 1U << 20 | 1U << 22 | 1U << 24 | 1U << 30), 0);
    assert_int_equal(r.eax, 0);
    assert_int_equal(cpuid_policy_get(7, 1, &one).eax, 0);
    const uint32_t zero[] = {3, 5, 8, 9, 0xa, 0xc, 0xe, 0xf, 0x10, 0x12, 0x14, 0x15, 0x16, 0x1f, 0x20, 0x40000006, 0x40000100, 0x4000ff00,
                             0x7fffffff, 0x80000005U, 0x80000009U, 0x8000001eU, 0xc0000000U, ~0U};
    for (unsigned i = 0; i < ARRAY_SIZE(zero); i++) {
        r = cpuid_policy_get(zero[i], 0, &one);
        assert_int_equal(r.eax | r.ebx | r.ecx | r.edx, 0);
    }
    assert_int_equal(cpuid_policy_get(6, 0, &one).eax, 4);
    assert_int_equal(cpuid_policy_get(0x80000000U, 0, &one).eax, 0x80000008U);
    assert_int_equal(cpuid_policy_get(0x80000007U, 0, &one).edx, 0x100);
    assert_int_equal(cpuid_policy_get(0x80000008U, 0, &one).eax, 0x30ff);
}

static void test_cpuid_follows_caps(void **state)
{
    (void)state;
    build(0, false); /* no XSAVE, no RDTSCP, no INVPCID */
    struct cpuid_regs r = cpuid_policy_get(1, 0, &one);
    assert_int_equal(r.ecx & (1U << 26 | 1U << 28 | 1U << 12 | 1U << 29), 0);
    r = cpuid_policy_get(7, 0, &one);
    assert_int_equal(r.ebx & (1U << 5 | 1U << 16 | 1U << 10), 0);
    assert_int_equal(r.ecx & 1U << 22, 0);
    assert_int_equal(r.edx & 1U << 29, 0);
    assert_int_equal(cpuid_policy_get(0x80000001U, 0, &one).edx & 1U << 27, 0);
    r = cpuid_policy_get(0xd, 0, &one);
    assert_int_equal(r.eax | r.ebx | r.ecx, 0);
    build(7, false);
    assert_int_equal(cpuid_policy_get(7, 0, &one).ebx & (1U << 5 | 1U << 16), 1U << 5);
}

static uint32_t xsave_now(uint64_t xcr0, uint32_t sub)
{
    struct cpuid_vcpu v = one;
    v.xcr0 = xcr0;
    return cpuid_policy_get(0xd, sub, &v).ebx;
}

static void test_cpuid_xsave(void **state)
{
    (void)state;
    build(0xe7, false);
    struct cpuid_regs r = cpuid_policy_get(0xd, 0, &one);
    assert_int_equal(r.eax, 0xe7);
    assert_int_equal(r.edx, 0);
    assert_int_equal(r.ecx, 2688);
    assert_int_equal(xsave_now(1, 0), 576);
    assert_int_equal(xsave_now(3, 0), 576);
    assert_int_equal(xsave_now(7, 0), 832);
    assert_int_equal(xsave_now(0xe7, 0), 2688);
    assert_int_equal(xsave_now(0xe7, 1), 576 + 256 + 64 + 512 + 1024);
    assert_int_equal(cpuid_policy_get(0xd, 1, &one).eax, 7);
    assert_int_equal(cpuid_policy_get(0xd, 1, &one).ecx, 0);
    assert_int_equal(cpuid_policy_get(0xd, 2, &one).ebx, 576);
    for (uint32_t sub = 3; sub < 64; sub++) { /* MPX, PKRU and all beyond are not on offer */
        r = cpuid_policy_get(0xd, sub, &one);
        if (sub < 5 || sub > 7)
            assert_int_equal(r.eax | r.ebx | r.ecx | r.edx, 0);
    }
}

static void test_cpuid_vcpu_and_xen(void **state)
{
    (void)state;
    build(0, false);
    struct cpuid_regs r = cpuid_policy_get(0x40000000U, 0, &one);
    char vendor[13] = {0};
    memcpy(vendor, &r.ebx, 4);
    memcpy(vendor + 4, &r.ecx, 4);
    memcpy(vendor + 8, &r.edx, 4);
    assert_string_equal(vendor, "XenVMMXenVMM");
    assert_int_equal(r.eax, 0x40000005);
    assert_int_equal(cpuid_policy_get(0x40000001U, 0, &one).eax >> 16, 4);
    assert_int_equal(cpuid_policy_get(0x40000002U, 0, &one).ebx, 0x40000000);
    r = cpuid_policy_get(0x40000004U, 0, &one);
    assert_int_equal(r.eax, 0x18); /* ids valid; not bit 6: guests must use the callback vector */
    assert_int_equal(r.ebx, 3);
    assert_int_equal(r.ecx, 9);
    r = cpuid_policy_get(0x40000003U, 1, &one);
    assert_int_equal(r.ecx, 5);
    assert_int_equal(r.edx, 0xffffffffU);
    r = cpuid_policy_get(0xb, 1, &one);
    assert_int_equal(r.eax, 6);
    assert_int_equal(r.ecx, 0x201);
    assert_int_equal(r.edx, 6);
    assert_int_equal(cpuid_policy_get(0xb, 2, &one).ecx, 2);
    struct cpuid_vcpu v = one;
    v.osxsave = true;
    assert_int_equal(cpuid_policy_get(1, 0, &v).ecx >> 27 & 1, 1);
}

/* ---- contexts ---- */

static struct cbl_vcpu_context pvh(void)
{
    struct cbl_vcpu_context c = {.rflags = 2, .rip = 0x1000850, .cr0 = CR0_PE | CR0_ET, .dr6 = 0xffff0ff0, .dr7 = 0x400};
    c.cs.limit = c.ds.limit = c.es.limit = c.ss.limit = ~0U;
    return c;
}

#define REFUSED(change)                                       \
    do {                                                      \
        struct cbl_vcpu_context c = pvh();                    \
        change;                                               \
        assert_false(context_valid(&c, &vmx_caps, 40));       \
    } while (0)
#define ACCEPTED(change)                                      \
    do {                                                      \
        struct cbl_vcpu_context c = pvh();                    \
        change;                                               \
        assert_true(context_valid(&c, &vmx_caps, 40));        \
    } while (0)

static void test_context(void **state)
{
    (void)state;
    vmx_caps = (struct vmx_caps){.guest_cr4 = CR4_PAE | CR4_PGE | CR4_OSXSAVE | CR4_PCIDE, .xcr0_offer = 7};
    ACCEPTED();
    ACCEPTED(c.cr0 |= CR0_PG; c.cr4 = CR4_PAE | CR4_PCIDE; c.efer = EFER_LME | EFER_LMA);
    REFUSED(c.cr4 = CR4_PCIDE); /* which VM entry would refuse */
    REFUSED(c.cr0 |= CR0_PG; c.cr4 = CR4_PCIDE);
    ACCEPTED(c.cr0 |= CR0_PG; c.cr4 = CR4_PAE; c.efer = EFER_LME | EFER_LMA; c.rip = 0xffffffff81000000UL);
    REFUSED(c.cr0 |= CR0_PG; c.cr4 = CR4_PAE; c.efer = EFER_LME);
    REFUSED(c.cr0 |= CR0_PG; c.efer = EFER_LME | EFER_LMA);
    REFUSED(c.cr0 |= CR0_PG; c.cr4 = CR4_PAE);
    REFUSED(c.efer = EFER_LMA);
    REFUSED(c.efer = 1UL << 12);
    REFUSED(c.cr0 = CR0_PG);
    REFUSED(c.cr0 |= CR0_NW);
    REFUSED(c.cr0 |= 1UL << 32);
    REFUSED(c.cr4 = CR4_VMXE);
    REFUSED(c.cr4 = CR4_LA57);
    REFUSED(c.cr3 = 1UL << 40);
    REFUSED(c.cr3 = 1UL << 63); /* of MOV to CR3 only: CR3 never has it */
    REFUSED(c.rip = 1UL << 32);
    REFUSED(c.rflags = 1UL << 22);
    REFUSED(c.rflags = 1UL << 3);
    REFUSED(c.gs.base = 0x800000000000UL);
    REFUSED(c.lstar = 0x8000000000000000UL);
    REFUSED(c.kernel_gs_base = 0xffff7fffffffffffUL);
    REFUSED(c.dr7 = 1UL << 32);
    REFUSED(c.gdt_limit = 0x10000);
    REFUSED(c.pat = 2);
    REFUSED(c.pat = 8UL << 56);
    REFUSED(c.xcr0 = 2);
    REFUSED(c.xcr0 = 5);
    REFUSED(c.xcr0 = 0xe7);
    ACCEPTED(c.xcr0 = 7);
    REFUSED(c.interruptibility = 4);
    REFUSED(c.activity = 1);
    assert_false(context_xcr0_valid(0x27, 0xe7));
    assert_true(context_xcr0_valid(0xe7, 0xe7));
    assert_false(context_xcr0_valid(0xe3, 0xe7));
}

static void test_decoders(void **state)
{
    (void)state;
    struct io_access a = decode_io(0x03f80008);
    assert_int_equal(a.port, 0x3f8);
    assert_int_equal(a.size, 1);
    assert_true(a.in);
    assert_false(a.string);
    a = decode_io(0x0cf80043);
    assert_int_equal(a.size, 4);
    assert_false(a.in);
    assert_true(decode_io(0x01f00039).string);
    struct cr_access c = decode_cr(0x400);
    assert_int_equal(c.cr, 0);
    assert_int_equal(c.kind, CR_WRITE);
    assert_int_equal(c.gpr, 4);
    c = decode_cr(0xf14);
    assert_int_equal(c.cr, 4);
    assert_int_equal(c.kind, CR_READ);
    assert_int_equal(c.gpr, 15);
    struct ept_access e = decode_ept(0x182);
    assert_int_equal(e.rights, EPT_W);
    assert_true(e.linear_valid);
    assert_false(e.walk);
    assert_true(decode_ept(0x81).walk);
    struct vmx_gprs g;
    assert_ptr_equal(decode_gpr(&g, 0), &g.rax);
    assert_ptr_equal(decode_gpr(&g, 3), &g.rbx);
    assert_null(decode_gpr(&g, 4));
    assert_ptr_equal(decode_gpr(&g, 6), &g.rsi);
    assert_ptr_equal(decode_gpr(&g, 15), &g.r15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bitmaps),
        cmocka_unit_test(test_msrs),
        cmocka_unit_test(test_direct_apic_reads_exist),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_cpuid_hides),
        cmocka_unit_test(test_cpuid_follows_caps),
        cmocka_unit_test(test_cpuid_xsave),
        cmocka_unit_test(test_cpuid_vcpu_and_xen),
        cmocka_unit_test(test_context),
        cmocka_unit_test(test_decoders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
