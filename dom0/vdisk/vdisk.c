/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Virtual disks: which kind one is, and who has what. The kind goes by the name alone, never by contents: a guest
 * writes the contents of its raw disk and must not be able to make something else of it. */
#include "dom0/vdisk/vdisk.h"

#include "dom0/kernel/console.h"
#include "dom0/kernel/heap.h"
#include "dom0/lib/string.h"
#include "dom0/vdisk/vdisk_name.h"
#include "dom0/vdisk/vdisk_priv.h"

#define ZEROS_BYTES 16384U

static struct vdisk *open_disks; /* with access to read or write */

bool vdisk_no_memory(const char *what, struct error *e)
{
    return error_set(e, EXIT_NO_RESOURCE, "%.120s: no memory to open it: destroy a domain that is not needed", what);
}

/* ---- whose it is ---- */

/* Two may share what both of them read only. */
static bool may_share(const struct vdisk *a, const struct vdisk *b)
{
    return a->access != VDISK_WRITE && b->access != VDISK_WRITE;
}

static bool has_file(const struct vdisk *d, const struct file *f)
{
    for (uint32_t i = 0; i < d->file_count; i++)
        if (file_same(d->files[i], f))
            return true;
    return false;
}

static bool taken(const struct vdisk *by, const char *what, struct error *e)
{
    const char *does = by->access == VDISK_WRITE ? "writes to" : "reads";
    if (by->dev != NULL && strcmp(by->spec, what) != 0)
        return error_set(e, EXIT_WRONG_STATE, "%.60s: domain %u %s %.60s, which overlaps it, as its disk %s: detach that there "
                         "first", what, by->user.domid, does, by->spec, by->user.disk);
    return error_set(e, EXIT_WRONG_STATE, "%.120s: domain %u %s it as its disk %s: detach it there first, or make a copy",
                     what, by->user.domid, does, by->user.disk);
}

/* Is the file F free for D? D itself must not have it twice. */
static bool file_free(const struct vdisk *d, const char *path, const struct file *f, struct error *e)
{
    if (d->access == VDISK_LOOK)
        return true;
    for (const struct vdisk *other = open_disks; other != NULL; other = other->next)
        if (!may_share(d, other) && has_file(other, f))
            return taken(other, path, e);
    return !has_file(d, f) ||
           error_set(e, EXIT_FAILED, "%.120s: %.100s names it twice: each extent is a file of its own", path, d->spec);
}

bool vdisk_piece_free(const struct vdisk *d, struct error *e)
{
    if (d->access == VDISK_LOOK)
        return true;
    for (const struct vdisk *other = open_disks; other != NULL; other = other->next)
        if (other->dev == d->dev && d->first < other->end && other->first < d->end && !may_share(d, other))
            return taken(other, d->spec, e);
    return true;
}

/* What is only read is opened first, so that the message names the one who has it. */
static bool open_file(const struct vdisk *d, const char *path, struct file **out, struct error *e)
{
    if (!file_open(path, out, e))
        return false;
    if (!file_free(d, path, *out, e)) {
        file_close(*out);
        return false;
    }
    if (d->trial || d->access != VDISK_WRITE)
        return true;
    file_close(*out);
    return file_open_write(path, out, e);
}

bool vdisk_file(struct vdisk *d, const char *path, struct file **out, struct error *e)
{
    struct file **files = heap_alloc((d->file_count + 1U) * sizeof *files);
    if (files == NULL)
        return vdisk_no_memory(path, e);
    if (!open_file(d, path, out, e)) {
        heap_free(files);
        return false;
    }
    if (d->file_count != 0)
        memcpy(files, d->files, d->file_count * sizeof *files);
    heap_free(d->files);
    d->files = files;
    d->files[d->file_count++] = *out;
    return true;
}

bool vdisk_file_read(struct file *f, uint64_t off, void *buf, size_t len, struct error *e)
{
    size_t got = 0;
    if (!file_read(f, off, buf, len, &got, e))
        return false;
    return got == len || error_set(e, EXIT_FAILED, "the image ends too early: it is cut off: copy it again");
}

/* ---- opening ---- */

bool vdisk_resolve(const char *spec, char *out, struct error *e)
{
    if (vdisk_memory_name(spec) != NULL) {
        strlcpy(out, spec, PATH_MAX_LEN);
        return true;
    }
    return vdisk_host_name(spec) != NULL ? vdisk_host_resolve(spec, out, e) : path_resolve(spec, out, PATH_MAX_LEN, e);
}

static bool open_kind(struct vdisk *d, struct error *e)
{
    const char *why = "";
    switch (vdisk_kind_of(d->spec, &why)) {
    case VDISK_RAW:
        return vdisk_raw_open(d, e);
    case VDISK_MEMORY:
        return vdisk_memory_open(d, e);
    case VDISK_HOST:
        return vdisk_host_open(d, e);
    case VDISK_VMDK:
        return vdisk_vmdk_open(d, e);
    case VDISK_OTHER:
        break;
    }
    return error_set(e, EXIT_FAILED, "%.120s: %s", d->spec, why);
}

