/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Guests' .vmx files on their volumes. */
#include "dom0/manager/guest_file.h"

#include "dom0/kernel/heap.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/string.h"
#include "dom0/manager/manager_priv.h"
#include "dom0/manager/stored.h"
#include "dom0/manager/vmx_edit.h"
#include "dom0/manager/vmx_priv.h"
#include "dom0/vdisk/vdisk.h"

#define EDIT_BYTES    (VMX_KEY_MAX + 3 * VMX_VALUE_MAX + 16) /* what one setting is at most, escaped */
#define KEEP_BYTES    4096U                                  /* uuid twice, eight cards */
#define CARD_DISTANCE 10U /* of generatedAddressOffset from card to card, as VMware's */

/* ---- finding ---- */

static bool ends_with_vmx(const char *path)
{
    size_t len = strlen(path);
    return len > 4 && strcasecmp(path + len - 4, ".vmx") == 0;
}

bool guest_file_of_path(const char *path, char out[PATH_MAX_LEN], struct error *e)
{
    char full[PATH_MAX_LEN];
    if (!path_resolve(path, full, sizeof full, e))
        return false;
    if (ends_with_vmx(full)) {
        strlcpy(out, full, PATH_MAX_LEN);
        return true;
    }
    struct dir_entry *d = heap_alloc(sizeof *d);
    struct error ignored;
    bool folder = d != NULL && path_stat(full, d, &ignored) && d->is_dir;
    heap_free(d);
    if (!folder)
        return error_set(e, EXIT_FAILED, "%.80s: neither a .vmx file nor a folder with one: `ls` shows what there is",
                         path);
    for (size_t len = strlen(full); len > 1 && full[len - 1] == '/'; len--)
        full[len - 1] = '\0';
    const char *slash = strrchr(full, '/');
    if (slash == NULL || slash[1] == '\0' ||
        (size_t)snprintf(out, PATH_MAX_LEN, "%s/%s.vmx", full, slash + 1) >= PATH_MAX_LEN)
        return error_set(e, EXIT_FAILED, "%.80s: not the folder of a guest: name the .vmx file", path);
    return true;
}

bool guest_file_find(const char *who, char out[PATH_MAX_LEN], struct error *e)
{
    struct vm_view v;
    struct error ignored;
    const struct registry_entry *entry =
        manager_registry != NULL && manager_find(who, &v, &ignored) ? registry_by_domid(manager_registry, v.domid) : NULL;
    if (entry == NULL)
        return guest_file_of_path(who, out, e);
    strlcpy(out, entry->config.path, PATH_MAX_LEN);
    return true;
}

/* ---- reading ---- */

struct reading {
    struct vmx_work work;
    struct vm_config config;
    size_t len, size; /* of the text; of its buffer */
    char *text;
    char *changed; /* a buffer of the same size, if wanted */
};

static void end(struct reading *r)
{
    if (r == NULL)
        return;
    heap_free(r->text);
    heap_free(r->changed);
    heap_free(r);
}

static struct reading *no_memory(const char *path, struct reading *r, struct error *e)
{
    end(r);
    error_set(e, EXIT_NO_RESOURCE, "%.80s: no memory to read it: destroy a domain that is not needed", path);
    return NULL;
}

/* The file at PATH in memory. MORE: bytes that it may become longer by, in a second buffer. */
static struct reading *begin(const char *path, size_t more, struct error *e)
{
    struct file *f = NULL;
    if (!file_open(path, &f, e))
        return NULL;
    struct reading *r = heap_alloc(sizeof *r);
    size_t size = file_size(f) <= VMX_MAX_BYTES ? (size_t)file_size(f) : VMX_MAX_BYTES + 1;
    if (r != NULL) {
        r->size = size + more + 1;
        r->text = heap_alloc(r->size);
        r->changed = more != 0 ? heap_alloc(r->size) : NULL;
    }
    if (r == NULL || r->text == NULL || (more != 0 && r->changed == NULL)) {
        file_close(f);
        return no_memory(path, r, e);
    }
    bool ok = file_read(f, 0, r->text, size, &r->len, e);
    file_close(f);
    if (ok)
        return r;
    end(r);
    return NULL;
}

