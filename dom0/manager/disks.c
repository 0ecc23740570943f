/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] A domain's disks: those of its configuration at its start, and those that come and go later. */
#include "dom0/manager/disks.h"

#include "dom0/backend/block_backend.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/string.h"
#include "dom0/manager/manager_priv.h"
#include "dom0/vdisk/vdisk.h"

#define LOOK_NS   20000000UL
#define SETTLE_NS 200000000UL  /* for the guest to see that a device is gone */
#define TAKE_NS   1000000000UL /* for the guest to find a new one */
#define TAKES     3U

_Static_assert(VM_DISKS_MAX == BLOCK_PER_DOMAIN, "each disk of a configuration has a place");

/* What the back end needs to know of disk D of E. */
static bool config_of(const struct registry_entry *e, const struct vm_disk *d, struct block_config *out,
                      struct error *err)
{
    *out = (struct block_config){
        .domid = e->domid, .index = d->index, .read_only = d->read_only, .cdrom = d->cdrom};
    return vdisk_resolve(d->path, out->path, err);
}

/* ERR again, with the line of the .vmx file that it comes from. */
static bool at_line(const struct registry_entry *e, const struct vm_disk *d, struct error *err)
{
    struct error why = *err;
    if (d->line == 0)
        return error_set(err, why.code, "%s: %.200s", e->config.name, why.text);
    return error_set(err, why.code, "%s: line %u of its .vmx file: %.200s", e->config.name, d->line, why.text);
}

static bool each(const struct registry_entry *e, bool (*fn)(const struct block_config *c, struct error *err),
                 struct error *err)
{
    struct block_config c;
    for (uint32_t i = 0; i < e->config.disks; i++) {
        const struct vm_disk *d = &e->config.disk[i];
        if (d->path[0] != '\0' && (!config_of(e, d, &c, err) || !fn(&c, err)))
            return at_line(e, d, err);
    }
    return true;
}

bool vm_disks_check(const struct registry_entry *e, struct error *err) { return each(e, block_check, err); }

bool vm_disks_attach(const struct registry_entry *e, struct error *err) { return each(e, block_attach, err); }

/* ---- while it lives ---- */

/* The domain WHO, whose disks may change. */
static struct registry_entry *changeable(const char *who, const char *verb, struct vm_view *v, struct error *e)
{
    struct registry_entry *entry = manager_find_ours(who, verb, v, e);
    if (entry == NULL || (entry->state == ENTRY_LIVE && v->info.state != CBL_DOM_SHUTDOWN && v->info.state != CBL_DOM_DYING))
        return entry;
    error_set(e, EXIT_WRONG_STATE, "%s %s: it has stopped for good: `destroy %s` removes it", verb, v->name, v->name);
    return NULL;
}

static struct vm_disk *find_disk(struct registry_entry *e, uint16_t index)
{
    for (uint32_t i = 0; i < e->config.disks; i++)
        if (e->config.disk[i].index == index)
            return &e->config.disk[i];
    return NULL;
}

static bool attach_locked(const char *who, const char *path, bool read_only, uint16_t *index, struct error *e)
{
    struct vm_view v;
    struct block_config c;
    struct vm_disk d = {.read_only = read_only, .attached = true};
    struct registry_entry *entry = changeable(who, "block-attach", &v, e);
    if (entry == NULL)
        return false;
    if (entry->config.disks == VM_DISKS_MAX)
        return error_set(e, EXIT_NO_RESOURCE, "block-attach %s: it has %u disks, which is the most: detach one", v.name,
                         VM_DISKS_MAX);
    while (find_disk(entry, d.index) != NULL)
        d.index++;
    if (!vdisk_resolve(path, d.path, e) || !config_of(entry, &d, &c, e) || !block_attach(&c, e))
        return false;
    *index = d.index;
    entry->config.disk[entry->config.disks++] = d;
    return true;
}

bool manager_block_attach(const char *who, const char *path, bool read_only, uint16_t *index, struct error *e)
{
    mutex_lock(&manager_lock);
    bool ok = attach_locked(who, path, read_only, index, e);
    mutex_unlock(&manager_lock);
    return ok;
}

static bool no_disk(const struct vm_view *v, const char *dev, struct error *e)
{
    return error_set(e, EXIT_FAILED, "block-detach %s: it has no disk %.20s: `block-list %s` shows its disks", v->name,
                     dev, v->name);
}

