/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The register of domains. Pure. */
#include "dom0/manager/registry.h"

#include "dom0/lib/string.h"

#define FIRST_OFFSET 64U
_Static_assert(sizeof(struct registry) <= FIRST_OFFSET, "header fits");
_Static_assert(sizeof(struct registry_entry) % 8 == 0, "entries stay aligned");

size_t registry_bytes(uint32_t capacity) { return FIRST_OFFSET + (size_t)capacity * sizeof(struct registry_entry); }

struct registry *registry_init(void *mem, uint32_t capacity)
{
    struct registry *r = mem;
    memset(mem, 0, registry_bytes(capacity));
    r->magic = REGISTRY_MAGIC;
    r->version = REGISTRY_VERSION;
    r->entry_size = sizeof(struct registry_entry);
    r->first_offset = FIRST_OFFSET;
    r->capacity = capacity;
    r->total_bytes = registry_bytes(capacity);
    return r;
}

struct registry_entry *registry_at(struct registry *r, uint32_t i)
{
    return (struct registry_entry *)((char *)r + r->first_offset) + i;
}

struct registry_entry *registry_by_name(struct registry *r, enum entry_state state, const char *name)
{
    for (uint32_t i = 0; i < r->capacity; i++) {
        struct registry_entry *e = registry_at(r, i);
        if (e->state == (uint32_t)state && strcmp(e->config.name, name) == 0)
            return e;
    }
    return NULL;
}

bool registry_exists(const struct registry_entry *e)
{
    return e->state == ENTRY_BUILDING || e->state == ENTRY_LIVE || e->state == ENTRY_PRESERVED;
}

struct registry_entry *registry_by_domid(struct registry *r, uint16_t domid)
{
    for (uint32_t i = 0; i < r->capacity; i++) {
        struct registry_entry *e = registry_at(r, i);
        if (e->domid == domid && domid != 0 && registry_exists(e))
            return e;
    }
    return NULL;
}

struct registry_entry *registry_alloc(struct registry *r)
{
    for (uint32_t i = 0; i < r->capacity; i++) {
        struct registry_entry *e = registry_at(r, i);
        if (e->state != ENTRY_FREE)
            continue;
        memset(e, 0, sizeof *e);
        e->state = ENTRY_BUILDING;
        return e;
    }
    return NULL;
}

uint32_t registry_index(const struct registry *r, const struct registry_entry *e)
{
    return (uint32_t)(((uintptr_t)e - (uintptr_t)r - r->first_offset) / sizeof *e);
}

static void drop(struct registry_entry *e, uint16_t *forget, uint32_t *n)
{
    forget[(*n)++] = e->domid;
    e->state = ENTRY_FREE;
}

uint32_t registry_end(struct registry *r, struct registry_entry *e, uint16_t forget[2])
{
    uint32_t n = 0, ended = 0;
    struct registry_entry *oldest = NULL, *same = registry_by_name(r, ENTRY_ENDED, e->config.name);
    if (same != NULL)
        drop(same, forget, &n);
    e->state = ENTRY_ENDED;
    e->order = ++r->next_order;
    for (uint32_t i = 0; i < r->capacity; i++) {
        struct registry_entry *x = registry_at(r, i);
        if (x->state != ENTRY_ENDED)
            continue;
        ended++;
        if (oldest == NULL || x->order < oldest->order)
            oldest = x;
    }
    if (ended > REGISTRY_ENDED_KEPT)
        drop(oldest, forget, &n);
    return n;
}

static bool bad(char *why, size_t len, const char *what, uint32_t i)
{
    snprintf(why, len, "entry %u: %s", i, what);
    return false;
}

static bool terminated(const char *s, size_t size) { return strnlen(s, size) < size; }

static bool entry_strings_ok(const struct registry_entry *e)
{
    const struct vm_config *c = &e->config;
    for (uint32_t i = 0; i < c->disks; i++)
        if (!terminated(c->disk[i].path, sizeof c->disk[i].path))
            return false;
    return terminated(e->why, sizeof e->why) && terminated(c->name, sizeof c->name) &&
           terminated(c->guest_os, sizeof c->guest_os) && terminated(c->kernel, sizeof c->kernel) &&
           terminated(c->ramdisk, sizeof c->ramdisk) && terminated(c->cmdline, sizeof c->cmdline) &&
           terminated(c->path, sizeof c->path);
}

static bool entry_ok(const struct registry *r, const struct registry_entry *first, uint32_t i, char *why, size_t len)
{
    const struct registry_entry *e = first + i;
    if (e->state > ENTRY_ENDED)
        return bad(why, len, "unknown state", i);
    if (e->state == ENTRY_FREE)
        return true;
    if (e->config.disks > VM_DISKS_MAX)
        return bad(why, len, "too many disks", i);
    if (!entry_strings_ok(e))
        return bad(why, len, "a text without end", i);
    if (e->config.name[0] == '\0' || e->config.memsize_mib == 0 || e->config.numvcpus == 0)
        return bad(why, len, "name, memory or CPUs missing", i);
    if (e->config.maxmem_mib < e->config.memsize_mib || e->config.maxvcpus < e->config.numvcpus)
        return bad(why, len, "a limit below what it limits", i);
    if (e->config.on_poweroff > VM_PRESERVE || e->config.on_reboot > VM_PRESERVE || e->config.on_crash > VM_PRESERVE)
        return bad(why, len, "unknown action", i);
    if (e->order > r->next_order)
        return bad(why, len, "order above the counter", i);
    if (e->state != ENTRY_BUILDING && e->domid == 0)
        return bad(why, len, "no domain number", i);
    for (uint32_t k = 0; k < i; k++) {
        const struct registry_entry *other = first + k;
        if (!registry_exists(e) || !registry_exists(other))
            continue;
        if (e->domid != 0 && e->domid == other->domid)
            return bad(why, len, "domain number used twice", i);
        if (strcmp(e->config.name, other->config.name) == 0)
            return bad(why, len, "name used twice", i);
    }
    return true;
}

bool registry_check(const void *mem, size_t bytes, char *why, size_t why_len)
{
    const struct registry *r = mem;
    why[0] = '\0';
    if (bytes < FIRST_OFFSET || r->magic != REGISTRY_MAGIC || r->version != REGISTRY_VERSION)
        return snprintf(why, why_len, "no registry of version %u", REGISTRY_VERSION) < 0;
    if (r->entry_size != sizeof(struct registry_entry) || r->first_offset != FIRST_OFFSET || r->capacity > 65536U ||
        r->total_bytes != registry_bytes(r->capacity) || r->total_bytes > bytes)
        return snprintf(why, why_len, "sizes in the header do not fit") < 0;
    const struct registry_entry *first = (const struct registry_entry *)((const char *)mem + FIRST_OFFSET);
    for (uint32_t i = 0; i < r->capacity; i++)
        if (!entry_ok(r, first, i, why, why_len))
            return false;
    return true;
}
