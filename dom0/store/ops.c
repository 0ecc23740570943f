/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The operations of xenstore with their rules. */
#include "dom0/store/ops.h"

#include <xen/errno.h>

#include "dom0/lib/string.h"
#include "dom0/store/store.h"

static bool allowed(const struct store_caller *c, const struct store_view *v, uint8_t access)
{
    return (store_perms_access(v->perms, c->domid) & access) == access;
}

/* The nearest ancestor of PATH that exists. */
static int ancestor_get(const struct store_caller *c, const char *path, struct store_view *v)
{
    char up[STORE_PATH_MAX + 1U] STORE_NO_INIT;
    size_t len = strlen(path);
    memcpy(up, path, len + 1U);
    int err = 0;
    do {
        len = store_path_parent(up);
        up[len] = '\0';
        err = store_view_get(c->s, c->tx, up, v);
    } while (err == 0 && !v->present && len > 1);
    return err == 0 && !v->present ? XEN_EAGAIN : err;
}

/* PATH for ACCESS. A missing node is XEN_ENOENT only for those who may read its nearest ancestor: nobody learns names
 * by trying. */
static int get(const struct store_caller *c, const char *path, uint8_t access, struct store_view *v)
{
    int err = store_view_get(c->s, c->tx, path, v);
    if (err != 0) {
        return err;
    }
    if (v->present) {
        return allowed(c, v, access) ? 0 : XEN_EACCES;
    }
    struct store_view up;
    err = ancestor_get(c, path, &up);
    if (err != 0) {
        return err;
    }
    return allowed(c, &up, STORE_ACCESS_READ) ? XEN_ENOENT : XEN_EACCES;
}

/* Creates PATH: needs the right to write its nearest ancestor. New nodes have the ancestor's permissions; an
 * unprivileged creator becomes their owner. */
static int create(const struct store_caller *c, const char *path, const void *data, size_t len)
{
    struct store_view up;
    int err = ancestor_get(c, path, &up);
    if (err != 0) {
        return err;
    }
    if (!allowed(c, &up, STORE_ACCESS_WRITE)) {
        return XEN_EACCES;
    }
    struct store_perms perms = *up.perms;
    if (c->domid != 0) {
        perms.entry[0].domid = c->domid;
    }
    return store_view_create(c->s, c->tx, path, &perms, c->domid != 0, data, len);
}

int store_op_read(const struct store_caller *c, const char *path, struct store_view *v)
{
    return get(c, path, STORE_ACCESS_READ, v);
}

int store_op_write(const struct store_caller *c, const char *path, const void *data, size_t len)
{
    if (len > STORE_VALUE_MAX) {
        return XEN_E2BIG;
    }
    struct store_view v;
    int err = store_view_get(c->s, c->tx, path, &v);
    if (err != 0) {
        return err;
    }
    if (!v.present) {
        return create(c, path, data, len);
    }
    if (!allowed(c, &v, STORE_ACCESS_WRITE)) {
        return XEN_EACCES;
    }
    return store_view_set_value(c->s, c->tx, path, c->domid != 0, data, len);
}

int store_op_mkdir(const struct store_caller *c, const char *path)
{
    struct store_view v;
    int err = store_view_get(c->s, c->tx, path, &v);
    if (err != 0) {
        return err;
    }
    if (!v.present) {
        return create(c, path, NULL, 0);
    }
    return allowed(c, &v, STORE_ACCESS_WRITE) ? 0 : XEN_EACCES;
}

int store_op_rm(const struct store_caller *c, const char *path)
{
    if (path[1] == '\0') {
        return XEN_EINVAL;
    }
    struct store_view v;
    int err = get(c, path, STORE_ACCESS_WRITE, &v);
    if (err != XEN_ENOENT) {
        return err != 0 ? err : store_view_remove(c->s, c->tx, path);
    }
    /* What is not there is removed already, if there could be something. */
    char up[STORE_PATH_MAX + 1U] STORE_NO_INIT;
    size_t len = store_path_parent(path);
    memcpy(up, path, len);
    up[len] = '\0';
    err = store_view_get(c->s, c->tx, up, &v);
    return err != 0 ? err : v.present ? 0 : XEN_ENOENT;
}

int store_op_directory(const struct store_caller *c, const char *path,
                       void (*emit)(void *ctx, const char *name, size_t len), void *ctx, uint64_t *generation)
{
    struct store_view v;
    int err = get(c, path, STORE_ACCESS_READ, &v);
    if (err != 0) {
        return err;
    }
    if (generation != NULL) {
        *generation = v.generation;
    }
    store_view_children(c->s, c->tx, path, emit, ctx);
    return 0;
}

/* The permissions of the special event NAME for who has ACCESS to it. */
static int special(const struct store_caller *c, const char *name, uint8_t access, struct store_perms **out)
{
    *out = store_special_perms(c->s, name);
    if (*out == NULL) {
        return XEN_ENOENT;
    }
    return (store_perms_access(*out, c->domid) & access) == access ? 0 : XEN_EACCES;
}

/* Only Dom0 and the owner change permissions, and only Dom0 the owner. */
static int may_set_perms(const struct store_caller *c, const struct store_perms *now, const struct store_perms *perms)
{
    if (c->domid != 0 && store_perms_owner(now) != c->domid) {
        return XEN_EACCES;
    }
    return c->domid != 0 && store_perms_owner(perms) != store_perms_owner(now) ? XEN_EPERM : 0;
}

int store_op_get_perms(const struct store_caller *c, const char *path, struct store_perms *out)
{
    if (path[0] == '@') {
        struct store_perms *p;
        int err = special(c, path, STORE_ACCESS_READ, &p);
        if (err == 0) {
            *out = *p;
        }
        return err;
    }
    struct store_view v;
    int err = get(c, path, STORE_ACCESS_READ, &v);
    if (err == 0) {
        *out = *v.perms;
    }
    return err;
}

int store_op_set_perms(const struct store_caller *c, const char *path, const struct store_perms *perms)
{
    if (path[0] == '@') {
        struct store_perms *p;
        int err = special(c, path, STORE_ACCESS_WRITE, &p);
        err = err != 0 ? err : may_set_perms(c, p, perms);
        if (err == 0) {
            *p = *perms;
        }
        return err;
    }
    struct store_view v;
    int err = get(c, path, STORE_ACCESS_WRITE, &v);
    if (err != 0) {
        return err;
    }
    err = may_set_perms(c, v.perms, perms);
    return err != 0 ? err : store_view_set_perms(c->s, c->tx, path, perms);
}
