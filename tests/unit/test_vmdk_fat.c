/* SPDX-License-Identifier: Apache-2.0
 * [HOST] A sparse .vmdk on our FAT32, down to the sectors of a disk: it grows until the volume is full and goes on when there is room; the power fails
 * after each write of the driver, in order and reordered. fsck.fat judges the volume, qemu-img the image. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fat_fsck.h"

#include "dom0/fs/volume.h"
#include "vdisk_model.h"

#include "dom0/vdisk/vdisk_make.h"

#define LOG_MAX 60000U
#define A_FLUSH UINT32_MAX

/* ---- files by path on `fs` ---- */

struct file { struct fat32_file *fat; struct fat32_new *fresh; char path[64]; };

static struct file *file_new(const char *path)
{
    struct file *f = calloc(1, sizeof *f);
    strcpy(f->path, strchr(path, ':') + 1);
    return f;
}
static bool opened(const char *path, bool write, struct file **out, struct error *e)
{
    struct file *f = file_new(path);
    if (fat32_open_path(&fs, f->path, write, &f->fat, e)) {
        *out = f;
        return true;
    }
    free(f);
    return false;
}
bool file_open(const char *path, struct file **out, struct error *e) { return opened(path, false, out, e); }
bool file_open_write(const char *path, struct file **out, struct error *e) { return opened(path, true, out, e); }
const void *file_memory(const struct file *f) { (void)f; return NULL; }
uint32_t file_depth(const struct file *f) { (void)f; return 1; }
uint64_t file_size(const struct file *f) { return fat32_size(f->fat); }
bool file_same(const struct file *a, const struct file *b) { return fat32_same(a->fat, b->fat); }
bool file_read(struct file *f, uint64_t off, void *buf, size_t len, size_t *got, struct error *e) { return fat32_read(f->fat, off, buf, len, got, e); }
bool file_write(struct file *f, uint64_t off, const void *buf, size_t len, struct error *e) { return fat32_write(f->fat, off, buf, len, e); }
bool file_resize(struct file *f, uint64_t size, struct error *e) { return fat32_resize(f->fat, size, e); }
bool file_sync(struct file *f, struct error *e) { return fat32_file_sync(f->fat, e); }
void file_close(struct file *f)
{
    if (f == NULL)
        return;
    fat32_close(f->fat);
    fat32_new_abandon(f->fresh);
    free(f);
}
bool file_create(const char *path, uint64_t expect, struct file **out, struct error *e)
{
    *out = file_new(path);
    return fat32_new_begin(&fs, expect, &(*out)->fresh, e);
}
bool file_append(struct file *f, const void *buf, size_t len, struct error *e) { return fat32_new_append(f->fresh, buf, len, e); }
bool file_commit(struct file *f, struct error *e)
{
    bool ok = fat32_new_commit(f->fresh, f->path, e);
    f->fresh = NULL;
    file_close(f);
    return ok;
}
bool path_resolve(const char *path, char *out, size_t len, struct error *e)
{
    (void)e;
    snprintf(out, len, "%s", path);
    return true;
}
bool path_stat(const char *path, struct dir_entry *out, struct error *e)
{
    struct fat32_entry entry;
    bool ok = fat32_lookup(&fs, strchr(path, ':') + 1, &entry, e);
    *out = entry.view;
    return ok;
}
bool path_remove(const char *path, struct error *e) { return fat32_remove(&fs, strchr(path, ':') + 1, e); }
bool volume_on(const struct block_device *dev, uint64_t first, uint64_t end, char *name)
{
    (void)dev; (void)first; (void)end; (void)name;
    return false;
}

/* ---- what was written ---- */

struct record { uint32_t lba, epoch; uint8_t bytes[512]; };
static struct record *records;
static size_t record_count, write_ends[LOG_MAX], write_count;
static uint32_t epoch;
static uint8_t base[sizeof(small_disk)];

static size_t cut_clock(void) { return record_count; }

static void watch(struct fake_disk *d, uint64_t lba, uint32_t sectors, const void *buf)
{
    (void)d;
    if (record_count + sectors >= LOG_MAX)
        fail_msg("the log is full");
    if (sectors == 0)
        records[record_count++] = (struct record){.lba = A_FLUSH, .epoch = ++epoch};
    for (uint32_t i = 0; i < sectors; i++) {
        records[record_count] = (struct record){.lba = (uint32_t)lba + i, .epoch = epoch};
        memcpy(records[record_count++].bytes, (const uint8_t *)buf + i * 512UL, 512);
    }
    if (sectors != 0)
        write_ends[write_count++] = record_count;
}

