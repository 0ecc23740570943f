/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Writing FAT32: after each sequence fsck.fat finds nothing, and our reader finds what was written. Damaged,
 * full and failing volumes are left as they were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "fat_fsck.h"
#include "fat_image.h"

#include "dom0/fs/fat32_name.h"
#include "dom0/fs/fat32_priv.h"

#define DATA_MAX 300000U

static uint8_t data[DATA_MAX], data2[DATA_MAX];
static struct fsck verdict;

static int setup(void **state)
{
    (void)state;
    small_setup("-s 1");
    fill(data, sizeof(data), 1);
    fill(data2, sizeof(data2), 2);
    return 0;
}

static int setup_4k(void **state)
{
    (void)state;
    small_setup("-s 8");
    fill(data, sizeof(data), 1);
    fill(data2, sizeof(data2), 2);
    return 0;
}

/* fsck.fat says nothing at all, and what lies around the partition is untouched. */
static void clean(void)
{
    fsck_run(small_part, &verdict);
    if (verdict.code != 0)
        fail_msg("%s", verdict.text);
    for (size_t i = 0; i < SMALL_FIRST * 512; i++)
        assert_int_equal(small_disk[i], 0xa5);
    for (size_t i = 0; i < 64 * 512; i++)
        assert_int_equal(small_part[SMALL_BYTES + i], 0xa5);
    assert_false(fs.dirty);
    assert_int_equal(fs.writers, 0);
}

#define OK(x)                                                                                                          \
    do {                                                                                                               \
        if (!(x))                                                                                                      \
            fail_msg("%s: %s", #x, err.text);                                                                          \
    } while (0)
#define NOT(x, c, word)                                                                                                \
    do {                                                                                                               \
        assert_false(x);                                                                                               \
        assert_int_equal(err.code, c);                                                                                 \
        if (strstr(err.text, word) == NULL)                                                                            \
            fail_msg("\"%s\" does not say \"%s\"", err.text, word);                                                    \
    } while (0)

static void test_files_of_all_sizes(void **state)
{
    static const size_t sizes[] = {0, 1, 511, 512, 513, 4095, 4096, 4097, 65535, 65536, 65537, 200000};
    char path[32];
    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        snprintf(path, sizeof(path), "/file%zu.bin", i);
        OK(put(path, data, sizes[i]));
        clean();
    }
    assert_true(small_mount());
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        snprintf(path, sizeof(path), "/file%zu.bin", i);
        OK(holds(&fs, path, data, sizes[i]));
    }
}

static void test_in_small_pieces(void **state)
{
    struct fat32_new *n = NULL;
    size_t at = 0;
    (void)state;
    OK(fat32_new_begin(&fs, 0, &n, &err));
    srand(5);
    while (at < 100000) {
        size_t len = (size_t)rand() % 3000;
        OK(fat32_new_append(n, data + at, len, &err));
        at += len;
    }
    OK(fat32_new_commit(n, "/pieces", &err));
    OK(holds(&fs, "/pieces", data, at));
    clean();
}

static void test_replace(void **state)
{
    (void)state;
    OK(put("/A long name.text", data, 10000));
    uint32_t before = fs.free_clusters;
    OK(put("/a LONG name.TEXT", data2, 20000));
    OK(holds(&fs, "/A long name.text", data2, 20000));
    assert_int_equal(before - fs.free_clusters, 20);
    clean();
    OK(put("/A long name.text", data, 0));
    OK(holds(&fs, "/A long name.text", data, 0));
    clean();
    OK(put("/A long name.text", data, 5));
    OK(holds(&fs, "/alongn~1.tex", data, 5));
    clean();
}

static void test_abandon_leaves_nothing(void **state)
{
    struct fat32_new *n = NULL;
    (void)state;
    OK(put("/x", data, 1));
    uint32_t before = fs.free_clusters;
    OK(fat32_new_begin(&fs, 0, &n, &err));
    OK(fat32_new_append(n, data, 100000, &err));
    fat32_new_abandon(n);
    assert_int_equal(fs.free_clusters, before);
    clean();
    fat32_new_abandon(NULL);
}

/* Files under way at the same time share no cluster, and the volume is clean when the last one is done. */
static void test_writers_side_by_side(void **state)
{
    struct fat32_new *n[3] = {NULL};
    (void)state;
    for (int i = 0; i < 3; i++)
        OK(fat32_new_begin(&fs, 0, &n[i], &err));
    srand(11);
    size_t at[3] = {0};
    for (int step = 0; step < 60; step++) {
        int i = rand() % 3;
        size_t len = (size_t)rand() % 5000;
        OK(fat32_new_append(n[i], data + at[i] + (size_t)i * 1000, len, &err));
        at[i] += len;
        if (step == 20)
            OK(put("/between", data, 3000));
        if (step == 40)
            OK(fat32_remove(&fs, "/between", &err));
        assert_true(fs.dirty);
    }
    OK(fat32_new_commit(n[0], "/0", &err));
    fat32_new_abandon(n[1]);
    assert_true(fs.dirty);
    OK(fat32_new_commit(n[2], "/2", &err));
    OK(holds(&fs, "/0", data, at[0]));
    OK(holds(&fs, "/2", data + 2000, at[2]));
    clean();
}

