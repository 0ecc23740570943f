/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Long work of a verb, shown while it lasts. */
#include "dom0/cli/progress.h"

#include "dom0/cli/cli_priv.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/string.h"

#define SECOND_NS     1000000000UL
#define MSEC_NS       1000000UL
#define SHOW_AFTER_NS (200 * MSEC_NS) /* what is done sooner needs no progress */
#define SHOW_EVERY_NS (100 * MSEC_NS)
#define MARK_NS       (2 * SECOND_NS)
#define RATE_AFTER_NS (100 * MSEC_NS) /* before, a rate is chance */
#define LINE_COLUMNS  79U             /* one less than the terminal has: the cursor stays on the line */

/* ---- text ---- */

size_t progress_size(char *out, size_t len, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    uint64_t tenths = bytes;
    if (bytes < 1024)
        return (size_t)snprintf(out, len, "%lu B", bytes);
    for (; tenths >= 1024 * 1024 && unit + 2 < sizeof units / sizeof units[0]; unit++)
        tenths /= 1024;
    tenths = tenths >> 10 > UINT32_MAX ? UINT32_MAX : tenths * 10 / 1024;
    return (size_t)snprintf(out, len, "%lu.%lu %s", tenths / 10, tenths % 10, units[unit + 1]);
}

/* Adds to the text in OUT; what does not fit is cut off. */
static void add(char *out, size_t len, const char *before, const char *text)
{
    (void)strlcat(out, before, len);
    (void)strlcat(out, text, len);
}

static void add_left(char *out, size_t len, uint64_t seconds)
{
    char text[32];
    if (seconds >= 3600)
        snprintf(text, sizeof text, "%lu:%02lu:%02lu left", seconds / 3600, seconds / 60 % 60, seconds % 60);
    else
        snprintf(text, sizeof text, "%lu:%02lu left", seconds / 60, seconds % 60);
    add(out, len, ", ", text);
}

size_t progress_text(char *out, size_t len, const struct progress *p, uint64_t done, uint64_t rate)
{
    char text[32];
    uint64_t total = p->total, percent = total < 100 ? 0 : done / (total / 100);
    snprintf(out, len, "%s %s", p->doing, p->what);
    if (done == 0 && total == 0)
        return strlen(out);
    if (total != 0) {
        percent = done >= total ? 100 : total < 100 ? done * 100 / total : percent > 99 ? 99 : percent;
        snprintf(text, sizeof text, "%lu%%", percent);
        add(out, len, ": ", text);
    }
    progress_size(text, sizeof text, done);
    add(out, len, total != 0 ? ", " : ": ", text);
    if (total != 0) {
        progress_size(text, sizeof text, total);
        add(out, len, " of ", text);
    }
    if (rate == 0)
        return strlen(out);
    progress_size(text, sizeof text, rate);
    add(out, len, ", ", text);
    add(out, len, "/s", "");
    if (total > done)
        add_left(out, len, (total - done + rate - 1) / rate);
    return strlen(out);
}

/* ---- drawing ---- */

void progress_begin(struct progress *p, const char *doing)
{
    *p = (struct progress){.next_ns = time_now_ns() + SHOW_AFTER_NS};
    strlcpy(p->doing, doing, sizeof p->doing);
}

/* The last part of a path; of a long one its end, which mostly tells more. */
static const char *short_name(const char *what, size_t size)
{
    const char *slash = strrchr(what, '/');
    if (slash != NULL && slash[1] != '\0')
        what = slash + 1;
    size_t len = strlen(what);
    if (len < size)
        return what;
    what += len - size + 1;
    while (((unsigned char)*what & 0xc0) == 0x80) /* not inside of a character */
        what++;
    return what;
}

static void follow(struct progress *p, const char *what, uint64_t done, uint64_t total, uint64_t now)
{
    strlcpy(p->what, short_name(what, sizeof p->what), sizeof p->what);
    if (total != p->total || done < p->last) { /* something else begins */
        p->total = total;
        p->older = p->newer = (struct progress_mark){now, done};
    } else if (now - p->newer.ns >= MARK_NS) {
        p->older = p->newer;
        p->newer = (struct progress_mark){now, done};
    }
    p->last = done;
}

static uint64_t rate_of(const struct progress *p, uint64_t done, uint64_t now)
{
    uint64_t ms = (now - p->older.ns) / MSEC_NS, bytes = done - p->older.done;
    return ms < RATE_AFTER_NS / MSEC_NS || bytes > UINT64_MAX / 1000 ? 0 : bytes * 1000 / ms;
}

bool progress_step(struct progress *p, const char *what, uint64_t done, uint64_t total)
{
    char line[LINE_COLUMNS - 3];
    uint64_t now = time_now_ns();
    p->stopped = p->stopped || cli_interrupted();
    if (p->stopped)
        return false;
    follow(p, what, done, total, now);
    if (now < p->next_ns)
        return true;
    p->next_ns = now + SHOW_EVERY_NS;
    p->shown = true;
    cli_partial_line(true);
    progress_text(line, sizeof line, p, done, rate_of(p, done, now));
    console_printf("\r\x1b[K%s ...", line);
    return true;
}

bool progress_fn(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    return progress_step(ctx, what, done, total);
}

void progress_clear(struct progress *p)
{
    cli_partial_line(false);
    if (p->shown)
        console_write("\r\x1b[K", 4);
    p->shown = false;
}

enum exit_code progress_end(struct progress *p, bool ok, const struct error *e)
{
    progress_clear(p);
    return ok ? EXIT_OK : cli_error(e);
}
