/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `sleep`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/thread.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/string.h"

#define SECOND_NS 1000000000UL
#define MS_NS     1000000UL
#define MAX_S     86400UL

/* "3" or "50ms". */
static bool parse_time(char *text, uint64_t *ns)
{
    size_t len = strlen(text);
    bool ms = len > 2 && strcmp(text + len - 2, "ms") == 0;
    uint64_t n = 0;
    if (ms)
        text[len - 2] = '\0';
    bool ok = parse_u64(text, &n) && n <= (ms ? MAX_S * 1000U : MAX_S);
    *ns = n * (ms ? MS_NS : SECOND_NS);
    return ok;
}

static enum exit_code run(int argc, char **argv)
{
    uint64_t ns = 0;
    if (!cli_args(&cmd_sleep, argc, argv, 1, 1))
        return EXIT_USAGE;
    if (!parse_time(argv[1], &ns))
        return cli_usage(&cmd_sleep);
    struct waitq nobody = {0};
    uint64_t end = time_now_ns() + ns;
    while (time_now_ns() < end && !cli_interrupted())
        console_wait(&nobody, end);
    return EXIT_OK;
}

const struct cli_verb cmd_sleep = {
    "sleep", "SECONDS", "Waits; for lines in corbel.cfg.", "Whole seconds, or milliseconds as 50ms; at most a day. Ctrl-C ends it.\n", run, NULL};
