/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Files in memory under dom0/fs/volume.h, with a log of what reaches the medium, for virtual disks. A write is on the medium after the next
 * sync; until then each of its sectors may be there or not, and a file that grew may have any of its lengths since the last sync. */
#pragma once

#include "fs_fakes.h"

#include <assert.h>
#include <stdint.h>
#include <strings.h>

#include "dom0/fs/volume.h"

#define MFILES     40U
#define MFILE_MAX  (12U << 20)
#define MLOG_MAX   20000U

struct mfile { bool there; char path[128]; uint8_t *data; size_t size, high; unsigned readers, writers; };
struct file { struct mfile *m; bool writing, fresh; char path[128]; uint8_t *data; size_t size; };
struct mlog { struct mfile *m; size_t off, len, size; uint8_t *data; }; /* M NULL: a sync; SIZE: of the file afterwards */

static struct mfile mfiles[MFILES];
static struct mlog mlog[MLOG_MAX];
static size_t mlog_count;
static bool mlog_on;
static long mroom = -1;        /* bytes that files may grow by; -1: any */
static long mfail_writes = -1; /* so many more succeed */
static unsigned mopen, mreads, msyncs;

static struct mfile *mfile_find(const char *path)
{
    for (unsigned i = 0; i < MFILES; i++)
        if (mfiles[i].there && strcasecmp(mfiles[i].path, path) == 0)
            return &mfiles[i];
    return NULL;
}

/* Behind the data there are zeros. */
static inline void mfile_fill(struct mfile *m, const void *data, size_t size)
{
    memset(m->data, 0, m->high);
    memcpy(m->data, data, size);
    m->size = m->high = size;
}

static inline struct mfile *mfile_put(const char *path, const void *data, size_t size)
{
    struct mfile *m = mfile_find(path);
    for (unsigned i = 0; m == NULL; i++)
        if (!mfiles[i].there)
            m = &mfiles[i];
    if (m->data == NULL)
        m->data = calloc(1, MFILE_MAX);
    m->there = true;
    strcpy(m->path, path);
    mfile_fill(m, data, size);
    return m;
}

static inline void mlog_clear(void)
{
    for (size_t i = 0; i < mlog_count; i++)
        free(mlog[i].data);
    mlog_count = 0;
}

static inline void mfiles_clear(void)
{
    mlog_clear();
    mlog_on = false;
    mroom = mfail_writes = -1;
    fake_heap_limit = -1;
    fake_notices[0] = '\0';
    for (unsigned i = 0; i < MFILES; i++)
        mfiles[i].there = false;
}

static inline void mfiles_free(void)
{
    mlog_clear();
    for (unsigned i = 0; i < MFILES; i++)
        free(mfiles[i].data);
}

static void mlog_add(struct mfile *m, size_t off, const void *data, size_t len)
{
    if (!mlog_on)
        return;
    if (mlog_count == MLOG_MAX)
        abort();
    struct mlog *l = &mlog[mlog_count++];
    *l = (struct mlog){.m = m, .off = off, .len = len, .size = m != NULL ? m->size : 0, .data = len != 0 ? malloc(len) : NULL};
    if (len != 0)
        memcpy(l->data, data, len);
}

