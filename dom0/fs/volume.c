/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Volumes: mounts what the disks hold and joins it with `boot:` under one kind of path. Mounting happens
 * once, before other threads look; afterwards the table is constant, but not what the volumes say of themselves. */
#include "dom0/fs/volume.h"

#include "dom0/fs/bootvol.h"
#include "dom0/fs/fat32.h"
#include "dom0/fs/fat32_priv.h"
#include "dom0/fs/partition.h"
#include "dom0/fs/path.h"
#include "dom0/kernel/boot.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/heap.h"
#include "dom0/lib/string.h"

#define VOLUMES_MAX   32U
#define GUEST_FOLDER  "/corbel/vm"
#define FREE_UNKNOWN  0xffffffffU

struct volume {
    struct volume_info info;
    bool boot;
    bool has_guests;
    struct fat32 fat;
};

struct file {
    struct volume *volume;
    struct fat32_file *fat;  /* NULL: in memory, or new */
    struct fat32_new *fresh; /* without a name yet */
    const uint8_t *memory;
    uint64_t size;
    char path[PATH_MAX_LEN]; /* of a new one */
};

static struct volume *volumes[VOLUMES_MAX];
static size_t volumes_found;
/* Where paths without volume begin. */
static char base[sizeof(volumes[0]->info.name) + sizeof(GUEST_FOLDER) + 2] = "boot:/";

/* ---- mounting ---- */

static struct volume *volume_add(const char *name)
{
    struct volume *v = volumes_found < VOLUMES_MAX ? heap_alloc(sizeof(*v)) : NULL;

    if (v == NULL) {
        console_notice("%s: no room for another volume: left aside", name);
        return NULL;
    }
    (void)strlcpy(v->info.name, name, sizeof(v->info.name));
    volumes[volumes_found++] = v;
    return v;
}

/* What changes while it is mounted. */
static void volume_refresh(struct volume *v)
{
    const struct fat32 *fat = &v->fat;

    if (v->boot)
        return;
    v->info.read_only = fat->state == FAT32_REFUSED;
    v->info.free_bytes = fat->free_clusters != FREE_UNKNOWN ? (uint64_t)fat->free_clusters * fat->cluster_bytes : 0;
}

static void volume_describe(struct volume *v)
{
    struct volume_info *i = &v->info;
    uint64_t clusters = v->fat.clusters, cluster = v->fat.cluster_bytes;

    (void)strlcpy(i->fs, "FAT32", sizeof(i->fs));
    (void)snprintf(i->what, sizeof(i->what), "%s on %s", v->fat.label[0] != '\0' ? v->fat.label : "no name",
                   v->fat.dev->name);
    i->total_bytes = clusters * cluster;
    volume_refresh(v);
}

static void volume_mount(struct block_device *dev, const struct partition *p)
{
    char name[32];
    struct fat32_entry entry;
    struct fat32 fat;
    struct error e = {0};

    if (p->number != 0)
        (void)snprintf(name, sizeof(name), "%sp%u", dev->name, p->number);
    else
        (void)strlcpy(name, dev->name, sizeof(name));
    if (!fat32_mount(&fat, name, dev, p->first, p->sectors, &e)) {
        console_notice("%s", e.text);
        return;
    }
    struct volume *v = volume_add(name);
    if (v == NULL)
        return;
    v->fat = fat;
    volume_describe(v);
    v->has_guests = fat32_lookup(&v->fat, GUEST_FOLDER, &entry, &e) && entry.view.is_dir;
    console_notice("%s: FAT32 \"%s\", %lu MiB%s%s%s", name, v->fat.label, v->info.total_bytes >> 20,
                   v->info.read_only ? ", read-only: " : "", v->fat.refused,
                   v->has_guests ? ", guests in " GUEST_FOLDER : "");
}

/* Two file systems on the same sectors: whatever one writes destroys the other. */
static void volume_find_overlaps(void)
{
    struct error e;

    for (size_t i = 0; i < volumes_found; i++) {
        for (size_t k = 0; k < i; k++) {
            struct fat32 *a = &volumes[i]->fat, *b = &volumes[k]->fat;
            if (a->dev == NULL || a->dev != b->dev || a->begin >= b->end || b->begin >= a->end)
                continue;
            console_notice("%s and %s overlap: neither is written to", a->name, b->name);
            (void)fat32_refuse(a, "it overlaps another volume", &e);
            (void)fat32_refuse(b, "it overlaps another volume", &e);
        }
    }
}

