/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The exits that need no thought. */
#include "vmx/exit/handlers.h"

/* INVD, WBINVD: guest memory is coherent, and a guest may not throw away what others have in the caches. */
enum exit_action exit_cache(struct vcpu *v)
{
    (void)v;
    return EXIT_ADVANCE;
}

/* Instructions that exist but are not for guests: RDPMC without counters. */
enum exit_action exit_privileged(struct vcpu *v)
{
    (void)v;
    return EXIT_INJECT_GP;
}

/* Instructions that CPUID says are absent. */
enum exit_action exit_undefined(struct vcpu *v)
{
    (void)v;
    return EXIT_INJECT_UD;
}

enum exit_action exit_task_switch(struct vcpu *v)
{
    return exit_kill(v, "a hardware task switch, which Corbel does not offer");
}