static void test_folders(void **state)
{
    char path[200] = "", file[220];
    (void)state;
    for (int i = 0; i < 20; i++) {
        sprintf(path + strlen(path), "/dir %d", i);
        OK(fat32_make_dir(&fs, path, &err));
        snprintf(file, sizeof(file), "%s/f", path);
        OK(put(file, data, (size_t)i * 100));
        clean();
    }
    NOT(fat32_make_dir(&fs, "/dir 0", &err), EXIT_FAILED, "a folder of this name is there");
    NOT(fat32_make_dir(&fs, "/dir 0/f", &err), EXIT_FAILED, "a file of this name is there");
    NOT(fat32_make_dir(&fs, "/none/x", &err), EXIT_FAILED, "no such file or folder");
    NOT(fat32_make_dir(&fs, "/dir 0/f/x", &err), EXIT_FAILED, "a file, not a folder");
    NOT(fat32_make_dir(&fs, "/", &err), EXIT_FAILED, "root folder");
    NOT(put("/dir 0", data, 1), EXIT_FAILED, "a folder has this name");
    NOT(fat32_remove(&fs, "/dir 0", &err), EXIT_WRONG_STATE, "not empty");
    NOT(fat32_remove(&fs, "/", &err), EXIT_FAILED, "root folder");
    NOT(fat32_remove(&fs, "/nothing", &err), EXIT_FAILED, "no such file");
    for (int i = 19; i >= 0; i--) {
        snprintf(file, sizeof(file), "%s/f", path);
        OK(fat32_remove(&fs, file, &err));
        OK(fat32_remove(&fs, path, &err));
        *strrchr(path, '/') = '\0';
        clean();
    }
    assert_int_equal(fs.free_clusters, fs.clusters - 1);
}

/* Many entries: the folder grows by clusters, holes are used again. */
static void many(unsigned count, const char *form)
{
    char path[300];

    OK(fat32_make_dir(&fs, "/many", &err));
    for (unsigned i = 0; i < count; i++) {
        snprintf(path, sizeof(path), form, i);
        OK(put(path, data, 3));
    }
    clean();
    for (unsigned i = 0; i < count; i += 2) {
        snprintf(path, sizeof(path), form, i);
        OK(fat32_remove(&fs, path, &err));
    }
    clean();
    for (unsigned i = 0; i < count; i += 2) {
        snprintf(path, sizeof(path), form, i);
        OK(put(path, data, 4));
    }
    clean();
    for (unsigned i = 0; i < count; i++) {
        snprintf(path, sizeof(path), form, i);
        OK(holds(&fs, path, data, i % 2 != 0 ? 3 : 4));
    }
}

static void test_many_short(void **state)
{
    (void)state;
    many(200, "/many/F%u.TXT");
}

static void test_many_long(void **state)
{
    (void)state;
    many(150, "/many/a rather long name with number %u.text");
}

/* 17 and more pieces: two chunks. */
static void test_many_very_long(void **state)
{
    char form[300] = "/many/%u";
    (void)state;
    memset(form + 8, 'n', 225);
    form[233] = '\0';
    many(40, form);
}

static void test_lengths_of_names(void **state)
{
    char path[300] = "/";
    (void)state;
    for (size_t len = 1; len <= 254; len++) {
        memset(path + 1, 'a' + (char)(len % 26), len);
        path[len + 1] = '\0';
        OK(put(path, data, len));
    }
    clean();
    for (size_t len = 1; len <= 254; len++) {
        memset(path + 1, 'a' + (char)(len % 26), len);
        path[len + 1] = '\0';
        OK(holds(&fs, path, data, len));
        if (len % 3 == 0)
            OK(fat32_remove(&fs, path, &err));
    }
    clean();
}

static void test_names(void **state)
{
    static const char *const good[] = {"UPPER.TXT", "lower.txt", "Mixed.Txt", "a.b.c.d", ".hidden", "no ext", "Grüße 日本.txt",
        "😀😀", "+,;=[].x", "ABCDEFGH.IJK", "ABCDEFGHI.JK", "x.html", "~1", "a~1.b", "AB CD.EF", "é", "\xc2\xa0"};
    static const char *const bad[] = {"a\"b", "a*b", "a<b", "a>b", "a?b", "a|b", "a\\b", "a:b", "a\nb", "end.", "end ", " a",
        "\xff", "\xc0\x80", "\xed\xa0\x80", "a\xe2\x82", "\xf4\x90\x80\x80", "\x7f", "\xc2\x80"};
    char path[64];
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        snprintf(path, sizeof(path), "/%s", good[i]);
        OK(put(path, data, i));
        OK(holds(&fs, path, data, i));
        clean();
    }
    unsigned writes = disk.writes;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(path, sizeof(path), "/%s", bad[i]);
        NOT(fat32_make_dir(&fs, path, &err), EXIT_FAILED, "choose another name");
    }
    assert_int_equal(disk.writes, writes);
    clean();
}