static void volume_scan(struct block_device *dev)
{
    struct partition parts[PARTITIONS_MAX];
    struct error e = {0};
    size_t count = 0;
    uint32_t left_out = 0;

    if (!partition_scan(dev, parts, PARTITIONS_MAX, &count, &left_out, &e)) {
        console_notice("%s", e.text);
        return;
    }
    if (left_out != 0)
        console_notice("%s: %u entries of the partition table are not believable: left aside", dev->name, left_out);
    if (count == 0)
        console_notice("%s: no partitions", dev->name);
    for (size_t i = 0; i < count; i++)
        volume_mount(dev, &parts[i]);
}

/* The disk volume V holds all that the loader read, file for file with the same sizes. */
static bool volume_has_modules(struct volume *v)
{
    char path[PATH_MAX_LEN];
    struct fat32_entry entry;
    struct error e;

    for (size_t i = 0; i < boot_module_count(); i++) {
        struct boot_module_view m = boot_module_get(i);
        int len = snprintf(path, sizeof(path), GUEST_FOLDER "/%s", m.name);
        if (len < 0 || (size_t)len >= sizeof(path) || !fat32_lookup(&v->fat, path, &entry, &e) || entry.view.is_dir ||
            entry.view.size != m.size)
            return false;
    }
    return true;
}

static struct volume *volume_default_disk(void)
{
    for (size_t i = 0; i < volumes_found; i++) {
        if (volumes[i]->has_guests)
            return volumes[i];
    }
    return NULL;
}

static void volume_add_boot(bool is_default)
{
    struct volume *v = volume_add("boot");

    if (v == NULL)
        return;
    v->boot = true;
    v->info.read_only = true;
    (void)strlcpy(v->info.fs, "memory", sizeof(v->info.fs));
    (void)strlcpy(v->info.what, "what the loader read", sizeof(v->info.what));
    v->info.total_bytes = bootvol_bytes();
    v->info.is_default = is_default;
    console_notice("boot: %lu files, %lu KiB in memory%s", (unsigned long)boot_module_count(),
                   v->info.total_bytes >> 10, is_default ? ": the volume of the guests" : "");
}

void volume_init(void)
{
    for (struct block_device *dev = block_first(); dev != NULL; dev = dev->next)
        volume_scan(dev);
    volume_find_overlaps();
    struct volume *disk = volume_default_disk();
    if (disk == NULL) {
        volume_add_boot(true);
        return;
    }
    disk->info.is_default = true;
    (void)snprintf(base, sizeof(base), "%s:%s", disk->info.name, GUEST_FOLDER);
    if (boot_module_count() == 0)
        return;
    if (volume_has_modules(disk))
        boot_modules_release();
    else
        volume_add_boot(false);
}

size_t volume_count(void) { return volumes_found; }

bool volume_get(size_t i, struct volume_info *out)
{
    if (i >= volumes_found)
        return false;
    volume_refresh(volumes[i]);
    *out = volumes[i]->info;
    return true;
}

bool volume_measure(size_t i, struct volume_info *out, struct error *e)
{
    uint32_t count = 0;

    if (!volume_get(i, out))
        return error_set(e, EXIT_FAILED, "volume %lu: there is none: look at `ls -v`", (unsigned long)i);
    if (volumes[i]->boot)
        return true;
    if (!fat32_count_free(&volumes[i]->fat, &count, e))
        return false;
    out->free_bytes = (uint64_t)count * volumes[i]->fat.cluster_bytes;
    return true;
}

bool volume_on(const struct block_device *dev, uint64_t first, uint64_t end, char *name)
{
    for (size_t i = 0; i < volumes_found; i++) {
        const struct fat32 *fat = &volumes[i]->fat;
        if (volumes[i]->boot || fat->dev != dev || fat->begin >= end * dev->sector_size ||
            first * dev->sector_size >= fat->end)
            continue;
        (void)strlcpy(name, volumes[i]->info.name, sizeof(volumes[i]->info.name));
        return true;
    }
    return false;
}

bool volume_of_guests(char *name, size_t size)
{
    for (size_t i = 0; i < volumes_found; i++) {
        if (volumes[i]->info.is_default && !volumes[i]->boot) {
            (void)strlcpy(name, volumes[i]->info.name, size);
            return true;
        }
    }
    return false;
}

/* ---- paths ---- */

static struct volume *volume_find(const char *name, size_t len)
{
    for (size_t i = 0; i < volumes_found; i++) {
        const char *own = volumes[i]->info.name;
        if (strlen(own) == len && strncasecmp(own, name, len) == 0)
            return volumes[i];
    }
    return NULL;
}

