/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `sleep`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/thread.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/string.h"

#define SECOND_NS 1000000000UL
#define MAX_S     86400UL

static enum exit_code run(int argc, char **argv)
{
    uint64_t seconds = 0;
    if (!cli_args(&cmd_sleep, argc, argv, 1, 1))
        return EXIT_USAGE;
    if (!parse_u64(argv[1], &seconds) || seconds > MAX_S)
        return cli_usage(&cmd_sleep);
    struct waitq nobody = {0};
    uint64_t end = time_now_ns() + seconds * SECOND_NS;
    while (time_now_ns() < end && !cli_interrupted())
        console_wait(&nobody, end);
    return EXIT_OK;
}

const struct cli_verb cmd_sleep = {
    "sleep", "SECONDS", "Waits; for lines in corbel.cfg.", "At most a day. Ctrl-C ends it.\n", run, NULL};
