/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Driver-test mode: disks at their limits, and disks that fail while they are used. Every sector's content is
 * computed from its number, so that the script on the host can judge the image by itself. */
#include "dom0/fs/volume.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/driver_test.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/thread.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/string.h"
#include "drivers/block.h"
#include "drivers/disk.h"

#define NAME_BYTES     24U
#define BUFFER_BYTES   (600U * 1024U)
#define THREADS        8U
#define THREAD_ROUNDS  12U
#define THREAD_BYTES   (96U * 1024U)
#define WATCH_MAX      4U
#define WATCH_PAUSE_NS 20000000UL
#define FILE_BYTES     300001U
#define FILE_CHUNK     65536U

static bool check(bool ok, const char *what, const char *name, const char *why)
{
    if (!ok) {
        console_printf("test: error: %s %s: %s\n", what, name, why);
    }
    return ok;
}

static uint64_t word_of(uint64_t lba, uint32_t index, bool inverted)
{
    uint64_t w = (lba + 1) * 0x9e3779b97f4a7c15UL + index;
    return inverted ? ~w : w;
}

static void fill(uint8_t *p, uint64_t lba, uint32_t count, uint32_t size, bool inverted)
{
    for (uint32_t s = 0; s < count; s++) {
        for (uint32_t i = 0; i < size / 8; i++) {
            uint64_t w = word_of(lba + s, i, inverted);
            memcpy(p + s * size + 8 * i, &w, 8);
        }
    }
}

static bool same(const uint8_t *p, uint64_t lba, uint32_t count, uint32_t size)
{
    for (uint32_t s = 0; s < count; s++) {
        for (uint32_t i = 0; i < size / 8; i++) {
            uint64_t w = word_of(lba + s, i, false);
            if (memcmp(p + s * size + 8 * i, &w, 8) != 0) {
                return false;
            }
        }
    }
    return true;
}

/* Writes COUNT sectors twice, first with what must not stay, and reads them back to another alignment. */
static bool write_and_read(struct block_device *d, uint64_t lba, uint32_t count, uint8_t *buf)
{
    enum block_status s = BLOCK_OK;
    for (uint32_t turn = 0; turn < 2 && s == BLOCK_OK; turn++) {
        fill(buf + 3, lba, count, d->sector_size, turn == 0);
        s = d->ops->write(d, lba, count, buf + 3);
    }
    memset(buf, 0, (size_t)count * d->sector_size + 8);
    s = s == BLOCK_OK ? d->ops->read(d, lba, count, buf + 1) : s;
    return check(s == BLOCK_OK, "raw", d->name, block_status_text(s)) &&
           check(same(buf + 1, lba, count, d->sector_size), "raw", d->name, "what is read is not what was written");
}

static bool raw_limits(struct block_device *d, uint8_t *buf)
{
    static const uint32_t counts[] = {1, 2, 7, 8, 9, 15, 16, 17, 127, 128, 129, 255, 256, 257, 600};
    for (uint32_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        uint32_t n = counts[i];
        uint64_t starts[] = {0, 1, 1000 + n, d->sectors - n};
        for (uint32_t k = 0; k < 4; k++) {
            if (n * d->sector_size + 8 > BUFFER_BYTES || n > d->sectors) {
                continue;
            }
            if (!write_and_read(d, starts[k], n, buf)) {
                return false;
            }
            console_printf("test: wrote %s %lu %u\n", d->name, starts[k], n);
        }
    }
    return true;
}

static bool raw_ranges(struct block_device *d, uint8_t *buf)
{
    enum block_status write = d->read_only ? BLOCK_READ_ONLY : BLOCK_RANGE;
    return check(d->ops->read(d, d->sectors, 1, buf) == BLOCK_RANGE && d->ops->read(d, d->sectors - 1, 2, buf) == BLOCK_RANGE &&
                     d->ops->write(d, ~0UL, 2, buf) == write && d->ops->read(d, ~0UL, 1, buf) == BLOCK_RANGE,
                 "raw", d->name, "a request beyond the end is not refused");
}

struct worker {
    struct block_device *d;
    uint64_t lba;
    uint32_t sectors;
    bool ended, ok;
};

