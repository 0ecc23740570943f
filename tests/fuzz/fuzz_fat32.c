/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Fuzzes partition tables and FAT32. The input's first byte chooses: even: the rest is a disk; odd: the rest
 * is a list of changes (offset, byte) to a small sound disk. Mounts every partition (and the whole disk), lists
 * every folder, reads every file, each at most so often that a run ends. */
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
    static const uint8_t next[] = {0, 0, 3, 0, 0, 0, 7, 8, 9, 10, 0};
    static const uint8_t boot[] = {0xeb, 0x58, 0x90, 'c', 'o', 'r', 'b', 'e', 'l', ' ', ' ', 0, 2, 1, 4, 0, 1,
                                   0,    0,    0,    0,   0xf8};
    uint8_t *root = p + SOUND_DATA, *dir = p + SOUND_DATA + 512 * 3;

    memset(p, 0, SOUND_BYTES);
    memcpy(p, boot, sizeof(boot));
    fake_put32(p + 32, SOUND_BYTES / 512);
    fake_put32(p + 36, 2);
    fake_put32(p + 44, 2);
    p[510] = 0x55;
    p[511] = 0xaa;
    for (uint32_t i = 2; i < sizeof(next); i++)
        fake_put32(p + SOUND_FAT + 4 * i, next[i] != 0 ? next[i] : 0x0fffffff);
    sound_entry(root + 32, "ABCDEF~1TXT", 0x20, 6, 2400);
    sound_long(root, "a long name", root + 32);
    sound_entry(root + 64, "CORBEL     ", 0x10, 5, 0);
    sound_entry(root + 96, "ZERO       ", 0x20, 0, 0);
    for (int i = 4; i < 16; i++)
        root[32 * i] = 0xe5;
    sound_entry(root + 512, "LAST    BIN", 0x20, 4, 512);
    sound_entry(dir, "VM         ", 0x10, 5, 0);
}

static void tour_disk(uint8_t *image, size_t size)
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
        }
    }
    tour_volume(&disk.dev, 0, disk.dev.sectors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 1 << 20)
        return 0;
    bool changes = data[0] % 2 != 0;
    uint8_t *image = malloc(changes ? SOUND_BYTES : size);
    if (changes) {
        sound_disk(image);
        for (size_t i = 1; i + 3 <= size; i += 3)
            image[data[i] | data[i + 1] << 8] = data[i + 2];
        tour_disk(image, SOUND_BYTES);
    } else if (size > 512) {
        memcpy(image, data + 1, size - 1);
        tour_disk(image, size - 1);
    }
    free(image);
    fake_notices[0] = '\0';
    return 0;
}
