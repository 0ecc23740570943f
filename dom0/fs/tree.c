/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Copying, moving and removing. Folders are walked without recursion: the path itself is the stack, and each
 * level remembers which of its entries comes next. */
#include "dom0/fs/tree.h"

#include "dom0/fs/path.h"
#include "dom0/fs/volume.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/thread.h"
#include "dom0/lib/string.h"

#define COPY_BYTES 65536U
#define TREE_DEPTH 128U /* a path has no more parts */
#define BATCH      16U

struct tree_item { char name[256]; uint64_t size; bool is_dir; };

/* Who is told how far it is, and what was done before the file that is worked on. */
struct meter { tree_progress fn; void *ctx; uint64_t done, total; };

struct tree {
    char from[PATH_MAX_LEN], to[PATH_MAX_LEN];
    uint32_t next[TREE_DEPTH]; /* of each level: its next entry */
    uint32_t depth;
    uint32_t skip, count;      /* of the batch: entries passed over; entries in it */
    struct tree_item items[BATCH];
    struct meter meter;
    bool measuring; /* only the sizes are added up */
};

static bool no_memory(const char *path, struct error *e)
{
    return error_set(e, EXIT_NO_RESOURCE, "%.100s: no memory for this: destroy a domain that is not needed", path);
}

static bool step(tree_progress fn, void *ctx, const char *path, uint64_t done, uint64_t total, struct error *e)
{
    if (fn == NULL || fn(ctx, path, done, total))
        return true;
    return error_set(e, EXIT_FAILED, "%.100s: stopped: nothing half-made is left; begin again", path);
}

static const char *base_name(const char *full)
{
    const char *slash = strrchr(full, '/');

    return slash != NULL ? slash + 1 : full;
}

static bool join(char *path, const char *name, struct error *e)
{
    size_t len = strlen(path);
    bool slash = len != 0 && path[len - 1] == '/';

    if (len + !slash + strlen(name) < PATH_MAX_LEN) {
        if (!slash)
            (void)strlcat(path, "/", PATH_MAX_LEN);
        (void)strlcat(path, name, PATH_MAX_LEN);
        return true;
    }
    return error_set(e, EXIT_FAILED, "%.80s…: a path below it is longer than %u characters: use shorter names", path,
                     PATH_MAX_LEN - 1U);
}

static void cut(char *path) { *strrchr(path, '/') = '\0'; }

static bool stat_is(const char *path, bool *is_dir, uint64_t *size, struct error *e)
{
    struct dir_entry *d = heap_alloc(sizeof(*d));

    if (d == NULL)
        return no_memory(path, e);
    bool ok = path_stat(path, d, e);
    *is_dir = d->is_dir;
    *size = d->size;
    heap_free(d);
    return ok;
}

bool tree_target(const char *src, const char *dst, char *out, struct error *e)
{
    char from[PATH_MAX_LEN];
    bool is_dir = false;
    uint64_t size;
    struct error ignored;

    if (!path_resolve(src, from, sizeof(from), e) || !path_resolve(dst, out, PATH_MAX_LEN, e))
        return false;
    if (!stat_is(out, &is_dir, &size, &ignored) || !is_dir)
        return true;
    if (*base_name(from) == '\0')
        return error_set(e, EXIT_FAILED, "%.100s: a whole volume: name a file or a folder on it", src);
    return join(out, base_name(from), e);
}

/* ---- one file ---- */

static bool copy_bytes(struct file *in, struct file *out, const char *path, char *buf, struct meter *m, struct error *e)
{
    uint64_t size = file_size(in);
    size_t got = 0;

    for (uint64_t off = 0; off < size; off += got) {
        if (!step(m->fn, m->ctx, path, m->done + off, m->total, e) || !file_read(in, off, buf, COPY_BYTES, &got, e))
            return false;
        if (got == 0)
            return error_set(e, EXIT_FAILED, "%.100s: it ends early: check the volume", path);
        if (!file_append(out, buf, got, e))
            return false;
    }
    m->done += size;
    return true;
}