static void raw_short(const char *path, char out[12])
{
    struct fat32_entry entry;
    uint64_t at;

    OK(fat32_lookup(&fs, path, &entry, &err));
    at = fat32_cluster_offset(&fs, entry.dir) + 32UL * (entry.index + entry.pieces - 1U); /* within the first cluster */
    memcpy(out, small_disk + at, 11);
    out[11] = '\0';
}

static void test_aliases(void **state)
{
    char path[64], got[12];
    (void)state;
    OK(put("/long name one.text", data, 1));
    raw_short("/long name one.text", got);
    assert_string_equal(got, "LONGNA~1TEX");
    OK(put("/long name two.text", data, 1));
    raw_short("/long name two.text", got);
    assert_string_equal(got, "LONGNA~2TEX");
    OK(fat32_remove(&fs, "/long name one.text", &err));
    OK(put("/long name six.text", data, 1));
    raw_short("/long name six.text", got);
    assert_string_equal(got, "LONGNA~1TEX");
    OK(put("/UPPER.TXT", data, 1));
    raw_short("/UPPER.TXT", got);
    assert_string_equal(got, "UPPER   TXT");
    OK(put("/lower.tx", data, 1));
    raw_short("/lower.tx", got);
    assert_string_equal(got, "LOWER   TX ");
    OK(fat32_make_dir(&fs, "/d", &err));
    for (int i = 0; i < 120; i++) {
        snprintf(path, sizeof(path), "/d/long name %d.text", i);
        OK(put(path, data, 1));
    }
    clean(); /* fsck minds two entries with one short name */
}

static void test_name_tails(void **state)
{
    struct fat32_made_name n;
    uint8_t out[11];
    (void)state;
    assert_null(fat32_name_make("a very long name.text", &n));
    static const uint32_t tails[] = {1, 9, 10, 99, 100, 999, 1000, 65535};
    for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
        fat32_name_alias(n.basis, tails[i], out);
        assert_int_equal(fat32_name_tail(n.basis, out), tails[i]);
    }
    assert_memory_equal(out, "AV~65535TEX", 11);
    assert_int_equal(fat32_name_tail(n.basis, (const uint8_t *)"AVERYLO~TEX"), ~0U);
    assert_int_equal(fat32_name_tail(n.basis, (const uint8_t *)"AVERYL~2TXT"), ~0U);
    assert_int_equal(fat32_name_tail(n.basis, (const uint8_t *)"AVERYL~0TEX"), ~0U);
    assert_int_equal(fat32_name_tail(n.basis, (const uint8_t *)"AVERYL~TEX "), ~0U);
}

static void test_dates(void **state)
{
    static const uint64_t times[] = {315532800, 951782399, 951782400, 951868800, 1709164800, 1700000001, 4354819199};
    (void)state;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        time_t t = (time_t)times[i];
        struct tm *tm = gmtime(&t);
        fake_wallclock = times[i];
        struct fat32_times now = fat32_now();
        assert_int_equal(now.date, (tm->tm_year - 80) << 9 | (tm->tm_mon + 1) << 5 | tm->tm_mday);
        assert_int_equal(now.time, tm->tm_hour << 11 | tm->tm_min << 5 | tm->tm_sec / 2);
        assert_int_equal(now.tenths, tm->tm_sec % 2 * 100);
    }
    fake_wallclock = 0;
    assert_int_equal(fat32_now().date, 0x21);
    fake_wallclock = 1700000001;
    OK(put("/dated", data, 1));
    struct fat32_entry entry;
    OK(fat32_lookup(&fs, "/dated", &entry, &err));
    assert_int_equal(entry.view.date, (2023 - 1980) << 9 | 11 << 5 | 14);
    assert_int_equal(entry.view.time, 22 << 11 | 13 << 5 | 10);
}

static void test_rename(void **state)
{
    bool done = false;
    (void)state;
    OK(put("/first name", data, 3000));
    OK(fat32_make_dir(&fs, "/some folder", &err));
    OK(put("/some folder/in it", data, 10));
    OK(fat32_rename(&fs, "/first name", "/second one", &done, &err));
    assert_true(done);
    OK(holds(&fs, "/second one", data, 3000));
    assert_false(holds(&fs, "/first name", data, 3000));
    OK(fat32_rename(&fs, "/second one", "/SECOND one", &done, &err));
    assert_true(done);
    OK(fat32_rename(&fs, "/some folder", "/another", &done, &err));
    assert_true(done);
    OK(holds(&fs, "/another/in it", data, 10));
    clean();
    OK(fat32_rename(&fs, "/SECOND one", "/another/second", &done, &err));
    assert_false(done); /* another folder: not in one sector */
    NOT(fat32_rename(&fs, "/another", "/second one", &done, &err), EXIT_WRONG_STATE, "taken");
    NOT(fat32_rename(&fs, "/no", "/x", &done, &err), EXIT_FAILED, "no such file");
    NOT(fat32_rename(&fs, "/another", "/a*b", &done, &err), EXIT_FAILED, "choose another name");
    NOT(fat32_rename(&fs, "/", "/x", &done, &err), EXIT_FAILED, "root folder");
    OK(holds(&fs, "/second one", data, 3000));
    clean();
    /* A chunk without room: refused without a change. */
    char path[64];
    for (int i = 0; i < 40; i++) {
        snprintf(path, sizeof(path), "/f%d", i);
        OK(put(path, data, 1));
    }
    OK(fat32_rename(&fs, "/f20", "/a name that takes more pieces than there are free ones in this place", &done, &err));
    assert_false(done);
    OK(holds(&fs, "/f20", data, 1));
    clean();
}

