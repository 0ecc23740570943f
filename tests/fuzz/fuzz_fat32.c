/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Fuzzes partition tables and FAT32. The input's first byte chooses: even: the rest is a disk; odd: the rest
 * is a list of changes (offset, byte) to a small sound disk. Mounts every partition (and the whole disk), lists
 * every folder, reads every file, each at most so often that a run ends. Then it writes, as its bytes tell: nothing may
 * go outside the partition; a file system that was refused must not change by a bit; one that was found sound must be
 * sound afterwards, and what was written last must be there. */
#include "fs_fakes.h"

#include <stdint.h>

#include "dom0/fs/cache.h"
#include "dom0/fs/fat32.h"
#include "dom0/fs/partition.h"

#define FOLDERS_MAX 64

struct tour {
    struct fat32 fs;
    struct fat32_entry folders[FOLDERS_MAX];
    unsigned folder_count, files;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void tour_read(struct fat32 *fs, const struct fat32_entry *entry)
{
    static uint8_t buf[20000];
    struct fat32_file *f = NULL;
    struct error e;
    size_t got = 1;

    if (!fat32_open(fs, entry, &f, &e))
        return;
    for (uint64_t off = 0; got != 0 && off < 2000000; off += got) {
        if (!fat32_read(f, off, buf, off % 3 == 0 ? sizeof(buf) : 700, &got, &e))
            break;
        if (off + got > fat32_size(f))
            abort();
    }
    fat32_close(f);
}

static bool tour_entry(const struct fat32_entry *entry, void *ctx)
{
    struct tour *t = ctx;

    if (strnlen(entry->view.name, sizeof(entry->view.name)) >= sizeof(entry->view.name) ||
        entry->view.name[0] == '\0' || strchr(entry->view.name, '/') != NULL)
        abort();
    if (entry->view.is_dir && t->folder_count < FOLDERS_MAX)
        t->folders[t->folder_count++] = *entry;
    else if (!entry->view.is_dir)
        tour_read(&t->fs, entry);
    return ++t->files < 200;
}

static void tour_volume(struct block_device *dev, uint64_t first, uint64_t sectors)
{
    static struct tour t;
    struct fat32_entry entry;
    struct error e;

    memset(&t, 0, sizeof(t));
    if (!fat32_mount(&t.fs, "hd0p1", dev, first, sectors, &e))
        return;
    if (fat32_lookup(&t.fs, "/", &entry, &e))
        t.folders[t.folder_count++] = entry;
    for (unsigned i = 0; i < t.folder_count && t.files < 200; i++)
        fat32_list(&t.fs, &t.folders[i], tour_entry, &t, &e);
    if (fat32_lookup(&t.fs, "/corbel/vm/debian/debian.vmx", &entry, &e))
        tour_read(&t.fs, &entry);
}

/* ---- writing ---- */

#define OPS_MAX 40U

static uint8_t pattern[6000];

static bool fuzz_put(struct fat32 *fs, const char *path, uint32_t len, struct error *e)
{
    struct fat32_new *n = NULL;

    if (!fat32_new_begin(fs, len % 2 != 0 ? len : 0, &n, e))
        return false;
    if (!fat32_new_append(n, pattern, len, e)) {
        fat32_new_abandon(n);
        return false;
    }
    return fat32_new_commit(n, path, e);
}

static void fuzz_holds(struct fat32 *fs, const char *path, uint32_t len)
{
    static uint8_t buf[sizeof(pattern)];
    struct fat32_file *f = NULL;
    struct error e;
    size_t got = 0;

    if (!fat32_open_path(fs, path, false, &f, &e) || fat32_size(f) != len ||
        !fat32_read(f, 0, buf, sizeof(buf), &got, &e) || got != len || memcmp(buf, pattern, len) != 0)
        abort();
    fat32_close(f);
}

static void fuzz_in_place(struct fat32 *fs, const char *path, uint32_t a, uint32_t b)
{
    struct fat32_file *f = NULL;
    struct error e;

    if (!fat32_open_path(fs, path, true, &f, &e))
        return;
    (void)fat32_resize(f, a * 16U, &e);
    (void)fat32_write(f, b % (a * 16U + 1U), pattern, b * 16U, &e);
    fat32_close(f);
}

static void fuzz_op(struct fat32 *fs, const uint8_t *in)
{
    static const char *const names[] = {"/LAST.BIN", "/a long name", "/corbel/x", "/corbel/vm/some new name.text", "/N",
        "/corbel/vm", "/zero", "/corbel/vm/a name that is long enough for more than one piece", "/n1", "/n2", "/n3", "/d/e",
        "/d", "/corbel", "/x y", ("/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")};
    const char *path = names[in[1] % 16], *other = names[in[1] / 16];
    uint32_t len = in[2] * 23U;
    struct error e;
    bool done;

    switch (in[0] % 6) {
    case 0:
    case 1:
        if (fuzz_put(fs, path, len, &e))
            fuzz_holds(fs, path, len);
        break;
    case 2:
        (void)fat32_remove(fs, path, &e);
        break;
    case 3:
        (void)fat32_make_dir(fs, path, &e);
        break;
    case 4:
        (void)fat32_rename(fs, path, other, &done, &e);
        break;
    default:
        fuzz_in_place(fs, path, in[1], in[2]);
        break;
    }
}

static void fuzz_write(struct fake_disk *d, uint64_t first, uint64_t sectors, const uint8_t *in, size_t size)
{
    static struct fat32 fs;
    struct error e;

    cache_invalidate(&d->dev);
    if (!fat32_mount(&fs, "hd0p1", &d->dev, first, sectors, &e))
        return;
    bool filled = pattern[1] != 0;
    for (size_t i = 0; !filled && i < sizeof(pattern); i++)
        pattern[i] = (uint8_t)(i * 2654435761U >> 11);
    d->first = first;
    d->end = first + sectors;
    d->writes = 0;
    for (size_t i = 0; i + 3 <= size && i < 3 * OPS_MAX; i += 3)
        fuzz_op(&fs, in + i);
    bool sound = fs.state == FAT32_WRITABLE;
    if (fs.state != FAT32_WRITABLE && d->writes != 0 && strstr(fs.refused, "copies") == NULL)
        abort(); /* found damaged in the check, but written to */
    if (!sound)
        return;
    if (fs.open != NULL || fs.writers != 0 || fs.dirty)
        abort();
    uint32_t free = fs.free_clusters;
    cache_invalidate(&d->dev);
    if (!fat32_mount(&fs, "hd0p1", &d->dev, first, sectors, &e))
        abort();
    (void)fuzz_put(&fs, "/AFTER", 1, &e);
    if (fs.state != FAT32_WRITABLE || fs.free_clusters > free)
        abort();
}

#define SOUND_BYTES 65536U
#define SOUND_FAT   (4U * 512)
#define SOUND_DATA  (6U * 512)

static void sound_entry(uint8_t *p, const char *name, uint8_t attr, uint32_t cluster, uint32_t size)
{
    memcpy(p, name, 11);
    p[11] = attr;
    fake_put16(p + 20, cluster >> 16);
    fake_put16(p + 26, cluster);
    fake_put32(p + 28, size);
}

static void sound_long(uint8_t *p, const char *name, const uint8_t *short_entry)
{
    static const uint8_t at[13] = {1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30};
    uint8_t sum = 0;

    for (int i = 0; i < 11; i++)
        sum = (uint8_t)(((sum & 1) << 7) + (sum >> 1) + short_entry[i]);
    p[0] = 0x41;
    p[11] = 0x0f;
    p[13] = sum;
    for (size_t i = 0; i < 13; i++)
        fake_put16(p + at[i], i < strlen(name) ? (uint8_t)name[i] : i == strlen(name) ? 0 : 0xffff);
}

/* Folders of one and two clusters, files of none, one and five, a long name. */
static void sound_disk(uint8_t *p)
{
    static const uint8_t next[] = {0, 0, 3, 0, 0, 0, 7, 8, 9, 10, 0, 0};
    static const uint8_t boot[] = {0xeb, 0x58, 0x90, 'c', 'o', 'r', 'b', 'e', 'l', ' ', ' ', 0, 2, 1, 4, 0, 2,
                                   0,    0,    0,    0,   0xf8};
    uint8_t *root = p + SOUND_DATA, *dir = p + SOUND_DATA + 512 * 3;

    memset(p, 0, SOUND_BYTES);
    memcpy(p, boot, sizeof(boot));
    fake_put32(p + 32, SOUND_BYTES / 512);
    fake_put32(p + 36, 1);
    fake_put32(p + 44, 2);
    p[48] = 1;
    fake_put32(p + 512, 0x41615252);
    fake_put32(p + 512 + 484, 0x61417272);
    fake_put32(p + 512 + 488, 0xffffffff);
    fake_put32(p + 512 + 508, 0xaa550000);
    p[510] = 0x55;
    p[511] = 0xaa;
    for (uint32_t i = 2; i < sizeof(next); i++)
        fake_put32(p + SOUND_FAT + 4 * i, next[i] != 0 ? next[i] : 0x0fffffff);
    fake_put32(p + SOUND_FAT + 4, 0x0fffffff);
    memcpy(p + SOUND_FAT + 512, p + SOUND_FAT, 512);
    sound_entry(root + 32, "ABCDEF~1TXT", 0x20, 6, 2400);
    sound_long(root, "a long name", root + 32);
    sound_entry(root + 64, "CORBEL     ", 0x10, 5, 0);
    sound_entry(root + 96, "ZERO       ", 0x20, 0, 0);
    for (int i = 4; i < 16; i++)
        root[32 * i] = 0xe5;
    sound_entry(root + 512, "LAST    BIN", 0x20, 4, 512);
    sound_entry(dir, "VM         ", 0x10, 11, 0);
}

static void tour_disk(uint8_t *image, size_t size, const uint8_t *in, size_t in_size)
{
    static struct fake_disk disk;
    struct partition parts[PARTITIONS_MAX];
    size_t count = 0;
    uint32_t left_out;
    struct error e;

    cache_invalidate(&disk.dev);
    fake_disk_init(&disk, "hd0", image, size / 512, 512);
    if (partition_scan(&disk.dev, parts, PARTITIONS_MAX, &count, &left_out, &e)) {
        for (size_t i = 0; i < count; i++) {
            if (parts[i].first >= disk.dev.sectors || parts[i].sectors > disk.dev.sectors - parts[i].first)
                abort();
            tour_volume(&disk.dev, parts[i].first, parts[i].sectors);
            fuzz_write(&disk, parts[i].first, parts[i].sectors, in, in_size);
        }
    }
    tour_volume(&disk.dev, 0, disk.dev.sectors);
    fuzz_write(&disk, 0, disk.dev.sectors, in, in_size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 1 << 20)
        return 0;
    bool changes = data[0] % 2 != 0;
    uint8_t *image = malloc(changes ? SOUND_BYTES : size);
    if (changes) {
        size_t ops = size < 2 + 3 * OPS_MAX ? (size - 1) / 2 : 3 * OPS_MAX; /* the first bytes */
        sound_disk(image);
        for (size_t i = 1 + ops; i + 3 <= size; i += 3)
            image[data[i] | data[i + 1] << 8] = data[i + 2];
        tour_disk(image, SOUND_BYTES, data + 1, ops);
    } else if (size > 512) {
        memcpy(image, data + 1, size - 1);
        tour_disk(image, size - 1, data + 1 + (size - 1) / 2, 3 * OPS_MAX < (size - 1) / 2 ? 3 * OPS_MAX : (size - 1) / 2);
    }
    free(image);
    fake_notices[0] = '\0';
    return 0;
}