static bool begin_detach(const char *who, const char *dev, struct vm_view *v, uint16_t *index, struct error *e)
{
    if (changeable(who, "block-detach", v, e) == NULL)
        return false;
    return (block_parse(dev, index) && block_close(v->domid, *index)) || no_disk(v, dev, e);
}

/* EXIT_OK: it let go, or never held it. */
static enum exit_code wait_closed(uint16_t domid, uint16_t index, uint64_t wait_ns, bool (*interrupted)(void))
{
    struct block_view b;
    uint64_t now = time_now_ns(), end = now + wait_ns < now ? WAIT_FOREVER : now + wait_ns;
    while (block_get(domid, index, &b) && b.state != BLOCK_CLOSED && b.state != BLOCK_DROPPED) {
        if (now >= end)
            return EXIT_TIMEOUT;
        if (interrupted != NULL && interrupted())
            return EXIT_FAILED;
        thread_sleep_ns(LOOK_NS);
        now = time_now_ns();
    }
    return EXIT_OK;
}

/* Looks everything up again: the lock was not held meanwhile. */
static bool end_detach(const struct vm_view *v, uint16_t index, const char *dev, struct error *e)
{
    struct registry_entry *entry = registry_by_domid(manager_registry, v->domid);
    struct vm_disk *d = entry != NULL ? find_disk(entry, index) : NULL;
    if (d == NULL)
        return no_disk(v, dev, e);
    block_remove(v->domid, index);
    *d = entry->config.disk[--entry->config.disks];
    return true;
}

bool manager_block_detach(const char *who, const char *dev, bool force, uint64_t wait_ns, bool (*interrupted)(void),
                          struct error *e)
{
    struct vm_view v;
    uint16_t index = 0;
    mutex_lock(&manager_lock);
    bool ok = begin_detach(who, dev, &v, &index, e);
    mutex_unlock(&manager_lock);
    if (!ok)
        return false;
    enum exit_code code = force ? EXIT_OK : wait_closed(v.domid, index, wait_ns, interrupted);
    if (code == EXIT_TIMEOUT)
        return error_set(e, code, "block-detach %s: the guest holds on to %.20s: unmount it there and try again, or "
                         "`block-detach -f %s %.20s`", v.name, dev, v.name, dev);
    if (code != EXIT_OK)
        return error_set(e, code, "block-detach %s: interrupted: the guest was asked and may follow yet: try again",
                         v.name);
    mutex_lock(&manager_lock);
    ok = end_detach(&v, index, dev, e);
    mutex_unlock(&manager_lock);
    return ok;
}

/* ---- CDs ---- */

/* The drive DRIVE of the domain WHO; NULL: E says why not. */
static struct vm_disk *find_drive(const char *who, const char *drive, const char *verb, struct vm_view *v, struct error *e)
{
    char place[16];
    uint16_t index = VM_DISKS_MAX;
    struct registry_entry *entry = changeable(who, verb, v, e);
    if (entry == NULL)
        return NULL;
    bool named = block_parse(drive, &index);
    for (uint32_t i = 0; i < entry->config.disks; i++) {
        struct vm_disk *d = &entry->config.disk[i];
        vm_disk_place(d, place, sizeof place);
        if (named ? d->index != index : strcasecmp(place, drive) != 0)
            continue;
        if (d->cdrom)
            return d;
        error_set(e, EXIT_FAILED, "%s %s: %.20s is a disk, not a CD drive: use block-attach and block-detach", verb, v->name, drive);
        return NULL;
    }
    error_set(e, EXIT_FAILED, "%s %s: it has no drive %.20s: give it one in its .vmx file, with deviceType = \"cdrom-image\"", verb,
              v->name, drive);
    return NULL;
}

/* Asks the guest to let go. *WAIT: there is a CD. */
static bool begin_eject(const char *who, const char *drive, const char *verb, struct vm_view *v, uint16_t *index, bool *wait,
                        struct error *e)
{
    mutex_lock(&manager_lock);
    const struct vm_disk *d = find_drive(who, drive, verb, v, e);
    *wait = d != NULL && d->path[0] != '\0';
    if (d != NULL)
        *index = d->index;
    if (*wait)
        (void)block_close(v->domid, *index);
    mutex_unlock(&manager_lock);
    return d != NULL;
}

