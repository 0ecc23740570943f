/* SPDX-License-Identifier: Apache-2.0
 * [HOST] The FAT32 reader on a file system made by mkfs.vfat and mtools, whole and then damaged in every way that we
 * know. */
#include "fs_fakes.h"

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "dom0/fs/cache.h"
#include "dom0/fs/fat32.h"
#include "dom0/fs/fat32_name.h"
#include "fat_image.h"

static struct fake_disk disk;
static struct fat32 fs;
static struct error err;
static uint8_t buffer[FAT_BIG_BYTES + 100];

static uint8_t *part(void) { return fat_image + FAT_IMAGE_FIRST * 512; }

static bool mount(void)
{
    cache_invalidate(&disk.dev);
    memset(&err, 0, sizeof(err));
    return fat32_mount(&fs, "hd0p1", &disk.dev, FAT_IMAGE_FIRST, FAT_IMAGE_SECTORS - FAT_IMAGE_FIRST, &err);
}

static int setup(void **state)
{
    (void)state;
    fake_disk_init(&disk, "hd0", fat_image, FAT_IMAGE_SECTORS, 512);
    fake_heap_limit = -1;
    return mount() ? 0 : -1;
}

static struct fat32_file *open_path(const char *path)
{
    struct fat32_entry entry;
    struct fat32_file *f = NULL;

    cache_invalidate(&disk.dev);
    memset(&err, 0, sizeof(err));
    if (!fat32_lookup(&fs, path, &entry, &err) || !fat32_open(&fs, &entry, &f, &err))
        return NULL;
    return f;
}

static void contents(const char *path, const char *want)
{
    size_t got = 0;
    struct fat32_file *f = open_path(path);

    assert_non_null(f);
    assert_int_equal(fat32_size(f), strlen(want));
    assert_true(fat32_read(f, 0, buffer, sizeof(buffer), &got, &err));
    assert_int_equal(got, strlen(want));
    assert_memory_equal(buffer, want, got);
    fat32_close(f);
}

static void test_mount(void **state)
{
    (void)state;
    assert_string_equal(fs.label, "CORBEL");
    assert_int_equal(fs.cluster_bytes, 512);
    assert_true(fs.free_clusters < fs.clusters && fs.free_clusters > fs.clusters / 2);
}

static void test_names(void **state)
{
    (void)state;
    contents("/A long name with spaces.text", "12345678901234567890");
    contents("/a LONG name WITH spaces.TEXT", "12345678901234567890");
    contents("/ALONGN~1.TEX", "12345678901234567890");
    contents("/UPPER.TXT", "12345678901234567890");
    contents("/upper.txt", "12345678901234567890");
    contents("/lower.txt", "12345678901234567890");
    contents("/Grüße 日本.txt", "12345678901234567890");
    contents("/corbel/vm/debian/debian.vmx", "displayName = \"debian\"\n");
    contents("//corbel//vm/debian/debian.vmx", "displayName = \"debian\"\n");
    contents("/zero", "");
    char name[210] = "/";
    memset(name + 1, 'n', 200);
    strcpy(name + 201, ".x");
    contents(name, "12345678901234567890");
}

static void missing(const char *path, const char *word)
{
    assert_null(open_path(path));
    assert_non_null(strstr(err.text, word));
}

static void test_missing(void **state)
{
    (void)state;
    missing("/nothing", "no such file");
    missing("/corbel/vm/debian/debian.vm", "no such file");
    missing("/corbel/vm/debian/debian.vmxx", "no such file");
    missing("/lower.txt/x", "is a file, not a folder");
    missing("/corbel", "a folder, not a file");
    missing("/", "a folder, not a file");
    missing("/corbel/..", "no such file"); /* the disk's own dot entries are not followed */
    missing("/.", "no such file");
    missing("/CORBEL   ", "no such file"); /* the label is not a file */
}

static int listed;
static char names[4096];
static bool collect(const struct fat32_entry *d, void *ctx)
{
    int stop_at = *(int *)ctx;

    strcat(strcat(names, d->view.name), "|");
    return ++listed != stop_at;
}

static bool list(const char *path, int stop_at)
{
    struct fat32_entry entry;

    cache_invalidate(&disk.dev);
    listed = 0;
    names[0] = '\0';
    return fat32_lookup(&fs, path, &entry, &err) && fat32_list(&fs, &entry, collect, &stop_at, &err);
}

static void test_list(void **state)
{
    (void)state;
    assert_true(list("/", -1));
    assert_int_equal(listed, 9);
    assert_non_null(strstr(names, "lower.txt|"));
    assert_non_null(strstr(names, "UPPER.TXT|"));
    assert_non_null(strstr(names, "Grüße 日本.txt|"));
    assert_true(list("/empty", -1)); /* full of deleted entries, several clusters long */
    assert_int_equal(listed, 0);
    assert_true(list("/corbel/vm", -1));
    assert_string_equal(names, "debian|");
    assert_true(list("/", 3));
    assert_int_equal(listed, 3);
}

