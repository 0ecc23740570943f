/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The volume `boot:`. A module's name is its path, so a folder exists where a module's name passes through
 * it. */
#include "dom0/fs/bootvol.h"

#include "dom0/kernel/boot.h"
#include "dom0/lib/string.h"

/* NAME lies in the folder DIR ("" is the root): the part of it below, else NULL. */
static const char *bootvol_below(const char *name, const char *dir)
{
    size_t len = strlen(dir);

    if (len == 0)
        return name;
    return strncasecmp(name, dir, len) == 0 && name[len] == '/' ? name + len + 1 : NULL;
}

static size_t bootvol_part(const char *below)
{
    const char *slash = strchr(below, '/');

    return slash != NULL ? (size_t)(slash - below) : strlen(below);
}

/* The first module that shows the same part of the folder was there already. */
static bool bootvol_seen(size_t before, const char *dir, const char *part, size_t len)
{
    for (size_t i = 0; i < before; i++) {
        const char *below = bootvol_below(boot_module_get(i).name, dir);
        if (below != NULL && bootvol_part(below) == len && strncasecmp(below, part, len) == 0)
            return true;
    }
    return false;
}

static bool bootvol_missing(const char *path, struct error *e)
{
    return error_set(e, EXIT_FAILED, "boot:%s: no such file or folder: see what is there with `ls`", path);
}

static const char *bootvol_last(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

bool bootvol_stat(const char *path, struct dir_entry *out, struct error *e)
{
    const char *name = path + (path[0] == '/');

    *out = (struct dir_entry){.is_dir = true};
    (void)strlcpy(out->name, *name != '\0' ? bootvol_last(name) : "/", sizeof(out->name));
    if (*name == '\0')
        return true;
    for (size_t i = 0; i < boot_module_count(); i++) {
        struct boot_module_view m = boot_module_get(i);
        if (strcasecmp(m.name, name) == 0) {
            out->is_dir = false;
            out->size = m.size;
            (void)strlcpy(out->name, bootvol_last(m.name), sizeof(out->name));
            return true;
        }
        if (bootvol_below(m.name, name) != NULL)
            return true;
    }
    return bootvol_missing(path, e);
}

bool bootvol_list(const char *path, bool (*fn)(const struct dir_entry *d, void *ctx), void *ctx, struct error *e)
{
    const char *dir = path + (path[0] == '/');
    struct dir_entry entry;

    if (!bootvol_stat(path, &entry, e))
        return false;
    if (!entry.is_dir)
        return error_set(e, EXIT_FAILED, "boot:%s: a file, not a folder: show it with `cat`", path);
    for (size_t i = 0; i < boot_module_count(); i++) {
        struct boot_module_view m = boot_module_get(i);
        const char *below = bootvol_below(m.name, dir);
        size_t len = below != NULL ? bootvol_part(below) : 0;
        if (len == 0 || len >= sizeof(entry.name) || bootvol_seen(i, dir, below, len))
            continue;
        entry = (struct dir_entry){.is_dir = below[len] == '/'};
        memcpy(entry.name, below, len);
        entry.size = entry.is_dir ? 0 : m.size;
        if (!fn(&entry, ctx))
            break;
    }
    return true;
}

bool bootvol_open(const char *path, const void **data, uint64_t *size, struct error *e)
{
    const char *name = path + (path[0] == '/');
    struct dir_entry entry;

    for (size_t i = 0; i < boot_module_count(); i++) {
        struct boot_module_view m = boot_module_get(i);
        if (strcasecmp(m.name, name) == 0) {
            *data = m.data;
            *size = m.size;
            return true;
        }
    }
    if (!bootvol_stat(path, &entry, e))
        return false;
    return error_set(e, EXIT_FAILED, "boot:%s: a folder, not a file: name a file in it", path);
}

uint64_t bootvol_bytes(void)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < boot_module_count(); i++)
        sum += boot_module_get(i).size;
    return sum;
}