/* The disk after COUNT records; SEED: each sector since the last flush has any of its versions. */
static void replay(size_t count, unsigned seed)
{
    static uint8_t limit[SMALL_DISK], seen[SMALL_DISK];
    bool all = seed == 0;
    uint32_t last = count != 0 ? records[count - 1].epoch : 0;
    memcpy(small_disk, base, sizeof(small_disk));
    memset(seen, 0, sizeof seen);
    for (size_t i = 0; i < SMALL_DISK; i++)
        limit[i] = (uint8_t)(rand_r(&seed) % 3 != 0 ? rand_r(&seed) % 3 : 255);
    for (size_t i = 0; i < count; i++) {
        uint32_t lba = records[i].lba;
        if (lba == A_FLUSH)
            continue;
        if (all || records[i].epoch != last || seen[lba]++ < limit[lba])
            memcpy(small_disk + lba * 512UL, records[i].bytes, 512);
    }
}

static void judge_volume(size_t cut)
{
    static struct fsck v;
    fsck_run(small_part, &v);
    if (v.damage != 0)
        fail_msg("cut after %zu: %s", cut, v.text);
}

static void judge_at(size_t cut, unsigned seed, bool volume)
{
    replay(cut, seed);
    if (volume)
        judge_volume(cut);
    disk.watch = NULL;
    if (!small_mount())
        fail_msg("cut after %zu: %s", cut, err.text);
    cut_judge(cut, seed, "v:/disk.vmdk");
    if (!volume)
        return;
    struct vdisk *d = cut_open("v:/disk.vmdk", VDISK_WRITE);
    static uint8_t data[512 * 30];
    assert_true(vdisk_write(d, 300, 30, data, &err));
    vdisk_close(d);
    judge_volume(cut);
}

static void made(uint32_t grain)
{
    struct vdisk_plan p = {VDISK_MAKE_SPARSE, CUT_SECTORS, CUT_SECTORS, grain};
    small_setup("-s 1");
    if (records == NULL)
        records = malloc(LOG_MAX * sizeof(*records));
    if (!vdisk_make(&p, "v:/disk.vmdk", NULL, NULL, &err))
        fail_msg("%s", err.text);
}

static void cuts(uint32_t grain, unsigned seed)
{
    made(grain);
    memcpy(base, small_disk, sizeof base);
    record_count = write_count = 0;
    epoch = 1;
    disk.watch = watch;
    cut_life("v:/disk.vmdk", seed, 40);
    for (size_t i = 0; i < write_count; i++)
        judge_at(write_ends[i], 0, i % 25 == 0);
    for (unsigned i = 1; i <= 400; i++)
        judge_at((size_t)rand_r(&seed) % record_count, i, i % 25 == 0);
}

static void test_power_cuts(void **s)
{
    (void)s;
    cuts(8, 1);
    cuts(32, 2);
}

static void test_full_volume(void **s)
{
    static uint8_t data[512 * 8], got[512 * 8], big[1850000];
    static struct fsck v;
    char command[200];
    (void)s;
    made(8);
    assert_true(put("/fill", big, 1850000));
    struct vdisk *d = cut_open("v:/disk.vmdk", VDISK_WRITE);
    uint32_t n = 0;
    for (; n < CUT_SECTORS / 8; n++) {
        fill(data, sizeof data, n);
        if (!vdisk_write(d, n * 8, 8, data, &err))
            break;
    }
    assert_true(n > 10 && n < CUT_SECTORS / 8);
    assert_int_equal(err.code, EXIT_NO_RESOURCE);
    assert_non_null(strstr(err.text, "v:/disk.vmdk cannot grow: hd0p1: the volume is full"));
    assert_true(vdisk_flush(d, &err));
    assert_true(fat32_remove(&fs, "/fill", &err));
    for (uint32_t i = n; i < CUT_SECTORS / 8; i++) {
        fill(data, sizeof data, i);
        assert_true(vdisk_write(d, i * 8, 8, data, &err));
    }
    vdisk_close(d);
    d = cut_open("v:/disk.vmdk", VDISK_READ);
    for (uint32_t i = 0; i < CUT_SECTORS / 8; i++) {
        fill(data, sizeof data, i);
        assert_true(vdisk_read(d, i * 8, 8, got, &err));
        assert_memory_equal(got, data, sizeof got);
    }
    vdisk_close(d);
    fsck_run(small_part, &v);
    assert_int_equal(v.damage + v.lost + v.copies + v.dirty, 0);
    /* mtools would take so small a volume for a FAT16. */
    struct file *f = NULL;
    size_t size = 0;
    assert_true(file_open("v:/disk.vmdk", &f, &err) && file_read(f, 0, big, sizeof big, &size, &err));
    file_close(f);
    snprintf(command, sizeof command, "%s/disk.vmdk", fsck_dir);
    FILE *out = fopen(command, "wb");
    assert_true(out != NULL && fwrite(big, 1, size, out) == size);
    fclose(out);
    snprintf(command, sizeof command, "qemu-img check -f vmdk %s/disk.vmdk > /dev/null", fsck_dir);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_full_volume), cmocka_unit_test(test_power_cuts)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(records);
    fsck_end();
    return failed;
}