static void test_big(void **state)
{
    size_t got;
    (void)state;
    struct fat32_file *f = open_path("/big.bin");
    assert_non_null(f);
    assert_true(fat32_read(f, 0, buffer, sizeof(buffer), &got, &err));
    assert_int_equal(got, FAT_BIG_BYTES);
    for (size_t i = 0; i < FAT_BIG_BYTES; i++)
        if (buffer[i] != fat_big_byte(i))
            fail_msg("byte %zu", i);
    srand(3);
    for (int i = 0; i < 500; i++) {
        uint64_t off = (uint64_t)rand() % (FAT_BIG_BYTES + 10);
        size_t len = (size_t)rand() % 40000;
        assert_true(fat32_read(f, off, buffer, len, &got, &err));
        size_t want = off >= FAT_BIG_BYTES ? 0 : len < FAT_BIG_BYTES - off ? len : FAT_BIG_BYTES - off;
        assert_int_equal(got, want);
        for (size_t k = 0; k < got; k += 97)
            assert_int_equal(buffer[k], fat_big_byte(off + k));
    }
    fat32_close(f);
}

static uint8_t *fat_entry(uint32_t cluster) { return fat_image + fs.fat + 4UL * cluster; }

/* Moves every third cluster of the file to the end of the disk, so that it lies in very many pieces. */
static uint32_t fragment(uint32_t cluster)
{
    uint32_t to = fs.clusters + 1, previous = 0, moved = 0;

    for (uint32_t i = 0; cluster < 0x0ffffff8; i++) {
        uint32_t next = (uint32_t)fat_entry(cluster)[0] | (uint32_t)fat_entry(cluster)[1] << 8 |
                        (uint32_t)fat_entry(cluster)[2] << 16 | (uint32_t)fat_entry(cluster)[3] << 24;
        if (i % 3 == 1) {
            memcpy(fat_image + fs.data + (to - 2UL) * 512, fat_image + fs.data + (cluster - 2UL) * 512, 512);
            memset(fat_image + fs.data + (cluster - 2UL) * 512, 0xdd, 512);
            fake_put32(fat_entry(to), next);
            fake_put32(fat_entry(previous), to);
            fake_put32(fat_entry(cluster), 0);
            cluster = to--;
            moved++;
        }
        previous = cluster;
        cluster = next & 0x0fffffff;
    }
    return moved;
}

static void test_reads_are_few(void **state)
{
    struct fat32_entry entry;
    (void)state;
    disk.reads = 0;
    assert_true(mount());
    assert_true(fat32_lookup(&fs, "/corbel/vm", &entry, &err));
    assert_true(disk.reads <= 4);
}

/* ---- damage ---- */

static uint32_t first_cluster(const char *path)
{
    struct fat32_entry entry;

    assert_true(fat32_lookup(&fs, path, &entry, &err));
    return entry.cluster;
}

static void with_entry(const char *path, uint32_t cluster, uint32_t value, const char *word)
{
    uint8_t saved[4];

    memcpy(saved, fat_entry(cluster), 4);
    fake_put32(fat_entry(cluster), value);
    struct fat32_file *f = open_path(path);
    memcpy(fat_entry(cluster), saved, 4);
    if (word == NULL) {
        assert_non_null(f);
        fat32_close(f);
        return;
    }
    assert_null(f);
    assert_non_null(strstr(err.text, word));
}

static void test_chains(void **state)
{
    uint32_t big = first_cluster("/big.bin"), one = first_cluster("/lower.txt");
    (void)state;
    with_entry("/big.bin", big, big, "is a loop");
    with_entry("/big.bin", big, 0x0fffffff, "shorter than the file");
    with_entry("/big.bin", big, 0x0ffffff7, "bad cluster");
    with_entry("/big.bin", big, 0, "leads outside");
    with_entry("/big.bin", big, 1, "leads outside");
    with_entry("/big.bin", big, fs.clusters + 2, "leads outside");
    with_entry("/lower.txt", one, one, "is a loop");
    with_entry("/lower.txt", one, 0xffffffff, NULL);  /* the upper four bits do not count */
    with_entry("/lower.txt", one, big, NULL);         /* more than the size needs: allowed */
}

static void test_folder_loop(void **state)
{
    uint32_t empty = first_cluster("/empty");
    uint8_t saved[4], saved_data[512];
    uint8_t *data = fat_image + fs.data + (empty - 2UL) * 512;
    (void)state;
    memcpy(saved, fat_entry(empty), 4);
    memcpy(saved_data, data, 512);
    for (int i = 0; i < 16; i++)
        data[32 * i] = 0xe5;
    fake_put32(fat_entry(empty), empty);
    assert_false(list("/empty", -1));
    assert_non_null(strstr(err.text, "loop"));
    missing("/empty/x", "loop");
    memcpy(fat_entry(empty), saved, 4);
    memcpy(data, saved_data, 512);
}

