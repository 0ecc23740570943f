/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Driver-test mode: writing until the power fails. A script ends the machine at any moment, then judges the disk
 * by what it was told: each step is "test: begin STEP", then "test: end" or "test: kept" (nothing was changed). */
#include "dom0/fs/volume.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/driver_test.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/string.h"

#define FOLDER   "hd0p1:/w"
#define NAMES    10U
#define SIZE_MAX_BYTES 200000U
#define CHUNK    65536U

static uint32_t random_state;

static uint32_t random_below(uint32_t n)
{
    random_state = random_state * 1664525U + 1013904223U;
    return (random_state >> 8) % n;
}

/* Short names, long ones, and one that takes two sectors of its folder. */
static void name_of(uint32_t i, char path[PATH_MAX_LEN])
{
    if (i < 4) {
        snprintf(path, PATH_MAX_LEN, FOLDER "/F%u.BIN", i);
    } else if (i < 9) {
        snprintf(path, PATH_MAX_LEN, FOLDER "/a file with a longer name %u", i);
    } else {
        snprintf(path, PATH_MAX_LEN, FOLDER "/%0200u", i);
    }
}

static bool put(const char *path, uint32_t len, uint32_t seed, uint8_t *buf, struct error *e)
{
    struct file *f;
    if (!file_create(path, len, &f, e)) {
        return false;
    }
    for (uint32_t done = 0; done < len;) {
        uint32_t part = len - done < CHUNK ? len - done : CHUNK;
        for (uint32_t i = 0; i < part; i++) {
            buf[i] = (uint8_t)((done + i + seed) * 2654435761U >> 11);
        }
        if (!file_append(f, buf, part, e)) {
            file_close(f);
            return false;
        }
        done += part;
    }
    return file_commit(f, e);
}

static bool write_step(uint8_t *buf, struct error *e)
{
    char path[PATH_MAX_LEN], to[PATH_MAX_LEN];
    struct dir_entry d;
    struct error missing;
    uint32_t from = random_below(NAMES), other = random_below(NAMES), what = random_below(8);
    name_of(from, path);
    name_of(other, to);
    bool there = path_stat(path, &d, &missing), done = true;
    if (there && what < 2) {
        console_printf("test: begin remove %s\n", path);
        if (!path_remove(path, e)) {
            return false;
        }
    } else if (there && what < 4 && !path_stat(to, &d, &missing)) {
        console_printf("test: begin rename %s to %s\n", path, to);
        if (!path_rename(path, to, &done, e)) {
            return false;
        }
    } else {
        uint32_t len = random_below(what == 7 ? SIZE_MAX_BYTES : 4000), seed = random_below(1000000);
        console_printf("test: begin put %u %u %s\n", len, seed, path);
        if (!put(path, len, seed, buf, e)) {
            return false;
        }
    }
    console_printf("test: %s\n", done ? "end" : "kept");
    return true;
}

void driver_test_write(void)
{
    struct dir_entry d;
    struct error e = {};
    uint8_t *buf = heap_alloc(CHUNK);
    random_state = (uint32_t)time_tsc();
    bool ok = buf != NULL && (path_stat(FOLDER, &d, &e) || path_mkdir(FOLDER, &e));
    console_printf("test: writing\n");
    while (ok) {
        ok = write_step(buf, &e);
    }
    heap_free(buf);
    console_printf("test: error: %s\n", e.text);
}