/* PATH resolved: its volume, and the normalized text in OUT. */
static struct volume *volume_resolve(const char *path, char *out, size_t size, struct error *e)
{
    if (!path_normalize(path, base, out, size, e))
        return NULL;
    size_t len = (size_t)(path_in_volume(out) - out) - 1;
    struct volume *v = volume_find(out, len);
    if (v == NULL) {
        (void)error_set(e, EXIT_FAILED, "%.*s: no such volume: a bare `ls` shows the guests' own",
                        (int)len, out);
        return NULL;
    }
    memcpy(out, v->info.name, len); /* as the volume writes it */
    return v;
}

bool path_resolve(const char *path, char *out, size_t len, struct error *e)
{
    return volume_resolve(path, out, len, e) != NULL;
}

bool path_stat(const char *path, struct dir_entry *out, struct error *e)
{
    char full[PATH_MAX_LEN];
    struct fat32_entry entry;
    struct volume *v = volume_resolve(path, full, sizeof(full), e);

    if (v == NULL)
        return false;
    if (v->boot)
        return bootvol_stat(path_in_volume(full), out, e);
    if (!fat32_lookup(&v->fat, path_in_volume(full), &entry, e))
        return false;
    *out = entry.view;
    return true;
}

struct list_context {
    bool (*fn)(const struct dir_entry *d, void *ctx);
    void *ctx;
};

static bool list_one(const struct fat32_entry *d, void *ctx)
{
    const struct list_context *l = ctx;

    return l->fn(&d->view, l->ctx);
}

bool dir_list(const char *path, bool (*fn)(const struct dir_entry *d, void *ctx), void *ctx, struct error *e)
{
    char full[PATH_MAX_LEN];
    struct fat32_entry entry;
    struct list_context l = {.fn = fn, .ctx = ctx};
    struct volume *v = volume_resolve(path, full, sizeof(full), e);

    if (v == NULL)
        return false;
    if (v->boot)
        return bootvol_list(path_in_volume(full), fn, ctx, e);
    if (!fat32_lookup(&v->fat, path_in_volume(full), &entry, e))
        return false;
    if (!entry.view.is_dir)
        return error_set(e, EXIT_FAILED, "%s: a file, not a folder: show it with `cat`", full);
    return fat32_list(&v->fat, &entry, list_one, &l, e);
}

/* ---- files ---- */

static bool file_open_in(struct volume *v, const char *path, struct file *f, struct error *e)
{
    const void *data = NULL;

    f->volume = v;
    if (v->boot) {
        if (!bootvol_open(path, &data, &f->size, e))
            return false;
        f->memory = data;
        return true;
    }
    if (!fat32_open_path(&v->fat, path, false, &f->fat, e))
        return false;
    f->size = fat32_size(f->fat);
    return true;
}

static struct file *file_new(const char *full, struct error *e)
{
    struct file *f = heap_alloc(sizeof(*f));

    if (f == NULL)
        (void)error_set(e, EXIT_NO_RESOURCE, "%s: no memory to open it: end something first", full);
    return f;
}

bool file_open(const char *path, struct file **out, struct error *e)
{
    char full[PATH_MAX_LEN];
    struct volume *v = volume_resolve(path, full, sizeof(full), e);

    if (v == NULL)
        return false;
    struct file *f = file_new(full, e);
    if (f == NULL)
        return false;
    if (!file_open_in(v, path_in_volume(full), f, e)) {
        heap_free(f);
        return false;
    }
    *out = f;
    return true;
}

uint64_t file_size(const struct file *f) { return f->fat != NULL ? fat32_size(f->fat) : f->size; }

bool file_same(const struct file *a, const struct file *b)
{
    if (a->fat == NULL || b->fat == NULL)
        return a->fat == b->fat && a->memory == b->memory && a->size == b->size;
    return fat32_same(a->fat, b->fat);
}

bool file_read(struct file *f, uint64_t off, void *buf, size_t len, size_t *got, struct error *e)
{
    if (f->fat != NULL)
        return fat32_read(f->fat, off, buf, len, got, e);
    *got = 0;
    if (off >= f->size)
        return true;
    *got = len < f->size - off ? len : (size_t)(f->size - off);
    memcpy(buf, f->memory + off, *got);
    return true;
}

uint32_t file_depth(const struct file *f) { return f->fat != NULL ? fat32_depth(f->fat) : 1; }

const void *file_memory(const struct file *f) { return f->memory; }