static bool copy_file(const char *from, const char *to, struct meter *m, struct error *e)
{
    struct file *in = NULL, *out = NULL;
    char *buf = heap_alloc(COPY_BYTES);
    bool ok = buf != NULL || no_memory(from, e);

    ok = ok && file_open(from, &in, e) && file_create(to, file_size(in), &out, e) &&
         copy_bytes(in, out, from, buf, m, e);
    if (ok)
        ok = file_commit(out, e);
    else
        file_close(out);
    file_close(in);
    heap_free(buf);
    return ok;
}

/* ---- folders ---- */

static bool collect(const struct dir_entry *d, void *ctx)
{
    struct tree *t = ctx;

    if (t->skip != 0) {
        t->skip--;
        return true;
    }
    struct tree_item *i = &t->items[t->count++];
    (void)strlcpy(i->name, d->name, sizeof(i->name));
    i->is_dir = d->is_dir;
    i->size = d->is_dir ? 0 : d->size;
    return t->count < BATCH;
}

/* The entries of the folder t->from from number FIRST on into the batch. */
static bool fetch(struct tree *t, uint32_t first, struct error *e)
{
    t->skip = first;
    t->count = 0;
    return dir_list(t->from, collect, t, e);
}

static struct tree *tree_new(const char *from, const char *to, tree_progress fn, void *ctx, struct error *e)
{
    struct tree *t = heap_alloc(sizeof(*t));

    if (t == NULL) {
        (void)no_memory(from, e);
        return NULL;
    }
    (void)strlcpy(t->from, from, sizeof(t->from));
    (void)strlcpy(t->to, to, sizeof(t->to));
    t->meter = (struct meter){.fn = fn, .ctx = ctx};
    return t;
}

/* A folder was met: *DOWN. It is the one in t->from then. */
static bool copy_item(struct tree *t, const struct tree_item *i, bool *down, struct error *e)
{
    if (!join(t->from, i->name, e) || !join(t->to, i->name, e))
        return false;
    t->next[t->depth]++;
    *down = i->is_dir;
    if (!i->is_dir) {
        if (t->measuring)
            t->meter.total += i->size;
        else if (!copy_file(t->from, t->to, &t->meter, e))
            return false;
        cut(t->from);
        cut(t->to);
        return true;
    }
    if (++t->depth == TREE_DEPTH)
        return error_set(e, EXIT_FAILED, "%.100s: folders lie too deep in each other: copy a part", t->from);
    t->next[t->depth] = 0;
    uint64_t total = t->measuring ? 0 : t->meter.total;
    return step(t->meter.fn, t->meter.ctx, t->from, t->meter.done, total, e) && (t->measuring || path_mkdir(t->to, e));
}

/* Twice over the same entries: measuring, then copying. */
static bool copy_walk(struct tree *t, struct error *e)
{
    for (;;) {
        bool down = false;
        if (!fetch(t, t->next[t->depth], e))
            return false;
        for (uint32_t i = 0; i < t->count && !down; i++) {
            if (!copy_item(t, &t->items[i], &down, e))
                return false;
        }
        if (t->count != 0)
            continue;
        if (t->depth == 0)
            return true;
        t->depth--;
        cut(t->from);
        cut(t->to);
    }
}

/* Files go as they are met; a folder is entered, and goes when nothing is left in it. */
static bool remove_walk(struct tree *t, struct error *e)
{
    for (;;) {
        bool down = false;
        if (!fetch(t, 0, e))
            return false;
        for (uint32_t i = 0; i < t->count && !down; i++) {
            if (!join(t->from, t->items[i].name, e) || !step(t->meter.fn, t->meter.ctx, t->from, 0, 0, e))
                return false;
            down = t->items[i].is_dir;
            if (!down && !path_remove(t->from, e))
                return false;
            if (!down)
                cut(t->from);
        }
        if (down && ++t->depth == TREE_DEPTH)
            return error_set(e, EXIT_FAILED, "%.100s: folders lie too deep in each other: remove a part", t->from);
        if (t->count != 0)
            continue;
        if (!path_remove(t->from, e))
            return false;
        if (t->depth-- == 0)
            return true;
        cut(t->from);
    }
}

static bool remove_all(const char *path, tree_progress fn, void *ctx, struct error *e)
{
    struct tree *t = tree_new(path, "", fn, ctx, e);
    bool ok = t != NULL && remove_walk(t, e);

    heap_free(t);
    return ok;
}

