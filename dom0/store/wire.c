/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The xenstore wire protocol. Every request is untrusted: strings are used only after their NUL was found inside
 * the payload. */
#include "dom0/store/wire.h"

#include <stdbool.h>

#include <xen/errno.h>
#include <xen/xen.h>

#include "dom0/lib/string.h"
#include "dom0/store/ops.h"
#include "dom0/store/store.h"
#include "dom0/store/watch.h"

struct request {
    struct store_caller c;
    const char *body;
    size_t len;
    bool rel; /* the path came relative */
    char path[STORE_PATH_MAX + 1U];
    struct store_message *out;
};

static const char *error_name(int err)
{
    static const struct {
        int err;
        const char *name;
    } names[] = {
        {XEN_EINVAL, "EINVAL"},       {XEN_EACCES, "EACCES"},   {XEN_EEXIST, "EEXIST"}, {XEN_EISDIR, "EISDIR"},
        {XEN_ENOENT, "ENOENT"},       {XEN_ENOMEM, "ENOMEM"},   {XEN_ENOSPC, "ENOSPC"}, {XEN_EIO, "EIO"},
        {XEN_ENOTEMPTY, "ENOTEMPTY"}, {XEN_ENOSYS, "ENOSYS"},   {XEN_EROFS, "EROFS"},   {XEN_EBUSY, "EBUSY"},
        {XEN_EAGAIN, "EAGAIN"},       {XEN_EISCONN, "EISCONN"}, {XEN_E2BIG, "E2BIG"},   {XEN_EPERM, "EPERM"},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].err == err) {
            return names[i].name;
        }
    }
    return "EIO";
}

static void reply(struct request *r, const void *data, size_t len)
{
    memcpy(r->out->body, data, len);
    r->out->head.len = (uint32_t)len;
}

static int reply_ok(struct request *r)
{
    reply(r, "OK", 3);
    return 0;
}

/* The string at *AT of the payload, and *AT past it; NULL: no NUL. */
static const char *next_string(const struct request *r, size_t *at)
{
    const char *start = r->body + *at;
    const char *end = *at < r->len ? memchr(start, '\0', r->len - *at) : NULL;
    if (end == NULL) {
        return NULL;
    }
    *at += (size_t)(end - start) + 1U;
    return start;
}

/* The path at *AT into r->path, absolute; with SPECIAL also the name of a special event. 0 or XEN_EINVAL. */
static int next_path(struct request *r, size_t *at, bool special)
{
    const char *text = next_string(r, at);
    if (text == NULL) {
        return XEN_EINVAL;
    }
    size_t prefix = 0, len = strlen(text);
    if (text[0] == '@') {
        r->rel = false;
        if (!special || !store_special_valid(text)) {
            return XEN_EINVAL;
        }
        memcpy(r->path, text, len + 1U);
        return 0;
    }
    r->rel = text[0] != '/';
    if (r->rel) {
        prefix = store_domain_prefix(r->c.domid, r->path);
    }
    if (len == 0 || len > (r->rel ? STORE_REL_PATH_MAX : STORE_PATH_MAX)) {
        return XEN_EINVAL;
    }
    memcpy(r->path + prefix, text, len + 1U);
    return store_path_valid(r->path) ? 0 : XEN_EINVAL;
}

static int only_path(struct request *r, bool special)
{
    size_t at = 0;
    int err = next_path(r, &at, special);
    return err != 0 ? err : at == r->len ? 0 : XEN_EINVAL;
}

static int do_read(struct request *r)
{
    struct store_view v;
    int err = only_path(r, false);
    err = err != 0 ? err : store_op_read(&r->c, r->path, &v);
    if (err == 0) {
        reply(r, v.value == NULL ? "" : v.value, v.value_len);
    }
    return err;
}

static int do_write(struct request *r)
{
    size_t at = 0;
    int err = next_path(r, &at, false);
    err = err != 0 ? err : store_op_write(&r->c, r->path, r->body + at, r->len - at);
    return err != 0 ? err : reply_ok(r);
}

static int do_mkdir(struct request *r)
{
    int err = only_path(r, false);
    err = err != 0 ? err : store_op_mkdir(&r->c, r->path);
    return err != 0 ? err : reply_ok(r);
}

static int do_rm(struct request *r)
{
    int err = only_path(r, false);
    err = err != 0 ? err : store_op_rm(&r->c, r->path);
    return err != 0 ? err : reply_ok(r);
}

/* Collects names; with SKIP > 0 that many bytes of the whole list are left out first. */
struct listing {
    char *buf;
    size_t len, max, skip, total;
    bool full;
};

