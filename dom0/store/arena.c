/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Allocation inside the xenstore arena. Free blocks are in lists by size; neighbours are merged only when an
 * allocation would fail otherwise. */
#include "dom0/store/arena.h"

#include "dom0/lib/string.h"
#include "dom0/store/tree.h"
#include "dom0/store/watch.h"

#define BLOCK_ALIGN 16U
#define BLOCK_MAGIC 0xb5U
#define BLOCK_MIN   32U

/* A free block's payload. */
struct free_link {
    uint32_t next;
};

uint32_t store_hash(uint32_t seed, const void *data, size_t len)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < len; i++) {
        seed = (seed ^ p[i]) * 16777619U;
    }
    return seed;
}

static uint32_t header_checksum(const struct store *s)
{
    return store_hash(STORE_HASH_SEED, s, offsetof(struct store, checksum));
}

struct store_block *store_block_of(void *payload)
{
    return (struct store_block *)((uint8_t *)payload - sizeof(struct store_block));
}

/* Bin N holds sizes from 32 << N up; the last bin all larger ones. */
static unsigned bin_of(uint32_t size)
{
    unsigned bin = 0;
    while (bin < STORE_BINS - 1 && (BLOCK_MIN << (bin + 1)) <= size) {
        bin++;
    }
    return bin;
}

static struct free_link *link_of(struct store *s, uint32_t block)
{
    return store_at(s, block + (uint32_t)sizeof(struct store_block));
}

static void make_free(struct store *s, uint32_t off, uint32_t size)
{
    struct store_block *b = store_at(s, off);
    *b = (struct store_block){.size = size, .kind = STORE_FREE, .magic = BLOCK_MAGIC};
    unsigned bin = bin_of(size);
    link_of(s, off)->next = s->free[bin];
    s->free[bin] = off;
}

/* Takes a block of at least SIZE out of the lists, and gives back what it has too much. */
static uint32_t take_free(struct store *s, uint32_t size)
{
    for (unsigned bin = bin_of(size); bin < STORE_BINS; bin++) {
        uint32_t *prev = &s->free[bin];
        while (*prev != STORE_NONE) {
            uint32_t off = *prev;
            struct store_block *b = store_at(s, off);
            if (b->size >= size) {
                *prev = link_of(s, off)->next;
                if (b->size - size >= BLOCK_MIN) {
                    make_free(s, off + size, b->size - size);
                    b->size = size;
                }
                return off;
            }
            prev = &link_of(s, off)->next;
        }
    }
    return STORE_NONE;
}

static uint32_t take_fresh(struct store *s, uint32_t size)
{
    if (s->size - s->brk < size) {
        return STORE_NONE;
    }
    uint32_t off = s->brk;
    s->brk += size;
    struct store_block *b = store_at(s, off);
    b->size = size;
    b->magic = BLOCK_MAGIC;
    return off;
}

/* Rebuilds the free lists with all neighbours merged; free memory before brk goes back behind it. */
static void merge_free(struct store *s)
{
    memset(s->free, 0, sizeof(s->free));
    uint32_t off = s->header_bytes;
    while (off < s->brk) {
        struct store_block *b = store_at(s, off);
        uint32_t end = off + b->size;
        if (b->kind != STORE_FREE) {
            off = end;
            continue;
        }
        while (end < s->brk && ((struct store_block *)store_at(s, end))->kind == STORE_FREE) {
            end += ((struct store_block *)store_at(s, end))->size;
        }
        if (end == s->brk) {
            s->brk = off;
            return;
        }
        make_free(s, off, end - off);
        off = end;
    }
}

uint32_t store_domain_bytes_max(const struct store *s) { return (uint32_t)(s->size / 8U); }

/* May OWNER have SIZE bytes more? A quarter of the arena is never given to unprivileged domains. */
static bool within_share(struct store *s, uint16_t owner, uint32_t size)
{
    const struct store_domain *d = store_domain_find(s, owner);
    uint32_t have = d == NULL ? 0 : d->bytes;
    return have + size <= store_domain_bytes_max(s) && s->guest_used + size <= s->size / 4U * 3U;
}

static void charge(struct store *s, uint16_t owner, uint32_t size, bool add)
{
    if (owner == 0) {
        return;
    }
    struct store_domain *d = store_domain_find(s, owner);
    if (d == NULL) {
        return;
    }
    d->bytes = add ? d->bytes + size : d->bytes - size;
    s->guest_used = add ? s->guest_used + size : s->guest_used - size;
}