static struct fat32_file *side_file;
static unsigned side_writes;

/* While one piece is on its way to the disk: another piece of the same file, a read, and another file. */
static void meanwhile(struct fake_disk *d, uint64_t lba, uint32_t sectors, const void *buf)
{
    uint8_t got[4096];
    size_t n = 0;
    (void)lba; (void)sectors; (void)buf;
    d->watch = NULL;
    assert_null(fs.lock.owner); /* nobody waits for it */
    OK(fat32_write(side_file, 40000, data2, 8192, &err));
    OK(fat32_read(side_file, 40000, got, sizeof got, &n, &err));
    assert_true(n == sizeof got && memcmp(got, data2, n) == 0);
    OK(put("/other", data2, 20000));
    side_writes++;
}

static void test_in_place_side_by_side(void **state)
{
    static uint8_t want[50000];
    (void)state;
    OK(put("/disk", data, sizeof want));
    memcpy(want, data, sizeof want);
    OK(fat32_open_path(&fs, "/disk", true, &side_file, &err));
    assert_int_equal(fat32_depth(side_file), 1);
    disk.dev.depth = 4;
    assert_int_equal(fat32_depth(side_file), 4);
    for (size_t i = 0; i < 3; i++) {
        disk.watch = meanwhile;
        OK(fat32_write(side_file, 1024 * i, data2 + i, 30000, &err));
        memcpy(want + 1024 * i, data2 + i, 30000);
    }
    assert_int_equal(side_writes, 3);
    memcpy(want + 40000, data2, 8192);
    assert_true(fs.dirty);
    fat32_close(side_file);
    OK(holds(&fs, "/disk", want, sizeof want));
    OK(holds(&fs, "/other", data2, 20000));
    clean();
}

static void test_in_place(void **state)
{
    struct fat32_file *f = NULL, *g = NULL;
    static uint8_t want[DATA_MAX];
    (void)state;
    OK(put("/disk", data, 50000));
    memcpy(want, data, 50000);
    OK(fat32_open_path(&fs, "/disk", true, &f, &err));
    NOT(fat32_open_path(&fs, "/disk", true, &g, &err), EXIT_WRONG_STATE, "somebody else");
    NOT(fat32_remove(&fs, "/disk", &err), EXIT_WRONG_STATE, "somebody else");
    NOT(put("/disk", data, 1), EXIT_WRONG_STATE, "somebody else");
    bool done;
    NOT(fat32_rename(&fs, "/disk", "/disk2", &done, &err), EXIT_WRONG_STATE, "somebody else");
    srand(9);
    for (int i = 0; i < 200; i++) {
        size_t off = (size_t)rand() % 50000, len = (size_t)rand() % (50000 - off);
        OK(fat32_write(f, off, data2 + i, len, &err));
        memcpy(want + off, data2 + i, len);
    }
    NOT(fat32_write(f, 50001, data, 1, &err), EXIT_FAILED, "beyond its end");
    OK(fat32_write(f, 49000, data, 30000, &err)); /* grows */
    memcpy(want + 49000, data, 30000);
    assert_int_equal(fat32_size(f), 79000);
    OK(fat32_file_sync(f, &err));
    assert_true(fs.dirty);
    OK(fat32_resize(f, 100000, &err));
    memset(want + 79000, 0, 21000);
    fat32_close(f);
    OK(holds(&fs, "/disk", want, 100000));
    clean();
    static const uint64_t sizes[] = {99999, 51200, 51199, 512, 513, 1, 0, 70000, 70001};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        OK(fat32_open_path(&fs, "/disk", true, &f, &err));
        size_t old = (size_t)fat32_size(f);
        OK(fat32_resize(f, sizes[i], &err));
        if (sizes[i] > old)
            memset(want + old, 0, sizes[i] - old);
        fat32_close(f);
        OK(holds(&fs, "/disk", want, sizes[i]));
        clean();
    }
    OK(fat32_open_path(&fs, "/disk", true, &f, &err));
    OK(fat32_open_path(&fs, "/disk", false, &g, &err));
    NOT(fat32_resize(f, 10, &err), EXIT_WRONG_STATE, "somebody reads it");
    NOT(fat32_write(g, 0, data, 1, &err), EXIT_FAILED, "reading only");
    NOT(fat32_resize(g, 0, &err), EXIT_FAILED, "reading only");
    NOT(fat32_resize(f, 1UL << 32, &err), EXIT_NO_RESOURCE, "4 GiB");
    fat32_close(g);
    fat32_close(f);
    clean();
}

