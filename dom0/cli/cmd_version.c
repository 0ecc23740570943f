/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `version`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/output.h"
#include "dom0/kernel/hypercall.h"

static enum exit_code run(int argc, char **argv)
{
    static struct cbl_host_info h;
    struct pairs p;
    bool json = cli_flag(&argc, argv, "--json");
    if (!cli_args(&cmd_version, argc, argv, 0, 0))
        return EXIT_USAGE;
    long rc = control(CTL_HOST_INFO, &h);
    if (rc != 0)
        return cli_control_failed("version", rc);
    pairs_begin(&p, json ? PAIRS_JSON : PAIRS_COLON);
    pairs_text(&p, "corbel", h.version);
    pairs_text(&p, "build", h.build);
    pairs_number(&p, "control_interface", h.abi_version, "");
    pairs_text(&p, "guest_interface", "Xen 4.17");
    pairs_end(&p);
    return EXIT_OK;
}

const struct cli_verb cmd_version = {"version", "[--json]", "Tells Corbel's version.", "", run, NULL};
