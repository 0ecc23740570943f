/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Guests' virtual disks: Xen's blkif over images (dom0/vdisk). Each disk has a thread of its own, which takes one
 * request after the other from the guest's ring; data goes through a buffer of Dom0's (grant copies), so nothing of a
 * guest is mapped while a disk works, but its ring. A guest whose ring makes no sense loses the disk, with one line in
 * the log. What a flush was answered for is on the medium.
 * Attaching, closing and removing are done with the manager's lock held; looking needs none. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dom0/fs/volume.h"
#include "dom0/lib/error.h"

#define BLOCK_PER_DOMAIN 16U /* xvda to xvdp */
#define BLOCK_NAME_BYTES 8U

struct block_config {
    uint16_t domid;
    uint16_t index; /* 0: xvda … */
    bool read_only;
    bool cdrom; /* READ_ONLY is set as well */
    char path[PATH_MAX_LEN]; /* the image, as vdisk_resolve writes it */
};

enum block_state { BLOCK_WAITING, BLOCK_CONNECTED, BLOCK_CLOSING, BLOCK_CLOSED, BLOCK_DROPPED };

struct block_view {
    struct block_config config;
    char name[BLOCK_NAME_BYTES];
    uint32_t number; /* Xen's: 51712 for xvda */
    enum block_state state;
    uint64_t bytes;
    uint64_t reads, writes, flushes, discards, read_bytes, written_bytes, errors; /* requests that were answered, and as errors */
};

/* Could it be attached? It is there, is an image, and no other guest's use of it is in the way. */
bool block_check(const struct block_config *c, struct error *e);
/* Opens the image, writes the xenstore nodes of both sides, serves. The domain's own nodes are there. */
bool block_attach(const struct block_config *c, struct error *e);
/* Asks the guest to let go (a guest that never connected has done so). false: no such disk. */
bool block_close(uint16_t domid, uint16_t index);
/* Ends the disk, let go or not, and removes its nodes. Waits for a request that is under way. */
void block_remove(uint16_t domid, uint16_t index);
/* block_remove of all that the domain has. */
void block_remove_all(uint16_t domid);
bool block_get(uint16_t domid, uint16_t index, struct block_view *out);
/* The first disk of DOMID from INDEX on. */
bool block_next(uint16_t domid, uint16_t index, struct block_view *out);
/* "xvda" for 0. */
void block_name(uint16_t index, char out[BLOCK_NAME_BYTES]);
/* "xvda", or Xen's number: false: neither. */
bool block_parse(const char *text, uint16_t *index);
