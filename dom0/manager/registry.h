/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The register of all domains that the operator started: one block of memory that holds no pointer, only numbers
 * and offsets, so that it can be checked and taken over as it is. Pure. Used by cooperative threads: no lock; an entry
 * is changed without yielding in between. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0/lib/limit.h"
#include "dom0/manager/manager.h"

#define REGISTRY_MAGIC      0x5254534745524243UL /* "CBREGSTR" */
#define REGISTRY_VERSION    4U
#define REGISTRY_ENDED_KEPT 4U /* ended domains whose console can still be read */

enum entry_state {
    ENTRY_FREE = 0,
    ENTRY_BUILDING = 1,
    ENTRY_LIVE = 2,
    ENTRY_PRESERVED = 3, /* stopped for good, memory kept for inspection */
    ENTRY_ENDED = 4,     /* gone; only its console's scroll-back and the reason are left */
};

struct registry_entry {
    uint32_t state; /* enum entry_state */
    uint16_t domid;
    uint16_t pad;
    uint32_t store_port; /* in the domain's table */
    uint32_t console_port;
    uint32_t fast_restarts;   /* reboots in a row soon after the start */
    uint32_t files_in_memory; /* 1: kernel and ramdisk needed no disk */
    uint64_t order;           /* rises with each end: the smallest of the ended goes first */
    uint64_t started_ns;
    uint64_t create_tsc;     /* when `create` began */
    uint64_t overhead_bytes; /* of root, just after the domain was started */
    uint64_t built_pages;    /* what it had then: its memory with nothing given back */
    struct limit notices;    /* "rebooted" may be said so often; goes on with the next domain of this name */
    char why[96];            /* preserved or ended: the reason in words */
    struct vm_config config;
};

struct registry {
    uint64_t magic;
    uint32_t version;
    uint32_t entry_size;
    uint32_t first_offset; /* of entry 0 from the start of the registry */
    uint32_t capacity;
    uint64_t total_bytes;
    uint64_t next_order;
};

/* How many bytes CAPACITY entries need. */
size_t registry_bytes(uint32_t capacity);
/* Makes an empty registry at MEM (16-byte aligned, registry_bytes(CAPACITY) long). */
struct registry *registry_init(void *mem, uint32_t capacity);
struct registry_entry *registry_at(struct registry *r, uint32_t i);
/* The first entry in STATE with NAME (letter case counts), or NULL. */
struct registry_entry *registry_by_name(struct registry *r, enum entry_state state, const char *name);
/* The domain with DOMID that exists (building, live or preserved), or NULL. */
struct registry_entry *registry_by_domid(struct registry *r, uint16_t domid);
struct registry_entry *registry_alloc(struct registry *r); /* zeroed but for the state BUILDING; NULL: full */
uint32_t registry_index(const struct registry *r, const struct registry_entry *e);
bool registry_exists(const struct registry_entry *e); /* building, live or preserved */
/* E becomes ENDED. Returns the domids whose scroll-back must be forgotten now in FORGET: an older ended domain of the
 * same name, and the oldest above REGISTRY_ENDED_KEPT. */
uint32_t registry_end(struct registry *r, struct registry_entry *e, uint16_t forget[2]);
/* Is the block at MEM (BYTES long) a registry that can be used? WHY: the first thing wrong. Reads nothing outside. */
bool registry_check(const void *mem, size_t bytes, char *why, size_t why_len);
