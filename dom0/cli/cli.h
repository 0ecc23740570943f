/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The operator's prompt. One file per verb: cmd_<verb>.c defines a `const struct cli_verb`, listed in verbs.def.
 */
#pragma once

#include <stdbool.h>

#include "dom0/lib/error.h"

struct cli_verb {
    const char *name;
    const char *args;    /* "NAME [-w]" */
    const char *summary; /* one line */
    const char *help;    /* full text for `help VERB` */
    enum exit_code (*run)(int argc, char **argv);
    /* Completion candidates for argument ARG (1-based) that begin with PREFIX: calls EMIT for each. May be NULL. */
    void (*complete)(int arg, const char *prefix, void (*emit)(const char *word));
};

/* Starts the CLI thread: runs host_info.exec lines, autostart, then prompts `corbel> ` for ever. */
void cli_start(void);
/* Runs one line; the exit code is kept for `echo $?`-like use and shown by `status`. */
enum exit_code cli_run_line(const char *line);
/* Prints "error: …" and returns its code. */
enum exit_code cli_error(const struct error *e);
enum exit_code cli_usage(const struct cli_verb *v);
/* Was Ctrl-C typed since the last call? Polled by long work. */
bool cli_interrupted(void);
