/* SPDX-License-Identifier: Apache-2.0
 * [HOST] boot/efi/preflight.c: each missing thing is named together with what to do; nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "boot/efi/preflight.h"
#include "boot/efi/vmxcaps.h"

static struct preflight_facts facts;
static struct preflight_report report;

static int good_machine(void **state)
{
    (void)state;
    facts = (struct preflight_facts){
        .vendor = "GenuineIntel",
        .has_vmx = true,
        .has_x2apic = true,
        .has_nx = true,
        .has_xsave = true,
        .has_long_mode = true,
        .linear_bits = 48,
        .feature_control = 5,
        .allowed = {~0U, ~0U, ~0U, ~0U, ~0U},
        .vmx_misc = 1 << 5,
        .ept_vpid = 0x00000f0106334141,
        .free_mib = 900,
        .largest_low_mib = 800,
        .dom0_mem_mib = 24,
    };
    return 0;
}

/* Exactly one thing is missing: its line. */
static const struct preflight_line *only_missing(void)
{
    const struct preflight_line *found = NULL;

    preflight_judge(&facts, &report);
    assert_int_equal(report.missing, 1);
    for (uint32_t i = 0; i < report.count; i++) {
        if (report.lines[i].result == PREFLIGHT_MISSING) {
            found = &report.lines[i];
        }
    }
    assert_non_null(found);
    assert_true(strlen(found->fix) > 0 && strlen(found->why) > 0);
    return found;
}

static void test_good(void **state)
{
    (void)state;
    preflight_judge(&facts, &report);
    assert_int_equal(report.missing, 0);
    facts.feature_control = 0; /* unlocked: root will set it */
    preflight_judge(&facts, &report);
    assert_int_equal(report.missing, 0);
    facts.allowed[PREFLIGHT_SECONDARY] &= ~(1U << 9 | 1U << 8); /* optional */
    facts.has_xsave = false;
    preflight_judge(&facts, &report);
    assert_int_equal(report.missing, 0);
}

static void test_no_vmx(void **state)
{
    (void)state;
    facts.has_vmx = false;
    assert_non_null(strstr(only_missing()->fix, "firmware setup"));
    memcpy(facts.hypervisor, "TCGTCGTCGTCG", 13);
    assert_non_null(strstr(only_missing()->why, "TCGTCGTCGTCG"));
    assert_non_null(strstr(only_missing()->fix, "nested"));
    facts.hypervisor[0] = '\0';
    memcpy(facts.vendor, "AuthenticAMD", 13);
    facts.has_svm = true;
    assert_non_null(strstr(only_missing()->why, "no VT-x"));
    assert_non_null(strstr(only_missing()->why, "SVM"));
}

static void test_each_missing(void **state)
{
    (void)state;
    facts.feature_control = 1;
    assert_non_null(strstr(only_missing()->fix, "Intel Virtualization Technology"));
    good_machine(NULL);
    facts.ept_vpid &= ~(1UL << 16);
    assert_string_equal(only_missing()->what, "EPT with 2 MiB pages");
    good_machine(NULL);
    facts.ept_vpid &= ~(1UL << 25);
    assert_string_equal(only_missing()->what, "INVEPT");
    good_machine(NULL);
    facts.allowed[PREFLIGHT_SECONDARY] &= ~(1U << 1);
    assert_string_equal(only_missing()->what, "EPT");
    good_machine(NULL);
    facts.allowed[PREFLIGHT_SECONDARY] &= ~(1U << 7);
    assert_string_equal(only_missing()->what, "unrestricted guest");
    good_machine(NULL);
    facts.allowed[PREFLIGHT_SECONDARY] &= ~(1U << 5);
    assert_string_equal(only_missing()->what, "VPID");
    good_machine(NULL);
    facts.allowed[PREFLIGHT_PRIMARY] &= ~(1U << 21);
    assert_string_equal(only_missing()->what, "TPR shadow");
    good_machine(NULL);
    facts.allowed[PREFLIGHT_PIN] &= ~(1U << 5);
    assert_string_equal(only_missing()->what, "virtual NMIs");
    good_machine(NULL);
    facts.allowed[PREFLIGHT_EXIT] &= ~(1U << 9);
    assert_string_equal(only_missing()->what, "64-bit host");
    good_machine(NULL);
    facts.allowed[PREFLIGHT_ENTRY] &= ~(1U << 15);
    assert_string_equal(only_missing()->what, "loading EFER at entry");
    good_machine(NULL);
    facts.forced[PREFLIGHT_PRIMARY] = 1U << 15;
    assert_string_equal(only_missing()->what, "CR3 without exits");
    good_machine(NULL);
    facts.vmx_misc = 0;
    assert_string_equal(only_missing()->what, "storing EFER.LMA at exits");
    good_machine(NULL);
    facts.has_nx = false;
    assert_non_null(strstr(only_missing()->fix, "Execute Disable"));
    good_machine(NULL);
    facts.free_mib = 55;
    assert_string_equal(only_missing()->what, "memory");
    good_machine(NULL);
    facts.largest_low_mib = 22;
    assert_string_equal(only_missing()->what, "memory for Dom0");
}