/* A folder that contains itself: each step of a path is one step of the walk, whatever the disk says. */
static void test_folder_in_itself(void **state)
{
    uint32_t vm = first_cluster("/corbel/vm");
    uint8_t *data = fat_image + fs.data + (vm - 2UL) * 512, saved[32];
    (void)state;
    memcpy(saved, data + 64, 32);
    memcpy(data + 64, "LOOP       \x10", 12);
    fake_put16(data + 64 + 20, vm >> 16);
    fake_put16(data + 64 + 26, vm);
    missing("/corbel/vm/loop/loop/loop/x", "no such file");
    fake_put16(data + 64 + 26, 0);
    fake_put16(data + 64 + 20, 0);
    missing("/corbel/vm/loop/x", "begins outside");
    memcpy(data + 64, saved, 32);
}

static void bpb(size_t at, size_t bytes, uint32_t value, const char *word)
{
    uint8_t saved[4];

    memcpy(saved, part() + at, 4);
    for (size_t i = 0; i < bytes; i++)
        part()[at + i] = (uint8_t)(value >> (8 * i));
    bool ok = mount();
    memcpy(part() + at, saved, 4);
    if (word == NULL) {
        assert_true(ok);
        return;
    }
    assert_false(ok);
    if (strstr(err.text, word) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, word);
}

static void test_boot_sector(void **state)
{
    (void)state;
    bpb(510, 2, 0, "no file system");
    bpb(0, 1, 0, "no file system");
    bpb(11, 2, 0, "no file system");
    bpb(11, 2, 513, "no file system");
    bpb(11, 2, 8192, "no file system");
    bpb(13, 1, 0, "no file system");
    bpb(13, 1, 3, "no file system");
    bpb(14, 2, 0, "no file system");
    bpb(16, 1, 0, "no file system");
    bpb(16, 1, 200, "no file system");
    bpb(17, 2, 512, "FAT12 or FAT16");
    bpb(22, 2, 100, "FAT12 or FAT16");
    bpb(32, 4, 0xffffffff, "larger than its partition");
    bpb(32, 4, FAT_IMAGE_SECTORS - FAT_IMAGE_FIRST + 1, "larger than its partition");
    bpb(32, 4, 10, "no room for data");
    bpb(36, 4, 0, "unknown version");
    bpb(36, 4, 0xffffffff, "no room for data");
    bpb(36, 4, 8, "shorter than its data");
    bpb(40, 2, 0x83, "names a table");
    bpb(42, 2, 1, "unknown version");
    bpb(44, 4, 0, "root folder is outside");
    bpb(44, 4, 0x0fffffff, "root folder is outside");
    bpb(48, 2, 0, NULL);
    assert_true(mount());
    disk.bad_lba = FAT_IMAGE_FIRST;
    assert_false(mount());
    assert_non_null(strstr(err.text, "reading fails"));
}

static void test_second_table(void **state)
{
    uint8_t *flags = part() + 40;
    uint64_t first = fs.fat;
    (void)state;
    *flags = 0x81;
    assert_true(mount());
    assert_true(fs.fat > first);
    contents("/lower.txt", "12345678901234567890");
    *flags = 0;
}

static void test_disk_errors(void **state)
{
    size_t got;
    (void)state;
    struct fat32_file *f = open_path("/lower.txt");
    assert_non_null(f);
    disk.bad_lba = (fs.data + (first_cluster("/lower.txt") - 2UL) * 512) / 512;
    cache_invalidate(&disk.dev);
    assert_false(fat32_read(f, 0, buffer, 10, &got, &err));
    assert_non_null(strstr(err.text, "hd0p1: reading fails at byte"));
    fat32_close(f);
}

static void test_no_memory(void **state)
{
    struct fat32_entry entry;
    struct fat32_file *f;
    (void)state;
    assert_true(fat32_lookup(&fs, "/big.bin", &entry, &err));
    for (long n = 0; n < 2; n++) {
        fake_heap_limit = n;
        assert_false(fat32_open(&fs, &entry, &f, &err));
        assert_int_equal(err.code, EXIT_NO_RESOURCE);
    }
    fake_heap_limit = 0;
    assert_false(fat32_lookup(&fs, "/big.bin", &entry, &err));
    assert_int_equal(err.code, EXIT_NO_RESOURCE);
}

static void test_fragmented(void **state)
{
    assert_true(fragment(first_cluster("/big.bin")) > 1900);
    test_big(state);
}

