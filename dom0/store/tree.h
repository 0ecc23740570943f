/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The xenstore tree: paths and nodes, without any question of rights (ops.c asks them). Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0/store/arena.h"
#include "dom0/store/perms.h"

#define STORE_DEPTH_MAX    64U
#define STORE_NAME_MAX     256U
#define STORE_REL_PATH_MAX 2048U
/* For large buffers that are written before they are read: the compiler would clear them at each call. */
#define STORE_NO_INIT __attribute__((uninitialized))

struct store_node {
    uint32_t parent, child, next; /* links: offsets of struct store_node */
    uint32_t value;               /* STORE_VALUE block or none */
    uint32_t hash;                /* of the name */
    uint16_t value_len, name_len;
    uint64_t generation; /* of its last change: value, permissions, list of children; never 0 in the tree */
    struct store_perms perms;
    char name[];
};
_Static_assert(sizeof(struct store_node) == 56, "store arena");

/* The next part of a path: "/a/b" gives "a", "b". *POS starts at 0. false: no more. */
bool store_path_next(const char *path, size_t *pos, const char **part, size_t *len);
/* Absolute, only characters of names, no empty part, no '/' at the end but for "/" itself; depth, name and length
 * limits. */
bool store_path_valid(const char *path);
/* "@" and characters of names: what a watch may name beside a path. */
bool store_special_valid(const char *name);
/* The permissions of a special event that exists, or NULL. */
struct store_perms *store_special_perms(struct store *s, const char *name);
/* Length of the parent's path ("/a/b" -> 2, "/a" -> 1). */
size_t store_path_parent(const char *path);
/* Is PATH equal to or below TOP? */
bool store_path_under(const char *path, const char *top);

/* The first LEN characters of PATH as a node; NULL: not there. */
struct store_node *store_node_find_n(struct store *s, const char *path, size_t len);
struct store_node *store_node_find(struct store *s, const char *path);
struct store_node *store_node_child(struct store *s, const struct store_node *parent, const char *name, size_t len);
/* A node that hangs nowhere yet, charged to its owner. NULL: no memory or a LIMITED owner's quota is used up. */
struct store_node *store_node_new(struct store *s, const struct store_perms *perms, bool limited, const char *name,
                                  size_t name_len);
/* Hangs NODE under PARENT as the last child; both change generation. */
void store_node_link(struct store *s, struct store_node *parent, struct store_node *node);
/* Takes NODE (not the root) out of the tree and frees it with everything below. */
void store_node_remove(struct store *s, struct store_node *node);
/* Frees a node that was never linked, with its children. */
void store_node_discard(struct store *s, struct store_node *node);
/* A value block of LEN bytes for OWNER; *OUT is STORE_NONE for LEN 0. false: no memory or quota. */
bool store_value_new(struct store *s, uint16_t owner, bool limited, const void *data, size_t len, uint32_t *out);
/* Puts a value block in place of the old one. */
void store_node_set_value(struct store *s, struct store_node *node, uint32_t value, size_t len);
/* New permissions; a new owner is charged. false: no memory for the new owner's record. */
bool store_node_set_perms(struct store *s, struct store_node *node, const struct store_perms *perms);
void store_node_touch(struct store *s, struct store_node *node);
/* Removes every mention of DOMID from all permissions of the tree and of the special events. */
void store_tree_forget_domain(struct store *s, uint16_t domid);
