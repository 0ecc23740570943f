/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `dmesg`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/output.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/lib/string.h"

static uint64_t cleared; /* `dmesg -c`: where the next one begins */

static void print_part(const char *text, size_t len)
{
    for (size_t from = 0, i = 0; i <= len; i++) {
        if (i < len && text[i] != '\n')
            continue;
        console_write(text + from, i - from);
        if (i < len)
            console_write("\r\n", 2);
        from = i + 1;
    }
}

static enum exit_code run(int argc, char **argv)
{
    struct cbl_log_read r = {.pos = cleared};
    bool clear = cli_flag(&argc, argv, "-c");
    if (!cli_args(&cmd_dmesg, argc, argv, 0, 0))
        return EXIT_USAGE;
    for (;;) {
        long rc = control(CTL_LOG_READ, &r);
        if (rc != 0)
            return cli_control_failed("dmesg", rc);
        if (r.len == 0 || r.len > sizeof r.text || cli_interrupted())
            break;
        print_part(r.text, r.len);
    }
    if (clear)
        cleared = r.pos;
    return EXIT_OK;
}

const struct cli_verb cmd_dmesg = {
    "dmesg", "[-c]", "Prints the hypervisor's log.", "  -c  the next `dmesg` begins after what is shown now\n",
    run,     NULL};
