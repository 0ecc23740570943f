/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `fetch`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/output.h"
#include "dom0/fs/volume.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/string.h"
#include "dom0/net/fetch.h"

#define BUFFER        65536U
#define SHOW_EVERY_NS 500000000UL
#define MS_NS         1000000UL
#define FAT_FILE_MAX  0xffffffffUL

struct download {
    struct file *file; /* NULL: nothing is under way */
    char path[PATH_MAX_LEN];
    const char *name;  /* the last part of it */
    uint64_t length, done;
    uint64_t began_ns, next_ns;
    bool shown;
    size_t used;
    uint8_t *buffer;
};

static uint64_t rate_of(const struct download *d, uint64_t now) /* bytes per second */
{
    uint64_t ms = (now - d->began_ns) / MS_NS;
    return ms != 0 ? d->done * 1000 / ms : 0;
}

static void show(struct download *d)
{
    uint64_t now = time_now_ns(), rate = rate_of(d, now);
    if (now < d->next_ns)
        return;
    d->next_ns = now + SHOW_EVERY_NS;
    d->shown = true;
    cli_partial_line(true);
    console_printf("\r\x1b[Kfetching %.32s: %lu KiB", d->name, d->done / 1024);
    if (d->length != FETCH_UNKNOWN && d->length != 0)
        console_printf(" of %lu (%lu%%)", d->length / 1024, d->done * 100 / d->length);
    console_printf(", %lu KiB/s", rate / 1024);
    if (d->length != FETCH_UNKNOWN && rate != 0)
        console_printf(", %lu s left", (d->length - d->done + rate - 1) / rate);
}

static void hide(struct download *d)
{
    cli_partial_line(false);
    if (d->shown)
        console_write("\r\x1b[K", 4);
    d->shown = false;
}

static bool begin(void *ctx, uint64_t length, struct error *e)
{
    struct download *d = ctx;
    d->length = length;
    d->began_ns = time_now_ns();
    d->next_ns = d->began_ns + SHOW_EVERY_NS;
    if (length != FETCH_UNKNOWN && length > FAT_FILE_MAX)
        return error_set(e, EXIT_NO_RESOURCE, "%.100s: %lu MiB, and files on FAT32 are smaller than 4096 MiB: fetch it elsewhere", d->path, length >> 20);
    return file_create(d->path, length != FETCH_UNKNOWN ? length : 0, &d->file, e);
}

static bool flush(struct download *d, struct error *e)
{
    bool ok = d->used == 0 || file_append(d->file, d->buffer, d->used, e);
    d->used = 0;
    return ok;
}

/* In pieces of some size, for the disk's sake. */
static bool data(void *ctx, const void *bytes, size_t len, struct error *e)
{
    struct download *d = ctx;
    const uint8_t *from = bytes;
    for (size_t n = 0; len > 0; from += n, len -= n) {
        n = len < BUFFER - d->used ? len : BUFFER - d->used;
        memcpy(d->buffer + d->used, from, n);
        d->used += n;
        d->done += n;
        if (d->used == BUFFER && !flush(d, e))
            return false;
    }
    show(d);
    return true;
}

/* Into the folder FILE under the name from the address, or to the file FILE; without FILE into the guest folder. */
static bool choose_path(struct download *d, const struct url *u, const char *file, struct error *e)
{
    char name[128];
    struct error none;
    url_file_name(u, name, sizeof name);
    struct dir_entry *at = heap_alloc(sizeof *at);
    bool folder = file[0] == '\0' || (at != NULL && path_stat(file, at, &none) && at->is_dir);
    heap_free(at);
    size_t len = strlen(file);
    bool slash = len != 0 && file[len - 1] != '/' && file[len - 1] != ':';
    if (folder && name[0] == '\0')
        return error_set(e, EXIT_USAGE, "fetch: the address names no file: write `fetch URL FILE`");
    char given[PATH_MAX_LEN + 130];
    snprintf(given, sizeof given, "%.255s%s%s", file, folder && slash ? "/" : "", folder ? name : "");
    if (!path_resolve(given, d->path, sizeof d->path, e))
        return false;
    d->name = strrchr(d->path, '/') + 1;
    return path_writable(d->path, e);
}

static bool fetch(struct download *d, const struct url *u, const char *who, struct error *e)
{
    struct fetch_sink sink = {.ctx = d, .begin = begin, .data = data, .interrupted = cli_interrupt_seen};
    bool ok = net_fetch(who, u, &sink, e) && flush(d, e);
    hide(d);
    if (d->file == NULL)
        return false;
    if (ok)
        return file_commit(d->file, e);
    file_close(d->file);
    return false;
}

static bool prepare(struct download *d, struct url *u, int argc, char **argv, struct error *e)
{
    const char *why = NULL;
    d->buffer = heap_alloc(BUFFER);
    if (d->buffer == NULL)
        return error_set(e, EXIT_NO_RESOURCE, "fetch: no memory for it: destroy a domain that is not needed");
    if (!url_parse(argv[1], u, &why))
        return error_set(e, EXIT_FAILED, "fetch: %.60s: %s", argv[1], why);
    return choose_path(d, u, argc > 2 ? argv[2] : "", e);
}

static enum exit_code run(int argc, char **argv)
{
    static struct url u; /* too large for a stack */
    struct download d = {0};
    struct error e;
    char who[112];
    if (!cli_args(&cmd_fetch, argc, argv, 1, 2))
        return EXIT_USAGE;
    cli_interrupt_begin();
    snprintf(who, sizeof who, "fetch %.90s", argv[1]);
    bool ok = prepare(&d, &u, argc, argv, &e) && fetch(&d, &u, who, &e);
    if (ok)
        console_printf("%s: %lu bytes, %lu KiB/s\n", d.path, d.done, rate_of(&d, time_now_ns()) / 1024);
    heap_free(d.buffer);
    return ok ? EXIT_OK : cli_error(&e);
}

static void complete(int arg, const char *prefix, void (*emit)(const char *word))
{
    if (arg == 2)
        cli_complete_paths(prefix, emit);
}

const struct cli_verb cmd_fetch = {
    "fetch",
    "URL [FILE]",
    "Gets a file from a web server.",
    "URL is http://HOST/PATH; https is not supported. FILE is where it goes: a file's name or a folder; without it, the guest folder, under the name in\n"
    "the address. A file that is there is replaced when the new one is complete. At most five redirects are followed. Ctrl-C stops it, and nothing is left.\n",
    run,
    complete};