void file_close(struct file *f)
{
    if (f == NULL)
        return;
    fat32_close(f->fat);
    fat32_new_abandon(f->fresh);
    heap_free(f);
}

/* ---- changing ---- */

/* PATH resolved as by volume_resolve, on a volume that may be written to. */
static struct volume *volume_to_write(const char *path, char *out, size_t size, struct error *e)
{
    struct volume *v = volume_resolve(path, out, size, e);

    if (v == NULL || !v->boot)
        return v;
    (void)error_set(e, EXIT_NO_RESOURCE,
                    "%.100s: this volume is what the loader read into memory, read-only: name one on a disk (`ls -v`)",
                    out);
    return NULL;
}

bool path_writable(const char *path, struct error *e)
{
    char full[PATH_MAX_LEN];
    struct fat32_new *probe = NULL;
    struct volume *v = volume_to_write(path, full, sizeof(full), e);

    if (v == NULL || !fat32_new_begin(&v->fat, 0, &probe, e))
        return false;
    fat32_new_abandon(probe);
    return true;
}

bool file_create(const char *path, uint64_t expect, struct file **out, struct error *e)
{
    char full[PATH_MAX_LEN];
    struct volume *v = volume_to_write(path, full, sizeof(full), e);
    struct file *f = v != NULL ? file_new(full, e) : NULL;

    if (f == NULL)
        return false;
    f->volume = v;
    (void)strlcpy(f->path, path_in_volume(full), sizeof(f->path));
    if (!fat32_new_begin(&v->fat, expect, &f->fresh, e)) {
        heap_free(f);
        return false;
    }
    *out = f;
    return true;
}

bool file_append(struct file *f, const void *buf, size_t len, struct error *e)
{
    if (f->fresh == NULL)
        return error_set(e, EXIT_FAILED, "append: the file is not a new one: write to it by offset");
    return fat32_new_append(f->fresh, buf, len, e);
}

bool file_commit(struct file *f, struct error *e)
{
    struct fat32_new *fresh = f->fresh;

    f->fresh = NULL;
    bool ok = fresh != NULL ? fat32_new_commit(fresh, f->path, e)
                            : error_set(e, EXIT_FAILED, "commit: the file is not a new one: close it");
    file_close(f);
    return ok;
}

bool file_open_write(const char *path, struct file **out, struct error *e)
{
    char full[PATH_MAX_LEN];
    struct volume *v = volume_to_write(path, full, sizeof(full), e);
    struct file *f = v != NULL ? file_new(full, e) : NULL;

    if (f == NULL)
        return false;
    f->volume = v;
    if (!fat32_open_path(&v->fat, path_in_volume(full), true, &f->fat, e)) {
        heap_free(f);
        return false;
    }
    *out = f;
    return true;
}

/* In memory, or new: not by offset. */
static bool file_not_in_place(struct error *e)
{
    return error_set(e, EXIT_FAILED, "write: the file is not open for writing in place: open it so");
}

bool file_write(struct file *f, uint64_t off, const void *buf, size_t len, struct error *e)
{
    return f->fat != NULL ? fat32_write(f->fat, off, buf, len, e) : file_not_in_place(e);
}

bool file_resize(struct file *f, uint64_t size, struct error *e)
{
    return f->fat != NULL ? fat32_resize(f->fat, size, e) : file_not_in_place(e);
}

bool file_sync(struct file *f, struct error *e)
{
    return f->fat != NULL ? fat32_file_sync(f->fat, e) : file_not_in_place(e);
}

bool path_mkdir(const char *path, struct error *e)
{
    char full[PATH_MAX_LEN];
    struct volume *v = volume_to_write(path, full, sizeof(full), e);

    return v != NULL && fat32_make_dir(&v->fat, path_in_volume(full), e);
}

bool path_remove(const char *path, struct error *e)
{
    char full[PATH_MAX_LEN];
    struct volume *v = volume_to_write(path, full, sizeof(full), e);

    return v != NULL && fat32_remove(&v->fat, path_in_volume(full), e);
}

bool path_rename(const char *from, const char *to, bool *done, struct error *e)
{
    char full[PATH_MAX_LEN], full_to[PATH_MAX_LEN];
    struct volume *v = volume_to_write(from, full, sizeof(full), e);
    struct volume *w = v != NULL ? volume_to_write(to, full_to, sizeof(full_to), e) : NULL;

    *done = false;
    if (w == NULL)
        return false;
    return v != w || fat32_rename(&v->fat, path_in_volume(full), path_in_volume(full_to), done, e);
}
