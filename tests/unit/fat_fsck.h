/* SPDX-License-Identifier: Apache-2.0
 * [HOST] A small FAT32 partition in memory that mkfs.vfat made, and the verdict of fsck.fat on it: each line that it
 * prints is one of those that we know, or counts as damage. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs_fakes.h"

#include "dom0/fs/cache.h"
#include "dom0/fs/fat32.h"

#define SMALL_FIRST   64U
#define SMALL_SECTORS 4096U
#define SMALL_DISK    (SMALL_FIRST + SMALL_SECTORS + 64U)
#define SMALL_BYTES   (SMALL_SECTORS * 512U)

static uint8_t small_disk[SMALL_DISK * 512U];
static uint8_t *const small_part = small_disk + SMALL_FIRST * 512U;
static char fsck_dir[] = "/tmp/corbel-fsck-XXXXXX";
static char fsck_image[64];

static struct fake_disk disk;
static struct fat32 fs;
static struct error err;

/* Formats SMALL_PART. */
static bool small_format(const char *options)
{
    char command[400];

    if (fsck_image[0] == '\0') {
        if (mkdtemp(fsck_dir) == NULL)
            return false;
        snprintf(fsck_image, sizeof(fsck_image), "%s/image", fsck_dir);
    }
    snprintf(command, sizeof(command),
             "rm -f %s && truncate -s %u %s && PATH=$PATH:/sbin:/usr/sbin mkfs.vfat -F 32 -n CORBEL %s %s > /dev/null "
             "2>&1", fsck_image, SMALL_BYTES, fsck_image, options, fsck_image);
    if (system(command) != 0)
        return false;
    FILE *f = fopen(fsck_image, "rb");
    bool ok = f != NULL && fread(small_part, 1, SMALL_BYTES, f) == SMALL_BYTES;
    if (f != NULL)
        fclose(f);
    memset(small_disk, 0xa5, SMALL_FIRST * 512);
    memset(small_part + SMALL_BYTES, 0xa5, 64 * 512);
    return ok;
}

static inline bool small_mount(void)
{
    cache_invalidate(&disk.dev);
    memset(&err, 0, sizeof(err));
    return fat32_mount(&fs, "hd0p1", &disk.dev, SMALL_FIRST, SMALL_SECTORS, &err);
}

static inline void small_setup(const char *options)
{
    if (!small_format(options))
        exit(fprintf(stderr, "mkfs.vfat failed: install dosfstools\n"));
    cache_invalidate(&disk.dev);
    fake_disk_init(&disk, "hd0", small_disk, SMALL_DISK, 512);
    disk.first = SMALL_FIRST;
    disk.end = SMALL_FIRST + SMALL_SECTORS;
    fake_heap_limit = -1;
    fake_notices[0] = '\0';
    if (!small_mount())
        exit(fprintf(stderr, "mount: %s\n", err.text));
}

struct fsck {
    int code;
    unsigned lost, count, copies, dirty, spare, pieces; /* findings that a power cut may leave */
    unsigned damage;                             /* all others */
    char text[16384];
};

/* One line of fsck's into the verdict. */
static void fsck_line(struct fsck *v, const char *line)
{
    static const char *const quiet[] = {
        "fsck.fat 4.", "Warning: Filesystem is FAT32 according to", "  but has only ",
        "  This may lead to problems", "  Using first FAT.", "  Auto-correcting.", "Leaving filesystem unchanged.",
        "  Truncating file to ", "  Auto-deleting.", " Automatically removing dirty bit.",
        "  Not auto-correcting this."};
    size_t len = strlen(line);

    for (size_t i = 0; i < sizeof(quiet) / sizeof(quiet[0]); i++)
        if (strncmp(line, quiet[i], strlen(quiet[i])) == 0)
            return;
    if (len == 0 || (strstr(line, " clusters") != NULL && strstr(line, " files, ") != NULL))
        return;
    if (strncmp(line, "Reclaimed ", 10) == 0)
        v->lost++;
    else if (strncmp(line, "Free cluster summary wrong", 26) == 0)
        v->count++;
    else if (strncmp(line, "FATs differ but appear to be intact", 35) == 0)
        v->copies++;
    else if (strncmp(line, "Dirty bit is set", 16) == 0)
        v->dirty++;
    else if (strstr(line, "cluster chain length is > ") != NULL)
        v->spare++;
    else if (strncmp(line, "Orphaned long file name part", 28) == 0 || strncmp(line, "Unfinished long file name", 25) == 0)
        v->pieces++;
    else if (line[0] == '/' && strstr(line, "\"") == NULL && strstr(line, "  ") == NULL)
        return; /* the name of the file that the next line speaks of */
    else
        v->damage++;
}

static inline void fsck_run(const uint8_t *part, struct fsck *v)
{
    char command[200], line[1000];
    FILE *f = fopen(fsck_image, "r+b");

    memset(v, 0, sizeof(*v));
    if (f == NULL || fwrite(part, 1, SMALL_BYTES, f) != SMALL_BYTES)
        exit(fprintf(stderr, "%s: cannot be written\n", fsck_image));
    fclose(f);
    snprintf(command, sizeof(command), "exec /sbin/fsck.fat -n %s 2>&1", fsck_image);
    f = popen(command, "r");
    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        if (strlen(v->text) + strlen(line) < sizeof(v->text))
            strcat(v->text, line);
        line[strcspn(line, "\n")] = '\0';
        fsck_line(v, line);
    }
    v->code = f != NULL ? pclose(f) : -1;
    if (strstr(v->text, "fsck.fat 4.") == NULL)
        exit(fprintf(stderr, "fsck.fat does not run: install dosfstools\n%s", v->text));
}

static inline void fsck_end(void)
{
    char command[100];

    snprintf(command, sizeof(command), "rm -rf %s", fsck_dir);
    if (system(command) != 0)
        fprintf(stderr, "%s is left\n", fsck_dir);
}

/* ---- short forms of what the tests do ---- */

static inline bool put(const char *path, const void *data, size_t len)
{
    struct fat32_new *n = NULL;

    if (!fat32_new_begin(&fs, len, &n, &err))
        return false;
    if (!fat32_new_append(n, data, len, &err)) {
        fat32_new_abandon(n);
        return false;
    }
    return fat32_new_commit(n, path, &err);
}

/* Is the file at PATH there with just these bytes? */
static inline bool holds(struct fat32 *in, const char *path, const void *data, size_t len)
{
    static uint8_t buf[SMALL_BYTES];
    struct fat32_file *f = NULL;
    size_t got = 0;

    if (!fat32_open_path(in, path, false, &f, &err))
        return false;
    bool same = fat32_size(f) == len && fat32_read(f, 0, buf, sizeof(buf), &got, &err) && got == len &&
                memcmp(buf, data, len) == 0;
    fat32_close(f);
    return same;
}

static inline void fill(uint8_t *buf, size_t len, uint32_t seed)
{
    for (size_t i = 0; i < len; i++)
        buf[i] = (uint8_t)((i + seed * 7919U) * 2654435761U >> 11);
}