static void work(void *arg)
{
    struct worker *w = arg;
    uint8_t *buf = heap_alloc(THREAD_BYTES + 8);
    w->ok = buf != NULL;
    for (uint32_t i = 0; w->ok && i < THREAD_ROUNDS; i++) {
        w->ok = write_and_read(w->d, w->lba, w->sectors, buf) && (i % 4 != 0 || w->d->ops->flush(w->d) == BLOCK_OK);
    }
    heap_free(buf);
    w->ended = true;
}

static uint32_t outstanding(const struct block_device *d)
{
    return d->ops == &disk_block_ops ? ((const struct disk *)d->driver)->queue->running : 0;
}

static bool raw_threads(struct block_device *d)
{
    static struct worker workers[THREADS];
    bool ok = true;
    uint32_t most = 0, running = 0;
    for (uint32_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.d = d, .lba = 2000 + i * 256, .sectors = THREAD_BYTES / d->sector_size - i};
        ok = thread_create("worker", work, &workers[i], 0) != NULL && ok;
        running += ok;
    }
    for (uint32_t ended = 0; ended < running;) {
        thread_yield();
        most = outstanding(d) > most ? outstanding(d) : most;
        ended = 0;
        for (uint32_t i = 0; i < running; i++) {
            ended += workers[i].ended;
        }
    }
    for (uint32_t i = 0; i < running; i++) {
        ok = ok && workers[i].ok;
        console_printf("test: wrote %s %lu %u\n", d->name, workers[i].lba, workers[i].sectors);
    }
    console_printf("test: raw %s at most %u commands at a time\n", d->name, most);
    return check(ok, "raw", d->name, "a thread failed");
}

static bool raw_test(const char *name)
{
    struct block_device *d = block_find(name);
    uint8_t *buf = heap_alloc(BUFFER_BYTES);
    bool ok = check(d != NULL && buf != NULL && d->sectors > 4096, "raw", name, "no such disk, or no memory");
    if (ok && d->read_only) {
        enum block_status s = d->ops->write(d, 0, 1, buf);
        console_printf("test: raw %s write: %s\n", name, block_status_text(s));
        ok = s == BLOCK_READ_ONLY && d->ops->read(d, 0, 1, buf) == BLOCK_OK && raw_ranges(d, buf);
    } else if (ok) {
        ok = raw_limits(d, buf) && raw_ranges(d, buf) && raw_threads(d) &&
             check(d->ops->flush(d) == BLOCK_OK, "raw", name, "flush fails");
    }
    heap_free(buf);
    console_printf("test: raw %s %s\n", name, ok ? "passed" : "failed");
    return ok;
}

/* ---- files ---- */

static uint8_t file_byte(uint32_t at) { return (uint8_t)(at * 2654435761U >> 11); }

static bool file_put(const char *path, uint8_t *buf, struct error *e)
{
    struct file *f;
    if (!file_create(path, FILE_BYTES, &f, e)) {
        return false;
    }
    for (uint32_t done = 0; done < FILE_BYTES;) {
        uint32_t part = FILE_BYTES - done < FILE_CHUNK ? FILE_BYTES - done : FILE_CHUNK;
        for (uint32_t i = 0; i < part; i++) {
            buf[i] = file_byte(done + i);
        }
        if (!file_append(f, buf, part, e)) {
            file_close(f);
            return false;
        }
        done += part;
    }
    return file_commit(f, e);
}

static bool file_check(const char *path, uint8_t *buf, struct error *e)
{
    struct file *f;
    uint32_t at = 0;
    size_t got = 1;
    if (!file_open(path, &f, e)) {
        return false;
    }
    bool ok = file_size(f) == FILE_BYTES;
    while (ok && at < FILE_BYTES && got != 0) {
        ok = file_read(f, at, buf, FILE_CHUNK, &got, e);
        for (size_t i = 0; ok && i < got; i++) {
            ok = buf[i] == file_byte(at + (uint32_t)i);
        }
        at += (uint32_t)got;
    }
    file_close(f);
    return ok && at == FILE_BYTES;
}