/* Who reads a file that is removed or replaced goes on reading it; its clusters are free when he closes it. */
static void test_removed_while_open(void **state)
{
    struct fat32_file *f = NULL, *g = NULL;
    static uint8_t buf[20000];
    size_t got = 0;
    (void)state;
    OK(put("/open", data, 20000));
    uint32_t before = fs.free_clusters;
    OK(fat32_open_path(&fs, "/open", false, &f, &err));
    OK(fat32_open_path(&fs, "/open", false, &g, &err));
    OK(fat32_remove(&fs, "/open", &err));
    assert_int_equal(fs.free_clusters, before);
    assert_true(fs.dirty);
    OK(put("/new", data2, 100000)); /* takes none of its clusters */
    OK(fat32_read(f, 0, buf, sizeof(buf), &got, &err));
    assert_memory_equal(buf, data, 20000);
    fat32_close(f);
    assert_true(fs.dirty);
    OK(fat32_read(g, 0, buf, sizeof(buf), &got, &err));
    assert_memory_equal(buf, data, 20000);
    fat32_close(g);
    clean();
    OK(fat32_open_path(&fs, "/new", false, &f, &err));
    OK(put("/new", data, 10));
    OK(fat32_read(f, 80000, buf, sizeof(buf), &got, &err));
    assert_memory_equal(buf, data2 + 80000, 20000);
    fat32_close(f);
    OK(holds(&fs, "/new", data, 10));
    clean();
}

static void test_full(void **state)
{
    struct fat32_new *n = NULL;
    char path[40];
    (void)state;
    NOT(fat32_new_begin(&fs, SMALL_BYTES, &n, &err), EXIT_NO_RESOURCE, "full");
    OK(fat32_new_begin(&fs, 0, &n, &err));
    bool ok = true;
    while (ok)
        ok = fat32_new_append(n, data, 70000, &err);
    assert_int_equal(err.code, EXIT_NO_RESOURCE);
    assert_non_null(strstr(err.text, "full"));
    NOT(fat32_new_append(n, data, 1, &err), EXIT_NO_RESOURCE, "begin again");
    NOT(fat32_new_commit(n, "/big", &err), EXIT_FAILED, "nothing is left");
    clean();
    assert_int_equal(fs.free_clusters, fs.clusters - 1);
    /* Until there is room for nothing: each failure leaves all in order. */
    int made = 0;
    for (ok = true; ok; made += ok) {
        snprintf(path, sizeof(path), "/a name of some length %d", made);
        ok = put(path, data, 60000);
    }
    clean();
    for (ok = true; ok; made += ok) {
        snprintf(path, sizeof(path), "/a name of some length %d", made);
        ok = put(path, data, 512);
    }
    assert_int_equal(err.code, EXIT_NO_RESOURCE);
    clean();
    NOT(fat32_make_dir(&fs, "/one more folder", &err), EXIT_NO_RESOURCE, "full");
    clean();
    NOT(fat32_new_begin(&fs, 1UL << 32, &n, &err), EXIT_NO_RESOURCE, "4 GiB");
}

static void test_no_memory(void **state)
{
    (void)state;
    OK(put("/x", data, 1));
    OK(fat32_make_dir(&fs, "/dir", &err));
    for (long n = 0; n < 14; n++) {
        bool done;
        fake_heap_limit = n;
        bool ok = put("/a new file", data, 1000);
        fake_heap_limit = -1;
        assert_true(ok || err.code == EXIT_NO_RESOURCE);
        clean();
        fake_heap_limit = n;
        ok = fat32_make_dir(&fs, "/dir/new", &err);
        fake_heap_limit = -1;
        assert_true(ok || err.code == EXIT_NO_RESOURCE || n > 3);
        clean();
        fake_heap_limit = n;
        (void)fat32_rename(&fs, "/x", "/y", &done, &err);
        (void)fat32_remove(&fs, "/y", &err);
        fake_heap_limit = -1;
        clean();
    }
    small_mount();
    fake_heap_limit = 1;
    NOT(put("/z", data, 1), EXIT_NO_RESOURCE, "no memory");
    fake_heap_limit = -1;
    OK(put("/z", data, 1)); /* that was not for good */
    clean();
}

