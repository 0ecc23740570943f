/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Paths as text. ".." is resolved here and never by the disk's own entries, so no file system can lead a path
 * astray. */
#include "dom0/fs/path.h"

#include "dom0/fs/volume.h"
#include "dom0/lib/string.h"

struct path_out {
    char *text;
    size_t len, size;
    size_t root; /* where "/…" begins */
};

/* The colon of the volume's name, when PATH has one. */
static const char *path_colon(const char *path)
{
    const char *colon = strchr(path, ':'), *slash = strchr(path, '/');

    return colon != NULL && (slash == NULL || colon < slash) ? colon : NULL;
}

static bool path_too_long(const char *path, struct error *e)
{
    return error_set(e, EXIT_USAGE, "%.80s…: the path is too long: at most %u characters", path, PATH_MAX_LEN - 1U);
}

static bool path_push(struct path_out *o, const char *part, size_t len)
{
    if (len + 1 >= o->size - o->len)
        return false;
    o->text[o->len++] = '/';
    memcpy(o->text + o->len, part, len);
    o->len += len;
    o->text[o->len] = '\0';
    return true;
}

static bool path_pop(struct path_out *o)
{
    if (o->len == o->root)
        return false;
    while (o->text[--o->len] != '/')
        ;
    o->text[o->len] = '\0';
    return true;
}

static bool path_add_parts(struct path_out *o, const char *parts, const char *path, struct error *e)
{
    for (;;) {
        while (*parts == '/')
            parts++;
        const char *slash = strchr(parts, '/');
        size_t len = slash != NULL ? (size_t)(slash - parts) : strlen(parts);
        if (len == 0)
            return true;
        if (len == 2 && parts[0] == '.' && parts[1] == '.') {
            if (!path_pop(o))
                return error_set(e, EXIT_USAGE, "%.120s: it leads out of the volume: take a `..` away", path);
        } else if (!(len == 1 && parts[0] == '.') && !path_push(o, parts, len)) {
            return path_too_long(path, e);
        }
        parts += len;
    }
}

static bool path_printable(const char *path)
{
    for (; *path != '\0'; path++) {
        if ((unsigned char)*path < 0x20 || *path == 0x7f)
            return false;
    }
    return true;
}

bool path_normalize(const char *path, const char *base, char *out, size_t size, struct error *e)
{
    const char *colon = path_colon(path), *from = colon != NULL ? path : base;
    size_t volume = (size_t)((colon != NULL ? colon : path_colon(base)) - from) + 1;
    struct path_out o = {.text = out, .size = size, .len = volume, .root = volume};

    if (strnlen(path, PATH_MAX_LEN) >= PATH_MAX_LEN || volume + 2 > size)
        return path_too_long(path, e);
    if (!path_printable(path))
        return error_set(e, EXIT_USAGE, "path: it has control characters: write VOLUME:/FOLDER/FILE");
    if (volume == 1)
        return error_set(e, EXIT_USAGE, "%.120s: no volume before the colon: write VOLUME:/FOLDER/FILE", path);
    memcpy(out, from, volume);
    out[volume] = '\0';
    if (colon == NULL && !path_add_parts(&o, base + volume, path, e))
        return false;
    if (!path_add_parts(&o, colon != NULL ? colon + 1 : path, path, e))
        return false;
    return o.len != o.root || path_push(&o, "", 0) || path_too_long(path, e);
}

const char *path_in_volume(const char *normal) { return path_colon(normal) + 1; }
