/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Power cuts. A sequence of operations is recorded write by write; then the disk is put together as it is when
 * the power fails after any of them: once with all writes up to there, once as a disk with a cache may leave it, where
 * each sector that was written since the last flush holds any of its versions since then. What is there must be:
 *   - to fsck.fat: lost clusters, a wrong count of free ones, the dirty bit, tables that differ (the second one lags
 *     behind), and nothing else. Two exceptions, only within the operation that is named: resizing in place may leave
 *     a chain longer than its size, and making or removing a name of over 195 characters pieces of it;
 *   - to our reader: each file as it was after the operation before, or as after this one, whole;
 *   - to our writer: good to go on with, and after one more write all in order: fsck.fat finds nothing at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fat_fsck.h"

#define FILES_MAX 24U
#define OPS_MAX   96U
#define LOG_MAX   60000U
#define DATA_MAX  120000U

/* ---- what was written ---- */

struct record { uint32_t lba, epoch; uint8_t bytes[512]; };

static struct record *records;
static size_t record_count, write_count;
static size_t write_ends[LOG_MAX]; /* records up to the end of each write of the driver */
static uint32_t epoch;
static uint8_t base[sizeof(small_disk)];

static void watch(struct fake_disk *d, uint64_t lba, uint32_t sectors, const void *buf)
{
    (void)d;
    if (sectors == 0) {
        epoch++;
        return;
    }
    for (uint32_t i = 0; i < sectors; i++) {
        if (record_count == LOG_MAX)
            fail_msg("the log is full");
        records[record_count] = (struct record){.lba = (uint32_t)lba + i, .epoch = epoch};
        memcpy(records[record_count++].bytes, (const uint8_t *)buf + i * 512UL, 512);
    }
    write_ends[write_count++] = record_count;
}

/* The disk after the first COUNT records, in order. */
static void replay(size_t count)
{
    memcpy(small_disk, base, sizeof(small_disk));
    for (size_t i = 0; i < count; i++)
        memcpy(small_disk + records[i].lba * 512UL, records[i].bytes, 512);
}

/* The same with a disk that keeps what was written since the last flush, and wrote some of it. */
static void replay_reordered(size_t count)
{
    static uint8_t limit[SMALL_DISK]; /* so many writes of this sector reached the medium */
    static uint8_t seen[SMALL_DISK];
    uint32_t last = count != 0 ? records[count - 1].epoch : 0;
    int chance = rand() % 4;

    memcpy(small_disk, base, sizeof(small_disk));
    for (size_t i = 0; i < SMALL_DISK; i++) {
        limit[i] = (uint8_t)(rand() % 4 < chance ? rand() % 4 : chance == 1 ? 0 : 255);
        seen[i] = 0;
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t lba = records[i].lba;
        if (records[i].epoch != last || seen[lba]++ < limit[lba])
            memcpy(small_disk + lba * 512UL, records[i].bytes, 512);
    }
}

/* ---- what should be there ---- */

struct model { bool there; size_t len; uint32_t seed; };

struct op {
    size_t start, end; /* records */
    struct model before[FILES_MAX], after[FILES_MAX];
    int in_place;      /* this file is anything meanwhile; -1: none */
    int from, to;      /* renaming; -1: no */
    bool long_name;    /* pieces of it may be left */
    bool is_dir;
};

static struct op ops[OPS_MAX];
static size_t op_count;
static struct model now[FILES_MAX];
static char names[FILES_MAX][256];
static size_t name_count;
static uint8_t data[DATA_MAX];
static struct fsck verdict;

static int file_named(const char *name)
{
    for (size_t i = 0; i < name_count; i++)
        if (strcmp(names[i], name) == 0)
            return (int)i;
    assert_true(name_count < FILES_MAX);
    strcpy(names[name_count], name);
    return (int)name_count++;
}

static struct op *op_begin(void)
{
    assert_true(op_count < OPS_MAX);
    struct op *o = &ops[op_count];
    *o = (struct op){.start = record_count, .in_place = -1, .from = -1, .to = -1};
    memcpy(o->before, now, sizeof(now));
    return o;
}

static void op_end(struct op *o, bool ok)
{
    if (!ok)
        fail_msg("%s", err.text);
    o->end = record_count;
    memcpy(o->after, now, sizeof(now));
    op_count++;
}

static void do_put(const char *name, size_t len, uint32_t seed)
{
    struct op *o = op_begin();
    int i = file_named(name);

    o->long_name = strlen(name) > 190;
    fill(data, len, seed);
    bool ok = put(name, data, len);
    now[i] = (struct model){.there = true, .len = len, .seed = seed};
    op_end(o, ok);
}

static void do_remove(const char *name)
{
    struct op *o = op_begin();
    int i = file_named(name);

    o->long_name = strlen(name) > 190;
    bool ok = fat32_remove(&fs, name, &err);
    now[i] = (struct model){0};
    op_end(o, ok);
}