static void test_everything_missing(void **state)
{
    (void)state;
    memset(&facts, 0, sizeof(facts));
    facts.has_vmx = true;
    facts.feature_control = 1;
    facts.dom0_mem_mib = 24;
    preflight_judge(&facts, &report);
    assert_true(report.missing >= 9);
    assert_true(report.count < PREFLIGHT_MAX_LINES);
}

static struct boot_cpuid_leaf host;
static struct boot_cpuid_leaf host_cpuid(uint32_t leaf, uint32_t subleaf)
{
    (void)subleaf;
    return leaf == 0 ? (struct boot_cpuid_leaf){.eax = 0x16} : host;
}

static void test_caps(void **state)
{
    struct vmx_caps c;

    (void)state;
    host = (struct boot_cpuid_leaf){~0U, ~0U, ~0U, ~0U};
    facts.vmx_basic = 0x80000012;
    facts.forced[PREFLIGHT_PIN] = 0x16;
    facts.vmx_misc |= 5;
    facts.arch_caps = ~0UL;
    facts.ept_vpid |= 1UL << 32 | 1UL << 41;
    vmxcaps_choose(&facts, host_cpuid, 3200000, true, &c);
    assert_int_equal(c.revision, 0x12);
    assert_int_equal(c.pin, 0x16 | 0x29 | 0x40); /* forced, required, the preemption timer */
    assert_int_equal(c.proc, 0x9260008c | 1U << 10 | 1U << 11 | 1U << 29);
    assert_int_equal(c.proc2, 0xe2 | 0x8 | 0x1000 | 0x310);
    assert_int_equal(c.exit, 0x3c8204);
    assert_int_equal(c.entry, 0xc004);
    assert_int_equal(c.preemption_ticks, 3200000 / 32 + 1);
    assert_int_equal(c.guest_cr4, 0x370fbf);
    assert_int_equal(c.xcr0_offer, 0xe7);
    assert_int_equal(c.arch_caps, 0x0c00e163);
    assert_true(c.virtual_interrupts && c.invvpid && c.rdtscp && c.spec_ctrl && c.ibpb && c.ibpb_on_switch);
    assert_false(c.flush_l1d || c.verw); /* it says that it needs neither */
    facts.arch_caps = 0;
    facts.allowed[PREFLIGHT_SECONDARY] &= ~(1U << 9 | 1U << 3);
    facts.allowed[PREFLIGHT_PIN] &= ~(1U << 6);
    vmxcaps_choose(&facts, host_cpuid, 3200000, true, &c);
    assert_true(c.flush_l1d && c.verw);
    assert_false(c.virtual_interrupts || c.rdtscp);
    assert_int_equal(c.proc2, 0xe2 | 0x1000);
    assert_int_equal(c.preemption_ticks, 0);
    vmxcaps_choose(&facts, host_cpuid, 3200000, false, &c);
    assert_false(c.flush_l1d || c.verw || c.ibpb_on_switch);
    host = (struct boot_cpuid_leaf){0};
    vmxcaps_choose(&facts, host_cpuid, 3200000, true, &c);
    assert_int_equal(c.guest_cr4, 0x7bf);
    assert_int_equal(c.xcr0_offer, 0);
    assert_false(c.spec_ctrl || c.ibpb || c.ibpb_on_switch || c.flush_l1d || c.verw);
    host.ecx = 1U << 26;
    host.eax = 0x67; /* AVX-512 not as a whole */
    vmxcaps_choose(&facts, host_cpuid, 3200000, true, &c);
    assert_int_equal(c.xcr0_offer, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_good, good_machine),
        cmocka_unit_test_setup(test_no_vmx, good_machine),
        cmocka_unit_test_setup(test_each_missing, good_machine),
        cmocka_unit_test_setup(test_everything_missing, good_machine),
        cmocka_unit_test_setup(test_caps, good_machine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
