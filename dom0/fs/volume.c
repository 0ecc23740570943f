/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Volumes: mounts what the disks hold and joins it with `boot:` under one kind of path. Mounting happens
 * once, before other threads look; afterwards the table is constant. */
#include "dom0/fs/volume.h"

#include "dom0/fs/bootvol.h"
#include "dom0/fs/fat32.h"
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
    const struct volume *volume;
    struct fat32_file *fat; /* NULL: in memory */
    const uint8_t *memory;
    uint64_t size;
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
    v->info.read_only = true;
    volumes[volumes_found++] = v;
    return v;
}

static void volume_describe(struct volume *v)
{
    struct volume_info *i = &v->info;
    uint64_t clusters = v->fat.clusters, cluster = v->fat.cluster_bytes;

    (void)strlcpy(i->fs, "FAT32", sizeof(i->fs));
    (void)snprintf(i->what, sizeof(i->what), "%s on %s", v->fat.label[0] != '\0' ? v->fat.label : "no name",
                   v->fat.dev->name);
    i->total_bytes = clusters * cluster;
    i->free_bytes = v->fat.free_clusters != FREE_UNKNOWN ? v->fat.free_clusters * cluster : 0;
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
    console_notice("%s: FAT32 \"%s\", %lu MiB, read-only%s", name, v->fat.label, v->info.total_bytes >> 20,
                   v->has_guests ? ", guests in " GUEST_FOLDER : "");
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
static bool volume_has_modules(const struct volume *v)
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
    *out = volumes[i]->info;
    return true;
}

/* ---- paths ---- */

static const struct volume *volume_find(const char *name, size_t len)
{
    for (size_t i = 0; i < volumes_found; i++) {
        const char *own = volumes[i]->info.name;
        if (strlen(own) == len && strncasecmp(own, name, len) == 0)
            return volumes[i];
    }
    return NULL;
}

/* PATH resolved: its volume, and the normalized text in OUT. */
static const struct volume *volume_resolve(const char *path, char *out, size_t size, struct error *e)
{
    if (!path_normalize(path, base, out, size, e))
        return NULL;
    size_t len = (size_t)(path_in_volume(out) - out) - 1;
    const struct volume *v = volume_find(out, len);
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
    const struct volume *v = volume_resolve(path, full, sizeof(full), e);

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
    const struct volume *v = volume_resolve(path, full, sizeof(full), e);

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

static bool file_open_in(const struct volume *v, const char *path, struct file *f, struct error *e)
{
    struct fat32_entry entry;
    const void *data = NULL;

    f->volume = v;
    if (v->boot) {
        if (!bootvol_open(path, &data, &f->size, e))
            return false;
        f->memory = data;
        return true;
    }
    if (!fat32_lookup(&v->fat, path, &entry, e) || !fat32_open(&v->fat, &entry, &f->fat, e))
        return false;
    f->size = fat32_size(f->fat);
    return true;
}

bool file_open(const char *path, struct file **out, struct error *e)
{
    char full[PATH_MAX_LEN];
    const struct volume *v = volume_resolve(path, full, sizeof(full), e);

    if (v == NULL)
        return false;
    struct file *f = heap_alloc(sizeof(*f));
    if (f == NULL)
        return error_set(e, EXIT_NO_RESOURCE, "%s: no memory to open it: end something first", full);
    if (!file_open_in(v, path_in_volume(full), f, e)) {
        heap_free(f);
        return false;
    }
    *out = f;
    return true;
}

uint64_t file_size(const struct file *f) { return f->size; }

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

const void *file_memory(const struct file *f) { return f->memory; }

void file_close(struct file *f)
{
    if (f == NULL)
        return;
    fat32_close(f->fat);
    heap_free(f);
}