static void do_rename(const char *from, const char *to)
{
    struct op *o = op_begin();
    bool done = false;

    o->from = file_named(from);
    o->to = file_named(to);
    bool ok = fat32_rename(&fs, from, to, &done, &err);
    assert_true(done);
    now[o->to] = now[o->from];
    now[o->from] = (struct model){0};
    op_end(o, ok);
}

static void do_mkdir(const char *name)
{
    struct op *o = op_begin();

    op_end(o, fat32_make_dir(&fs, name, &err));
}

static void do_rmdir(const char *name)
{
    struct op *o = op_begin();

    op_end(o, fat32_remove(&fs, name, &err));
}

static void do_resize(const char *name, size_t len, bool write)
{
    struct op *o = op_begin();
    int i = file_named(name);
    struct fat32_file *f = NULL;

    o->in_place = i;
    bool ok = fat32_open_path(&fs, name, true, &f, &err);
    fill(data, DATA_MAX, now[i].seed);
    if (ok && write && len > now[i].len)
        ok = fat32_write(f, now[i].len, data + now[i].len, len - now[i].len, &err);
    else if (ok && len < now[i].len)
        ok = fat32_resize(f, len, &err);
    fat32_close(f);
    now[i].len = len;
    op_end(o, ok);
}

/* ---- the judgement ---- */

static bool same(struct fat32 *in, int i, const struct model *m)
{
    struct fat32_entry entry;

    if (!m->there)
        return !fat32_lookup(in, names[i], &entry, &err) && strstr(err.text, "no such file or folder") != NULL;
    fill(data, m->len, m->seed);
    return holds(in, names[i], data, m->len);
}

/* Everything is as before the operation or as after it; STRICT: as after it. */
static const char *judge_files(const struct op *o, bool strict)
{
    for (int i = 0; i < (int)name_count; i++) {
        if (i == o->in_place) {
            struct fat32_entry entry;
            if (!fat32_lookup(&fs, names[i], &entry, &err))
                return names[i];
        } else if ((strict || !same(&fs, i, &o->before[i])) && !same(&fs, i, &o->after[i])) {
            return names[i];
        }
    }
    if (o->from >= 0 && same(&fs, o->from, &o->before[o->from]) == same(&fs, o->to, &o->after[o->to]))
        return "a name that changes";
    return NULL;
}

static void judge(size_t cut, const struct op *o, bool strict, const char *kind)
{
    struct fsck *v = &verdict;

    fsck_run(small_part, v);
    if (v->damage != 0 || (v->spare != 0 && o->in_place < 0) || (v->pieces != 0 && !o->long_name))
        fail_msg("%s, after %zu sectors, operation %td: %s", kind, cut, o - ops, v->text);
    disk.watch = NULL;
    if (!small_mount())
        fail_msg("%s, after %zu sectors: %s", kind, cut, err.text);
    const char *wrong = judge_files(o, strict);
    if (wrong != NULL)
        fail_msg("%s, after %zu sectors, operation %td: %s: %s", kind, cut, o - ops, wrong, err.text);
    fake_notices[0] = '\0';
    if (!put("/AFTERWARDS.TXT", "x", 1))
        fail_msg("%s, after %zu sectors: %s", kind, cut, err.text);
    wrong = judge_files(o, strict);
    if (wrong != NULL)
        fail_msg("%s, after %zu sectors, with one more file: %s: %s", kind, cut, wrong, err.text);
    fsck_run(small_part, v);
    if (v->damage + v->lost + v->copies + v->dirty != 0 || (v->count != 0 && v->spare == 0) || (v->spare != 0 && o->in_place < 0) ||
        (v->pieces != 0 && !o->long_name))
        fail_msg("%s, after %zu sectors, after one more write: %s", kind, cut, v->text);
}

static const struct op *op_at(size_t cut)
{
    for (size_t i = 0; i < op_count; i++)
        if (cut <= ops[i].end)
            return &ops[i];
    return &ops[op_count - 1];
}

/* ---- recording ---- */

static void record_start(const char *options)
{
    small_setup(options);
    /* What is free holds what once was there. */
    uint64_t free = fs.data + fs.cluster_bytes - SMALL_FIRST * 512UL;
    memset(small_part + free, 'G', SMALL_BYTES - free);
    cache_invalidate(&disk.dev);
    if (records == NULL)
        records = malloc(LOG_MAX * sizeof(*records));
    record_count = write_count = op_count = name_count = 0;
    epoch = 1;
    memset(now, 0, sizeof(now));
}

static void record_base(void)
{
    memcpy(base, small_disk, sizeof(base));
    record_count = write_count = op_count = 0;
    disk.watch = watch;
}

