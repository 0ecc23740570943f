/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] What the prompt and its verbs share. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "dom0/cli/cli.h"
#include "dom0/cli/lineedit.h"

#define CLI_VERB(name) extern const struct cli_verb cmd_##name;
#include "dom0/cli/verbs.def"
#undef CLI_VERB

#define CLI_PROMPT "corbel> "

size_t cli_verb_count(void);
const struct cli_verb *cli_verb_at(size_t i);
/* The verb called NAME, or NULL with *NEAR the one that was probably meant (or NULL). */
const struct cli_verb *cli_verb_find(const char *name, const char **near);
/* Prints usage, summary and full text. */
void cli_verb_help(const struct cli_verb *v);

/* Takes FLAG out of the arguments; was it there? */
bool cli_flag(int *argc, char **argv, const char *flag);
/* Are there MIN to MAX arguments behind the verb, none of them an option? Otherwise the usage is printed. */
bool cli_args(const struct cli_verb *v, int argc, char **argv, int min, int max);

/* Takes "FLAG NUMBER" out of the arguments; *VALUE is left alone where it is not given. false: not a number from MIN to
 * MAX, the usage was printed. */
bool cli_number_option(const struct cli_verb *v, int *argc, char **argv, const char *flag, uint64_t min, uint64_t max,
                       uint64_t *value);
/* The verb's argument TEXT as a number of at most MAX. false: it is none, the usage was printed. */
bool cli_number(const struct cli_verb *v, const char *text, uint64_t max, uint32_t *value);
/* Was Ctrl-C typed since cli_interrupt_begin? For functions that wait. */
void cli_interrupt_begin(void);
bool cli_interrupt_seen(void);
/* Runs the verb ARGV[0] as a line would; the words may be changed. */
enum exit_code cli_run_words(int argc, char **argv);

/* Input byte, also what was typed while something else ran; negative: DEADLINE_NS passed. */
int cli_getc(uint64_t deadline_ns);
/* The cursor stands behind text of a running verb (progress, a guest's output): background messages begin on a line of
 * their own. */
void cli_partial_line(bool on);
enum exit_code cli_last_code(void);
const struct line_edit *cli_line(void); /* for its history */
uint64_t cli_prompt_tsc(void);          /* TSC when the first prompt had been queued */

struct vm_view;
#define CLI_END_S 600UL /* for a guest to end, unless -t says otherwise */
/* Takes "-t SECONDS" out of the arguments, LEAST_S at least and a day at most; *NS is its value, or that of DEFAULT_S. false: wrong, the usage was printed. */
bool cli_wait_option(const struct cli_verb *v, int *argc, char **argv, uint64_t least_s, uint64_t default_s, uint64_t *ns);
/* `block-detach` and `cd-eject`, whose guest has 10 s to let go if "-t SECONDS" does not say otherwise. FORCE was among the arguments. */
enum exit_code cli_take_away(const struct cli_verb *v, int argc, char **argv, bool force,
                             bool (*take)(const char *who, const char *which, bool force, uint64_t wait_ns, bool (*interrupted)(void), struct error *e));
/* Waits until the domain has ended; Ctrl-C and the time-out are errors. */
enum exit_code cli_wait_end(const struct vm_view *v, uint64_t ns);
/* `shutdown` and `reboot`: HOW goes to the guest's control/shutdown node, unless it is done the hard way. */
enum exit_code cli_ask_guest(const struct cli_verb *verb, int argc, char **argv, const char *how);
void cli_complete_power(int arg, const char *prefix, void (*emit)(const char *word));

/* `host-reboot` and `host-poweroff`: refused while domains are left, unless -f. */
enum exit_code cli_host_reset(const struct cli_verb *v, int argc, char **argv, bool poweroff);

/* Completion helpers. */
void cli_complete_domains(const char *prefix, void (*emit)(const char *word));
void cli_complete_paths(const char *prefix, void (*emit)(const char *word));
/* `complete` of verbs whose only argument is a domain, or a path. */
void cli_complete_domain_arg(int arg, const char *prefix, void (*emit)(const char *word));
void cli_complete_path_arg(int arg, const char *prefix, void (*emit)(const char *word));

void cli_complete_path_args(int arg, const char *prefix, void (*emit)(const char *word)); /* any number of paths */

/* The control call that fails for no fault of the operator's. */
enum exit_code cli_control_failed(const char *what, long rc);