/* "v:/name" stays; "name" lies on v:. */
bool path_resolve(const char *path, char *out, size_t len, struct error *e)
{
    (void)e;
    snprintf(out, len, "%s%s", strchr(path, ':') != NULL ? "" : "v:/", path);
    return true;
}
bool path_stat(const char *path, struct dir_entry *out, struct error *e)
{
    const struct mfile *m = mfile_find(path);
    if (m == NULL)
        return error_set(e, EXIT_FAILED, "%s: no such file: copy it", path);
    *out = (struct dir_entry){.size = m->size};
    return true;
}
bool path_remove(const char *path, struct error *e)
{
    struct mfile *m = mfile_find(path);
    (void)e;
    if (m == NULL || m->writers != 0)
        abort();
    m->there = false;
    return true;
}
bool volume_on(const struct block_device *dev, uint64_t first, uint64_t end, char *name)
{
    if (strcmp(dev->name, "hd0") != 0 || first >= 300 || end <= 200)
        return false;
    strcpy(name, "hd0p2");
    return true;
}
static bool mopen_as(const char *path, bool writing, struct file **out, struct error *e)
{
    struct mfile *m = mfile_find(path);
    if (m == NULL)
        return error_set(e, EXIT_FAILED, "%s: no such file: copy it", path);
    if (writing && m->writers != 0)
        return error_set(e, EXIT_WRONG_STATE, "%s: it is being written by somebody else: wait", path);
    if (fake_heap_empty()) {
        fake_heap_limit = 0;
        return error_set(e, EXIT_NO_RESOURCE, "%s: no memory: end something", path);
    }
    *out = calloc(1, sizeof **out);
    **out = (struct file){.m = m, .writing = writing};
    *(writing ? &m->writers : &m->readers) += 1;
    mopen++;
    return true;
}
bool file_open(const char *path, struct file **out, struct error *e) { return mopen_as(path, false, out, e); }
bool file_open_write(const char *path, struct file **out, struct error *e) { return mopen_as(path, true, out, e); }
const void *file_memory(const struct file *f) { (void)f; return NULL; }
uint32_t file_depth(const struct file *f) { (void)f; return 4; }
uint64_t file_size(const struct file *f) { return f->m->size; }
bool file_same(const struct file *a, const struct file *b) { return a->m == b->m; }
static void (*mmeanwhile)(void); /* what others do while a file is read or written */
bool file_read(struct file *f, uint64_t off, void *buf, size_t len, size_t *got, struct error *e)
{
    (void)e;
    mreads++;
    if (mmeanwhile != NULL)
        mmeanwhile();
    *got = off >= f->m->size ? 0 : len < f->m->size - off ? len : f->m->size - off;
    memcpy(buf, f->m->data + off, *got);
    return true;
}
static bool mgrow(struct mfile *m, size_t size, struct error *e)
{
    if (size <= m->size)
        return true;
    if (size > MFILE_MAX)
        abort();
    if (mroom >= 0 && size - m->size > (size_t)mroom)
        return error_set(e, EXIT_NO_RESOURCE, "v: the volume is full: 1 KiB are missing: remove something with `rm`");
    mroom -= mroom >= 0 ? (long)(size - m->size) : 0;
    memset(m->data + m->size, 0, size - m->size);
    m->size = size;
    m->high = size > m->high ? size : m->high;
    return true;
}
bool file_write(struct file *f, uint64_t off, const void *buf, size_t len, struct error *e)
{
    if (!f->writing || off > f->m->size)
        abort();
    if (mmeanwhile != NULL)
        mmeanwhile();
    if (mfail_writes >= 0 && mfail_writes-- == 0) {
        mfail_writes = 0;
        return error_set(e, EXIT_FAILED, "hd0: write error: get another");
    }
    if (!mgrow(f->m, off + len, e))
        return false;
    memcpy(f->m->data + off, buf, len);
    mlog_add(f->m, off, buf, len);
    return true;
}
bool file_resize(struct file *f, uint64_t size, struct error *e)
{
    if (!f->writing || size < f->m->size)
        abort();
    size_t old = f->m->size;
    if (!mgrow(f->m, size, e))
        return false;
    mlog_add(f->m, old, f->m->data + old, size - old);
    return true;
}
bool file_sync(struct file *f, struct error *e)
{
    (void)e;
    if (!f->writing)
        abort();
    msyncs++;
    mlog_add(NULL, 0, NULL, 0);
    return true;
}
void file_close(struct file *f)
{
    if (f == NULL)
        return;
    if (!f->fresh)
        *(f->writing ? &f->m->writers : &f->m->readers) -= 1;
    free(f->data);
    free(f);
    mopen--;
}
bool file_create(const char *path, uint64_t expect, struct file **out, struct error *e)
{
    if (mroom >= 0 && expect > (uint64_t)mroom)
        return error_set(e, EXIT_NO_RESOURCE, "v: the volume is full: 1 KiB are missing: remove something with `rm`");
    *out = calloc(1, sizeof **out);
    (*out)->fresh = true;
    (*out)->data = malloc(MFILE_MAX);
    strcpy((*out)->path, path);
    mopen++;
    return true;
}
bool file_append(struct file *f, const void *buf, size_t len, struct error *e)
{
    if (f->size + len > MFILE_MAX)
        abort();
    if (mfail_writes >= 0 && mfail_writes-- == 0)
        return error_set(e, EXIT_FAILED, "hd0: write error: get another");
    memcpy(f->data + f->size, buf, len);
    f->size += len;
    return true;
}
bool file_commit(struct file *f, struct error *e)
{
    (void)e;
    mfile_put(f->path, f->data, f->size);
    mroom -= mroom >= 0 ? (long)f->size : 0;
    file_close(f);
    return true;
}