/* After a write that failed nothing more is written; what was there before can be read, and is sound. */
static void test_failing_writes(void **state)
{
    static uint8_t before[SMALL_BYTES];
    (void)state;
    OK(put("/old", data, 9000));
    OK(fat32_make_dir(&fs, "/dir", &err));
    memcpy(before, small_part, SMALL_BYTES);
    for (long n = 0; n < 40; n++) {
        memcpy(small_part, before, SMALL_BYTES);
        small_mount();
        disk.fail_writes = n;
        bool ok = put("/old", data2, 5000) && fat32_make_dir(&fs, "/dir/x", &err) && fat32_remove(&fs, "/dir/x", &err);
        disk.fail_writes = -1;
        if (ok)
            break;
        assert_int_equal(err.code, EXIT_NO_RESOURCE);
        unsigned writes = disk.writes;
        NOT(put("/more", data, 1), EXIT_NO_RESOURCE, "earlier write failed");
        NOT(fat32_remove(&fs, "/old", &err), EXIT_NO_RESOURCE, "earlier write failed");
        assert_int_equal(disk.writes, writes);
        assert_true(holds(&fs, "/old", data, 9000) || holds(&fs, "/old", data2, 5000));
        fsck_run(small_part, &verdict);
        if (verdict.damage + verdict.spare + verdict.pieces != 0)
            fail_msg("%ld: %s", n, verdict.text);
        small_mount();
        OK(put("/more", data, 1)); /* the next mount writes again */
        clean();
    }
}

static void test_write_protected(void **state)
{
    (void)state;
    disk.dev.read_only = true;
    small_mount();
    NOT(put("/x", data, 1), EXIT_NO_RESOURCE, "write-protected");
    NOT(fat32_make_dir(&fs, "/x", &err), EXIT_NO_RESOURCE, "write-protected");
    assert_int_equal(disk.writes, 0);
}

/* ---- damage ---- */

static uint8_t *fat_entry(uint32_t cluster) { return disk.data + fs.fat + 4UL * cluster; }

static void both(uint32_t cluster, uint32_t value)
{
    fake_put32(fat_entry(cluster), value);
    fake_put32(fat_entry(cluster) + fs.table_bytes, value);
}

static uint32_t first_cluster(const char *path)
{
    struct fat32_entry entry;

    OK(fat32_lookup(&fs, path, &entry, &err));
    return entry.cluster;
}

/* All kinds of writing are refused with WORD, nothing is changed, reading goes on. */
static void refused(const char *word)
{
    static uint8_t before[SMALL_BYTES];
    struct fat32_file *f = NULL;
    bool done;

    memcpy(before, small_part, SMALL_BYTES);
    for (int i = 0; i < 2; i++) {
        assert_true(small_mount());
        NOT(put("/new", data, 1), EXIT_NO_RESOURCE, word);
        NOT(fat32_make_dir(&fs, "/new", &err), EXIT_NO_RESOURCE, word);
        NOT(fat32_remove(&fs, "/sound", &err), EXIT_NO_RESOURCE, word);
        NOT(fat32_rename(&fs, "/sound", "/other", &done, &err), EXIT_NO_RESOURCE, word);
        NOT(fat32_open_path(&fs, "/sound", true, &f, &err), EXIT_NO_RESOURCE, word);
        OK(holds(&fs, "/sound", data, 3000));
    }
    assert_memory_equal(before, small_part, SMALL_BYTES);
}

static void make_damageable(void)
{
    OK(put("/sound", data, 3000));
    OK(put("/one", data, 5000));
    OK(put("/two", data, 5000));
    OK(fat32_make_dir(&fs, "/dir", &err));
    OK(fat32_make_dir(&fs, "/dir/sub", &err));
    OK(put("/dir/sub/file", data, 100));
    clean();
}

static void test_damage_is_left_alone(void **state)
{
    static uint8_t sound[SMALL_BYTES];
    (void)state;
    make_damageable();
    memcpy(sound, small_part, SMALL_BYTES);
    uint32_t one = first_cluster("/one"), two = first_cluster("/two"), dir = first_cluster("/dir"),
             sub = first_cluster("/dir/sub");
    both(one + 4, two + 3);
    refused("cross-linked");
    memcpy(small_part, sound, SMALL_BYTES);
    both(one + 4, one);
    refused("a loop");
    memcpy(small_part, sound, SMALL_BYTES);
    both(one + 4, 0);
    refused("leads outside");
    memcpy(small_part, sound, SMALL_BYTES);
    both(one + 4, 0x0ffffff7);
    refused("leads outside");
    memcpy(small_part, sound, SMALL_BYTES);
    both(one + 4, 0x0fffffff);
    refused("shorter than the file");
    memcpy(small_part, sound, SMALL_BYTES);
    both(sub, dir);
    refused("a loop");
    memcpy(small_part, sound, SMALL_BYTES);
    fake_put32(fat_entry(one + 4) + fs.table_bytes, 0x0fffffff);
    refused("copies of its table differ");
    memcpy(small_part, sound, SMALL_BYTES);
    both(1, 0x0bffffff);
    refused("errors of the disk");
    memcpy(small_part, sound, SMALL_BYTES);
    small_part[512] = 0;
    refused("information sector");
    memcpy(small_part, sound, SMALL_BYTES);
    fake_put32(small_part + 512 + 488, 100000);
    refused("more is free than there is");
    memcpy(small_part, sound, SMALL_BYTES);
    small_part[48] = 200;
    refused("information sector");
    memcpy(small_part, sound, SMALL_BYTES);
    /* A folder in itself. */
    uint8_t *entries = small_disk + fs.data + (dir - 2UL) * 512;
    fake_put16(entries + 64 + 32 + 26, dir);
    refused("a loop");
    memcpy(small_part, sound, SMALL_BYTES);
    fake_put16(entries + 64 + 32 + 26, 0);
    refused("begins outside");
    memcpy(small_part, sound, SMALL_BYTES);
    assert_true(small_mount());
    OK(put("/new", data, 1));
    clean();
}