bool tree_remove(const char *path, bool all, tree_progress fn, void *ctx, struct error *e)
{
    char full[PATH_MAX_LEN];
    bool is_dir = false;
    uint64_t size;

    if (!path_resolve(path, full, sizeof(full), e) || !stat_is(full, &is_dir, &size, e))
        return false;
    if (*base_name(full) == '\0')
        return error_set(e, EXIT_REFUSED, "%.100s: a whole volume: name a file or a folder on it", full);
    return is_dir && all ? path_writable(full, e) && remove_all(full, fn, ctx, e) : path_remove(full, e);
}

/* ---- both ---- */

/* Neither the same nor one in the other. */
static bool apart(const char *from, const char *to, struct error *e)
{
    size_t len = strlen(from);

    if (strncasecmp(from, to, len) != 0)
        return true;
    if (to[len] == '\0')
        return error_set(e, EXIT_FAILED, "%.100s: this is the same file or folder: choose another name", to);
    if (to[len] == '/' || from[len - 1] == '/')
        return error_set(e, EXIT_FAILED, "%.100s: this lies in the folder itself: choose another place", to);
    return true;
}

/* How many bytes there are, so that the time that is left can be told. */
static bool measure(struct tree *t, struct error *e)
{
    t->measuring = true;
    if (!copy_walk(t, e)) /* T is at its folder again when it was walked */
        return false;
    t->measuring = false;
    t->next[0] = 0;
    return true;
}

static bool copy_folder(const char *from, const char *to, tree_progress fn, void *ctx, struct error *e)
{
    struct error ignored;
    struct tree *t = tree_new(from, to, fn, ctx, e);
    bool ok = t != NULL && measure(t, e);
    bool made = ok && path_mkdir(to, e);
    ok = made && copy_walk(t, e);

    heap_free(t);
    if (made && !ok)
        (void)remove_all(to, NULL, NULL, &ignored);
    return ok;
}

bool tree_copy(const char *from, const char *to, bool all, tree_progress fn, void *ctx, struct error *e)
{
    char full[PATH_MAX_LEN], full_to[PATH_MAX_LEN];
    bool is_dir = false;
    uint64_t size;

    if (!path_resolve(from, full, sizeof(full), e) || !path_resolve(to, full_to, sizeof(full_to), e) ||
        !stat_is(full, &is_dir, &size, e))
        return false;
    if (is_dir && !all)
        return error_set(e, EXIT_FAILED, "%.100s: a folder: `cp -r` copies it with all in it", full);
    struct meter m = {.fn = fn, .ctx = ctx, .total = size};
    return apart(full, full_to, e) && (is_dir ? copy_folder(full, full_to, fn, ctx, e) : copy_file(full, full_to, &m, e));
}

static bool move_by_copy(const char *from, const char *to, bool is_dir, uint64_t size, tree_progress fn, void *ctx, struct error *e)
{
    struct meter m = {.fn = fn, .ctx = ctx, .total = size};
    if (!path_writable(from, e) || !(is_dir ? copy_folder(from, to, fn, ctx, e) : copy_file(from, to, &m, e)))
        return false;
    return is_dir ? remove_all(from, NULL, NULL, e) : path_remove(from, e);
}

bool tree_move(const char *from, const char *to, tree_progress fn, void *ctx, struct error *e)
{
    char full[PATH_MAX_LEN], full_to[PATH_MAX_LEN];
    bool is_dir = false, to_dir = false, done = false;
    uint64_t size, to_size;
    struct error ignored;

    if (!path_resolve(from, full, sizeof(full), e) || !path_resolve(to, full_to, sizeof(full_to), e) ||
        !stat_is(full, &is_dir, &size, e))
        return false;
    bool same = strcasecmp(full, full_to) == 0; /* only upper and lower case change */
    if (!same && !apart(full, full_to, e))
        return false;
    bool taken = !same && stat_is(full_to, &to_dir, &to_size, &ignored);
    if (taken && (is_dir || to_dir))
        return error_set(e, EXIT_WRONG_STATE, "%.100s: this name is taken: remove it first, or choose another",
                         full_to);
    if (!taken && !path_rename(full, full_to, &done, e))
        return false;
    if (done)
        return true;
    return same ? error_set(e, EXIT_FAILED, "%.100s: no room for this spelling: move it away and back", full_to)
                : move_by_copy(full, full_to, is_dir, size, fn, ctx, e);
}