static void cut_everywhere(void)
{
    for (size_t i = 0; i < write_count; i++) {
        size_t cut = write_ends[i];
        replay(cut);
        judge(cut, op_at(cut), cut == op_at(cut)->end, "in order");
    }
}

static void cut_at_random(unsigned times, unsigned seed)
{
    srand(seed);
    for (unsigned i = 0; i < times; i++) {
        size_t cut = (size_t)rand() % record_count;
        replay_reordered(cut);
        judge(cut, op_at(cut), false, "reordered");
    }
}

/* Each kind of operation once, all cuts. */
static void short_sequence(void)
{
    do_put("/new", 1500, 1);
    do_put("/new", 700, 2);
    do_mkdir("/a folder");
    do_put("/a folder/with a longer name", 3000, 3);
    do_rename("/new", "/other");
    do_remove("/other");
    do_remove("/a folder/with a longer name");
    do_rmdir("/a folder");
}

static void test_each_operation_cut_everywhere(void **state)
{
    (void)state;
    record_start("-s 1");
    record_base();
    short_sequence();
    cut_everywhere();
    cut_at_random(150, 1);
}

static void test_clusters_of_4k(void **state)
{
    (void)state;
    record_start("-s 8");
    record_base();
    short_sequence();
    cut_everywhere();
    cut_at_random(80, 2);
}

static void test_folder_that_grows(void **state)
{
    char name[64];
    (void)state;
    record_start("-s 1");
    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof(name), "/a name of some pieces %d", i);
        do_put(name, 100, (uint32_t)i);
    }
    record_base();
    for (int i = 6; i < 12; i++) {
        snprintf(name, sizeof(name), "/a name of some pieces %d", i);
        do_put(name, 100, (uint32_t)i);
    }
    cut_everywhere();
    cut_at_random(150, 3);
}

static void test_very_long_names(void **state)
{
    char name[3][256];
    (void)state;
    record_start("-s 1");
    for (int i = 0; i < 3; i++) {
        memset(name[i], 'a' + i, 230);
        name[i][0] = '/';
        name[i][230] = '\0';
    }
    do_put(name[0], 600, 1);
    record_base();
    do_put(name[1], 700, 2);
    do_put(name[2], 800, 3);
    do_remove(name[1]);
    do_put(name[1], 900, 4);
    do_put(name[2], 300, 5);
    do_remove(name[0]);
    cut_everywhere();
    cut_at_random(150, 4);
}

static void test_in_place(void **state)
{
    (void)state;
    record_start("-s 1");
    do_put("/disk", 5000, 1);
    do_put("/other", 5000, 2);
    record_base();
    do_resize("/disk", 9000, true);
    do_resize("/disk", 700, false);
    do_resize("/disk", 0, false);
    do_resize("/disk", 2000, true);
    cut_everywhere();
    cut_at_random(150, 5);
}

/* A file that somebody reads is replaced and removed: its clusters wait for him, and the power fails meanwhile. */
static void test_while_somebody_reads(void **state)
{
    struct fat32_file *f = NULL;
    (void)state;
    record_start("-s 1");
    do_put("/read", 3000, 1);
    do_put("/gone", 3000, 2);
    record_base();
    assert_true(fat32_open_path(&fs, "/read", false, &f, &err));
    do_put("/read", 2000, 3);
    do_put("/x", 1000, 4);
    struct op *o = op_begin();
    fat32_close(f);
    op_end(o, true);
    cut_everywhere();
    cut_at_random(60, 6);
}

/* A long random life. */
static void test_random_life(void **state)
{
    (void)state;
    record_start("-s 2");
    do_mkdir("/d");
    record_base();
    srand(77);
    for (int i = 0; i < 80; i++) {
        static const char *const where[] = {"/Name number %d", "/d/Another name, number %d", "/S%d", "/d/%d"};
        char name[64], to[64];
        int k = rand() % 4;
        snprintf(name, sizeof(name), where[k], rand() % 4);
        int f = file_named(name);
        int what = rand() % 10;
        snprintf(to, sizeof(to), "/R%d", rand() % 4);
        if (what < 6 || !now[f].there)
            do_put(name, (size_t)rand() % (what == 0 ? 60000 : 5000), (uint32_t)i);
        else if (what < 9 || k != 2 || now[file_named(to)].there)
            do_remove(name);
        else
            do_rename(name, to);
    }
    cut_at_random(500, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_operation_cut_everywhere), cmocka_unit_test(test_clusters_of_4k),
        cmocka_unit_test(test_folder_that_grows),             cmocka_unit_test(test_very_long_names),
        cmocka_unit_test(test_in_place),                      cmocka_unit_test(test_while_somebody_reads),
        cmocka_unit_test(test_random_life),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(records);
    fsck_end();
    return failed;
}
