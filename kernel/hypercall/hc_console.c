/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Hypercall 18, console_io: Dom0's terminal is the physical console; a DomU's early output goes, line by line, to the log. */
#include "kernel/hypercall/hc_priv.h"
#include "kernel/hypercall/policy.h"
#include "kernel/platform/console.h"
#include "kernel/platform/uart.h"

#include <xen/xen.h>

#define CHUNK 256U
#define MAX_WRITE 16384U /* bytes in one call */
#define ROOM_MAX 8192U   /* room asked for at most: half the console ring, so that the log has the rest */

/* Complete lines into the log; an unfinished one waits in the domain. Control characters of a guest never reach the operator's terminal. */
static void guest_text(struct domain *d, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char ch = text[i];
        if (ch == '\n' || d->console_len == sizeof(d->console_line)) {
            domain_log_text(d, d->console_line, d->console_len);
            d->console_len = 0;
        }
        if (ch == '\t' || (ch >= ' ' && ch <= '~'))
            d->console_line[d->console_len++] = ch == '\t' ? ' ' : ch;
    }
}

static int64_t write(struct hc *c, uint64_t from, uint64_t len)
{
    struct domain *d = c->v->domain;
    char text[CHUNK];
    if (len > MAX_WRITE)
        return HC_EINVAL;
    if (policy_console(d) && uart_room() < MIN(2 * len, (uint64_t)ROOM_MAX))
        return HC_EAGAIN; /* Dom0 waits and comes again: nothing that it prints is lost */
    for (uint64_t done = 0, n; done < len; done += n) {
        n = MIN(len - done, (uint64_t)CHUNK);
        if (hc_get(c, text, from + done, n) != 0)
            return HC_EFAULT;
        if (policy_console(d)) {
            console_write(text, n);
            continue;
        }
        struct domain_locked l DOMAIN_GUARD = domain_lock(d);
        guest_text(l.d, text, n);
    }
    return 0;
}

static int64_t read(struct hc *c, uint64_t to, uint64_t len)
{
    char text[CHUNK];
    if (!policy_console(c->v->domain))
        return HC_EPERM;
    size_t n = console_read(text, MIN(len, (uint64_t)CHUNK));
    return hc_put(c, to, text, n) == 0 ? (int64_t)n : HC_EFAULT;
}

int64_t hc_console_io(struct hc *c)
{
    switch (c->a1) {
    case CONSOLEIO_write: return write(c, c->a3, c->a2 & 0xffffffffU); /* the ABI's count is an int */
    case CONSOLEIO_read: return read(c, c->a3, c->a2 & 0xffffffffU);
    default: return HC_ENOSYS;
    }
}
