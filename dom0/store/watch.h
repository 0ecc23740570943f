/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Watches of guests and the events that wait for them, all in the arena. A domain that does not fetch its events
 * costs a bounded amount: equal events are queued once, and past the quota they merge into one event per watch that
 * names the watched path itself (a watcher has to re-read then, as after any event). Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0/store/arena.h"
#include "dom0/store/perms.h"

#define STORE_TOKEN_MAX 1000U /* path, token and two NULs always fit one message */

struct store_watch {
    uint32_t next;  /* of the same domain */
    uint32_t chain; /* of the same chain */
    uint16_t domid;
    uint8_t merged; /* an event that names the path itself is due */
    uint8_t rel;    /* the watcher gave a relative path: events carry relative paths */
    uint16_t path_len, token_len;
    char text[]; /* absolute path, NUL, token, NUL */
};

struct store_event {
    uint32_t next;
    uint32_t watch;
    uint16_t path_len;
    uint16_t pad;
    char path[]; /* absolute, NUL */
};

/* Who else wants to know, outside the arena: CHANGED for each change (Dom0's own watches), WAKE when a guest's queue
 * got an event. Either may be NULL. */
struct store_hooks {
    void (*changed)(const char *path, bool removed);
    void (*wake)(void);
};
void store_watch_set_hooks(const struct store_hooks *hooks);

/* PATH is absolute, or a special name. Queues the first event. 0, XEN_EEXIST, XEN_E2BIG (quota), XEN_ENOSPC. */
int store_watch_add(struct store *s, uint16_t domid, const char *path, bool rel, const char *token);
int store_watch_del(struct store *s, uint16_t domid, const char *path, const char *token);
void store_watch_del_all(struct store *s, uint16_t domid);
/* The node PATH with permissions PERMS changed or (before the call that removes it) goes away. Who may not read it
 * learns nothing. */
void store_watch_fire(struct store *s, const char *path, const struct store_perms *perms, bool removed);
/* The special event NAME (store_special_perms knows it) happened: for watches of that name whose owners may read it. */
void store_watch_fire_special(struct store *s, const char *name);
/* Takes the next event of DOMID: "path\0token\0" into BUF (4096 bytes); its length, 0: none. */
size_t store_watch_next(struct store *s, uint16_t domid, char *buf);
bool store_watch_waiting(struct store *s, uint16_t domid);
/* Length of "/local/domain/<domid>/"; BUF has 32 bytes. */
size_t store_domain_prefix(uint16_t domid, char *buf);