static void *alloc_raw(struct store *s, uint16_t owner, enum store_kind kind, uint32_t size)
{
    uint32_t off = take_free(s, size);
    if (off == STORE_NONE) {
        off = take_fresh(s, size);
    }
    if (off == STORE_NONE) {
        merge_free(s);
        off = take_free(s, size);
    }
    if (off == STORE_NONE) {
        off = take_fresh(s, size);
    }
    if (off == STORE_NONE) {
        return NULL;
    }
    struct store_block *b = store_at(s, off);
    b->owner = owner;
    b->kind = (uint8_t)kind;
    s->used += b->size;
    memset(b + 1, 0, b->size - sizeof(*b));
    return b + 1;
}

void *store_alloc(struct store *s, uint16_t owner, bool limited, enum store_kind kind, size_t bytes)
{
    if (bytes > s->size) {
        return NULL;
    }
    uint32_t size = (uint32_t)((bytes + sizeof(struct store_block) + BLOCK_ALIGN - 1U) & ~(size_t)(BLOCK_ALIGN - 1U));
    if (size < BLOCK_MIN) {
        size = BLOCK_MIN;
    }
    if (owner != 0 && store_domain_get(s, owner) == NULL) {
        return NULL;
    }
    if (owner != 0 && limited && !within_share(s, owner, size)) {
        return NULL;
    }
    void *p = alloc_raw(s, owner, kind, size);
    if (p != NULL) {
        charge(s, owner, store_block_of(p)->size, true);
    }
    return p;
}

static const struct store *found_in;
static uint32_t found;

uint32_t store_found(const struct store *s) { return s == found_in ? found : STORE_NONE; }

void store_note_found(const struct store *s, const void *payload)
{
    found_in = s;
    found = store_off(s, payload);
}

void store_free(struct store *s, void *payload)
{
    if (payload == NULL) {
        return;
    }
    if (store_found(s) == store_off(s, payload)) {
        found = STORE_NONE;
    }
    struct store_block *b = store_block_of(payload);
    charge(s, b->owner, b->size, false);
    s->used -= b->size;
    make_free(s, store_off(s, b), b->size);
}

void store_charge_move(struct store *s, void *payload, uint16_t owner)
{
    struct store_block *b = store_block_of(payload);
    charge(s, b->owner, b->size, false);
    b->owner = owner;
    charge(s, owner, b->size, true);
}

struct store_domain *store_domain_find(struct store *s, uint16_t domid)
{
    struct store_domain *d = store_at(s, s->domains);
    while (d != NULL && d->domid != domid) {
        d = store_at(s, d->next);
    }
    return d;
}

struct store_domain *store_domain_get(struct store *s, uint16_t domid)
{
    struct store_domain *d = store_domain_find(s, domid);
    if (d != NULL) {
        return d;
    }
    d = store_alloc(s, 0, false, STORE_DOMAIN, sizeof(*d));
    if (d != NULL) {
        d->domid = domid;
        d->next = s->domains;
        s->domains = store_off(s, d);
    }
    return d;
}

void store_domain_put(struct store *s, uint16_t domid)
{
    uint32_t *prev = &s->domains;
    for (struct store_domain *d = store_at(s, *prev); d != NULL; d = store_at(s, *prev)) {
        if (d->domid != domid) {
            prev = &d->next;
            continue;
        }
        if (d->bytes == 0 && d->nodes == 0 && d->watches == 0 && d->transactions == 0 && d->introduced == 0) {
            *prev = d->next;
            store_free(s, d);
        }
        return;
    }
}

struct store *store_arena_init(void *mem, size_t bytes)
{
    if (bytes < STORE_ARENA_MIN || bytes > STORE_ARENA_MAX || ((uintptr_t)mem & (BLOCK_ALIGN - 1U)) != 0) {
        return NULL;
    }
    struct store *s = mem;
    found = STORE_NONE;
    *s = (struct store){.magic = STORE_MAGIC,
                        .version = STORE_VERSION,
                        .header_bytes = sizeof(*s),
                        .size = bytes & ~15UL,
                        .brk = sizeof(*s),
                        .next_tx = 1};
    s->checksum = header_checksum(s);
    struct store_perms none = {.count = 1, .entry = {{.domid = 0, .access = STORE_ACCESS_NONE}}};
    for (unsigned i = 0; i < STORE_SPECIALS; i++) {
        s->special[i] = none;
    }
    struct store_node *root = store_node_new(s, &none, false, "", 0);
    if (root == NULL) {
        return NULL;
    }
    s->root = store_off(s, root);
    s->nodes = 1;
    return s;
}

