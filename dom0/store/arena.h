/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The memory that holds the whole xenstore. Everything in it is addressed by offsets from its start, so that a
 * Dom0 that starts later can map it anywhere, check it (store_arena_check) and go on with it. Each block knows its kind
 * and the domain that is charged for it. Pure: no hardware, no heap. Cooperative threads: no lock. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0/store/perms.h"

#define STORE_MAGIC     0x31524f54534c4243ULL /* "CBLSTOR1" */
#define STORE_VERSION   3U
#define STORE_BINS      16U
#define STORE_ARENA_MIN (16UL << 10)
#define STORE_ARENA_MAX (64UL << 20)
#define STORE_NONE      0U /* the offset that is none */
#define STORE_CHAINS    64U /* of watches, by the hash of their path; a power of two */
#define STORE_SPECIALS  2U  /* @introduceDomain, @releaseDomain */

enum store_kind {
    STORE_FREE,
    STORE_NODE,
    STORE_VALUE,
    STORE_DOMAIN,
    STORE_WATCH,
    STORE_EVENT,
    STORE_TX,
    STORE_RECORD,
    STORE_KINDS
};

/* Limits of one unprivileged domain. Bytes are a share of the arena (store_domain_bytes_max). */
#define STORE_QUOTA_NODES        1000U
#define STORE_QUOTA_WATCHES      128U
#define STORE_QUOTA_TRANSACTIONS 10U
#define STORE_QUOTA_RECORDS      256U /* nodes that one transaction may touch */
#define STORE_QUOTA_EVENTS       256U /* queued watch events; beyond it they merge into one per watch */

/* The header, at offset 0. The checksum covers what never changes. */
struct store {
    uint64_t magic;
    uint32_t version;
    uint32_t header_bytes;
    uint64_t size;
    uint32_t checksum;
    uint32_t brk;        /* blocks lie in [header_bytes, brk) */
    uint64_t generation; /* counts changes of the tree */
    uint32_t root;       /* struct store_node "/" */
    uint32_t domains;    /* list of struct store_domain */
    uint32_t next_tx;
    uint32_t used;       /* bytes in blocks that are not free */
    uint32_t guest_used; /* of these, charged to unprivileged domains */
    uint32_t nodes;      /* in the tree */
    uint32_t free[STORE_BINS];
    struct store_perms special[STORE_SPECIALS]; /* who hears of domains that come and go; at first Dom0 alone */
    uint32_t watches, pad[3];
    uint32_t chain[STORE_CHAINS]; /* each watch is in one: a change looks at those of its path and of the paths above */
};
_Static_assert(sizeof(struct store) == 448, "store arena");

/* Before each block's payload; blocks are multiples of 16 bytes and adjoin each other. */
struct store_block {
    uint32_t size;  /* with this header */
    uint16_t owner; /* the domain charged for it */
    uint8_t kind;
    uint8_t magic;
};
_Static_assert(sizeof(struct store_block) == 8, "store arena");

/* What is counted per domain; exists while the domain owns or waits for anything. */
struct store_domain {
    uint32_t next;
    uint16_t domid;
    uint16_t introduced;
    uint32_t nodes, watches, transactions, bytes;
    uint32_t first_watch, first_tx;
    uint32_t first_event, last_event, events;
};

static inline void *store_at(struct store *s, uint32_t off) { return off == STORE_NONE ? NULL : (uint8_t *)s + off; }
static inline uint32_t store_off(const struct store *s, const void *p)
{
    return p == NULL ? STORE_NONE : (uint32_t)((const uint8_t *)p - (const uint8_t *)s);
}

/* Makes an empty arena with "/" owned by domain 0 without rights for others. NULL: wrong size or alignment (16). */
struct store *store_arena_init(void *mem, size_t bytes);
/* Is this an arena that can be used? Checks the header's checksum, every block, the free lists, the tree, the lists and
 * recomputes all counters. Never writes. WHY names the first fault. */
bool store_arena_check(const void *mem, size_t bytes, const char **why);
/* Zeroed payload, charged to OWNER; NULL: no memory, or OWNER's share (when LIMITED) is used up. */
void *store_alloc(struct store *s, uint16_t owner, bool limited, enum store_kind kind, size_t bytes);
void store_free(struct store *s, void *payload); /* NULL is fine */
/* What was found last by a long search, for the next one; no part of the arena, and forgotten when it is freed. STORE_NONE: nothing. */
uint32_t store_found(const struct store *s);
void store_note_found(const struct store *s, const void *payload);
/* Charges an existing block to another domain. */
void store_charge_move(struct store *s, void *payload, uint16_t owner);
struct store_block *store_block_of(void *payload);
/* The largest number of bytes that one unprivileged domain may be charged for. */
uint32_t store_domain_bytes_max(const struct store *s);
/* The record of a domain; NULL: none (find), no memory (get). */
struct store_domain *store_domain_find(struct store *s, uint16_t domid);
struct store_domain *store_domain_get(struct store *s, uint16_t domid);
/* Drops the record when nothing is left that it counts. */
void store_domain_put(struct store *s, uint16_t domid);
uint32_t store_hash(uint32_t seed, const void *data, size_t len);
#define STORE_HASH_SEED 2166136261U