static bool open_as(const char *spec, enum vdisk_access access, const struct vdisk_user *user, bool trial,
                    struct vdisk **out, struct error *e)
{
    struct vdisk *d = heap_alloc(sizeof *d);
    if (d == NULL)
        return vdisk_no_memory(spec, e);
    d->access = access;
    d->trial = trial;
    if (user != NULL)
        d->user = *user;
    if (!vdisk_resolve(spec, d->spec, e) || !open_kind(d, e)) {
        vdisk_close(d);
        return false;
    }
    *out = d;
    return true;
}

bool vdisk_check(const char *spec, enum vdisk_access access, const struct vdisk_user *user, struct error *e)
{
    struct vdisk *d = NULL;
    if (!open_as(spec, access, user, true, &d, e))
        return false;
    vdisk_close(d);
    return true;
}

bool vdisk_open(const char *spec, enum vdisk_access access, const struct vdisk_user *user, struct vdisk **out,
                struct error *e)
{
    if (!open_as(spec, access, user, false, out, e))
        return false;
    if (access == VDISK_LOOK)
        return true;
    (*out)->next = open_disks;
    open_disks = *out;
    return true;
}

static void unlist(const struct vdisk *d)
{
    struct vdisk **at = &open_disks;
    while (*at != NULL && *at != d)
        at = &(*at)->next;
    if (*at == d)
        *at = d->next;
}

void vdisk_close(struct vdisk *d)
{
    if (d == NULL)
        return;
    if (d->ops != NULL && d->ops->close != NULL)
        d->ops->close(d);
    unlist(d);
    for (uint32_t i = 0; i < d->file_count; i++)
        file_close(d->files[i]);
    heap_free(d->files);
    heap_free(d);
}

/* ---- using ---- */

uint64_t vdisk_sectors(const struct vdisk *d) { return d->sectors; }

void vdisk_about(struct vdisk *d, struct vdisk_about *out)
{
    *out = (struct vdisk_about){.bytes = d->sectors * VDISK_SECTOR_BYTES,
                                .files = d->file_count,
                                .sector_bytes = VDISK_SECTOR_BYTES,
                                .depth = 1,
                                .discards = d->ops->discard != NULL};
    d->ops->about(d, out);
}

static bool within(const struct vdisk *d, uint64_t sector, uint64_t count, struct error *e)
{
    return (sector <= d->sectors && count <= d->sectors - sector) ||
           error_set(e, EXIT_FAILED, "%.120s: a request beyond its end", d->spec);
}

static bool for_writing(const struct vdisk *d, uint64_t sector, uint64_t count, struct error *e)
{
    if (d->access != VDISK_WRITE || d->trial)
        return error_set(e, EXIT_FAILED, "%.120s: a write, but it is open for reading only", d->spec);
    return within(d, sector, count, e);
}

void *vdisk_memory(struct vdisk *d, uint64_t sector, uint32_t count, bool write)
{
    struct error ignored;
    if (d->ops->memory == NULL || !(write ? for_writing(d, sector, count, &ignored) : within(d, sector, count, &ignored)))
        return NULL;
    return d->ops->memory(d, sector);
}

bool vdisk_read(struct vdisk *d, uint64_t sector, uint32_t count, void *buf, struct error *e)
{
    return within(d, sector, count, e) && (count == 0 || d->ops->read(d, sector, count, buf, e));
}

bool vdisk_write(struct vdisk *d, uint64_t sector, uint32_t count, const void *buf, struct error *e)
{
    return for_writing(d, sector, count, e) && (count == 0 || d->ops->write(d, sector, count, buf, e));
}

static bool write_zeros(struct vdisk *d, uint64_t sector, uint64_t count, struct error *e)
{
    static const uint8_t zeros[ZEROS_BYTES];
    while (count != 0) {
        uint64_t most = ZEROS_BYTES / VDISK_SECTOR_BYTES;
        uint32_t part = (uint32_t)(count < most ? count : most);
        if (!d->ops->write(d, sector, part, zeros, e))
            return false;
        sector += part;
        count -= part;
        thread_yield();
    }
    return true;
}

bool vdisk_zero(struct vdisk *d, uint64_t sector, uint64_t count, struct error *e)
{
    if (!for_writing(d, sector, count, e))
        return false;
    return d->ops->zero != NULL ? d->ops->zero(d, sector, count, e) : write_zeros(d, sector, count, e);
}

bool vdisk_discard(struct vdisk *d, uint64_t sector, uint64_t count, struct error *e)
{
    return for_writing(d, sector, count, e) && (d->ops->discard == NULL || d->ops->discard(d, sector, count, e));
}

bool vdisk_flush(struct vdisk *d, struct error *e)
{
    return d->access != VDISK_WRITE || d->trial || d->ops->flush(d, e);
}