/* ---- the checker ---------------------------------------------------------------------------- */

struct check {
    const struct store *s;
    const char *why;
    uint32_t counts[STORE_KINDS];
    uint32_t used, guest_used;
};

static bool fault(struct check *c, const char *why)
{
    c->why = why;
    return false;
}

/* The payload at OFF when OFF is the start of a payload of KIND with at least BYTES. Only offsets at block starts pass,
 * as blocks were walked before: a block's header is recognised by its magic, kind and a plausible size. */
static const void *payload_at(const struct check *c, uint32_t off, enum store_kind kind, size_t bytes)
{
    if (off < c->s->header_bytes + sizeof(struct store_block) || off >= c->s->brk ||
        (off & 15U) != sizeof(struct store_block)) {
        return NULL;
    }
    const struct store_block *b = (const struct store_block *)((const uint8_t *)c->s + off) - 1;
    if (b->magic != BLOCK_MAGIC || b->kind != (uint8_t)kind || b->size < bytes + sizeof(*b) ||
        b->size > c->s->brk - (off - sizeof(*b))) {
        return NULL;
    }
    return b + 1;
}

static bool check_header(struct check *c, size_t bytes)
{
    const struct store *s = c->s;
    if (bytes < STORE_ARENA_MIN || s->magic != STORE_MAGIC) {
        return fault(c, "no arena here");
    }
    if (s->version != STORE_VERSION || s->header_bytes != sizeof(*s)) {
        return fault(c, "another version");
    }
    if (s->checksum != header_checksum(s)) {
        return fault(c, "header checksum");
    }
    if (s->size > bytes || s->size > STORE_ARENA_MAX || s->brk < s->header_bytes || s->brk > s->size ||
        (s->brk & 15U) != 0) {
        return fault(c, "sizes");
    }
    for (unsigned i = 0; i < STORE_SPECIALS; i++) {
        if (s->special[i].count == 0 || s->special[i].count > STORE_PERMS_MAX) {
            return fault(c, "permissions of a special event");
        }
    }
    return true;
}

static bool check_blocks(struct check *c)
{
    const struct store *s = c->s;
    for (uint32_t off = s->header_bytes; off < s->brk;) {
        const struct store_block *b = (const struct store_block *)((const uint8_t *)s + off);
        if (b->magic != BLOCK_MAGIC || b->kind >= STORE_KINDS || b->size < BLOCK_MIN || (b->size & 15U) != 0 ||
            b->size > s->brk - off) {
            return fault(c, "a block's header");
        }
        c->counts[b->kind]++;
        if (b->kind != STORE_FREE) {
            c->used += b->size;
            c->guest_used += b->owner != 0 ? b->size : 0;
        }
        off += b->size;
    }
    if (c->used != s->used || c->guest_used != s->guest_used) {
        return fault(c, "bytes in use");
    }
    return true;
}

static bool check_free_lists(struct check *c)
{
    uint32_t seen = 0;
    for (unsigned bin = 0; bin < STORE_BINS; bin++) {
        for (uint32_t off = c->s->free[bin]; off != STORE_NONE;) {
            const struct free_link *l = NULL;
            if (off <= c->s->brk) {
                l = payload_at(c, off + (uint32_t)sizeof(struct store_block), STORE_FREE, sizeof(*l));
            }
            if (l == NULL || ++seen > c->counts[STORE_FREE]) {
                return fault(c, "free list");
            }
            off = l->next;
        }
    }
    return seen == c->counts[STORE_FREE] ? true : fault(c, "a free block in no list");
}