static void nobody(const char *line, void *ctx)
{
    (void)line;
    (void)ctx;
}

bool guest_file_read(const char *path, struct vm_config *out, void (*warn)(const char *line, void *ctx), void *ctx,
                     struct error *e)
{
    char more[80];
    struct reading *r = begin(path, 0, e);
    if (r == NULL)
        return false;
    bool ok = vmx_parse(&r->work, r->text, r->len, path, out, warn != NULL ? warn : nobody, ctx, e);
    if (!ok && r->work.refused > 1) {
        snprintf(more, sizeof more, " (and %u more: `explain` tells all)", r->work.refused - 1);
        strlcat(e->text, more, sizeof e->text);
    }
    end(r);
    return ok;
}

/* ---- explaining ---- */

/* The disk that KEY names must be one. */
static void must_be_disk(struct vmx_work *w, const char *key, const char *path)
{
    const struct vdisk_user nobody_yet = {0};
    uint32_t i = vmx_file_find(&w->file, key);
    struct error e;
    if (i != VMX_NONE && path[0] != '\0' && !vdisk_check(path, VDISK_LOOK, &nobody_yet, &e))
        vmx_judge(w, i, VMX_REFUSED, vmx_words(w, "%.200s", e.text));
}

/* The file that KEY names must be there. */
static void must_exist(struct vmx_work *w, const char *key, const char *path)
{
    struct dir_entry *d = heap_alloc(sizeof *d);
    uint32_t i = vmx_file_find(&w->file, key);
    struct error e;
    if (d != NULL && i != VMX_NONE && path[0] != '\0') {
        if (!path_stat(path, d, &e))
            vmx_judge(w, i, VMX_REFUSED, vmx_words(w, "%.200s", e.text));
        else if (d->is_dir)
            vmx_judge(w, i, VMX_REFUSED, "this is a folder: write the name of a file");
    }
    heap_free(d);
}

static void look_for_files(struct vmx_work *w, const struct vm_config *c)
{
    char key[VMX_KEY_MAX], place[16];
    must_exist(w, "corbel.kernel", c->kernel);
    must_exist(w, "corbel.ramdisk", c->ramdisk);
    for (uint32_t i = 0; i < c->disks; i++) {
        vm_disk_place(&c->disk[i], place, sizeof place);
        snprintf(key, sizeof key, "%s.fileName", place);
        must_be_disk(w, key, c->disk[i].path);
    }
}

bool guest_file_explain(const char *path, vmx_finding_fn fn, void *ctx, uint32_t *refused, struct error *e)
{
    struct reading *r = begin(path, 0, e);
    if (r == NULL)
        return false;
    (void)vmx_read(&r->work, r->text, r->len, path, &r->config);
    look_for_files(&r->work, &r->config);
    *refused = r->work.refused;
    vmx_findings(&r->work, fn, ctx);
    end(r);
    return true;
}

/* ---- changing ---- */

/* A domain whose configuration is the file PATH. */
static const struct registry_entry *user_of(const char *path)
{
    for (uint32_t i = 0; manager_registry != NULL && i < manager_registry->capacity; i++) {
        const struct registry_entry *x = registry_at(manager_registry, i);
        if (registry_exists(x) && strcasecmp(x->config.path, path) == 0)
            return x;
    }
    return NULL;
}

struct look {
    const char *key;
    enum vmx_verdict verdict; /* of the key */
    bool found, refused;
    char text[240], first[240]; /* of the key; the first that is refused */
    const char *file;
};

static void look(const struct vmx_finding *f, void *ctx)
{
    struct look *l = ctx;
    if (f->verdict == VMX_REFUSED && !l->refused) {
        l->refused = true;
        vmx_finding_text(l->first, sizeof l->first, l->file, f);
    }
    if (f->line == 0 || strcasecmp(f->key, l->key) != 0 || l->found)
        return;
    l->found = true;
    l->verdict = f->verdict;
    strlcpy(l->text, f->text, sizeof l->text);
}