/* Looks the drive up again: the lock was not held meanwhile. */
static bool end_eject(const struct vm_view *v, uint16_t index, const char *verb, struct error *e)
{
    mutex_lock(&manager_lock);
    struct registry_entry *entry = registry_by_domid(manager_registry, v->domid);
    struct vm_disk *d = entry != NULL ? find_disk(entry, index) : NULL;
    bool there = d != NULL && d->cdrom;
    if (there) {
        block_remove(v->domid, index);
        d->path[0] = '\0';
        d->line = 0;
    }
    mutex_unlock(&manager_lock);
    return there || error_set(e, EXIT_WRONG_STATE, "%s %s: it ended, or began anew, meanwhile: try again", verb, v->name);
}

static bool eject(const char *who, const char *drive, const char *verb, bool force, uint64_t wait_ns,
                  bool (*interrupted)(void), struct error *e)
{
    struct vm_view v;
    uint16_t index = 0;
    bool wait = false;
    if (!begin_eject(who, drive, verb, &v, &index, &wait, e))
        return false;
    if (!wait)
        return true;
    enum exit_code code = force ? EXIT_OK : wait_closed(v.domid, index, wait_ns, interrupted);
    if (code == EXIT_TIMEOUT)
        return error_set(e, code, "%s %s: the guest holds on to the CD in %.20s: unmount it there and try again, or "
                         "`cd-eject --force %s %.20s`", verb, v.name, drive, v.name, drive);
    if (code != EXIT_OK)
        return error_set(e, code, "%s %s: interrupted: the guest was asked and may follow yet: try again", verb, v.name);
    if (!end_eject(&v, index, verb, e))
        return false;
    thread_sleep_ns(SETTLE_NS);
    return true;
}

bool manager_cd_eject(const char *who, const char *drive, bool force, uint64_t wait_ns, bool (*interrupted)(void),
                      struct error *e)
{
    return eject(who, drive, "cd-eject", force, wait_ns, interrupted, e);
}

/* PATH as a CD for drive D of V. */
static bool cd_config(const struct vm_view *v, const struct vm_disk *d, const char *path, struct block_config *c, struct error *e)
{
    *c = (struct block_config){.domid = v->domid, .index = d->index, .read_only = true, .cdrom = true};
    return vdisk_resolve(path, c->path, e);
}

static bool insert_locked(const char *who, const char *drive, const char *path, bool check_only, struct vm_view *v,
                          uint16_t *index, struct error *e)
{
    struct block_config c;
    struct vm_disk *d = find_drive(who, drive, "cd-insert", v, e);
    if (d == NULL || !cd_config(v, d, path, &c, e))
        return false;
    if (check_only)
        return block_check(&c, e);
    if (d->path[0] != '\0')
        return error_set(e, EXIT_WRONG_STATE, "cd-insert %s: another CD came into %.20s meanwhile: try again", v->name, drive);
    if (!block_attach(&c, e))
        return false;
    strlcpy(d->path, c.path, sizeof d->path);
    *index = d->index;
    return true;
}

static bool insert(const char *who, const char *drive, const char *path, bool check_only, struct vm_view *v, uint16_t *index,
                   struct error *e)
{
    mutex_lock(&manager_lock);
    bool ok = insert_locked(who, drive, path, check_only, v, index, e);
    mutex_unlock(&manager_lock);
    return ok;
}

/* Does the guest take the device within TAKE_NS? A paused one cannot, which is fine. */
static bool taken(const struct vm_view *v, uint16_t index, bool (*interrupted)(void))
{
    struct block_view b;
    for (uint64_t end = time_now_ns() + TAKE_NS; time_now_ns() < end; thread_sleep_ns(LOOK_NS))
        if (v->info.state == CBL_DOM_PAUSED || !block_get(v->domid, index, &b) || b.state != BLOCK_WAITING ||
            (interrupted != NULL && interrupted()))
            return true;
    return false;
}

/* An image that cannot be inserted leaves the old one where it is. A guest that was too slow to see the old device go
 * takes the new one for the old one, and does nothing: then it is taken away again for longer. One that has no driver
 * gets it all the same. */
bool manager_cd_insert(const char *who, const char *drive, const char *path, uint64_t wait_ns, bool (*interrupted)(void),
                       struct error *e)
{
    struct vm_view v;
    uint16_t index = 0;
    if (!insert(who, drive, path, true, &v, &index, e) || !eject(who, drive, "cd-insert", false, wait_ns, interrupted, e))
        return false;
    for (unsigned i = 1;; i++) {
        if (!insert(who, drive, path, false, &v, &index, e))
            return false;
        if (i == TAKES || taken(&v, index, interrupted))
            return true;
        if (!end_eject(&v, index, "cd-insert", e))
            return false;
        thread_sleep_ns(i * TAKE_NS);
    }
}
