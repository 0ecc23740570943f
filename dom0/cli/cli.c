/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The prompt: reads lines (from corbel.cfg first, then typed), finds the verb, runs it, keeps its exit code. One
 * thread. */
#include "dom0/cli/cli.h"

#include "dom0/cli/cli_priv.h"
#include "dom0/cli/output.h"
#include "dom0/cli/words.h"
#include "dom0/fs/volume.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/kernel/thread.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/string.h"
#include "dom0/manager/autostart.h"
#include "dom0/manager/manager.h"

#define CLI_STACK        65536U
#define TERMINAL_COLUMNS 80U /* a serial line does not tell */
#define TYPE_AHEAD       256U
#define CTRL_C           0x03

static struct line_edit line;
static struct completion completion;
static struct words words;
static enum exit_code last_code;
static bool editing; /* the prompt is on the screen */
static bool partial; /* a verb's unfinished line is */
static uint64_t prompt_tsc;
static char type_ahead[TYPE_AHEAD];
static unsigned ahead_count, ahead_next;

/* ---- input ---- */

int cli_getc(uint64_t deadline_ns)
{
    if (ahead_next < ahead_count)
        return (unsigned char)type_ahead[ahead_next++];
    ahead_next = ahead_count = 0;
    return console_getc(deadline_ns);
}

bool cli_interrupted(void)
{
    for (int c = console_getc(0); c >= 0; c = console_getc(0)) {
        if (c == CTRL_C) {
            ahead_next = ahead_count = 0; /* what was typed before was meant for what is interrupted */
            return true;
        }
        if (ahead_count < sizeof type_ahead)
            type_ahead[ahead_count++] = (char)c;
    }
    return false;
}

void cli_partial_line(bool on) { partial = on; }

enum exit_code cli_last_code(void) { return last_code; }

const struct line_edit *cli_line(void) { return &line; }

uint64_t cli_prompt_tsc(void) { return prompt_tsc; }

/* ---- the line on the screen ---- */

static void draw(void)
{
    static char buf[LINE_MAX_LEN + 64];
    size_t n = lineedit_render(&line, CLI_PROMPT, TERMINAL_COLUMNS, buf, sizeof buf);
    console_write(buf, n);
}

static void before_notice(void)
{
    if (editing)
        console_write("\r\x1b[K", 4);
    else if (partial)
        console_write("\x1b[0m\r\n", 6); /* a guest may have chosen colours in which nothing can be read */
}

static void after_notice(void)
{
    if (editing)
        draw();
}

/* ---- completion ---- */

static void emit(const char *word) { completion_offer(&completion, word); }

static bool emit_domain(const struct vm_view *v, void *ctx)
{
    void (*out)(const char *word) = *(void (**)(const char *))ctx;
    out(v->name);
    return true;
}

void cli_complete_domains(const char *prefix, void (*out)(const char *word))
{
    (void)prefix;
    manager_list(emit_domain, &out);
}

struct path_emit {
    void (*out)(const char *word);
    char text[PATH_MAX_LEN + 2];
    size_t dir_len;
};

static bool emit_path(const struct dir_entry *d, void *ctx)
{
    struct path_emit *p = ctx;
    strlcpy(p->text + p->dir_len, d->name, sizeof p->text - p->dir_len);
    if (d->is_dir)
        strlcat(p->text, "/", sizeof p->text);
    p->out(p->text);
    return true;
}

void cli_complete_paths(const char *prefix, void (*out)(const char *word))
{
    struct path_emit p = {.out = out};
    struct error ignored;
    const char *slash = strrchr(prefix, '/');
    const char *colon = strrchr(prefix, ':');
    const char *last = slash != NULL ? slash : colon;
    p.dir_len = last != NULL ? (size_t)(last - prefix) + 1 : 0;
    if (p.dir_len >= PATH_MAX_LEN)
        return;
    memcpy(p.text, prefix, p.dir_len);
    char dir[PATH_MAX_LEN];
    strlcpy(dir, prefix, p.dir_len + 1);
    (void)dir_list(dir, emit_path, &p, &ignored); /* a folder that is not there has no candidates */
}

void cli_complete_domain_arg(int arg, const char *prefix, void (*out)(const char *word))
{
    if (arg == 1)
        cli_complete_domains(prefix, out);
}

void cli_complete_path_arg(int arg, const char *prefix, void (*out)(const char *word))
{
    if (arg == 1)
        cli_complete_paths(prefix, out);
}

void cli_complete_path_args(int arg, const char *prefix, void (*out)(const char *word))
{
    (void)arg;
    cli_complete_paths(prefix, out);
}

static void find_candidates(void)
{
    const char *near = NULL;
    completion_begin(&completion, line.text, line.pos);
    if (completion.arg == 0) {
        for (size_t i = 0; i < cli_verb_count(); i++)
            emit(cli_verb_at(i)->name);
        return;
    }
    if (words_split(&words, line.text) != NULL || words.argc == 0)
        return;
    const struct cli_verb *v = cli_verb_find(words.argv[0], &near);
    if (v != NULL && v->complete != NULL)
        v->complete(completion.arg, completion.prefix, emit);
}

/* Adds what all candidates have in common beyond what was typed. */
static bool insert_common(void)
{
    const char *rest = completion.common + strlen(completion.prefix);
    bool any = false;
    for (; *rest != '\0'; rest++, any = true)
        if ((strchr(" \"'\\", *rest) != NULL && !lineedit_insert(&line, "\\", 1)) ||
            !lineedit_insert(&line, rest, 1))
            return any;
    size_t len = strlen(completion.common);
    if (completion.count == 1 && len > 0 && completion.common[len - 1] != '/')
        any = lineedit_insert(&line, " ", 1) || any;
    return any;
}