/* The changed text of R, read again: is the setting fine, and the file no worse than it was? */
static bool acceptable(struct reading *r, size_t len, const char *path, const char *key, const char *value, uint32_t before,
                       struct look *l, struct error *e)
{
    *l = (struct look){.key = key};
    (void)vmx_read(&r->work, r->changed, len, path, &r->config);
    l->file = r->work.file.name;
    vmx_findings(&r->work, look, l);
    if (value != NULL && !l->found)
        return error_set(e, EXIT_FAILED, "%.63s: no key or no value of a .vmx file: a key has letters, digits, . : _ -, a value is text of at most %u bytes",
                         key, VMX_VALUE_MAX - 1);
    if (value != NULL && l->verdict == VMX_REFUSED)
        return error_set(e, EXIT_FAILED, "%.63s = \"%.40s\": %s", key, value, l->text);
    if (value != NULL && l->verdict == VMX_IGNORED && strncmp(l->text, "unknown", 7) == 0)
        return error_set(e, EXIT_FAILED, "%.63s: no such key%s", key,
                         strstr(l->text, ": did") != NULL ? strstr(l->text, ": did") : ": docs/cli.md lists all");
    if (r->work.refused > before)
        return error_set(e, EXIT_FAILED, "%.63s: the file would be refused then: %.160s", key, l->first);
    return true;
}

static bool change(struct reading *r, const char *path, const char *key, const char *value, size_t *len, struct error *e)
{
    size_t removed = 0;
    if (value != NULL)
        return (vmx_edit_set(r->text, r->len, key, value, r->changed, r->size, len) && *len <= VMX_MAX_BYTES) ||
               error_set(e, EXIT_FAILED, "%.100s: a .vmx file has at most %u bytes: remove something first", path, VMX_MAX_BYTES);
    vmx_edit_remove(r->text, r->len, key, r->changed, len, &removed);
    return removed != 0 || error_set(e, EXIT_FAILED, "%.63s: the file does not set this: `explain` shows what it sets", key);
}

static bool set_in(struct reading *r, const char *path, const char *key, const char *value,
                   void (*warn)(const char *line, void *ctx), void *ctx, struct error *e)
{
    char text[320];
    size_t len = 0;
    struct look *l = heap_alloc(sizeof *l);
    (void)vmx_read(&r->work, r->text, r->len, path, &r->config);
    uint32_t before = r->work.refused;
    bool ok = l != NULL ||
              error_set(e, EXIT_NO_RESOURCE, "%.80s: no memory to change it: destroy a domain that is not needed", path);
    ok = ok && change(r, path, key, value, &len, e) && acceptable(r, len, path, key, value, before, l, e);
    if (ok && value != NULL && l->verdict == VMX_IGNORED) {
        snprintf(text, sizeof text, "%.63s: %s", key, l->text);
        warn(text, ctx);
    }
    if (ok && l->refused) {
        snprintf(text, sizeof text, "the file is refused yet: %s", l->first);
        warn(text, ctx);
    }
    heap_free(l);
    return ok && stored_write(path, r->changed, len, e);
}

bool guest_file_set(const char *who, const char *key, const char *value, void (*warn)(const char *line, void *ctx),
                    void *ctx, struct error *e)
{
    char path[PATH_MAX_LEN];
    mutex_lock(&manager_lock); /* nobody becomes a domain of the file meanwhile */
    const struct registry_entry *user = NULL;
    bool ok = guest_file_find(who, path, e);
    if (ok && (user = user_of(path)) != NULL)
        ok = error_set(e, EXIT_WRONG_STATE, "set %.63s: domain %u is made of this file, and would not follow: `shutdown %.63s` first",
                       who, user->domid, user->config.name);
    struct reading *r = ok ? begin(path, EDIT_BYTES, e) : NULL;
    ok = r != NULL && set_in(r, path, key, value, warn, ctx, e);
    end(r);
    mutex_unlock(&manager_lock);
    return ok;
}

/* ---- what is generated once ---- */

static bool read_only(const char *path)
{
    struct volume_info v;
    const char *colon = strchr(path, ':');
    for (size_t i = 0; colon != NULL && volume_get(i, &v); i++)
        if (strlen(v.name) == (size_t)(colon - path) && strncasecmp(v.name, path, strlen(v.name)) == 0)
            return v.read_only;
    return true;
}

