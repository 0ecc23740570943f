/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `repeat`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/words.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/thread.h"
#include "dom0/lib/string.h"

#define TIMES_MAX 1000000U

/* The words of all lines, kept apart from those of the line that is being run. */
static char text[LINE_MAX_LEN + 1];
static char *words[WORDS_MAX + 1];
static bool at_work;

/* Copies the words; NULL stands behind each line's last. A `;` separates lines, also behind a word. */
static unsigned collect(int argc, char **argv)
{
    unsigned n = 0;
    size_t used = 0;
    for (int i = 2; i < argc && n < WORDS_MAX; i++) {
        size_t len = strlen(argv[i]);
        bool ends = len > 0 && argv[i][len - 1] == ';';
        strlcpy(text + used, argv[i], sizeof text - used);
        if (ends)
            text[used + --len] = '\0';
        if (len > 0)
            words[n++] = text + used;
        used += len + 1;
        if (ends && n > 0 && words[n - 1] != NULL && n < WORDS_MAX)
            words[n++] = NULL;
    }
    words[n] = NULL;
    return n;
}

/* Each line once; the first that fails ends it. */
static enum exit_code once(unsigned count)
{
    for (unsigned from = 0; from < count;) {
        char *argv[WORDS_MAX + 1], copy[LINE_MAX_LEN + 1]; /* a verb may change its words */
        int argc = 0;
        memcpy(copy, text, sizeof copy);
        for (; from < count && words[from] != NULL; from++)
            argv[argc++] = copy + (words[from] - text);
        argv[argc] = NULL;
        from++;
        enum exit_code code = argc > 0 ? cli_run_words(argc, argv) : EXIT_OK;
        if (code != EXIT_OK)
            return code;
        thread_yield();
    }
    return EXIT_OK;
}

static enum exit_code run_rounds(uint32_t times, unsigned count)
{
    struct error e;
    for (uint32_t i = 1; i <= times; i++) {
        enum exit_code code = once(count);
        if (code != EXIT_OK) {
            error_set(&e, code, "repeat: round %u of %u failed: the line above tells why", i, times);
            return cli_error(&e);
        }
        if (cli_interrupted()) {
            error_set(&e, EXIT_FAILED, "repeat: interrupted after %u of %u: repeat the rest if you need it", i, times);
            return cli_error(&e);
        }
    }
    return EXIT_OK;
}

static enum exit_code run(int argc, char **argv)
{
    uint32_t times = 0;
    if (argc < 3 || at_work) /* a repeat inside of a repeat has one buffer only */
        return cli_usage(&cmd_repeat);
    if (!cli_number(&cmd_repeat, argv[1], TIMES_MAX, &times))
        return EXIT_USAGE;
    unsigned count = collect(argc, argv);
    at_work = true;
    enum exit_code code = run_rounds(times, count);
    at_work = false;
    return code;
}

const struct cli_verb cmd_repeat = {
    "repeat",
    "COUNT LINE [; LINE]...",
    "Runs lines again and again.",
    "The first line that fails ends it with its code, Ctrl-C after the line that runs. At most a million times.\n"
    "For example: repeat 10 create tiny; destroy tiny\n",
    run,
    NULL};
