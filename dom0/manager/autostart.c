/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The list of guests that are created at boot. */
#include "dom0/manager/autostart.h"

#include "dom0/fs/volume.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/lib/string.h"
#include "dom0/manager/stored.h"

#define FILE_MAX 17408U
#define HEADER   "# Guests that are created at boot, one per line. The verb `autostart` writes this file.\n"

static bool no_memory(struct error *e)
{
    return error_set(e, EXIT_NO_RESOURCE, "autostart: no memory: destroy a domain that is not needed");
}

/* ---- the list ---- */

int autostart_find(const struct autostart *a, const char *name)
{
    for (uint32_t i = 0; i < a->count; i++)
        if (strcasecmp(a->names[i], name) == 0)
            return (int)i;
    return -1;
}

static bool add(struct autostart *a, const char *name, size_t len)
{
    char text[AUTOSTART_NAME];
    while (len > 0 && (name[0] == ' ' || name[0] == '\t')) {
        name++;
        len--;
    }
    while (len > 0 && (name[len - 1] == ' ' || name[len - 1] == '\t' || name[len - 1] == '\r'))
        len--;
    if (len == 0 || name[0] == '#')
        return true;
    if (len >= sizeof text)
        return false;
    memcpy(text, name, len);
    text[len] = '\0';
    if (autostart_find(a, text) >= 0)
        return true;
    if (a->count == AUTOSTART_MAX)
        return false;
    strlcpy(a->names[a->count++], text, AUTOSTART_NAME);
    return true;
}

bool autostart_add_text(struct autostart *a, const char *text, const char *separators)
{
    bool ok = true;
    while (*text != '\0') {
        size_t len = 0;
        while (text[len] != '\0' && strchr(separators, text[len]) == NULL)
            len++;
        ok = add(a, text, len) && ok;
        text += len + (text[len] != '\0');
    }
    return ok;
}

/* ---- where it is kept ---- */

/* \corbel\autostart.cfg on the volume of the guest folder; false: that is memory. */
static bool stored_path(char path[PATH_MAX_LEN])
{
    char volume[16];
    if (!volume_of_guests(volume, sizeof volume))
        return false;
    snprintf(path, PATH_MAX_LEN, "%s:/corbel/autostart.cfg", volume);
    return true;
}

static void load_configured(struct autostart *a)
{
    struct cbl_host_info *host = heap_alloc(sizeof *host);
    if (host != NULL && control(CTL_HOST_INFO, host) == 0) {
        host->autostart[sizeof host->autostart - 1] = '\0';
        (void)autostart_add_text(a, host->autostart, ",");
    }
    heap_free(host);
    a->configured = a->count;
}

static bool load_stored(struct autostart *a, const char *path, struct error *e)
{
    struct dir_entry *d = heap_alloc(sizeof *d);
    char *text = heap_alloc(FILE_MAX);
    size_t len = 0;
    struct error missing;
    bool ok = (d != NULL && text != NULL) || no_memory(e);
    if (ok && path_stat(path, d, &missing)) {
        ok = stored_read(path, text, FILE_MAX, &len, e);
        if (ok && !autostart_add_text(a, text, "\n"))
            ok = error_set(e, EXIT_FAILED, "%s: more than %u guests, or a name of more than %u bytes: make it shorter",
                           path, AUTOSTART_MAX, AUTOSTART_NAME - 1);
    }
    heap_free(text);
    heap_free(d);
    return ok;
}

bool autostart_load(struct autostart *a, struct error *e)
{
    char path[PATH_MAX_LEN];
    memset(a, 0, sizeof *a);
    load_configured(a);
    return !stored_path(path) || load_stored(a, path, e);
}

/* ---- changing it ---- */

static bool store(const struct autostart *a, const char *path, struct error *e)
{
    char *text = heap_alloc(FILE_MAX);
    if (text == NULL)
        return no_memory(e);
    strlcpy(text, HEADER, FILE_MAX);
    for (uint32_t i = a->configured; i < a->count; i++) {
        strlcat(text, a->names[i], FILE_MAX);
        strlcat(text, "\n", FILE_MAX);
    }
    bool ok = stored_write(path, text, strlen(text), e);
    heap_free(text);
    return ok;
}

/* A name that a line of the list and the prompt's `create` can hold, of a guest that is there. */
static bool name_fit(const char *name, struct error *e)
{
    struct dir_entry *d = heap_alloc(sizeof *d);
    struct error ignored;
    if (d == NULL)
        return no_memory(e);
    bool there = path_stat(name, d, &ignored);
    heap_free(d);
    if (strlen(name) >= AUTOSTART_NAME || name[0] == '#' || name[0] == '-' || strchr(name, '"') != NULL ||
        strchr(name, '\\') != NULL || name[strlen(name) - 1] == ' ')
        return error_set(e, EXIT_FAILED, "%.80s: a name that the list cannot hold: at most %u bytes, no quotation "
                         "marks, not beginning with # or -", name, AUTOSTART_NAME - 1);
    return there || error_set(e, EXIT_FAILED, "%.80s: no such guest: `ls` shows what there is", name);
}

static bool change(struct autostart *a, const char *name, bool on, const char *path, struct error *e)
{
    int at = autostart_find(a, name);
    if (at >= 0 && (uint32_t)at < a->configured)
        return on || error_set(e, EXIT_WRONG_STATE, "%s: corbel.cfg names it: take it out of `autostart` there", name);
    if (on == (at >= 0))
        return true;
    if (on && a->count == AUTOSTART_MAX)
        return error_set(e, EXIT_NO_RESOURCE, "autostart: %u guests are in the list already: take one out first",
                         AUTOSTART_MAX);
    if (on) {
        strlcpy(a->names[a->count++], name, AUTOSTART_NAME);
    } else {
        a->count--;
        memmove(a->names[at], a->names[at + 1], (a->count - (uint32_t)at) * sizeof a->names[0]);
    }
    return store(a, path, e);
}

bool autostart_set(const char *name, bool on, struct error *e)
{
    char path[PATH_MAX_LEN];
    if (name[0] == '\0' || (on && !name_fit(name, e)))
        return name[0] != '\0' ? false : error_set(e, EXIT_USAGE, "autostart: no name: write `autostart NAME on`");
    if (!stored_path(path))
        return error_set(e, EXIT_NO_RESOURCE,
                         "autostart: the guest folder is in memory, there is no volume to store the list on: put the "
                         "guests on a FAT32 volume, or name them in corbel.cfg");
    struct autostart *a = heap_alloc(sizeof *a);
    if (a == NULL)
        return no_memory(e);
    bool ok = autostart_load(a, e) && change(a, name, on, path, e);
    heap_free(a);
    return ok;
}