static const struct store_node *check_node(struct check *c, uint32_t off, uint32_t parent)
{
    const struct store_node *n = payload_at(c, off, STORE_NODE, sizeof(*n));
    if (n == NULL || n->parent != parent || payload_at(c, off, STORE_NODE, sizeof(*n) + n->name_len) == NULL) {
        return NULL;
    }
    if (n->perms.count == 0 || n->perms.count > STORE_PERMS_MAX || (n->name_len == 0 && parent != STORE_NONE)) {
        return NULL;
    }
    const struct store_block *b = (const struct store_block *)n - 1;
    if (b->owner != n->perms.entry[0].domid || n->hash != store_hash(STORE_HASH_SEED, n->name, n->name_len)) {
        return NULL;
    }
    if (n->value == STORE_NONE ? n->value_len != 0 : payload_at(c, n->value, STORE_VALUE, n->value_len) == NULL) {
        return NULL;
    }
    return n;
}

/* Depth first without a stack: down to the first child, along to the next, up by the parent. Each step is counted, so
 * that a ring in the links ends. */
static bool check_tree(struct check *c)
{
    uint32_t off = c->s->root, nodes = 0;
    const struct store_node *n = check_node(c, off, STORE_NONE);
    while (n != NULL) {
        if (++nodes > c->counts[STORE_NODE]) {
            return fault(c, "a ring in the tree");
        }
        uint32_t parent = off, next = n->child;
        while (next == STORE_NONE && off != c->s->root) {
            next = n->next;
            parent = n->parent;
            if (next == STORE_NONE) {
                off = parent;
                n = payload_at(c, off, STORE_NODE, sizeof(*n));
            }
        }
        if (next == STORE_NONE) {
            return nodes == c->s->nodes ? true : fault(c, "number of nodes");
        }
        off = next;
        n = check_node(c, off, parent);
    }
    return fault(c, "a node");
}

static bool check_domains(struct check *c)
{
    uint32_t seen = 0, nodes = 0, bytes = 0;
    for (uint32_t off = c->s->domains; off != STORE_NONE;) {
        const struct store_domain *d = payload_at(c, off, STORE_DOMAIN, sizeof(*d));
        if (d == NULL || ++seen > c->counts[STORE_DOMAIN]) {
            return fault(c, "list of domains");
        }
        uint32_t own_nodes = 0, own_bytes = 0, own_watches = 0, own_tx = 0, own_events = 0;
        for (uint32_t at = c->s->header_bytes; at < c->s->brk;) {
            const struct store_block *b = (const struct store_block *)((const uint8_t *)c->s + at);
            if (b->kind != STORE_FREE && b->owner == d->domid && d->domid != 0) {
                own_bytes += b->size;
                own_nodes += b->kind == STORE_NODE;
                own_watches += b->kind == STORE_WATCH;
                own_tx += b->kind == STORE_TX;
                own_events += b->kind == STORE_EVENT;
            }
            at += b->size;
        }
        if (own_nodes != d->nodes || own_bytes != d->bytes || own_watches != d->watches || own_tx != d->transactions ||
            own_events != d->events) {
            return fault(c, "a domain's counters");
        }
        nodes += own_nodes;
        bytes += own_bytes;
        off = d->next;
    }
    if (seen != c->counts[STORE_DOMAIN] || bytes != c->guest_used || nodes > c->counts[STORE_NODE]) {
        return fault(c, "an unlisted domain is charged");
    }
    return true;
}

/* Each watch is in the chain of its path. */
static bool check_watches(struct check *c)
{
    uint32_t seen = 0;
    for (uint32_t i = 0; i < STORE_CHAINS; i++) {
        for (uint32_t off = c->s->chain[i]; off != STORE_NONE;) {
            const struct store_watch *w = payload_at(c, off, STORE_WATCH, sizeof(*w));
            bool whole = w != NULL && payload_at(c, off, STORE_WATCH, sizeof(*w) + w->path_len + w->token_len + 2U) != NULL;
            if (!whole || ++seen > c->counts[STORE_WATCH] || (store_hash(STORE_HASH_SEED, w->text, w->path_len) & (STORE_CHAINS - 1U)) != i) {
                return fault(c, "a chain of watches");
            }
            off = w->chain;
        }
    }
    return seen == c->counts[STORE_WATCH] && seen == c->s->watches ? true : fault(c, "a watch in no chain");
}

bool store_arena_check(const void *mem, size_t bytes, const char **why)
{
    struct check c = {.s = mem};
    bool ok =
        check_header(&c, bytes) && check_blocks(&c) && check_free_lists(&c) && check_tree(&c) && check_domains(&c) && check_watches(&c);
    *why = ok ? "" : c.why;
    return ok;
}