static void list_emit(void *ctx, const char *name, size_t len)
{
    struct listing *l = ctx;
    size_t begin = l->total;
    l->total += len + 1U;
    if (begin < l->skip || l->full) {
        return;
    }
    if (l->len + len + 1U > l->max) {
        l->full = true;
        return;
    }
    memcpy(l->buf + l->len, name, len);
    l->buf[l->len + len] = '\0';
    l->len += len + 1U;
}

static int do_directory(struct request *r)
{
    struct listing l = {.buf = r->out->body, .max = XENSTORE_PAYLOAD_MAX};
    int err = only_path(r, false);
    err = err != 0 ? err : store_op_directory(&r->c, r->path, list_emit, &l, NULL);
    if (err == 0 && l.full) {
        err = XEN_E2BIG;
    }
    r->out->head.len = (uint32_t)l.len;
    return err;
}

static bool decimal(const char *text, uint32_t max, uint32_t *out)
{
    uint64_t v = 0;
    size_t i = 0;
    for (; text[i] >= '0' && text[i] <= '9' && i < 10; i++) {
        v = v * 10U + (uint64_t)(text[i] - '0');
    }
    *out = (uint32_t)v;
    return i > 0 && text[i] == '\0' && v <= max;
}

/* path, offset -> generation, names from that offset on; an empty name ends the whole list. */
static int do_directory_part(struct request *r)
{
    size_t at = 0;
    uint32_t offset;
    int err = next_path(r, &at, false);
    const char *text = err != 0 ? NULL : next_string(r, &at);
    if (err != 0) {
        return err;
    }
    if (text == NULL || at != r->len || !decimal(text, UINT32_MAX, &offset)) {
        return XEN_EINVAL;
    }
    char *body = r->out->body;
    uint64_t generation = 0;
    char head[24];
    /* The longest number first: the names' place must not depend on it. */
    struct listing l = {.buf = body + sizeof(head), .max = XENSTORE_PAYLOAD_MAX - sizeof(head) - 1U, .skip = offset};
    err = store_op_directory(&r->c, r->path, list_emit, &l, &generation);
    if (err != 0) {
        return err;
    }
    if (offset > l.total) {
        return XEN_EINVAL;
    }
    size_t n = (size_t)snprintf(head, sizeof(head), "%llu", (unsigned long long)generation) + 1U;
    memmove(body + n, l.buf, l.len);
    memcpy(body, head, n);
    n += l.len;
    if (!l.full) {
        body[n++] = '\0';
    }
    r->out->head.len = (uint32_t)n;
    return 0;
}

static int do_get_perms(struct request *r)
{
    struct store_perms p;
    int err = only_path(r, true);
    err = err != 0 ? err : store_op_get_perms(&r->c, r->path, &p);
    if (err == 0) {
        r->out->head.len = (uint32_t)store_perms_format(&p, r->out->body);
    }
    return err;
}

static int do_set_perms(struct request *r)
{
    size_t at = 0;
    struct store_perms p;
    int err = next_path(r, &at, true);
    err = err != 0 ? err : store_perms_parse(r->body + at, r->len - at, '\0', &p);
    err = err != 0 ? err : store_op_set_perms(&r->c, r->path, &p);
    return err != 0 ? err : reply_ok(r);
}

static int path_and_token(struct request *r, const char **token)
{
    size_t at = 0;
    int err = next_path(r, &at, true);
    if (err != 0) {
        return err;
    }
    *token = next_string(r, &at);
    return *token == NULL || at != r->len || strlen(*token) > STORE_TOKEN_MAX ? XEN_EINVAL : 0;
}

static int do_watch(struct request *r)
{
    const char *token;
    int err = path_and_token(r, &token);
    err = err != 0 ? err : store_watch_add(r->c.s, r->c.domid, r->path, r->rel, token);
    return err != 0 ? err : reply_ok(r);
}

static int do_unwatch(struct request *r)
{
    const char *token;
    int err = path_and_token(r, &token);
    err = err != 0 ? err : store_watch_del(r->c.s, r->c.domid, r->path, token);
    return err != 0 ? err : reply_ok(r);
}

static int do_reset_watches(struct request *r)
{
    store_watch_del_all(r->c.s, r->c.domid);
    store_tx_abort_all(r->c.s, r->c.domid);
    return reply_ok(r);
}

