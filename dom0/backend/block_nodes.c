/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The xenstore nodes of virtual disks: /local/domain/0/backend/vbd/DOMID/NUMBER belongs to Dom0 and the guest
 * reads it, /local/domain/DOMID/device/vbd/NUMBER belongs to the guest. Of what stands there only numbers are believed,
 * within their ranges. */
#include "dom0/backend/block_priv.h"

#include <xen/io/xenbus.h>

#include "dom0/lib/string.h"
#include "dom0/store/store.h"

#define NODE_MAX 96U
#define XVD      (202U << 8) /* Linux's major number of Xen's disks; 16 minor numbers each */

uint32_t block_number(uint16_t index) { return XVD + 16U * index; }

static void back_path(const struct block_config *c, const char *key, char out[NODE_MAX])
{
    snprintf(out, NODE_MAX, "/local/domain/0/backend/vbd/%u/%u%s%s", c->domid, block_number(c->index),
             key[0] != '\0' ? "/" : "", key);
}

static void front_path(const struct block_config *c, const char *key, char out[NODE_MAX])
{
    snprintf(out, NODE_MAX, "/local/domain/%u/device/vbd/%u%s%s", c->domid, block_number(c->index),
             key[0] != '\0' ? "/" : "", key);
}

typedef void (*path_fn)(const struct block_config *c, const char *key, char out[NODE_MAX]);

static int put(const struct block_config *c, path_fn path, const char *key, const char *value)
{
    char full[NODE_MAX];
    path(c, key, full);
    return store_write(full, value);
}

static int put_u64(const struct block_config *c, path_fn path, const char *key, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%lu", value);
    return put(c, path, key, text);
}

struct pair {
    const char *key, *value;
};

/* A folder whose later nodes have PERMS. */
static int folder(const struct block_config *c, path_fn path, const char *perms, const struct pair *pairs, size_t n)
{
    char full[NODE_MAX];
    path(c, "", full);
    int err = store_mkdir(full);
    err = err == 0 ? store_set_perms(full, perms) : err;
    for (size_t i = 0; i < n && err == 0; i++)
        err = put(c, path, pairs[i].key, pairs[i].value);
    return err;
}

static int create_back(const struct block_config *c)
{
    char front[NODE_MAX], domid[8], perms[16], name[BLOCK_NAME_BYTES];
    front_path(c, "", front);
    block_name(c->index, name);
    snprintf(domid, sizeof domid, "%u", c->domid);
    snprintf(perms, sizeof perms, "n0,r%u", c->domid);
    const struct pair pairs[] = {
        {"frontend", front},
        {"frontend-id", domid},
        {"online", "1"},
        {"type", "file"},
        {"params", c->path},
        {"dev", name},
        {"mode", c->read_only ? "r" : "w"},
        {"device-type", c->cdrom ? "cdrom" : "disk"},
        {"removable", c->cdrom ? "1" : "0"},
        {"feature-flush-cache", "1"},
        {"feature-barrier", "1"},
    };
    int err = folder(c, back_path, perms, pairs, sizeof pairs / sizeof pairs[0]);
    err = err == 0 ? put_u64(c, back_path, "feature-max-indirect-segments", BLK_INDIRECT_MAX) : err;
    return err == 0 ? put_u64(c, back_path, "state", XenbusStateInitWait) : err;
}

/* The state comes last: Linux takes a device without one for an old one, and looks again when it changes. A CD-ROM is
 * a disk here: Linux leaves those of type cdrom to an emulator, which there is none of. */
static int create_front(const struct block_config *c)
{
    char back[NODE_MAX], number[16], perms[16];
    back_path(c, "", back);
    snprintf(number, sizeof number, "%u", block_number(c->index));
    snprintf(perms, sizeof perms, "n%u,r0", c->domid);
    const struct pair pairs[] = {
        {"backend", back}, {"backend-id", "0"}, {"virtual-device", number}, {"device-type", "disk"}, {"state", "1"},
    };
    return folder(c, front_path, perms, pairs, sizeof pairs / sizeof pairs[0]);
}

int block_nodes_create(const struct block_config *c)
{
    int err = create_back(c); /* Linux wants it to be there when the front end appears */
    return err == 0 ? create_front(c) : err;
}

void block_nodes_remove(const struct block_config *c)
{
    char path[NODE_MAX];
    front_path(c, "", path);
    store_rm(path);
    back_path(c, "", path);
    store_rm(path);
}

int block_nodes_publish(const struct block_config *c, uint64_t sectors)
{
    unsigned info = (c->cdrom ? VDISK_CDROM : 0U) | (c->read_only ? VDISK_READONLY : 0U);
    int err = put_u64(c, back_path, "sectors", sectors);
    err = err == 0 ? put_u64(c, back_path, "sector-size", BLK_SECTOR_BYTES) : err;
    return err == 0 ? put_u64(c, back_path, "info", info) : err;
}

void block_nodes_state(const struct block_config *c, unsigned state) { put_u64(c, back_path, "state", state); }

void block_nodes_offline(const struct block_config *c) { put(c, back_path, "online", "0"); }

static bool front_text(const struct block_config *c, const char *key, char *out, size_t len)
{
    char path[NODE_MAX];
    front_path(c, key, path);
    return store_read(path, out, len) == 0;
}

static bool front_u32(const struct block_config *c, const char *key, uint32_t *out)
{
    char text[16];
    uint64_t v = 0;
    bool ok = front_text(c, key, text, sizeof text) && parse_u64(text, &v) && v <= UINT32_MAX;
    *out = (uint32_t)v;
    return ok;
}

unsigned block_front_state(const struct block_config *c)
{
    uint32_t state = 0;
    return front_u32(c, "state", &state) && state <= XenbusStateReconfigured ? state : XenbusStateUnknown;
}

bool block_front_keys(const struct block_config *c, struct block_keys *out, const char **why)
{
    char protocol[32];
    *why = "the guest named no ring, or no event channel";
    if (!front_u32(c, "ring-ref", &out->ring_ref) || !front_u32(c, "event-channel", &out->port))
        return false;
    *why = "the guest's ring has the layout of another kind of machine";
    return !front_text(c, "protocol", protocol, sizeof protocol) || strcmp(protocol, "x86_64-abi") == 0;
}

int block_front_watch(const struct block_config *c, void (*fn)(const char *path, void *ctx), void *ctx)
{
    char path[NODE_MAX];
    front_path(c, "state", path);
    return store_watch(path, fn, ctx);
}