/* ---- names ---- */

static void long_entry(uint8_t *p, unsigned piece, bool last, uint8_t sum, const uint16_t *units)
{
    static const uint8_t at[13] = {1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30};
    memset(p, 0, 32);
    p[0] = (uint8_t)(piece | (last ? 0x40 : 0));
    p[11] = 0x0f;
    p[13] = sum;
    for (int i = 0; i < 13; i++)
        fake_put16(p + at[i], units[i]);
}

static bool long_name(const uint16_t *units, char *out, size_t size)
{
    struct fat32_long_name l;
    uint8_t e[32], name[32] = "ABCDEF~1TXT";
    uint8_t sum = 0;
    for (int i = 0; i < 11; i++)
        sum = (uint8_t)(((sum & 1) << 7) + (sum >> 1) + name[i]);
    fat32_long_reset(&l);
    long_entry(e, 1, true, sum, units);
    fat32_long_add(&l, e);
    return fat32_long_take(&l, name, out, size);
}

static void test_long_names(void **state)
{
    char out[256];
    uint16_t units[13] = {'a', 0xe4, 0x20ac, 0xd83d, 0xde00, 0, 0xffff};
    (void)state;
    assert_true(long_name(units, out, sizeof(out)));
    assert_string_equal(out, "aä€😀");
    for (size_t size = 1; size <= 10; size++)
        assert_false(long_name(units, out, size)); /* no room: no half characters */
    assert_true(long_name(units, out, 11));
    static const uint16_t bad[] = {0xd83d, 0xde00, 0x1b, 0x9b, 0x7f, '/', '\\', ':', '\n'};
    for (size_t i = 0; i < sizeof(bad) / 2; i++) {
        uint16_t u[13] = {'x', bad[i], 'y', 0};
        assert_false(long_name(u, out, sizeof(out)));
    }
    uint16_t nothing[13] = {0};
    assert_false(long_name(nothing, out, sizeof(out)));
}

static void test_long_order(void **state)
{
    struct fat32_long_name l;
    uint8_t e[32], name[32] = "ABCDEF~1TXT";
    uint16_t units[13] = {'x'};
    char out[256];
    (void)state;
    static const struct { unsigned piece; bool last; } bad[][2] = {
        {{2, true}, {2, false}}, {{1, false}, {1, true}}, {{21, true}, {20, false}}, {{0, true}, {1, false}},
        {{3, true}, {1, false}}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        fat32_long_reset(&l);
        for (int k = 0; k < 2; k++) {
            long_entry(e, bad[i][k].piece, bad[i][k].last, 0, units);
            fat32_long_add(&l, e);
        }
        assert_false(fat32_long_take(&l, name, out, sizeof(out)));
    }
}

static void test_short_names(void **state)
{
    char out[16];
    (void)state;
    static const struct { const char *raw; uint8_t flags; const char *want; } cases[] = {
        {"README  TXT", 0, "README.TXT"}, {"README  TXT", 0x18, "readme.txt"}, {"README  TXT", 0x10, "README.txt"},
        {"A          ", 0, "A"}, {"ABCDEFGHIJK", 0, "ABCDEFGH.IJK"}, {"\x05" "BC     D  ", 0, "_BC.D"},
        {"AB\x90     D  ", 0, "AB_.D"}, {"        TXT", 0, NULL}, {"A\x1b      TXT", 0, NULL},
        {"A/B     TXT", 0, NULL}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t raw[32] = {0};
        memcpy(raw, cases[i].raw, 11);
        raw[12] = cases[i].flags;
        assert_int_equal(fat32_short_name(raw, out, sizeof(out)), cases[i].want != NULL);
        if (cases[i].want != NULL)
            assert_string_equal(out, cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_mount, setup),       cmocka_unit_test_setup(test_names, setup),
        cmocka_unit_test_setup(test_missing, setup),     cmocka_unit_test_setup(test_list, setup),
        cmocka_unit_test_setup(test_big, setup),         cmocka_unit_test_setup(test_reads_are_few, setup),
        cmocka_unit_test_setup(test_chains, setup),      cmocka_unit_test_setup(test_folder_loop, setup),
        cmocka_unit_test_setup(test_folder_in_itself, setup), cmocka_unit_test_setup(test_boot_sector, setup),
        cmocka_unit_test_setup(test_second_table, setup), cmocka_unit_test_setup(test_disk_errors, setup),
        cmocka_unit_test_setup(test_no_memory, setup),   cmocka_unit_test_setup(test_fragmented, setup),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_long_order),               cmocka_unit_test(test_short_names),
    };
    if (!fat_image_make("-F 32 -s 1"))
        return fprintf(stderr, "mkfs.vfat or mtools failed: install dosfstools and mtools\n"), 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(fat_image);
    return failed;
}
