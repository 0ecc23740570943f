/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `console`. */
#include "dom0/backend/console_backend.h"
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/output.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/thread.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/string.h"
#include "dom0/manager/manager.h"

#define CTRL_BRACKET 0x1d
#define LOOK_NS      100000000UL
#define CHUNK        512U

/* One attachment: the pump thread prints what the guest says while the prompt's thread takes keys. */
struct attachment {
    uint16_t domid;
    char name[VM_NAME_MAX];
    uint64_t lines; /* of what it said before, at most */
    bool replay; /* of a console that has ended: nobody else takes keys, Ctrl-C stops it */
    volatile bool stop;     /* the operator leaves */
    volatile bool finished; /* the pump has ended and touches nothing any more */
    struct waitq end;       /* woken then */
};

static void print_filtered(struct console_filter *f, const char *text, size_t len)
{
    char out[CHUNK + CONSOLE_FILTER_EXTRA];
    console_write(out, console_filter(f, text, len, out, sizeof out));
}

/* Everything the console said so far and will say, until it ends or the operator leaves. */
static void print_all(struct attachment *a)
{
    struct console_filter filter = {0};
    uint64_t pos = guest_console_tail(a->domid, a->lines);
    char buf[CHUNK];
    while (!a->stop) {
        size_t n = guest_console_read(a->domid, &pos, buf, sizeof buf);
        if (n > 0) {
            print_filtered(&filter, buf, n);
            thread_yield(); /* the operator may have typed */
        } else if (!guest_console_live(a->domid)) {
            break;
        } else {
            guest_console_wait(a->domid, pos, WAIT_FOREVER);
        }
        a->stop = a->stop || (a->replay && cli_interrupted());
    }
    console_write("\x1b[0m", 4); /* the guest's colours end here */
}

static void pump(void *arg)
{
    struct attachment *a = arg;
    print_all(a);
    a->finished = true;
    waitq_wake_all(&a->end); /* A is gone as soon as the prompt's thread runs */
}

/* Keys go to the guest as they are. A guest that does not read loses what its ring cannot hold. */
static void send_key(const struct attachment *a, int c)
{
    char ch = (char)c;
    if (guest_console_input(a->domid, &ch, 1) == 0)
        console_write("\a", 1);
}

/* true: the operator left. */
static bool take_keys(struct attachment *a)
{
    while (!a->finished) {
        int c = cli_getc(0);
        if (c == CTRL_BRACKET) {
            a->stop = true;
            guest_console_kick(a->domid);
            while (!a->finished)
                waitq_wait(&a->end, WAIT_FOREVER);
            return true;
        }
        if (c >= 0)
            send_key(a, c);
        else
            console_wait(&a->end, WAIT_FOREVER);
    }
    return false;
}

static bool attach(struct attachment *a, bool *left, struct error *e)
{
    a->stop = a->finished = false;
    if (thread_create("console", pump, a, 0) == NULL)
        return error_set(e, EXIT_NO_RESOURCE, "console %s: no memory for a thread: destroy a domain that is not needed",
                         a->name);
    *left = take_keys(a);
    return true;
}

/* After the console's end: was it a reboot, and is the new domain there? Waits while the manager is still at it. true:
 * A is now the new domain. */
static bool follow_reboot(struct attachment *a, bool *left)
{
    struct vm_view v;
    struct vm_ended ended;
    struct error e;
    do {
        if (cli_getc(time_now_ns() + LOOK_NS) == CTRL_BRACKET)
            *left = true;
    } while (!*left && manager_busy());
    if (*left || !manager_find_ended(a->name, &ended) || ended.domid != a->domid)
        return false;
    if (!manager_find(a->name, &v, &e) || v.domid == a->domid || !guest_console_present(v.domid))
        return false;
    a->domid = v.domid;
    a->lines = UINT64_MAX;
    return true;
}

static enum exit_code live(const struct vm_view *v, uint64_t lines)
{
    struct attachment a = {.domid = v->domid, .lines = lines};
    struct error e;
    bool left = false;
    strlcpy(a.name, v->name, sizeof a.name);
    console_printf("(console of %s; Ctrl-] leaves)\n", a.name);
    cli_partial_line(true);
    bool ok = attach(&a, &left, &e);
    while (ok && !left && follow_reboot(&a, &left))
        ok = attach(&a, &left, &e);
    cli_partial_line(false);
    if (!ok)
        return cli_error(&e);
    if (left)
        console_printf("\n(left the console of %s; `console %s` comes back)\n", a.name, a.name);
    else
        console_printf("\n(the console of %s has ended)\n", a.name);
    return EXIT_OK;
}

/* What a domain that cannot speak any more had said. */
static enum exit_code replay(uint16_t domid, uint64_t lines, const char *name, const char *why)
{
    struct attachment a = {.domid = domid, .lines = lines, .replay = true};
    print_all(&a);
    console_printf("\n(%s: %s)\n", name, why);
    return EXIT_OK;
}

static enum exit_code run(int argc, char **argv)
{
    struct vm_view v;
    struct vm_ended ended;
    struct error e;
    uint64_t lines = UINT64_MAX;
    if (!cli_number_option(&cmd_console, &argc, argv, "-n", 0, UINT32_MAX, &lines) || !cli_args(&cmd_console, argc, argv, 1, 1))
        return EXIT_USAGE;
    while (manager_busy() && !cli_interrupted()) /* a reboot on its way has no domain for a moment */
        thread_sleep_ns(LOOK_NS);
    if (!manager_find(argv[1], &v, &e)) {
        if (!manager_find_ended(argv[1], &ended) || !guest_console_present(ended.domid))
            return cli_error(&e);
        return replay(ended.domid, lines, ended.name, ended.why);
    }
    if (v.domid == 0) {
        error_set(&e, EXIT_REFUSED, "console Domain-0: this is its console already: name another domain");
        return cli_error(&e);
    }
    if (!guest_console_present(v.domid)) {
        error_set(&e, EXIT_WRONG_STATE, "console %s: this domain has no console: `destroy %s` and `create` it here",
                  v.name, v.name);
        return cli_error(&e);
    }
    if (!guest_console_live(v.domid))
        return replay(v.domid, lines, v.name,
                      manager_why(v.domid)[0] != '\0' ? manager_why(v.domid) : "its console is no longer served");
    return live(&v, lines);
}

const struct cli_verb cmd_console = {
    "console",
    "[-n LINES] DOMAIN",
    "Shows what a guest says, and types to it.",
    "First comes what it said before (the last 64 KiB), also of the last domains that have ended. Ctrl-] returns to "
    "the prompt; the guest runs on.\n"
    "After a reboot the console of the new domain follows. Sequences that could harm your terminal are left out.\n"
    "Ctrl-C stops the text of a domain that has ended.\n"
    "  -n LINES  of what it said before, only the last LINES lines (0: none)\n",
    run,
    cli_complete_domain_arg};
