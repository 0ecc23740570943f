/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `audit`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/output.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/lib/string.h"

static void print_frames(struct pairs *p, const struct cbl_audit *a)
{
    pairs_text(p, "audit", a->ok ? "ok" : "violation");
    pairs_number(p, "checks", a->checks, "");
    pairs_number(p, "frames_free", a->frames_free, "");
    pairs_number(p, "frames_root", a->frames_root, "");
    pairs_number(p, "frames_guest", a->frames_guest, "");
    pairs_number(p, "domains", a->domains, "");
}

static enum exit_code run(int argc, char **argv)
{
    struct cbl_audit a = {0};
    struct error e;
    bool json = cli_flag(&argc, argv, "--json");
    if (!cli_args(&cmd_audit, argc, argv, 0, 0))
        return EXIT_USAGE;
    long rc = control(CTL_AUDIT, &a);
    if (rc != 0)
        return cli_control_failed("audit", rc);
    a.why[sizeof a.why - 1] = '\0';
    if (json) {
        struct pairs p;
        pairs_begin(&p, PAIRS_JSON);
        print_frames(&p, &a);
        pairs_end(&p);
    } else if (a.ok) {
        console_printf("audit: ok: %u checks, %u domains; frames: free %lu, hypervisor %lu, domains %lu\n", a.checks,
                       a.domains, a.frames_free, a.frames_root, a.frames_guest);
    }
    if (a.ok)
        return EXIT_OK;
    error_set(&e, EXIT_FAILED, "audit: an invariant is broken: %s: save `dmesg` and report it", a.why);
    return cli_error(&e);
}

const struct cli_verb cmd_audit = {"audit",
                                   "[--json]",
                                   "Checks the hypervisor's invariants.",
                                   "Recomputes owners, references and mappings of all memory and compares.\n",
                                   run,
                                   NULL};