static uint64_t mix(uint64_t x) /* splitmix64's */
{
    x += 0x9e3779b97f4a7c15UL;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9UL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebUL;
    return x ^ (x >> 31);
}

/* VMware's begin with 56 4d, too. From the time and the file's place: not the same on two hosts, and no secret. */
void guest_file_make_uuid(struct registry_entry *e)
{
    struct vm_config *c = &e->config;
    uint64_t seed = mix(time_tsc()) ^ mix(time_wallclock_s());
    if (c->uuid_set || read_only(c->path))
        return;
    for (const char *p = c->path; *p != '\0'; p++)
        seed = mix(seed ^ (uint8_t)*p);
    for (unsigned i = 0; i < 16; i += 8, seed = mix(seed))
        memcpy(c->uuid + i, &seed, 8);
    c->uuid[0] = 0x56;
    c->uuid[1] = 0x4d;
    c->uuid_set = c->uuid_made = true;
}

struct keeping {
    struct reading *r;
    bool changed, ok;
};

/* One more setting, unless the file has it. */
static void keep(struct keeping *k, const char *key, const char *value)
{
    size_t len = 0;
    bool there = vmx_file_find(&k->r->work.file, key) != VMX_NONE;
    if (there || !k->ok)
        return;
    k->ok = vmx_edit_set(k->r->text, k->r->len, key, value, k->r->changed, k->r->size, &len) && len <= VMX_MAX_BYTES;
    if (!k->ok)
        return;
    memcpy(k->r->text, k->r->changed, len);
    k->r->len = len;
    k->changed = true;
}

static void keep_card(struct keeping *k, const struct vm_nic *n, uint32_t dev)
{
    char key[VMX_KEY_MAX], value[MAC_TEXT];
    snprintf(key, sizeof key, "ethernet%u.generatedAddress", dev);
    mac_format(value, n->mac);
    keep(k, key, value);
    snprintf(key, sizeof key, "ethernet%u.generatedAddressOffset", dev);
    snprintf(value, sizeof value, "%u", dev * CARD_DISTANCE);
    keep(k, key, value);
}

static bool generated(const struct vm_nic *n) { return n->present && !n->is_static && !n->generated_set && n->mac_set && !n->attached; }

static bool keep_all(struct registry_entry *e, struct error *err)
{
    struct vm_config *c = &e->config;
    char text[64];
    struct keeping k = {.r = begin(c->path, KEEP_BYTES, err), .ok = true};
    if (k.r == NULL)
        return false;
    (void)vmx_read(&k.r->work, k.r->text, k.r->len, c->path, &k.r->config); /* which settings there are */
    if (c->uuid_made) {
        vmx_uuid_text(text, sizeof text, c->uuid);
        keep(&k, "uuid.bios", text);
        keep(&k, "uuid.location", text);
    }
    for (uint32_t i = 0; i < NICS_MAX; i++)
        if (generated(&c->nics[i]))
            keep_card(&k, &c->nics[i], i);
    bool ok = k.ok || error_set(err, EXIT_FAILED, "%.100s: no room in it: remove something", c->path);
    ok = ok && (!k.changed || stored_write(c->path, k.r->text, k.r->len, err));
    end(k.r);
    return ok;
}

void guest_file_keep(struct registry_entry *e, void (*warn)(const char *line, void *ctx), void *ctx)
{
    char text[480];
    struct error err;
    bool any = e->config.uuid_made, address = false;
    for (uint32_t i = 0; i < NICS_MAX; i++)
        address = address || generated(&e->config.nics[i]);
    if (!any && !address)
        return;
    if (read_only(e->config.path))
        error_set(&err, EXIT_NO_RESOURCE, "its volume is read-only: move it to a disk");
    else if (keep_all(e, &err))
        return;
    snprintf(text, sizeof text, "%.100s: its network cards' generated addresses are not kept in it: %s, or write ethernetN.generatedAddress",
             e->config.path, err.text);
    if (address)
        warn(text, ctx);
}