/* Lost clusters of somebody who ended cleanly are not ours to give back, and no reason not to write. */
static void test_lost_clusters(void **state)
{
    (void)state;
    make_damageable();
    uint32_t free = fs.free_clusters;
    both(3000, 3001);
    both(3001, 0x0fffffff);
    assert_true(small_mount());
    OK(put("/new", data, 1));
    assert_int_equal(fs.free_clusters, free - 3);
    fsck_run(small_part, &verdict);
    assert_int_equal(verdict.lost, 1);
    assert_int_equal(verdict.damage + verdict.copies + verdict.dirty, 0);
    /* After an unclean end they are. */
    fake_put32(fat_entry(1), 0x07ffffff);
    fake_put32(fat_entry(3100), 0x0fffffff); /* in one copy only */
    fake_put32(small_part + 512 + 488, 77);  /* a wrong count, but a possible one */
    assert_true(small_mount());
    fake_notices[0] = '\0';
    OK(put("/newer", data, 1));
    assert_non_null(strstr(fake_notices, "3 clusters that nothing refers to are free again"));
    clean();
}

static void test_without_information_sector(void **state)
{
    (void)state;
    fake_put16(small_part + 48, 0xffff);
    assert_true(small_mount());
    uint32_t free = 0;
    OK(fat32_count_free(&fs, &free, &err));
    assert_int_equal(free, fs.clusters - 1);
    OK(put("/new", data, 1000));
    OK(fat32_count_free(&fs, &free, &err));
    assert_int_equal(free, fs.clusters - 3);
}

static bool count_shown(const struct fat32_entry *d, void *ctx)
{
    assert_int_equal(d->view.name[0], 's');
    ++*(unsigned *)ctx;
    return true;
}

/* Behind the mark that ends a folder anything may lie, and none of it may come to light. (fsck.fat does not stop at the
 * mark: it is no help here.) */
static void test_garbage_behind_the_end(void **state)
{
    static const char *const forms[] = {"/dir/s%u", "/dir/some name %u", "/dir/some name that takes many pieces of its "
        "own, which are about ten altogether, so that few fit into one place, and this is the one with number %u"};
    char path[256];
    (void)state;
    for (unsigned form = 0; form < 3; form++) {
        small_setup("-s 8");
        OK(fat32_make_dir(&fs, "/dir", &err));
        uint8_t *p = small_disk + fat32_cluster_offset(&fs, first_cluster("/dir"));
        memset(p + 96, 'G', 4096 - 96);
        p[64] = 0;
        cache_invalidate(&disk.dev);
        for (unsigned i = 0; i < 200; i++) {
            snprintf(path, sizeof(path), forms[form], i);
            OK(put(path, data, 1));
            struct fat32_entry dir;
            unsigned shown = 0;
            OK(fat32_lookup(&fs, "/dir", &dir, &err));
            OK(fat32_list(&fs, &dir, count_shown, &shown, &err));
            assert_int_equal(shown, i + 1);
        }
    }
}

static void test_every_size_of_clusters(void **state)
{
    (void)state;
    test_folders(state);
    test_many_long(state);
    OK(put("/x", data, 70000));
    OK(holds(&fs, "/x", data, 70000));
    clean();
}

/* What mtools make is changed by us, and they read what we made. (They take anything with few clusters for FAT16, so
 * this one is large.) */
