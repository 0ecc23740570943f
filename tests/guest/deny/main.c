/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] deny: tries what a guest must not be able to do and lives to tell: ports, MSRs, CPUID, instructions, control registers, hypercalls; and
 * that exits leave single steps, shadows, NMIs and interrupts as the architecture has them. What ends a domain is in `endings`.
 * Why: deny by default. Expected: the architectural fault or the ABI's error for each; "deny: N passed, 0 failed"; then powers off.
 * With corbel.cmdline = "PART" only that part runs. */
#include "tests/guest/deny/deny.h"

static const struct { const char *name; void (*run)(void); } parts[] = {
    {"ports", deny_ports},
    {"msrs", deny_msrs},
    {"cpuid", deny_cpuid},
    {"instructions", deny_instructions},
    {"control", deny_control_registers},
    {"steps", deny_steps},
    {"interrupts", deny_interrupts},
    {"hypercalls", deny_hypercalls}, /* last: it gives memory away */
};

void guest_main(const void *start_info)
{
    const char *only = guest_cmdline(start_info);
    traps_on();
    for (unsigned i = 0; i < COUNT(parts); i++) {
        if (only[0] != '\0' && !text_equal(only, parts[i].name))
            continue;
        say("deny: %s", parts[i].name);
        parts[i].run();
    }
    summary("deny");
}
