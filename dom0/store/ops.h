/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The operations of xenstore with their rules of rights and quotas, for whoever asks: a guest's ring (wire.c) or
 * Dom0 itself (domain 0: all rights, no quota). Paths are absolute and valid (store_path_valid); for permissions also the name of a special
 * event, which is outside of every transaction. Each returns 0 or a
 * positive Xen errno and then has changed nothing. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0/store/transaction.h"

struct store_caller {
    struct store *s;
    struct store_tx *tx; /* NULL: none */
    uint16_t domid;
};

/* V's value is valid until the next change. */
int store_op_read(const struct store_caller *c, const char *path, struct store_view *v);
int store_op_write(const struct store_caller *c, const char *path, const void *data, size_t len);
int store_op_mkdir(const struct store_caller *c, const char *path);
int store_op_rm(const struct store_caller *c, const char *path);
/* EMIT for each child; *GENERATION of the list (may be NULL). */
int store_op_directory(const struct store_caller *c, const char *path,
                       void (*emit)(void *ctx, const char *name, size_t len), void *ctx, uint64_t *generation);
int store_op_get_perms(const struct store_caller *c, const char *path, struct store_perms *out);
int store_op_set_perms(const struct store_caller *c, const char *path, const struct store_perms *perms);
