/* SPDX-License-Identifier: Apache-2.0
 * [HOST] boot/efi/preflight.c: each missing thing is named together with what to do; nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "boot/efi/preflight.h"

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
    facts.primary_forced = 1U << 15;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_good, good_machine),
        cmocka_unit_test_setup(test_no_vmx, good_machine),
        cmocka_unit_test_setup(test_each_missing, good_machine),
        cmocka_unit_test_setup(test_everything_missing, good_machine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
