/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The xenstore nodes of virtual disks (Xen public io/blkif.h). */
#include "dom0/backend/block_priv.h"

#include <xen/errno.h>
#include <xen/io/xenbus.h>

#include "dom0/backend/xenbus_nodes.h"
#include "dom0/lib/string.h"
#include "dom0/store/store.h"

#define DISCARD_BYTES 4096U /* the granularity that is offered: file systems' usual block */
#define XVD           (202U << 8) /* Linux's major number of Xen's disks; 16 minor numbers each */
#define COUNT(a)      (sizeof(a) / sizeof(a)[0])

uint32_t block_number(uint16_t index) { return XVD + 16U * index; }

static struct xenbus_device device_of(const struct block_config *c)
{
    return (struct xenbus_device){"vbd", c->domid, block_number(c->index)};
}

static int create_back(const struct block_config *c)
{
    struct xenbus_device d = device_of(c);
    char front[XENBUS_PATH], domid[8], perms[16], name[BLOCK_NAME_BYTES];
    xenbus_path(front, &d, XENBUS_FRONT, "");
    block_name(c->index, name);
    snprintf(domid, sizeof domid, "%u", c->domid);
    snprintf(perms, sizeof perms, "n0,r%u", c->domid);
    const struct xenbus_pair pairs[] = {
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
    int err = xenbus_folder(&d, XENBUS_BACK, perms, false, pairs, COUNT(pairs));
    err = err == 0 ? xenbus_put_u64(&d, "feature-max-indirect-segments", BLK_INDIRECT_MAX) : err;
    err = err == 0 ? xenbus_put_u64(&d, "max-ring-page-order", BLK_RING_ORDER_MAX) : err;
    return err == 0 ? xenbus_put_u64(&d, "state", XenbusStateInitWait) : err;
}

/* The state comes last: Linux takes a device without one for an old one, and looks again when it changes. A CD-ROM is
 * a disk here: Linux leaves those of type cdrom to an emulator, which there is none of. */
static int create_front(const struct block_config *c)
{
    struct xenbus_device d = device_of(c);
    char back[XENBUS_PATH], number[16], perms[16];
    xenbus_path(back, &d, XENBUS_BACK, "");
    snprintf(number, sizeof number, "%u", block_number(c->index));
    snprintf(perms, sizeof perms, "n%u,r0", c->domid);
    const struct xenbus_pair pairs[] = {
        {"backend", back}, {"backend-id", "0"}, {"virtual-device", number}, {"device-type", "disk"}, {"state", "1"},
    };
    return xenbus_folder(&d, XENBUS_FRONT, perms, false, pairs, COUNT(pairs));
}

int block_nodes_create(const struct block_config *c)
{
    int err = create_back(c); /* Linux wants it to be there when the front end appears */
    return err == 0 ? create_front(c) : err;
}

void block_nodes_remove(const struct block_config *c)
{
    struct xenbus_device d = device_of(c);
    xenbus_remove(&d);
}

int block_nodes_publish(const struct block_config *c, const struct blk_disk *disk)
{
    struct xenbus_device d = device_of(c);
    unsigned info = (c->cdrom ? VDISK_CDROM : 0U) | (c->read_only ? VDISK_READONLY : 0U);
    int err = xenbus_put_u64(&d, "sectors", disk->sectors);
    err = err == 0 && disk->discards ? xenbus_put_u64(&d, "feature-discard", 1) : err;
    err = err == 0 && disk->discards ? xenbus_put_u64(&d, "discard-granularity", DISCARD_BYTES) : err;
    err = err == 0 && disk->discards ? xenbus_put_u64(&d, "discard-alignment", 0) : err;
    err = err == 0 ? xenbus_put_u64(&d, "sector-size", BLK_SECTOR_BYTES) : err;
    return err == 0 ? xenbus_put_u64(&d, "info", info) : err;
}

void block_nodes_state(const struct block_config *c, unsigned state)
{
    struct xenbus_device d = device_of(c);
    (void)xenbus_put_u64(&d, "state", state);
}

void block_nodes_offline(const struct block_config *c)
{
    struct xenbus_device d = device_of(c);
    (void)xenbus_put(&d, "online", "0");
}

unsigned block_front_state(const struct block_config *c)
{
    struct xenbus_device d = device_of(c);
    return xenbus_front_state(&d);
}

/* A ring of one page may have either kind of name. */
static bool front_ring(const struct xenbus_device *d, struct block_keys *out, bool many)
{
    char key[24];
    if (!many)
        return xenbus_front_u32(d, "ring-ref", UINT32_MAX, &out->ring_ref[0]);
    for (uint32_t i = 0; i < 1U << out->order; i++) {
        snprintf(key, sizeof key, "ring-ref%u", i);
        if (!xenbus_front_u32(d, key, UINT32_MAX, &out->ring_ref[i]))
            return false;
    }
    return true;
}

/* The longest value that a guest may write is an order, too: not one that was offered. */
static bool has_order(const struct xenbus_device *d)
{
    char path[XENBUS_PATH], text[2];
    xenbus_path(path, d, XENBUS_FRONT, "ring-page-order");
    return store_read(path, text, sizeof text) != XEN_ENOENT;
}

bool block_front_keys(const struct block_config *c, struct block_keys *out, const char **why)
{
    struct xenbus_device d = device_of(c);
    char protocol[32];
    bool many = has_order(&d);
    out->order = 0;
    *why = "the guest asked for a ring of a size that was not offered";
    if (many && !xenbus_front_u32(&d, "ring-page-order", BLK_RING_ORDER_MAX, &out->order))
        return false;
    *why = "the guest named no ring, or no event channel";
    if (!front_ring(&d, out, many) || !xenbus_front_u32(&d, "event-channel", UINT32_MAX, &out->port))
        return false;
    *why = "the guest's ring has the layout of another kind of machine";
    return !xenbus_front_text(&d, "protocol", protocol, sizeof protocol) || strcmp(protocol, "x86_64-abi") == 0;
}

int block_front_watch(const struct block_config *c, void (*fn)(const char *path, void *ctx), void *ctx)
{
    struct xenbus_device d = device_of(c);
    return xenbus_front_watch(&d, fn, ctx);
}