static void complete(void)
{
    find_candidates();
    if (completion.count == 0) {
        console_write("\a", 1);
    } else if (!insert_common() && completion.count > 1) {
        out_text("\n");
        out_text(completion.shown);
        out_text("\n");
    }
    draw();
}

/* ---- one line ---- */

enum exit_code cli_error(const struct error *e)
{
    console_printf("error: %s\n", e->text);
    return e->code;
}

static enum exit_code unknown_verb(const char *name, const char *near)
{
    struct error e;
    if (near != NULL)
        error_set(&e, EXIT_USAGE, "%.40s: no such verb: did you mean `%s`?", name, near);
    else
        error_set(&e, EXIT_USAGE, "%.40s: no such verb: `help` lists all", name);
    return cli_error(&e);
}

enum exit_code cli_run_words(int argc, char **argv)
{
    const char *near = NULL;
    const struct cli_verb *v = cli_verb_find(argv[0], &near);
    if (v == NULL)
        return unknown_verb(argv[0], near);
    if (argc > 1 && (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0)) {
        cli_verb_help(v);
        return EXIT_OK;
    }
    return v->run(argc, argv);
}

enum exit_code cli_run_line(const char *text)
{
    static struct words w; /* of its own: a verb may wait for keys, and Tab uses the other one */
    const char *wrong = words_split(&w, text);
    if (wrong != NULL) {
        struct error e;
        error_set(&e, EXIT_USAGE, "%.40s: %s: `help` tells how lines are written", text, wrong);
        last_code = cli_error(&e);
    } else if (w.argc > 0) {
        last_code = cli_run_words(w.argc, w.argv);
    }
    return last_code;
}

/* ---- lines from corbel.cfg ---- */

static void show_prompt(void)
{
    console_write(CLI_PROMPT, sizeof CLI_PROMPT - 1);
    if (prompt_tsc == 0)
        prompt_tsc = time_tsc();
}

static void run_scripted(const char *text)
{
    while (*text == ' ')
        text++;
    if (*text == '\0')
        return;
    console_printf("%s\n", text);
    lineedit_remember(&line, text);
    cli_run_line(text);
    show_prompt();
}

/* Runs the parts of TEXT between SEPARATORs. */
static void run_parts(const char *text, char separator)
{
    static char part[sizeof(((struct cbl_host_info *)0)->exec) + 16];
    while (*text != '\0') {
        const char *end = strchr(text, separator);
        size_t len = end != NULL ? (size_t)(end - text) : strlen(text);
        while (len > 0 && *text == ' ') {
            text++;
            len--;
        }
        if (len > 0) {
            snprintf(part, sizeof part, "%.*s", (int)len, text);
            run_scripted(part);
        }
        text += len + (end != NULL);
    }
}

/* Those of corbel.cfg and the stored ones, in one list. */
static void run_autostart(void)
{
    struct autostart *a = heap_alloc(sizeof *a);
    struct error e;
    char text[AUTOSTART_NAME + 16];
    if (a == NULL)
        return;
    if (!autostart_load(a, &e)) {
        console_printf("error: %s\n", e.text);
        show_prompt();
    }
    for (uint32_t i = 0; i < a->count; i++) {
        /* corbel.cfg quotes for itself. */
        bool quote = i >= a->configured && (strchr(a->names[i], ' ') != NULL || strchr(a->names[i], '\'') != NULL);
        snprintf(text, sizeof text, "create %s%s%s", quote ? "\"" : "", a->names[i], quote ? "\"" : "");
        run_scripted(text);
    }
    heap_free(a);
}

static void run_configured(void)
{
    static struct cbl_host_info host;
    if (control(CTL_HOST_INFO, &host) != 0)
        return;
    host.exec[sizeof host.exec - 1] = '\0';
    run_autostart();
    run_parts(host.exec, ';');
}

/* ---- the thread ---- */

static void enter(void)
{
    static char text[LINE_MAX_LEN];
    strlcpy(text, line.text, sizeof text);
    out_text("\n");
    lineedit_remember(&line, text);
    lineedit_reset(&line);
    editing = false;
    cli_run_line(text);
    editing = true;
    show_prompt();
}

static void key(uint8_t c)
{
    char ch = (char)c;
    switch (lineedit_key(&line, c)) {
    case LINE_NOTHING:
        break;
    case LINE_APPENDED:
        if (lineedit_fits(&line, sizeof CLI_PROMPT - 1, TERMINAL_COLUMNS))
            console_write(&ch, 1);
        else
            draw();
        break;
    case LINE_CHANGED:
        draw();
        break;
    case LINE_ENTER:
        enter();
        break;
    case LINE_TAB:
        complete();
        break;
    case LINE_INTERRUPT:
        out_text("^C\n");
        show_prompt();
        break;
    case LINE_CLEAR:
        console_write("\x1b[H\x1b[2J", 7);
        draw();
        break;
    case LINE_BELL:
        console_write("\a", 1);
        break;
    }
}

static void cli_thread(void *arg)
{
    (void)arg;
    lineedit_reset(&line);
    console_set_redraw(before_notice, after_notice);
    out_text("`help` lists the verbs, `ls` the guests.\n");
    show_prompt();
    run_configured();
    editing = true;
    for (;;) {
        int c = cli_getc(WAIT_FOREVER);
        if (c >= 0)
            key((uint8_t)c);
    }
}

void cli_start(void)
{
    if (thread_create("cli", cli_thread, NULL, CLI_STACK) == NULL)
        console_notice("error: cli: no memory for a prompt: give Dom0 more (dom0_mem in corbel.cfg)");
}