static void test_mtools(void **state)
{
    static const char path[] = "/corbel/vm/debian/Grüße of ours.txt";
    char command[1000];
    bool done;
    (void)state;
    assert_true(fat_image_make("-F 32 -s 1"));
    cache_invalidate(&disk.dev);
    fake_disk_init(&disk, "hd0", fat_image, FAT_IMAGE_SECTORS, 512);
    disk.first = FAT_IMAGE_FIRST;
    OK(fat32_mount(&fs, "hd0p1", &disk.dev, FAT_IMAGE_FIRST, FAT_IMAGE_SECTORS - FAT_IMAGE_FIRST, &err));
    OK(put(path, data, 3000));
    OK(fat32_rename(&fs, "/A long name with spaces.text", "/renamed by us.txt", &done, &err));
    assert_true(done);
    OK(fat32_remove(&fs, "/UPPER.TXT", &err));
    OK(fat32_remove(&fs, "/big.bin", &err));
    OK(fat32_remove(&fs, "/empty", &err));
    OK(put("/lower.txt", data, 70000));
    FILE *f = fopen(fsck_image, "wb");
    fwrite(fat_image + FAT_IMAGE_FIRST * 512, 1, FAT_IMAGE_BYTES - FAT_IMAGE_FIRST * 512, f);
    fclose(f);
    free(fat_image);
    snprintf(command, sizeof(command),
             "export MTOOLS_SKIP_CHECK=1 LC_ALL=C.UTF-8; cd %s && PATH=$PATH:/sbin fsck.fat -n image && "
             "mcopy -i image '::%s' ours && mcopy -i image '::/renamed by us.txt' renamed && "
             "test $(cat renamed) = 12345678901234567890 && mcopy -i image ::/lower.txt . && "
             "mdir -b -i image ::/ > list && ! grep -qE 'UPPER|big|empty' list",
             fsck_dir, path);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof(command), "%s/ours", fsck_dir);
    f = fopen(command, "rb");
    assert_int_equal(fread(data2, 1, 4000, f), 3000);
    fclose(f);
    assert_memory_equal(data2, data, 3000);
    snprintf(command, sizeof(command), "%s/lower.txt", fsck_dir);
    f = fopen(command, "rb");
    assert_int_equal(fread(data2, 1, 80000, f), 70000);
    fclose(f);
    assert_memory_equal(data2, data, 70000);
}

/* More clusters than the check has bits for in Dom0's own memory. */
static void test_large_volume(void **state)
{
    enum { MIB = 600 };
    char command[300];
    (void)state;
    snprintf(command, sizeof(command),
             "cd %s && truncate -s %dM large && PATH=$PATH:/sbin mkfs.vfat -F 32 -s 1 large > /dev/null", fsck_dir, MIB);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof(command), "%s/large", fsck_dir);
    int fd = open(command, O_RDWR);
    uint8_t *p = mmap(NULL, (size_t)MIB << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(p, MAP_FAILED);
    cache_invalidate(&disk.dev);
    fake_disk_init(&disk, "hd0", p, (uint64_t)MIB << 11, 512);
    OK(fat32_mount(&fs, "hd0", &disk.dev, 0, (uint64_t)MIB << 11, &err));
    assert_true(fs.clusters > 8 * 65536);
    OK(fat32_make_dir(&fs, "/a", &err));
    OK(put("/a/file", data, 100000));
    both(fs.clusters, 0x0fffffff); /* lost, and at the very end */
    both(fs.clusters + 1, 0x0fffffff);
    both(1, 0x07ffffff);
    cache_invalidate(&disk.dev);
    OK(fat32_mount(&fs, "hd0", &disk.dev, 0, (uint64_t)MIB << 11, &err));
    fake_notices[0] = '\0';
    OK(put("/a/file2", data2, 100000));
    assert_non_null(strstr(fake_notices, ": 2 clusters that nothing refers to"));
    OK(holds(&fs, "/a/file", data, 100000));
    munmap(p, (size_t)MIB << 20);
    close(fd);
    snprintf(command, sizeof(command), "/sbin/fsck.fat -n %s/large && rm %s/large", fsck_dir, fsck_dir);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_files_of_all_sizes, setup),
        cmocka_unit_test_setup(test_in_small_pieces, setup),
        cmocka_unit_test_setup(test_replace, setup),
        cmocka_unit_test_setup(test_abandon_leaves_nothing, setup),
        cmocka_unit_test_setup(test_writers_side_by_side, setup),
        cmocka_unit_test_setup(test_folders, setup),
        cmocka_unit_test_setup(test_many_short, setup),
        cmocka_unit_test_setup(test_many_long, setup),
        cmocka_unit_test_setup(test_many_very_long, setup),
        cmocka_unit_test_setup(test_lengths_of_names, setup),
        cmocka_unit_test_setup(test_names, setup),
        cmocka_unit_test_setup(test_aliases, setup),
        cmocka_unit_test_setup(test_name_tails, setup),
        cmocka_unit_test_setup(test_dates, setup),
        cmocka_unit_test_setup(test_rename, setup),
        cmocka_unit_test_setup(test_in_place_side_by_side, setup),
        cmocka_unit_test_setup(test_in_place, setup),
        cmocka_unit_test_setup(test_removed_while_open, setup),
        cmocka_unit_test_setup(test_full, setup),
        cmocka_unit_test_setup(test_no_memory, setup),
        cmocka_unit_test_setup(test_failing_writes, setup),
        cmocka_unit_test_setup(test_write_protected, setup),
        cmocka_unit_test_setup(test_damage_is_left_alone, setup),
        cmocka_unit_test_setup(test_lost_clusters, setup),
        cmocka_unit_test_setup(test_without_information_sector, setup),
        cmocka_unit_test_setup(test_garbage_behind_the_end, setup),
        cmocka_unit_test_setup(test_every_size_of_clusters, setup_4k),
        cmocka_unit_test_setup(test_mtools, setup),
        cmocka_unit_test_setup(test_large_volume, setup),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fsck_end();
    return failed;
}
