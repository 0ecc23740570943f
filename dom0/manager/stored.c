/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Small texts kept on a volume. Replacing is the file system's own step (dom0/fs/fat32.h): the new contents are
 * complete and flushed before the name points at them. */
#include "dom0/manager/stored.h"

#include "dom0/fs/volume.h"

bool stored_write(const char *path, const char *text, size_t len, struct error *e)
{
    struct file *f = NULL;
    if (!file_create(path, len, &f, e))
        return false;
    if (file_append(f, text, len, e))
        return file_commit(f, e);
    file_close(f);
    return false;
}

bool stored_read(const char *path, char *text, size_t size, size_t *len, struct error *e)
{
    struct file *f = NULL;
    if (!file_open(path, &f, e))
        return false;
    bool ok = file_size(f) < size || error_set(e, EXIT_FAILED, "%.100s: larger than %lu bytes: make it smaller", path,
                                               (unsigned long)size - 1);
    ok = ok && file_read(f, 0, text, size - 1, len, e);
    file_close(f);
    if (ok)
        text[*len] = '\0';
    return ok;
}
