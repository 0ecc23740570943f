/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Guests' consoles into files. */
#include "dom0/manager/serial.h"

#include "dom0/backend/console_backend.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/thread.h"
#include "dom0/lib/string.h"
#include "dom0/manager/registry.h"

#define CHUNK       4096U
#define STACK_BYTES 32768U
#define GATHER_NS   20000000UL /* a file that grows costs a few writes of the disk: not for each letter */

struct serial {
    struct serial *next;
    struct file *file; /* NULL: not any more */
    uint64_t pos;      /* in the scroll-back */
    uint16_t domid;
    bool stop, ended;
    struct waitq wait, stopper;
    char name[VM_NAME_MAX], path[PATH_MAX_LEN];
    char buf[CHUNK];
};

static struct serial *all;

static void give_up(struct serial *s, const struct error *e)
{
    file_close(s->file);
    s->file = NULL;
    console_notice("%s: serial0: what it says from now on is not written to its file: %s", s->name, e->text);
}

static bool append(struct serial *s, const char *text, size_t len)
{
    struct error e;
    if (s->file != NULL && !file_write(s->file, file_size(s->file), text, len, &e))
        give_up(s, &e);
    return s->file != NULL;
}

/* All that there is. */
static void drain(struct serial *s)
{
    char text[80];
    for (;;) {
        uint64_t from = s->pos;
        size_t n = guest_console_read(s->domid, &s->pos, s->buf, sizeof s->buf);
        uint64_t lost = s->pos - from - n;
        if (n == 0)
            return;
        if (lost != 0) {
            int len = snprintf(text, sizeof text, "\r\n[%lu bytes are missing here: the disk was too slow]\r\n", lost);
            (void)append(s, text, (size_t)len);
        }
        (void)append(s, s->buf, n);
    }
}

static void run(void *arg)
{
    struct serial *s = arg;
    for (bool last = false; !last;) {
        last = s->stop; /* asked before the last look: nothing comes after that */
        drain(s);
        if (last)
            break;
        if (s->file == NULL || !guest_console_live(s->domid)) {
            waitq_wait(&s->wait, WAIT_FOREVER);
        } else {
            guest_console_wait(s->domid, s->pos, WAIT_FOREVER);
            if (!s->stop)
                thread_sleep_ns(GATHER_NS);
        }
    }
    file_close(s->file);
    s->ended = true;
    waitq_wake(&s->stopper);
    thread_exit();
}

/* The file, made if it is not there. */
static bool open_file(struct serial *s, struct error *e)
{
    struct dir_entry *d = heap_alloc(sizeof *d);
    struct file *fresh = NULL;
    struct error missing;
    bool ok = d != NULL || error_set(e, EXIT_NO_RESOURCE, "%.100s: no memory to open it: destroy a domain that is not needed", s->path);
    if (ok && !path_stat(s->path, d, &missing))
        ok = file_create(s->path, 0, &fresh, e) && file_commit(fresh, e);
    heap_free(d);
    return ok && file_open_write(s->path, &s->file, e);
}

void serial_start(const struct registry_entry *entry)
{
    struct error e;
    if (entry->config.serial[0] == '\0')
        return;
    struct serial *s = heap_alloc(sizeof *s);
    bool ok = s != NULL || error_set(&e, EXIT_NO_RESOURCE, "no memory: destroy a domain that is not needed");
    if (ok) {
        s->domid = entry->domid;
        strlcpy(s->name, entry->config.name, sizeof s->name);
        strlcpy(s->path, entry->config.serial, sizeof s->path);
        ok = open_file(s, &e);
    }
    if (ok && thread_create("serial", run, s, STACK_BYTES) == NULL)
        ok = error_set(&e, EXIT_NO_RESOURCE, "no memory: destroy a domain that is not needed");
    if (ok) {
        s->next = all;
        all = s;
        return;
    }
    console_notice("%s: serial0: what it says is not written to its file: %s", entry->config.name, e.text);
    if (s != NULL)
        file_close(s->file);
    heap_free(s);
}

void serial_stop(uint16_t domid)
{
    struct serial **at = &all;
    while (*at != NULL && (*at)->domid != domid)
        at = &(*at)->next;
    struct serial *s = *at;
    if (s == NULL)
        return;
    *at = s->next; /* first: this waits, and nobody else may find it */
    s->stop = true;
    waitq_wake(&s->wait);
    guest_console_kick(domid);
    while (!s->ended)
        waitq_wait(&s->stopper, WAIT_FOREVER);
    heap_free(s);
}