static bool files_test(const char *volume)
{
    char path[PATH_MAX_LEN];
    struct error e = {};
    uint8_t *buf = heap_alloc(FILE_CHUNK);
    bool ok = buf != NULL;
    for (uint32_t i = 0; ok && i < 5; i++) {
        snprintf(path, sizeof(path), "%s:/written by the driver test %u", volume, i);
        ok = file_put(path, buf, &e) && file_check(path, buf, &e);
    }
    ok = ok && path_remove(path, &e);
    heap_free(buf);
    console_printf("test: files %s %s\n", volume, ok ? "passed" : e.text);
    return ok;
}

/* ---- disks that fail ---- */

struct watch {
    char name[NAME_BYTES];
    uint64_t end_ns;
    bool ended;
};
static struct watch watches[WATCH_MAX];

static void watch_step(struct block_device *d, uint32_t i, uint8_t *buf, enum block_status last[3])
{
    static const char *const verbs[3] = {"read", "write", "flush"};
    for (uint32_t k = 0; k < 3; k++) {
        uint64_t lba = 4096 + i % 64 * 8;
        enum block_status s = k == 0 ? d->ops->read(d, lba, 8, buf) : k == 1 ? d->ops->write(d, lba, 8, buf) : d->ops->flush(d);
        if (i == 0 || s != last[k]) {
            console_printf("test: watch %s %s: %s\n", d->name, verbs[k], block_status_text(s));
        }
        last[k] = s;
    }
}

static void watch_disk(void *arg)
{
    struct watch *w = arg;
    struct block_device *d = block_find(w->name);
    uint8_t *buf = heap_alloc(8UL * 4096);
    enum block_status last[3] = {BLOCK_OK, BLOCK_OK, BLOCK_OK};
    uint32_t i = 0;
    for (; d != NULL && buf != NULL && time_now_ns() < w->end_ns; i++) {
        watch_step(d, i, buf, last);
        thread_sleep_ns(WATCH_PAUSE_NS);
    }
    console_printf("test: watch %s ended after %u rounds: %s, %s, %s\n", w->name, i, block_status_text(last[0]),
                   block_status_text(last[1]), block_status_text(last[2]));
    heap_free(buf);
    w->ended = true;
}

static bool watch_start(const char *value, uint32_t index)
{
    const char *comma = strchr(value, ',');
    uint64_t seconds = 0;
    if (comma == NULL || index >= WATCH_MAX || !parse_u64(comma + 1, &seconds)) {
        return false;
    }
    struct watch *w = &watches[index];
    strlcpy(w->name, value, sizeof(w->name));
    w->name[comma - value] = '\0';
    w->end_ns = time_now_ns() + seconds * 1000000000UL;
    return thread_create("watch", watch_disk, w, 0) != NULL;
}

static bool set_timeout(const char *value)
{
    uint64_t seconds = 0;
    if (!parse_u64(value, &seconds)) {
        return false;
    }
    for (struct block_device *d = block_first(); d != NULL; d = d->next) {
        if (d->ops == &disk_block_ops) {
            ((const struct disk *)d->driver)->queue->timeout_ns = seconds * 1000000000UL;
        }
    }
    return true;
}

static bool run_word(const char *word, uint32_t *watching)
{
    if (strncmp(word, "timeout=", 8) == 0) {
        return set_timeout(word + 8);
    }
    if (strncmp(word, "raw=", 4) == 0) {
        return raw_test(word + 4);
    }
    if (strncmp(word, "files=", 6) == 0) {
        return files_test(word + 6);
    }
    if (strncmp(word, "net=", 4) == 0) {
        uint64_t seconds = 0;
        return parse_u64(word + 4, &seconds) && driver_test_net(seconds);
    }
    if (strncmp(word, "watch=", 6) == 0) {
        return watch_start(word + 6, (*watching)++);
    }
    return true;
}

bool driver_test_disks(const char *line)
{
    char word[NAME_BYTES];
    uint32_t watching = 0;
    bool ok = true;
    while (ok && *line != '\0') {
        const char *space = strchr(line, ' ');
        size_t len = space != NULL ? (size_t)(space - line) : strlen(line);
        if (len != 0 && len < sizeof(word)) {
            memcpy(word, line, len);
            word[len] = '\0';
            ok = run_word(word, &watching);
        }
        line += len + (space != NULL);
    }
    for (uint32_t i = 0; ok && i < watching; i++) {
        while (!watches[i].ended) {
            thread_sleep_ns(WATCH_PAUSE_NS);
        }
    }
    return ok;
}
