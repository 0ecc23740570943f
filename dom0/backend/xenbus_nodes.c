/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Nodes of devices in xenstore. */
#include "dom0/backend/xenbus_nodes.h"

#include <xen/xen.h>
#include <xen/io/xenbus.h>

#include "dom0/lib/string.h"
#include "dom0/store/store.h"

void xenbus_path(char out[XENBUS_PATH], const struct xenbus_device *d, enum xenbus_side side, const char *key)
{
    const char *slash = key[0] != '\0' ? "/" : "";
    if (side == XENBUS_BACK)
        snprintf(out, XENBUS_PATH, "/local/domain/0/backend/%s/%u/%u%s%s", d->type, d->domid, d->number, slash, key);
    else
        snprintf(out, XENBUS_PATH, "/local/domain/%u/device/%s/%u%s%s", d->domid, d->type, d->number, slash, key);
}

int xenbus_folder(const struct xenbus_device *d, enum xenbus_side side, const char *perms, bool each,
                  const struct xenbus_pair *pairs, size_t n)
{
    char path[XENBUS_PATH];
    xenbus_path(path, d, side, "");
    int err = store_mkdir(path);
    err = err == 0 ? store_set_perms(path, perms) : err;
    for (size_t i = 0; i < n && err == 0; i++) {
        xenbus_path(path, d, side, pairs[i].key);
        err = store_write(path, pairs[i].value);
        err = err == 0 && each ? store_set_perms(path, perms) : err;
    }
    return err;
}

int xenbus_put(const struct xenbus_device *d, const char *key, const char *value)
{
    char path[XENBUS_PATH];
    xenbus_path(path, d, XENBUS_BACK, key);
    return store_write(path, value);
}

int xenbus_put_u64(const struct xenbus_device *d, const char *key, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%lu", value);
    return xenbus_put(d, key, text);
}

static bool none_left(const char *name, void *ctx)
{
    (void)name;
    *(bool *)ctx = false;
    return false;
}

void xenbus_remove(const struct xenbus_device *d)
{
    char path[XENBUS_PATH];
    bool empty = true;
    xenbus_path(path, d, XENBUS_FRONT, "");
    (void)store_rm(path);
    xenbus_path(path, d, XENBUS_BACK, "");
    (void)store_rm(path);
    *strrchr(path, '/') = '\0';
    if (store_list(path, none_left, &empty) && empty)
        (void)store_rm(path);
}

bool xenbus_front_text(const struct xenbus_device *d, const char *key, char *out, size_t len)
{
    char path[XENBUS_PATH];
    xenbus_path(path, d, XENBUS_FRONT, key);
    return store_read(path, out, len) == 0;
}

bool xenbus_front_u32(const struct xenbus_device *d, const char *key, uint32_t max, uint32_t *out)
{
    char text[16];
    uint64_t v = 0;
    if (!xenbus_front_text(d, key, text, sizeof text) || !parse_u64(text, &v) || v > max)
        return false;
    *out = (uint32_t)v;
    return true;
}

unsigned xenbus_front_state(const struct xenbus_device *d)
{
    uint32_t state = XenbusStateUnknown;
    (void)xenbus_front_u32(d, "state", XenbusStateReconfigured, &state);
    return state;
}

int xenbus_front_watch(const struct xenbus_device *d, void (*fn)(const char *path, void *ctx), void *ctx)
{
    char path[XENBUS_PATH];
    xenbus_path(path, d, XENBUS_FRONT, "state");
    return store_watch(path, fn, ctx);
}