static int do_transaction_start(struct request *r)
{
    uint32_t id;
    if (r->c.tx != NULL) {
        return XEN_EBUSY;
    }
    int err = store_tx_start(r->c.s, r->c.domid, &id);
    if (err == 0) {
        r->out->head.len = (uint32_t)snprintf(r->out->body, 16, "%u", (unsigned)id) + 1U;
    }
    return err;
}

static int do_transaction_end(struct request *r)
{
    bool commit = r->len == 2 && r->body[0] == 'T' && r->body[1] == '\0';
    if (!commit && !(r->len == 2 && r->body[0] == 'F' && r->body[1] == '\0')) {
        return XEN_EINVAL;
    }
    if (r->c.tx == NULL) {
        return XEN_ENOENT;
    }
    int err = 0;
    if (commit) {
        err = store_tx_commit(r->c.s, r->c.tx);
    } else {
        store_tx_abort(r->c.s, r->c.tx);
    }
    return err != 0 ? err : reply_ok(r);
}

static int only_domid(struct request *r, uint32_t *domid)
{
    size_t at = 0;
    const char *text = next_string(r, &at);
    return text != NULL && at == r->len && decimal(text, 0xffffU, domid) ? 0 : XEN_EINVAL;
}

static int do_get_domain_path(struct request *r)
{
    uint32_t domid;
    int err = only_domid(r, &domid);
    if (err == 0) {
        r->out->head.len = (uint32_t)snprintf(r->out->body, 32, "/local/domain/%u", (unsigned)domid) + 1U;
    }
    return err;
}

static int do_is_domain_introduced(struct request *r)
{
    uint32_t domid;
    int err = only_domid(r, &domid);
    if (err == 0) {
        const struct store_domain *d = store_domain_find(r->c.s, (uint16_t)domid);
        reply(r, domid == 0 || domid == DOMID_SELF || (d != NULL && d->introduced != 0) ? "T" : "F", 2);
    }
    return err;
}

static int do_privileged(struct request *r)
{
    (void)r;
    return XEN_EACCES;
}

static int (*const handlers[])(struct request *r) = {
    [XS_CONTROL] = do_privileged,
    [XS_DIRECTORY] = do_directory,
    [XS_READ] = do_read,
    [XS_GET_PERMS] = do_get_perms,
    [XS_WATCH] = do_watch,
    [XS_UNWATCH] = do_unwatch,
    [XS_TRANSACTION_START] = do_transaction_start,
    [XS_TRANSACTION_END] = do_transaction_end,
    [XS_INTRODUCE] = do_privileged,
    [XS_RELEASE] = do_privileged,
    [XS_GET_DOMAIN_PATH] = do_get_domain_path,
    [XS_WRITE] = do_write,
    [XS_MKDIR] = do_mkdir,
    [XS_RM] = do_rm,
    [XS_SET_PERMS] = do_set_perms,
    [XS_IS_DOMAIN_INTRODUCED] = do_is_domain_introduced,
    [XS_RESUME] = do_privileged,
    [XS_SET_TARGET] = do_privileged,
    [XS_RESET_WATCHES] = do_reset_watches,
    [XS_DIRECTORY_PART] = do_directory_part,
};

static int dispatch(struct request *r, const struct xsd_sockmsg *head)
{
    if (head->type >= sizeof(handlers) / sizeof(handlers[0]) || handlers[head->type] == NULL) {
        return XEN_ENOSYS;
    }
    bool outside = head->type == XS_WATCH || head->type == XS_UNWATCH; /* the protocol: their tx_id is ignored */
    if (head->tx_id != 0 && !outside) {
        r->c.tx = store_tx_find(r->c.s, r->c.domid, head->tx_id);
        if (r->c.tx == NULL) {
            return XEN_ENOENT;
        }
    }
    return handlers[head->type](r);
}

void store_wire_handle(struct store *s, uint16_t domid, const struct store_message *in, struct store_message *out)
{
    struct request r STORE_NO_INIT;
    r.c = (struct store_caller){.s = s, .domid = domid};
    r.body = in->body;
    r.len = in->head.len;
    r.out = out;
    r.rel = false;
    out->head = in->head;
    out->head.len = 0;
    int err = dispatch(&r, &in->head);
    if (err != 0) {
        const char *name = error_name(err);
        out->head.type = XS_ERROR;
        reply(&r, name, strlen(name) + 1U);
    }
}

bool store_wire_event(struct store *s, uint16_t domid, struct store_message *out)
{
    size_t len = store_watch_next(s, domid, out->body);
    out->head = (struct xsd_sockmsg){.type = XS_WATCH_EVENT, .len = (uint32_t)len};
    return len > 0;
}
