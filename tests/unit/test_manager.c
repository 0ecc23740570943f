/* SPDX-License-Identifier: Apache-2.0
 * [HOST] The life of domains against a small model of hypervisor, builder, xenstore and consoles: each step of a creation fails once, and nothing
 * may be left; ends of all kinds; names and numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dom0/backend/block_backend.h"
#include "dom0/backend/console_backend.h"
#include "dom0/backend/net_backend.h"
#include "dom0/builder/builder.h"
#include "dom0/builder/kernel_cache.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/event.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/kernel/thread.h"
#include "dom0/kernel/time.h"
#include "dom0/manager/adjust.h"
#include "dom0/manager/cpulist.h"
#include "dom0/manager/disks.h"
#include "dom0/manager/guest_file.h"
#include "dom0/manager/manager.h"
#include "dom0/manager/manager_priv.h"
#include "dom0/manager/registry.h"
#include "dom0/manager/vif.h"
#include "dom0/store/store.h"
#include "dom0/vdisk/vdisk.h"

size_t strlcpy(char *dst, const char *src, size_t size);

/* ---- the model ---- */

#define NOMEM (-12L)

static struct model {
    struct { bool exists, paused; uint32_t state, shutdown; const char *why; uint32_t vcpus, online, weight, cap; uint64_t pages, max_pages, created_pages, pinned; } dom[300];
    bool follows; /* the guest does what xenstore asks for, a little with each sleep */
    bool available[32];
    uint64_t target_kib, static_max_kib;
    char name_node[64];
    int domains, mapped, introduced, consoles, files, heap_blocks, nodes;
    uint16_t last;
    uint64_t now;
    unsigned step, fail_at; /* the fail_at-th call that may fail does */
    unsigned busy_destroys;
    char printed[8192];
    char shutdown_node[32];
    bool listens;
    void (*reaper)(void *);
    event_handler virq;
    bool with_console[300], kept_console[300];
    uint64_t free_bytes;
    bool abort_build;
    struct { bool there, asked; struct net_device_config c; } card[8];
    int cards;
    bool keeps_cards; /* the guest does not let go */
    struct { bool there, asked; struct block_config c; } disk[300][BLOCK_PER_DOMAIN];
    int disks;
    unsigned attached, blind; /* how often a disk was; the next so many the guest does not see */
    bool lets_go; /* the guest gives a disk back when it is asked */
    bool disk_volume;                    /* the files' volume can be written to */
    bool full;                           /* nothing more fits on it */
    char saved_path[PATH_MAX_LEN];       /* a file that was written, and what it holds */
    char saved[4096];
    unsigned saves;
    char said[256];                      /* what the guest said on its console, and where it begins */
    uint64_t said_at;
    bool console_live;
    void (*writer)(void *);              /* the thread of serial0 */
    void *writer_arg;
    bool in_writer;
    unsigned kept, drops; /* kernels that are kept, each of 1 GiB; how often they were dropped */
} m;
static jmp_buf reaper_idle, writer_idle;

static bool fails(void)
{
    return ++m.step == m.fail_at;
}

static long info_of(struct cbl_domain_info *a)
{
    for (uint16_t i = a->domid; i < 300; i++) {
        if (!m.dom[i].exists) {
            if (a->exact)
                return -3;
            continue;
        }
        memset(a, 0, sizeof *a);
        a->domid = i;
        a->state = m.dom[i].state == CBL_DOM_SHUTDOWN ? CBL_DOM_SHUTDOWN : m.dom[i].paused ? CBL_DOM_PAUSED : m.dom[i].state;
        a->shutdown = m.dom[i].shutdown;
        a->vcpus = m.dom[i].vcpus;
        a->online_vcpus = m.dom[i].online;
        a->pages = m.dom[i].pages;
        a->max_pages = m.dom[i].max_pages;
        a->weight = m.dom[i].weight;
        a->cap = m.dom[i].cap;
        a->overhead_bytes = 98304;
        strcpy(a->why, m.dom[i].why != NULL ? m.dom[i].why : "");
        return 0;
    }
    return -3;
}

static long create_of(struct cbl_domain_create *a)
{
    assert_int_equal(a->privileges, 0);
    if (fails())
        return NOMEM;
    a->domid = ++m.last;
    memset(&m.dom[m.last], 0, sizeof m.dom[0]);
    m.dom[m.last].exists = m.dom[m.last].paused = true;
    m.dom[m.last].shutdown = CBL_SHUTDOWN_NONE;
    m.dom[m.last].vcpus = a->vcpus;
    m.dom[m.last].online = 1;
    m.dom[m.last].weight = 256;
    m.dom[m.last].created_pages = m.dom[m.last].max_pages = a->max_pages;
    m.domains++;
    return 0;
}

static long destroy_of(const struct cbl_domain_ref *a)
{
    if (a->domid == 0 || !m.dom[a->domid].exists)
        return -3;
    if (m.busy_destroys > 0) {
        m.busy_destroys--;
        return -16;
    }
    m.dom[a->domid].exists = false;
    m.domains--;
    return 0;
}

long control(enum control_op op, void *arg)
{
    struct cbl_domain_ref *ref = arg;
    switch ((int)op) {
    case CTL_HOST_INFO:
        memset(arg, 0, sizeof(struct cbl_host_info));
        ((struct cbl_host_info *)arg)->max_domains = 8;
        ((struct cbl_host_info *)arg)->cpus = 2;
        ((struct cbl_host_info *)arg)->mem_free_bytes = m.free_bytes;
        return 0;
    case CTL_DOMAIN_INFO: return info_of(arg);
    case CTL_DOMAIN_CREATE: return create_of(arg);
    case CTL_DOMAIN_DESTROY: return destroy_of(ref);
    case CTL_DOMAIN_PAUSE: m.dom[ref->domid].paused = true; return 0;
    case CTL_DOMAIN_UNPAUSE:
        if (fails())
            return -22;
        m.dom[ref->domid].paused = false;
        m.dom[ref->domid].state = CBL_DOM_RUNNING;
        return 0;
    case CTL_SCHED_SET: {
        struct cbl_sched *a = arg;
        assert_true(m.dom[a->domid].exists && a->weight >= 1 && a->weight <= 65535 && a->cap <= 3200);
        if (fails())
            return -22;
        m.dom[a->domid].weight = a->weight;
        m.dom[a->domid].cap = a->cap;
        return 0;
    }
    case CTL_VCPU_PIN: {
        struct cbl_vcpu_pin *a = arg;
        assert_true(m.dom[a->domid].exists && a->vcpu < m.dom[a->domid].vcpus);
        if (fails() || (a->affinity & 3) == 0) /* a host of two CPUs */
            return -22;
        m.dom[a->domid].pinned |= 1UL << a->vcpu;
        return 0;
    }
    case CTL_MEM_MAX: {
        struct cbl_mem_max *a = arg;
        if (a->max_pages == 0 || a->max_pages > m.dom[a->domid].created_pages)
            return -22;
        m.dom[a->domid].max_pages = a->max_pages;
        return 0;
    }
    default: fail_msg("control operation %d", (int)op); return -38;
    }
}

const char *errno_text(long err) { return err == NOMEM ? "no memory" : "refused"; }

void *foreign_map(uint16_t domid, uint64_t gfn, uint64_t pages, bool writable)
{
    assert_true(m.dom[domid].exists && pages == 1 && writable);
    assert_true(gfn == GUEST_STORE_GFN || gfn == GUEST_CONSOLE_GFN);
    if (fails())
        return NULL;
    m.mapped++;
    return malloc(1);
}
void foreign_unmap(void *va, uint64_t pages)
{
    assert_int_equal(pages, 1);
    m.mapped--;
    free(va);
}
long hvm_set_param(uint16_t domid, uint32_t index, uint64_t value)
{
    assert_true(m.dom[domid].exists && value != 0 && (index == 1 || index == 2 || index == 17 || index == 18));
    return fails() ? -22 : 0;
}
int event_alloc_unbound_in(uint16_t domid)
{
    assert_true(m.dom[domid].exists);
    return fails() ? -28 : 7;
}
int event_bind_virq(uint32_t virq, event_handler fn, void *arg)
{
    (void)arg;
    assert_int_equal(virq, 3);
    m.virq = fn;
    return 5;
}

bool builder_build(const struct build_request *r, struct error *e)
{
    assert_true(m.dom[r->domid].exists && r->kernel != NULL && (r->mem_bytes == 16 << 20 || r->mem_bytes == 32 << 20));
    assert_int_equal(r->vcpus, m.dom[r->domid].vcpus);
    m.dom[r->domid].pages = r->mem_bytes / 4096 + 14;
    bool go_on = r->progress == NULL || r->progress(r->ctx, "kernel", 1, 2);
    if (!go_on || fails())
        return error_set(e, EXIT_FAILED, "kernel: broken: get another");
    return true;
}

bool kernel_cache_drop(void)
{
    bool any = m.kept > 0;
    m.free_bytes += (uint64_t)m.kept << 30;
    m.kept = 0;
    m.drops++;
    return any;
}

bool store_introduce(uint16_t domid, void *ring, uint32_t port)
{
    assert_true(m.dom[domid].exists && ring != NULL && port == 7);
    if (fails())
        return false;
    m.introduced++;
    return true;
}
void store_release(uint16_t domid) { assert_true(m.dom[domid].exists); m.introduced--; }
int store_write(const char *path, const char *value)
{
    if (strstr(path, "control/shutdown") != NULL && value[0] != '\0') {
        snprintf(m.shutdown_node, sizeof m.shutdown_node, "%s", value);
        return 0;
    }
    unsigned domid, cpu;
    if (sscanf(path, "/local/domain/%u/cpu/%u/availability", &domid, &cpu) == 2 && domid != 0)
        m.available[cpu] = strcmp(value, "online") == 0;
    if (strstr(path, "memory/target") != NULL)
        m.target_kib = strtoull(value, NULL, 10);
    if (strstr(path, "memory/static-max") != NULL)
        m.static_max_kib = strtoull(value, NULL, 10);
    if (strstr(path, "/name") != NULL)
        snprintf(m.name_node, sizeof m.name_node, "%s", value);
    m.nodes++;
    return strncmp(path, "/local/domain/0", 15) != 0 && m.fail_at != 0 && fails() ? 28 : 0;
}
int store_set_perms(const char *path, const char *perms) { (void)path; assert_non_null(strchr("n", perms[0])); return 0; }
int store_write_fmt(const char *path, const char *fmt, ...)
{
    char value[64];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(value, sizeof value, fmt, ap);
    va_end(ap);
    return store_write(path, value);
}
int store_read(const char *path, char *value, size_t len)
{
    unsigned domid, cpu;
    if (sscanf(path, "/local/domain/%u/cpu/%u/availability", &domid, &cpu) == 2)
        snprintf(value, len, "%s", m.available[cpu] ? "online" : "offline");
    else
        snprintf(value, len, "%d", m.listens);
    return 0;
}
int store_rm(const char *path) { assert_non_null(strstr(path, "/local/domain/")); m.nodes = 0; return 0; }

bool guest_console_add(uint16_t domid, void *ring, uint32_t port)
{
    assert_true(ring != NULL && port == 7);
    if (fails())
        return false;
    m.consoles++;
    m.with_console[domid] = m.kept_console[domid] = true;
    return true;
}
void guest_console_stop(uint16_t domid)
{
    m.consoles -= m.with_console[domid];
    m.with_console[domid] = false;
}
void guest_console_forget(uint16_t domid) { guest_console_stop(domid); m.kept_console[domid] = false; }

/* Network cards: a table of 8 for all domains. */
void net_backend_init(void) {}
bool net_device_add(const struct net_device_config *c, const char *name, struct error *e)
{
    unsigned i = 0;
    assert_true(m.dom[c->domid].exists && c->bridge[0] != '\0' && name[0] != '\0');
    if (fails())
        return error_set(e, EXIT_NO_RESOURCE, "%s: network card: no room: destroy one", name);
    while (m.card[i].there)
        i++;
    assert_true(i < 8);
    memset(&m.card[i], 0, sizeof m.card[i]);
    m.card[i].there = true;
    m.card[i].c = *c;
    m.cards++;
    return true;
}
static int card_at(uint16_t domid, uint32_t dev)
{
    for (int i = 0; i < 8; i++)
        if (m.card[i].there && m.card[i].c.domid == domid && m.card[i].c.dev == dev)
            return i;
    return -1;
}
bool net_device_close(uint16_t domid, uint32_t dev) { return m.card[card_at(domid, dev)].asked = true; }
bool net_device_closed(uint16_t domid, uint32_t dev) { return card_at(domid, dev) < 0 || (m.card[card_at(domid, dev)].asked && !m.keeps_cards); }
void net_device_remove(uint16_t domid, uint32_t dev)
{
    int i = card_at(domid, dev);
    assert_true(i < 0 || m.dom[domid].exists); /* before the domain: its rings are mapped */
    m.cards -= i >= 0;
    if (i >= 0)
        m.card[i].there = false;
}
void net_devices_remove(uint16_t domid)
{
    for (uint32_t dev = 0; dev < NET_DEVICES_MAX; dev++)
        net_device_remove(domid, dev);
}
bool net_mac_owner(const uint8_t mac[MAC_LEN], uint16_t *domid, uint32_t *dev)
{
    for (int i = 0; i < 8; i++) {
        *domid = m.card[i].c.domid;
        *dev = m.card[i].c.dev;
        if (m.card[i].there && mac_equal(m.card[i].c.mac, mac))
            return true;
    }
    return false;
}
void net_devices_list(bool (*fn)(const struct net_device_view *v, void *ctx), void *ctx)
{
    for (int i = 0; i < 8; i++) {
        struct net_device_view v = {.config = m.card[i].c};
        if (m.card[i].there && !fn(&v, ctx))
            return;
    }
}

/* Disks. */
bool block_check(const struct block_config *c, struct error *e)
{
    assert_true(strncmp(c->path, "boot:", 5) == 0 && (!c->cdrom || c->read_only));
    return !fails() || error_set(e, EXIT_WRONG_STATE, "image: somebody writes to it: detach it");
}
bool block_attach(const struct block_config *c, struct error *e)
{
    assert_true(m.dom[c->domid].exists && c->index < BLOCK_PER_DOMAIN && !m.disk[c->domid][c->index].there);
    if (!block_check(c, e))
        return false;
    m.attached++;
    m.disk[c->domid][c->index].there = true;
    m.disk[c->domid][c->index].asked = false;
    m.disk[c->domid][c->index].c = *c;
    m.disks++;
    return true;
}
void block_remove(uint16_t domid, uint16_t index)
{
    assert_true(m.dom[domid].exists); /* its ring is mapped: before the domain goes */
    m.disks -= m.disk[domid][index].there;
    m.blind -= m.blind != 0 && m.disk[domid][index].there;
    m.disk[domid][index].there = false;
}
void block_remove_all(uint16_t domid)
{
    for (uint16_t i = 0; i < BLOCK_PER_DOMAIN; i++)
        block_remove(domid, i);
}
bool block_close(uint16_t domid, uint16_t index) { return m.disk[domid][index].there && (m.disk[domid][index].asked = true); }
bool block_get(uint16_t domid, uint16_t index, struct block_view *out)
{
    memset(out, 0, sizeof *out);
    out->state = m.disk[domid][index].asked && m.lets_go ? BLOCK_CLOSED : m.blind != 0 ? BLOCK_WAITING : BLOCK_CONNECTED;
    return m.disk[domid][index].there;
}
bool block_parse(const char *text, uint16_t *index)
{
    *index = (uint16_t)(text[3] - 'a');
    return strncmp(text, "xvd", 3) == 0 && *index < BLOCK_PER_DOMAIN;
}

static void print(const char *fmt, va_list ap)
{
    size_t n = strlen(m.printed);
    vsnprintf(m.printed + n, sizeof m.printed - n, fmt, ap);
}
void console_printf(const char *fmt, ...) { va_list ap; va_start(ap, fmt); print(fmt, ap); va_end(ap); }
void console_notice(const char *fmt, ...) { va_list ap; va_start(ap, fmt); print(fmt, ap); va_end(ap); strcat(m.printed, "\n"); }
uint64_t time_wallclock_s(void) { return 1700000000; }
uint64_t time_now_ns(void) { return m.now += 1000; }
uint64_t time_tsc(void) { return m.now; }
static void guest_follows(void)
{
    uint64_t pages = m.dom[m.last].created_pages - 2 - (m.static_max_kib - m.target_kib) / 4;
    uint64_t *now = &m.dom[m.last].pages;
    m.dom[m.last].online = 0;
    for (unsigned i = 0; i < m.dom[m.last].vcpus; i++)
        m.dom[m.last].online += m.available[i];
    *now = *now > pages ? (*now - pages > 500 ? *now - 500 : pages) : pages - *now > 500 ? *now + 500 : pages;
    assert_true(pages <= m.dom[m.last].max_pages); /* else the driver would be refused what it was promised */
}
void thread_sleep_ns(uint64_t ns)
{
    m.now += ns;
    if (m.follows)
        guest_follows();
}
void thread_yield(void) {}
struct thread *thread_create(const char *name, void (*fn)(void *arg), void *arg, size_t stack)
{
    (void)stack;
    if (strcmp(name, "serial") == 0) {
        m.writer = fn;
        m.writer_arg = arg;
    } else {
        m.reaper = fn;
    }
    return (struct thread *)&m;
}
/* The thread of serial0, until it waits or ends. */
static void write_on(void)
{
    m.in_writer = true;
    if (setjmp(writer_idle) == 0)
        m.writer(m.writer_arg);
    m.in_writer = false;
}
void thread_exit(void)
{
    m.writer = NULL;
    longjmp(writer_idle, 1);
}
bool waitq_wait(struct waitq *q, uint64_t deadline_ns)
{
    if (m.in_writer)
        longjmp(writer_idle, 1);
    if (m.writer != NULL) { /* serial_stop waits for it */
        write_on();
        return true;
    }
    if (q != &manager_ended)
        longjmp(reaper_idle, 1);
    m.now = deadline_ns;
    return false;
}
void console_wait(struct waitq *q, uint64_t deadline_ns) { (void)waitq_wait(q, deadline_ns); }
void waitq_wake(struct waitq *q) { (void)q; }
void waitq_wake_all(struct waitq *q) { (void)q; }
void mutex_lock(struct mutex *x) { assert_null(x->owner); x->owner = (struct thread *)x; }
void mutex_unlock(struct mutex *x) { assert_non_null(x->owner); x->owner = NULL; }

void *heap_alloc(size_t size) { m.heap_blocks++; return calloc(1, size); }
void heap_free(void *p) { m.heap_blocks -= p != NULL; free(p); }
void *page_alloc(size_t pages, uint64_t *phys) { (void)phys; return calloc(pages, 4096); }

/* Guests /NAME/NAME.vmx; the file's content is made from its name, unless one was written there. */
struct file { char path[PATH_MAX_LEN]; char text[4096]; bool fresh, writing; };
bool path_resolve(const char *path, char *out, size_t len, struct error *e) { (void)e; snprintf(out, len, "boot:/%s", path); return true; }
bool vdisk_resolve(const char *spec, char *out, struct error *e) { return path_resolve(spec, out, PATH_MAX_LEN, e); }
bool path_stat(const char *path, struct dir_entry *out, struct error *e)
{
    if (strstr(path, "none") != NULL)
        return error_set(e, EXIT_FAILED, "no such file: x: y");
    out->is_dir = strstr(path, "notdir") == NULL && strstr(path, ".img") == NULL && strcmp(path + strlen(path) - 2, "/k") != 0;
    return true;
}
bool vdisk_check(const char *spec, enum vdisk_access access, const struct vdisk_user *user, struct error *e)
{
    struct dir_entry d;
    (void)access;
    assert_non_null(user);
    return path_stat(spec, &d, e);
}
bool volume_get(size_t i, struct volume_info *out)
{
    *out = (struct volume_info){.name = "boot", .read_only = !m.disk_volume};
    return i == 0;
}
bool file_open(const char *path, struct file **out, struct error *e)
{
    if (fails() || strstr(path, "gone") != NULL)
        return error_set(e, EXIT_FAILED, "%s: no such file: copy it", path);
    *out = calloc(1, sizeof **out);
    m.files++;
    snprintf((*out)->path, sizeof (*out)->path, "%s", path);
    if (strcmp(path, m.saved_path) == 0) {
        strcpy((*out)->text, m.saved);
        return true;
    }
    const char *base = strrchr(path, '/') + 1;
    if (strstr(path, ".log") != NULL)
        return true;
    snprintf((*out)->text, sizeof (*out)->text, "displayName = \"%.*s\"\nmemsize = \"16\"\nfoo = \"1\"\ncorbel.kernel = \"k\"\n%s%s%s%s%s%s%s%s",
             (int)(strlen(base) - 4), base, strstr(path, "disk") != NULL ? "corbel.ramdisk = \"r\"\n" : "",
             strstr(path, "disky") != NULL ? "sata0:1.present = \"TRUE\"\nsata0:1.fileName = \"/b\"\nsata0:1.readonly = \"TRUE\"\nscsi0:0.present = \"TRUE\"\nscsi0:0.fileName = \"a\"\n" : "",
             strstr(path, "other-way") != NULL ? "corbel.on_poweroff = \"preserve\"\non_reboot = \"destroy\"\ncorbel.on_crash = \"restart\"\n" : "",
             strstr(path, "large") != NULL ? "numvcpus = \"2\"\ncorbel.maxvcpus = \"4\"\ncorbel.maxmem = \"32\"\nsched.cpu.shares = \"high\"\ncorbel.cap = \"150\"\nsched.cpu.affinity = \"1\"\n" : "",
             strstr(path, "disk") != NULL || strstr(path, "net") != NULL ? "ethernet0.present = \"TRUE\"\nethernet3.present = \"TRUE\"\nethernet3.networkName = \"lan\"\n" : "",
             strstr(path, "drive") != NULL ? "ide1:0.present = \"TRUE\"\nide1:0.deviceType = \"cdrom-image\"\nide1:0.startConnected = \"FALSE\"\nide1:0.fileName = \"old.img\"\n"
                                             "scsi0:0.present = \"TRUE\"\nscsi0:0.fileName = \"d.img\"\n" : "",
             strstr(path, "serial") != NULL ? "serial0.present = \"TRUE\"\nserial0.fileType = \"file\"\nserial0.fileName = \"out.log\"\n" : "",
             strstr(path, "hard") != NULL ? "powerType.powerOff = \"hard\"\npowerType.reset = \"hard\"\n" : "");
    return true;
}
uint64_t file_size(const struct file *f) { return strlen(f->text); }
bool file_read(struct file *f, uint64_t off, void *buf, size_t len, size_t *got, struct error *e)
{
    if (fails())
        return error_set(e, EXIT_FAILED, "disk: broken: get another");
    *got = strlen(f->text) - off < len ? strlen(f->text) - off : len;
    memcpy(buf, f->text + off, *got);
    return true;
}
const void *file_memory(const struct file *f) { return f->text; }
void file_close(struct file *f) { m.files -= f != NULL; free(f); }
bool file_create(const char *path, uint64_t expect, struct file **out, struct error *e)
{
    (void)expect;
    if (!m.disk_volume || m.full)
        return error_set(e, EXIT_NO_RESOURCE, "%s: the volume is full: remove something", path);
    *out = calloc(1, sizeof **out);
    snprintf((*out)->path, sizeof (*out)->path, "%s", path);
    m.files++;
    return true;
}
bool file_append(struct file *f, const void *buf, size_t len, struct error *e)
{
    (void)e;
    strncat(f->text, buf, len);
    return true;
}
bool file_commit(struct file *f, struct error *e)
{
    (void)e;
    strcpy(m.saved_path, f->path);
    strcpy(m.saved, f->text);
    m.saves++;
    file_close(f);
    return true;
}
bool file_open_write(const char *path, struct file **out, struct error *e) { return file_open(path, out, e); }
bool file_write(struct file *f, uint64_t off, const void *buf, size_t len, struct error *e)
{
    if (m.full)
        return error_set(e, EXIT_NO_RESOURCE, "%s: the volume is full: remove something", f->path);
    assert_int_equal(off, strlen(f->text));
    strncat(f->text, buf, len);
    strcpy(m.saved_path, f->path);
    strcpy(m.saved, f->text);
    return true;
}

/* The scroll-back that serial0 follows. */
size_t guest_console_read(uint16_t domid, uint64_t *pos, char *buf, size_t len)
{
    (void)domid;
    if (*pos < m.said_at)
        *pos = m.said_at;
    size_t n = strlen(m.said) - (*pos - m.said_at);
    n = n < len ? n : len;
    memcpy(buf, m.said + (*pos - m.said_at), n);
    *pos += n;
    return n;
}
bool guest_console_live(uint16_t domid) { (void)domid; return m.console_live; }
void guest_console_wait(uint16_t domid, uint64_t pos, uint64_t deadline_ns)
{
    (void)domid; (void)pos; (void)deadline_ns;
    longjmp(writer_idle, 1);
}
void guest_console_kick(uint16_t domid) { (void)domid; }

/* ---- tests ---- */

static struct error err;

static int setup(void **s)
{
    (void)s;
    memset(&m, 0, sizeof m);
    m.dom[0].exists = true;
    m.dom[0].state = CBL_DOM_RUNNING;
    m.free_bytes = 1UL << 30;
    manager_init();
    return 0;
}

static int teardown(void **s)
{
    (void)s;
    for (uint32_t i = 0; i < manager_registry->capacity; i++) {
        struct registry_entry *e = registry_at(manager_registry, i);
        if (registry_exists(e))
            assert_true(vm_teardown(e, &err));
    }
    free(manager_runtime(registry_at(manager_registry, 0)));
    free(manager_registry);
    manager_registry = NULL;
    return 0;
}

static void reap(void)
{
    m.virq(5, NULL);
    if (setjmp(reaper_idle) == 0)
        m.reaper(NULL);
    assert_null(manager_lock.owner);
}

static bool create(const char *name, uint16_t *id)
{
    return manager_create(name, false, NULL, NULL, id, &err);
}

static void nothing_left(int domains)
{
    assert_int_equal(m.domains, domains);
    assert_int_equal(m.mapped, 2 * domains);
    assert_int_equal(m.introduced, domains);
    assert_int_equal(m.consoles, domains);
    assert_true(m.disks == 0 || domains > 0);
    assert_int_equal(m.files, 0);
    assert_true(domains > 0 || m.cards == 0);
    assert_int_equal(m.heap_blocks, 1); /* the runtimes */
    char why[80];
    if (!registry_check(manager_registry, registry_bytes(manager_registry->capacity), why, sizeof why))
        fail_msg("%s", why);
}

static void test_create_and_destroy(void **s)
{
    (void)s;
    uint16_t id = 0;
    struct vm_view v;
    assert_true(create("alpha", &id));
    assert_int_equal(id, 1);
    assert_non_null(strstr(m.printed, "warning: alpha.vmx line 3: foo: unknown key"));
    nothing_left(1);
    assert_true(manager_find("alpha", &v, &err));
    assert_true(manager_find("1", &v, &err));
    assert_string_equal(v.name, "alpha");
    assert_string_equal(v.state, "r-----");
    assert_int_equal(v.mem_mib, 16);
    assert_false(create("alpha", &id));
    assert_int_equal(err.code, EXIT_WRONG_STATE);
    nothing_left(1);
    assert_int_equal(manager_count(), 1);
    assert_true(manager_destroy("alpha", &err));
    nothing_left(0);
    assert_false(manager_destroy("alpha", &err));
    assert_int_equal(err.code, EXIT_NO_DOMAIN);
    assert_non_null(strstr(err.text, "destroyed"));
    m.busy_destroys = 3;
    assert_true(create("disky", &id));
    assert_true(manager_destroy("2", &err));
    nothing_left(0);
}

/* Each call that can fail fails once, in a new attempt; a guest that is there already is not touched. */
static void test_every_failure_leaves_nothing(void **s)
{
    (void)s;
    uint16_t id;
    unsigned failures = 0;
    assert_true(create("other", &id));
    for (unsigned at = 1; at < 200; at++) {
        m.step = 0;
        m.fail_at = at;
        err = (struct error){ 0 };
        bool ok = create("disky", &id);
        m.fail_at = 0;
        if (ok) {
            assert_true(m.step < at);
            break;
        }
        failures++;
        assert_int_not_equal(err.code, EXIT_OK);
        const char *first = strstr(err.text, ": ");
        assert_true(first != NULL && strstr(first + 2, ": ") != NULL);
        nothing_left(1);
        assert_int_equal(m.cards, 0);
    }
    assert_int_equal(m.cards, 2);
    assert_true(failures > 35 && failures < 199);
    nothing_left(2);
}

/* Those of the .vmx file, those that come and go, and all of them over a reboot. */
static void test_disks(void **s)
{
    (void)s;
    uint16_t id, index = 99;
    assert_true(create("disky", &id));
    assert_int_equal(m.disks, 2);
    assert_string_equal(m.disk[1][0].c.path, "boot:/boot:/disky/a");
    assert_true(!m.disk[1][0].c.read_only && m.disk[1][1].c.read_only && !m.disk[1][1].c.cdrom);
    assert_true(manager_block_attach("disky", "more", true, &index, &err));
    assert_true(index == 2 && m.disk[1][2].there && m.disk[1][2].c.read_only);
    m.dom[1].state = CBL_DOM_SHUTDOWN;
    m.dom[1].shutdown = CBL_SHUTDOWN_REBOOT;
    assert_false(manager_block_attach("disky", "more", true, &index, &err));
    assert_int_equal(err.code, EXIT_WRONG_STATE);
    reap();
    assert_true(m.disks == 3 && m.disk[2][2].there && !m.disk[1][0].there);
    assert_false(manager_block_detach("disky", "xvdc", false, 1000000000, NULL, &err)); /* the guest holds on */
    assert_int_equal(err.code, EXIT_TIMEOUT);
    m.lets_go = true;
    assert_true(manager_block_detach("disky", "xvdc", false, 1000000000, NULL, &err));
    assert_false(manager_block_detach("disky", "xvdc", false, 1000000000, NULL, &err));
    m.lets_go = false;
    assert_true(manager_block_detach("2", "xvda", true, 0, NULL, &err));
    assert_true(m.disks == 1 && m.disk[2][1].there);
    for (unsigned i = 1; i < VM_DISKS_MAX; i++)
        assert_true(manager_block_attach("disky", "more", false, &index, &err));
    assert_false(manager_block_attach("disky", "more", false, &index, &err));
    assert_int_equal(err.code, EXIT_NO_RESOURCE);
    assert_int_equal(m.disks, VM_DISKS_MAX);
    assert_false(manager_block_attach("0", "more", false, &index, &err));
    assert_int_equal(err.code, EXIT_REFUSED);
    assert_true(manager_destroy("disky", &err));
    nothing_left(0);
    m.step = 0;
    m.fail_at = 3; /* after the .vmx file's two */
    assert_false(create("disky", &id));
    m.fail_at = 0;
    assert_non_null(strstr(err.text, "disky: line 10 of its .vmx file: image: "));
    nothing_left(0);
}

static bool stop_at_once(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    (void)ctx; (void)what; (void)done; (void)total;
    return false;
}

static void test_interrupt_and_refusals(void **s)
{
    (void)s;
    uint16_t id;
    assert_false(manager_create("alpha", false, stop_at_once, NULL, &id, &err));
    assert_non_null(strstr(err.text, "interrupted"));
    nothing_left(0);
    m.free_bytes = 15 << 20;
    assert_false(create("alpha", &id));
    assert_int_equal(err.code, EXIT_NO_RESOURCE);
    assert_int_equal(m.drops, 1);
    /* What is kept of kernels makes room, once. */
    m.kept = 2;
    assert_true(create("alpha", &id));
    assert_int_equal(m.drops, 2);
    assert_true(manager_destroy("alpha", &err));
    m.free_bytes = 1UL << 30;
    m.kept = 1;
    m.step = 0;
    m.fail_at = 2; /* the kernel file cannot be read: nothing that memory would mend */
    assert_false(create("alpha", &id));
    m.fail_at = 0;
    assert_int_equal(m.drops, 2);
    m.kept = 0;
    assert_false(create("none", &id));
    assert_false(create("notdir", &id));
    assert_false(create("gone", &id));
    assert_false(manager_destroy("0", &err));
    assert_int_equal(err.code, EXIT_REFUSED);
    assert_false(manager_destroy("Domain-0", &err));
    assert_int_equal(err.code, EXIT_REFUSED);
    assert_false(manager_pause("0", &err));
    assert_int_equal(err.code, EXIT_REFUSED);
    assert_false(manager_pause("nobody", &err));
    assert_int_equal(err.code, EXIT_NO_DOMAIN);
    assert_true(create("alpha", &id));
    assert_false(manager_pause("alhpa", &err));
    assert_non_null(strstr(err.text, "did you mean alpha?"));
    assert_false(manager_unpause("alpha", &err));
    assert_int_equal(err.code, EXIT_WRONG_STATE);
    assert_true(manager_pause("alpha", &err));
    assert_false(manager_pause("alpha", &err));
    assert_int_equal(err.code, EXIT_WRONG_STATE);
    assert_true(manager_unpause("alpha", &err));
    for (int i = 0; i < 20; i++) { /* more than there is room for */
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        if (!create(name, &id)) {
            assert_int_equal(err.code, EXIT_NO_RESOURCE);
            return;
        }
    }
    fail();
}

static void ends(uint16_t id, uint32_t shutdown, const char *why)
{
    m.dom[id].state = CBL_DOM_SHUTDOWN;
    m.dom[id].shutdown = shutdown;
    m.dom[id].why = why;
    m.printed[0] = '\0';
    reap();
}

static void test_poweroff(void **s)
{
    (void)s;
    uint16_t id;
    struct vm_ended e;
    create("alpha", &id);
    reap(); /* nothing ended: nothing happens */
    nothing_left(1);
    ends(id, CBL_SHUTDOWN_POWEROFF, NULL);
    assert_string_equal(m.printed, "alpha: powered off\n");
    nothing_left(0);
    assert_true(manager_find_ended("alpha", &e));
    assert_int_equal(e.domid, id);
    assert_string_equal(e.why, "powered off");
    assert_true(m.kept_console[id]);
    assert_true(manager_wait_end(id, 1000, NULL));
    for (int i = 0; i < 4; i++) { /* four others: forgotten */
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        create(name, &id);
        ends(id, CBL_SHUTDOWN_POWEROFF, NULL);
    }
    assert_false(manager_find_ended("alpha", &e));
    assert_false(m.kept_console[1]);
    assert_true(m.kept_console[5]);
}

static void test_crash_and_kill_are_kept(void **s)
{
    (void)s;
    uint16_t id;
    struct vm_view v;
    create("alpha", &id);
    ends(id, CBL_SHUTDOWN_KILLED, "unknown exit 77");
    assert_non_null(strstr(m.printed, "alpha: stopped by the hypervisor: unknown exit 77; kept"));
    assert_true(manager_find("alpha", &v, &err));
    assert_string_equal(v.state, "----c-");
    assert_string_equal(manager_why(id), "stopped by the hypervisor: unknown exit 77");
    assert_int_equal(m.domains, 1);
    assert_int_equal(m.mapped, 0);
    assert_true(m.kept_console[id]);
    assert_false(manager_pause("alpha", &err));
    assert_int_equal(err.code, EXIT_WRONG_STATE);
    assert_false(manager_shutdown("alpha", "poweroff", 0, &err));
    assert_int_equal(err.code, EXIT_WRONG_STATE);
    assert_true(manager_wait_end(id, 1000, NULL));
    m.printed[0] = '\0';
    reap(); /* told once */
    assert_string_equal(m.printed, "");
    assert_true(manager_destroy("alpha", &err));
    nothing_left(0);
    create("beta", &id);
    ends(id, CBL_SHUTDOWN_CRASH, NULL);
    assert_non_null(strstr(m.printed, "beta: crashed"));
}

static void test_reboot(void **s)
{
    (void)s;
    uint16_t id;
    struct vm_view v;
    struct vm_ended e;
    create("alpha", &id);
    m.now += 60UL * 1000000000UL;
    ends(1, CBL_SHUTDOWN_REBOOT, NULL);
    assert_string_equal(m.printed, "alpha: rebooted: now domain 2\n");
    nothing_left(1);
    assert_true(manager_find("alpha", &v, &err));
    assert_int_equal(v.domid, 2);
    assert_true(manager_find_ended("alpha", &e));
    assert_int_equal(e.domid, 1);
    assert_true(m.kept_console[1]);
    for (uint16_t i = 2; i < 12; i++)
        ends(i, CBL_SHUTDOWN_REBOOT, NULL); /* at once, again and again */
    assert_int_equal(m.domains, 1);
    ends(12, CBL_SHUTDOWN_REBOOT, NULL);
    assert_non_null(strstr(m.printed, "again and again"));
    nothing_left(0);
    create("beta", &id);
    m.step = 0;
    m.fail_at = 3;
    ends(id, CBL_SHUTDOWN_REBOOT, NULL);
    m.fail_at = 0;
    assert_non_null(strstr(m.printed, "error: "));
    assert_non_null(strstr(m.printed, "beta is not restarted"));
    nothing_left(0);
}

/* A guest that lives 3 seconds and reboots, for 2 minutes: the first dozen is told, then about one a minute. */
static void test_reboot_flood(void **s)
{
    (void)s;
    uint16_t id;
    struct vm_view v;
    unsigned told = 0;
    create("alpha", &id);
    for (unsigned i = 0; i < 40; i++) {
        m.now += 3000000000UL;
        assert_true(manager_find("alpha", &v, &err));
        ends(v.domid, CBL_SHUTDOWN_REBOOT, NULL);
        told += strstr(m.printed, "rebooted") != NULL;
    }
    assert_in_range(told, 12, 14);
    m.now += 600000000000UL;
    assert_true(manager_find("alpha", &v, &err));
    ends(v.domid, CBL_SHUTDOWN_REBOOT, NULL);
    assert_non_null(strstr(m.printed, "restarts before it were not shown)"));
    assert_true(manager_destroy("alpha", &err));
    nothing_left(0);
}

static bool never(void) { return false; }
static bool always(void) { return true; }

static void test_shutdown_asks(void **s)
{
    (void)s;
    uint16_t id;
    create("alpha", &id);
    assert_false(manager_shutdown("alpha", "poweroff", 0, &err));
    assert_int_equal(err.code, EXIT_WRONG_STATE);
    assert_string_equal(m.shutdown_node, "");
    m.listens = true;
    assert_true(manager_shutdown("alpha", "poweroff", 0, &err));
    assert_string_equal(m.shutdown_node, "poweroff");
    assert_true(manager_shutdown("1", "reboot", 0, &err));
    assert_string_equal(m.shutdown_node, "reboot");
    assert_false(manager_shutdown("alpha", "poweroff", 2000000000UL, &err));
    assert_int_equal(err.code, EXIT_TIMEOUT);
    assert_false(manager_wait_end(id, 2000000000UL, never));
    assert_false(manager_wait_end(id, UINT64_MAX, always));
    assert_true(manager_pause("alpha", &err));
    assert_false(manager_shutdown("alpha", "poweroff", 0, &err));
    assert_int_equal(err.code, EXIT_WRONG_STATE);
    assert_false(manager_shutdown("0", "poweroff", 0, &err));
    assert_int_equal(err.code, EXIT_REFUSED);
}

#define SECOND 1000000000UL

static void refused(bool ok, enum exit_code code, const char *words)
{
    assert_false(ok);
    assert_int_equal(err.code, code);
    if (strstr(err.text, words) == NULL)
        fail_msg("no \"%s\" in \"%s\"", words, err.text);
    const char *first = strstr(err.text, ": ");
    if (first == NULL || strstr(first + 2, ": ") == NULL)
        fail_msg("not what, why and what to do: %s", err.text);
}

static void test_exit_actions(void **s)
{
    (void)s;
    uint16_t id;
    struct vm_view v;
    create("other-way", &id);
    ends(id, CBL_SHUTDOWN_CRASH, NULL);
    assert_non_null(strstr(m.printed, "other-way: crashed: the guest reported a fatal error of its own: now domain 2"));
    nothing_left(1);
    ends(2, CBL_SHUTDOWN_POWEROFF, NULL);
    assert_non_null(strstr(m.printed, "other-way: powered off; kept as it was"));
    assert_true(manager_find("other-way", &v, &err));
    assert_string_equal(v.state, "---s--");
    assert_true(manager_destroy("other-way", &err));
    nothing_left(0);
    create("other-way", &id);
    ends(id, CBL_SHUTDOWN_REBOOT, NULL);
    assert_string_equal(m.printed, "other-way: rebooted\n");
    nothing_left(0);
}

static void test_limits_and_scheduling_of_a_new_domain(void **s)
{
    (void)s;
    uint16_t id;
    struct vm_view v;
    assert_true(create("large", &id));
    assert_int_equal(m.dom[id].vcpus, 4);
    assert_int_equal(m.dom[id].created_pages, 32 * 256 + 16);
    assert_int_equal(m.dom[id].weight, 512);
    assert_int_equal(m.dom[id].cap, 150);
    assert_int_equal(m.dom[id].pinned, 0xf);
    assert_true(m.available[0] && m.available[1] && !m.available[2] && !m.available[3]);
    assert_int_equal(m.static_max_kib, 32 * 1024);
    assert_int_equal(m.target_kib, 16 * 1024);
    assert_true(manager_find("large", &v, &err));
    assert_int_equal(v.mem_mib, 32); /* it has not given anything back yet */
    assert_int_equal(v.vcpus, 1);
    m.follows = true;
    for (int i = 0; i < 10; i++)
        thread_sleep_ns(1);
    assert_true(manager_find("large", &v, &err));
    assert_int_equal(v.mem_mib, 16);
    assert_int_equal(v.vcpus, 2);
    m.free_bytes = 31 << 20;
    assert_true(manager_destroy("large", &err));
    refused(create("large", &id), EXIT_NO_RESOURCE, "corbel.maxmem is 32 MiB");
    nothing_left(0);
}

static void test_rename(void **s)
{
    (void)s;
    uint16_t id;
    struct vm_view v;
    create("alpha", &id);
    create("beta", &id);
    assert_true(manager_rename("alpha", "gamma", &err));
    assert_string_equal(m.name_node, "gamma");
    assert_true(manager_find("gamma", &v, &err));
    assert_int_equal(v.domid, 1);
    refused(manager_find("alpha", &v, &err), EXIT_NO_DOMAIN, "alpha");
    refused(manager_rename("gamma", "beta", &err), EXIT_WRONG_STATE, "taken");
    refused(manager_rename("gamma", "gamma", &err), EXIT_WRONG_STATE, "this name");
    refused(manager_rename("gamma", "17", &err), EXIT_FAILED, "digits");
    refused(manager_rename("gamma", "a/b", &err), EXIT_FAILED, "/");
    refused(manager_rename("gamma", "Domain-0", &err), EXIT_FAILED, "own name");
    refused(manager_rename("0", "delta", &err), EXIT_REFUSED, "Domain-0");
    refused(manager_rename("nobody", "delta", &err), EXIT_NO_DOMAIN, "nobody");
    /* The name goes on through a reboot, and the old one is free. */
    m.now += 60 * SECOND;
    ends(1, CBL_SHUTDOWN_REBOOT, NULL);
    assert_true(manager_find("gamma", &v, &err));
    assert_int_equal(v.domid, 3);
    assert_true(create("alpha", &id));
    nothing_left(3);
}

static void test_vcpus(void **s)
{
    (void)s;
    uint16_t id;
    create("large", &id);
    refused(manager_vcpu_set("large", 3, 5 * SECOND, NULL, &err), EXIT_TIMEOUT, "1 of 4 virtual CPUs are online after 5 s, not 3");
    assert_true(m.available[2] && !m.available[3]); /* it was asked all the same */
    refused(manager_vcpu_set("large", 3, UINT64_MAX, always, &err), EXIT_FAILED, "interrupted");
    m.follows = true;
    assert_true(manager_vcpu_set("large", 4, 5 * SECOND, never, &err));
    assert_int_equal(m.dom[id].online, 4);
    assert_true(manager_vcpu_set("large", 1, 5 * SECOND, never, &err));
    assert_int_equal(m.dom[id].online, 1);
    assert_true(m.available[0] && !m.available[1]);
    refused(manager_vcpu_set("large", 0, 0, NULL, &err), EXIT_FAILED, "1 to 4");
    refused(manager_vcpu_set("large", 5, 0, NULL, &err), EXIT_FAILED, "1 to 4");
    refused(manager_vcpu_set("0", 1, 0, NULL, &err), EXIT_REFUSED, "Domain-0");
    assert_true(manager_pause("large", &err));
    refused(manager_vcpu_set("large", 2, 0, NULL, &err), EXIT_WRONG_STATE, "unpause");
    assert_true(manager_unpause("large", &err));
    m.dom[id].pinned = 0;
    assert_true(manager_vcpu_pin("large", 2, 1, &err));
    assert_int_equal(m.dom[id].pinned, 4);
    assert_true(manager_vcpu_pin("large", VM_ALL_VCPUS, CPU_LIST_ALL, &err));
    assert_int_equal(m.dom[id].pinned, 0xf);
    refused(manager_vcpu_pin("large", 4, 1, &err), EXIT_FAILED, "0 to 3");
    refused(manager_vcpu_pin("large", 0, 4, &err), EXIT_FAILED, "0 to 1");
    refused(manager_vcpu_pin("large", 0, 5, &err), EXIT_FAILED, "0 to 1"); /* one that it has, one that it has not */
    assert_true(manager_sched("large", 100, VM_KEEP, &err));
    assert_int_equal(m.dom[id].weight, 100);
    assert_int_equal(m.dom[id].cap, 150);
    assert_true(manager_sched("large", VM_KEEP, 0, &err));
    assert_int_equal(m.dom[id].weight, 100);
    assert_int_equal(m.dom[id].cap, 0);
    refused(manager_sched("large", 0, VM_KEEP, &err), EXIT_FAILED, "weight 0");
    refused(manager_sched("large", 65536, VM_KEEP, &err), EXIT_FAILED, "weight 65536");
    refused(manager_sched("large", VM_KEEP, 3201, &err), EXIT_FAILED, "cap 3201");
    /* A restart keeps weight and cap. */
    m.now += 60 * SECOND;
    ends(id, CBL_SHUTDOWN_REBOOT, NULL);
    assert_int_equal(m.dom[id + 1].weight, 100);
    nothing_left(1);
}

static void test_memory(void **s)
{
    (void)s;
    uint16_t id;
    uint32_t now = 0;
    create("large", &id);
    refused(manager_mem_set("large", 24, 3 * SECOND, NULL, &now, &err), EXIT_TIMEOUT, "it has 32 MiB after 3 s, not 24");
    assert_int_equal(now, 32);
    assert_int_equal(m.target_kib, 24 * 1024);
    assert_in_range(m.dom[id].max_pages, 24 * 256 + 14, 26 * 256); /* what it gives back it does not get again unasked */
    m.follows = true;
    for (uint32_t mib = 8; mib <= 32; mib += 4) {
        assert_true(manager_mem_set("large", mib, 30 * SECOND, never, &now, &err));
        assert_int_equal(now, mib);
        assert_true(manager_mem_set("large", 40 - mib, 30 * SECOND, never, &now, &err));
        assert_int_equal(now, 40 - mib);
    }
    refused(manager_mem_set("large", 33, 0, NULL, &now, &err), EXIT_FAILED, "4 to 32");
    refused(manager_mem_set("large", 3, 0, NULL, &now, &err), EXIT_FAILED, "4 to 32");
    refused(manager_mem_set("0", 8, 0, NULL, &now, &err), EXIT_REFUSED, "Domain-0");
    m.free_bytes = 1 << 20;
    refused(manager_mem_set("large", 32, 0, NULL, &now, &err), EXIT_NO_RESOURCE, "only 1 MiB");
    m.free_bytes = 1UL << 30;
    assert_true(manager_mem_max("large", 16, &err));
    assert_int_equal(m.dom[id].max_pages, 16 * 256 + 16);
    refused(manager_mem_max("large", 36, &err), EXIT_FAILED, "4 to 32");
    refused(manager_mem_max("0", 36, &err), EXIT_REFUSED, "Domain-0");
    m.dom[id].state = CBL_DOM_SHUTDOWN;
    refused(manager_mem_set("large", 16, 0, NULL, &now, &err), EXIT_WRONG_STATE, "stopped");
}

static bool no_interrupt(void) { return false; }

static void test_network_cards(void **s)
{
    (void)s;
    uint16_t id;
    uint32_t dev = 9;
    bool forced = true;
    struct vm_nic nic = {.present = true, .bridge = "lan", .rate_kib = 5};
    uint8_t first[MAC_LEN], attached[MAC_LEN];
    char text[MAC_TEXT];
    assert_true(create("net", &id));
    assert_int_equal(m.cards, 2);
    memcpy(first, m.card[0].c.mac, MAC_LEN);
    assert_true(first[0] == 0 && first[1] == 0x0c && first[2] == 0x29 && !mac_equal(first, m.card[1].c.mac));
    assert_string_equal(m.card[0].c.bridge, "bridge0");
    assert_true(m.card[1].c.dev == 3 && strcmp(m.card[1].c.bridge, "lan") == 0);
    assert_true(manager_nic_attach("net", &nic, &dev, &err)); /* the first free number, an address of Xen's */
    assert_true(dev == 1 && m.cards == 3 && m.card[2].c.rate_kib == 5 && m.card[2].c.mac[1] == 0x16);
    memcpy(attached, m.card[2].c.mac, MAC_LEN);
    nic.is_static = nic.mac_set = true;
    memcpy(nic.mac, first, MAC_LEN);
    refused(manager_nic_attach("net", &nic, &dev, &err), EXIT_REFUSED, "taken by domain 1's card 0");
    assert_int_equal(m.cards, 3);
    refused(manager_nic_attach("0", &nic, &dev, &err), EXIT_REFUSED, "Domain-0");
    refused(manager_nic_detach("net", "2", SECOND, no_interrupt, &forced, &err), EXIT_FAILED, "no such card");
    refused(manager_nic_detach("net", "eth0", SECOND, no_interrupt, &forced, &err), EXIT_FAILED, "neither");
    /* A reboot keeps all three and their addresses, also under another name. */
    assert_true(manager_rename("net", "renamed", &err));
    m.dom[id].state = CBL_DOM_SHUTDOWN;
    m.dom[id].shutdown = CBL_SHUTDOWN_REBOOT;
    m.now += 10 * SECOND;
    reap();
    id = m.last;
    assert_int_equal(m.cards, 3);
    assert_true(card_at(id, 0) >= 0 && mac_equal(m.card[card_at(id, 0)].c.mac, first));
    assert_true(card_at(id, 1) >= 0 && mac_equal(m.card[card_at(id, 1)].c.mac, attached));
    mac_format(text, attached);
    assert_true(manager_nic_detach("renamed", text, SECOND, no_interrupt, &forced, &err));
    assert_true(!forced && m.cards == 2 && card_at(id, 1) < 0);
    m.keeps_cards = true;
    uint64_t before = m.now;
    assert_true(manager_nic_detach("renamed", "0", 3 * SECOND, no_interrupt, &forced, &err));
    assert_true(forced && m.cards == 1 && m.now - before >= 3 * SECOND);
    /* Two of one name's hash: the second moves on. */
    nic = (struct vm_nic){.present = true, .bridge = "lan"};
    assert_true(manager_nic_attach("renamed", &nic, &dev, &err));
    assert_int_equal(dev, 0);
    for (unsigned i = 0; i < 6; i++)
        assert_true(manager_nic_attach("renamed", &nic, &dev, &err));
    refused(manager_nic_attach("renamed", &nic, &dev, &err), EXIT_NO_RESOURCE, "8 network cards");
    m.dom[id].state = CBL_DOM_SHUTDOWN; /* a crash: kept for looking at, and without cards */
    m.dom[id].shutdown = CBL_SHUTDOWN_CRASH;
    reap();
    assert_int_equal(m.cards, 0);
    refused(manager_nic_attach("renamed", &nic, &dev, &err), EXIT_WRONG_STATE, "stopped");
    assert_true(manager_destroy("renamed", &err));
    nothing_left(0);
}

static void said(const char *words)
{
    if (strstr(m.printed, words) == NULL)
        fail_msg("no \"%s\" in \"%s\"", words, m.printed);
}

static void saved(const char *words)
{
    if (strstr(m.saved, words) == NULL)
        fail_msg("no \"%s\" in \"%s\"", words, m.saved);
}

/* uuid and addresses are made once, and then they are in the file. */
static void test_generated_values_are_kept(void **s)
{
    (void)s;
    uint16_t id;
    char mac[MAC_TEXT], line[80], before[sizeof m.saved];
    m.disk_volume = true;
    assert_true(create("net", &id));
    assert_int_equal(m.saves, 1);
    assert_string_equal(m.saved_path, "boot:/net/net.vmx");
    saved("displayName = \"net\"\nmemsize = \"16\"\nfoo = \"1\"\ncorbel.kernel = \"k\"\n");
    saved("uuid.bios = \"56 4d ");
    saved("uuid.location = \"56 4d ");
    for (unsigned i = 0; i < 2; i++) {
        mac_format(mac, m.card[i].c.mac);
        snprintf(line, sizeof line, "ethernet%u.generatedAddress = \"%s\"\n", i * 3, mac);
        saved(line);
        snprintf(line, sizeof line, "ethernet%u.generatedAddressOffset = \"%u\"\n", i * 3, i * 30);
        saved(line);
    }
    strcpy(before, m.saved);
    uint8_t first[MAC_LEN];
    memcpy(first, m.card[0].c.mac, MAC_LEN);
    assert_true(manager_destroy("net", &err));
    assert_true(create("net", &id));
    assert_true(mac_equal(m.card[0].c.mac, first));
    assert_int_equal(m.saves, 1);
    assert_string_equal(m.saved, before);
    assert_true(manager_destroy("net", &err));
    nothing_left(0);
    m.saved_path[0] = '\0';
    m.full = true;
    assert_true(create("net", &id)); /* cannot be kept: a warning, and it runs */
    said("warning: boot:/net/net.vmx: its network cards' generated addresses are not kept");
    assert_true(manager_destroy("net", &err));
    m.printed[0] = '\0';
    m.full = m.disk_volume = false;
    assert_true(create("net", &id));
    said("its volume is read-only");
    assert_true(create("alpha", &id)); /* nothing that would be missed */
    assert_null(strstr(m.printed, "alpha.vmx: its"));
    assert_true(manager_destroy("net", &err) && manager_destroy("alpha", &err));
    nothing_left(0);
}

static void warning(const char *line, void *ctx) { strcpy(ctx, line); }

static void test_set(void **s)
{
    (void)s;
    uint16_t id;
    char told[400] = "";
    m.disk_volume = true;
    assert_true(guest_file_set("alpha", "MEMSIZE", "32", warning, told, &err));
    assert_string_equal(m.saved, "displayName = \"alpha\"\nmemsize = \"32\"\nfoo = \"1\"\ncorbel.kernel = \"k\"\n");
    assert_true(guest_file_set("alpha", "corbel.cmdline", "a \"b\" | c", warning, told, &err));
    saved("\ncorbel.cmdline = \"a |22b|22 |7C c\"\n");
    assert_true(guest_file_set("alpha", "corbel.cmdline", NULL, warning, told, &err));
    assert_string_equal(m.saved, "displayName = \"alpha\"\nmemsize = \"32\"\nfoo = \"1\"\ncorbel.kernel = \"k\"\n");
    assert_string_equal(told, "");
    assert_true(guest_file_set("alpha", "nvram", "x", warning, told, &err)); /* VMware's: fine, and of no use here */
    assert_non_null(strstr(told, "nvram: firmware settings: not supported"));
    assert_true(guest_file_set("alpha", "nvram", NULL, warning, told, &err));
    unsigned saves = m.saves;
    refused(guest_file_set("alpha", "memsize", "33", warning, told, &err), EXIT_FAILED, "memsize = \"33\": not a multiple of 4: write \"32\" or \"36\"");
    refused(guest_file_set("alpha", "memsise", "32", warning, told, &err), EXIT_FAILED, "memsise: no such key: did you mean memsize?");
    refused(guest_file_set("alpha", "a b", "32", warning, told, &err), EXIT_FAILED, "a b: no key or no value");
    refused(guest_file_set("alpha", "corbel.cmdline", "a\nb = \"c\"", warning, told, &err), EXIT_FAILED, "no key or no value");
    refused(guest_file_set("alpha", "corbel.kernel", NULL, warning, told, &err), EXIT_FAILED, "the file would be refused then: alpha.vmx: corbel.kernel is missing");
    refused(guest_file_set("alpha", "corbel.maxmem", "16", warning, told, &err), EXIT_FAILED, "less than memsize");
    refused(guest_file_set("alpha", "uuid.bios", NULL, warning, told, &err), EXIT_FAILED, "does not set this");
    refused(guest_file_set("gone", "memsize", "32", warning, told, &err), EXIT_FAILED, "no such file");
    m.full = true;
    refused(guest_file_set("alpha", "memsize", "64", warning, told, &err), EXIT_NO_RESOURCE, "full");
    m.full = false;
    assert_int_equal(m.saves, saves);
    nothing_left(0);
    strcpy(m.saved, "displayName = \"alpha\"\nmemsize = 16\nmemsize = \"x\"\nfoo\n"); /* broken, and it gets better */
    assert_true(guest_file_set("alpha", "memsize", "64", warning, told, &err));
    assert_non_null(strstr(told, "refused yet: alpha.vmx line 3: memsize was set in line 2"));
    assert_true(guest_file_set("alpha", "memsize", NULL, warning, told, &err));
    assert_string_equal(m.saved, "displayName = \"alpha\"\nfoo\n");
    assert_true(guest_file_set("alpha", "corbel.kernel", "k", warning, told, &err));
    refused(create("alpha", &id), EXIT_FAILED, "line 2: not a setting");
    strcpy(m.saved, "displayName = \"beta\"\nmemsize = \"16\"\nuuid.bios = \"56 4d 01 02 03 04 05 06-07 08 09 0a 0b 0c 0d ff\"\ncorbel.kernel = \"k\"\n");
    assert_true(create("alpha", &id));
    refused(guest_file_set("alpha", "memsize", "64", warning, told, &err), EXIT_WRONG_STATE, "`shutdown beta` first");
    refused(guest_file_set("beta", "memsize", "64", warning, told, &err), EXIT_WRONG_STATE, "domain 1");
    assert_true(manager_destroy("beta", &err));
    nothing_left(0);
}

struct counts { unsigned n[4]; char text[4096]; };

static void count(const struct vmx_finding *f, void *ctx)
{
    struct counts *c = ctx;
    c->n[f->verdict]++;
    if (f->verdict == VMX_REFUSED)
        strcat(strcat(c->text, f->text), "\n");
}

static void test_explain_looks_for_files(void **s)
{
    (void)s;
    struct counts c = {0};
    uint32_t refusals = 9;
    assert_true(guest_file_explain("boot:/alpha/alpha.vmx", count, &c, &refusals, &err));
    assert_true(refusals == 0 && c.n[VMX_REFUSED] == 0 && c.n[VMX_TAKEN] == 3 && c.n[VMX_IGNORED] == 1 && c.n[VMX_DEFAULTED] > 10);
    strcpy(m.saved_path, "boot:/alpha/alpha.vmx");
    strcpy(m.saved, "corbel.kernel = \"none\"\ncorbel.ramdisk = \"folder\"\nide0:0.present = \"TRUE\"\nide0:0.fileName = \"none\"\nide0:1.present = \"TRUE\"\nide0:1.fileName = \"d.img\"\n");
    memset(&c, 0, sizeof c);
    assert_true(guest_file_explain("boot:/alpha/alpha.vmx", count, &c, &refusals, &err));
    assert_int_equal(refusals, 3);
    assert_int_equal(c.n[VMX_REFUSED], 3);
    assert_non_null(strstr(c.text, "this is a folder"));
    assert_false(guest_file_explain("boot:/gone/gone.vmx", count, &c, &refusals, &err));
    nothing_left(0);
}

static void test_cds_come_and_go(void **s)
{
    (void)s;
    uint16_t id;
    struct vm_config c;
    assert_true(create("drive", &id));
    assert_int_equal(m.disks, 1); /* the drive is empty */
    assert_true(manager_config(id, &c) && c.disks == 2 && c.disk[1].cdrom && c.disk[1].path[0] == '\0');
    assert_true(manager_cd_insert("drive", "ide1:0", "cd1.img", SECOND, NULL, &err));
    assert_true(m.disks == 2 && m.disk[id][1].there && m.disk[id][1].c.cdrom && m.disk[id][1].c.read_only);
    assert_string_equal(m.disk[id][1].c.path, "boot:/cd1.img");
    refused(manager_cd_insert("drive", "xvdb", "cd2.img", SECOND, NULL, &err), EXIT_TIMEOUT, "holds on to the CD in xvdb");
    assert_string_equal(m.disk[id][1].c.path, "boot:/cd1.img");
    m.lets_go = true;
    assert_true(manager_cd_insert("drive", "xvdb", "cd2.img", SECOND, NULL, &err));
    assert_string_equal(m.disk[id][1].c.path, "boot:/cd2.img");
    assert_true(m.disks == 2);
    /* It stays through a reboot, where the number changes. */
    m.dom[id].state = CBL_DOM_SHUTDOWN;
    m.dom[id].shutdown = CBL_SHUTDOWN_REBOOT;
    m.now += 10 * SECOND;
    reap();
    id = m.last;
    assert_true(m.disk[id][1].there && strcmp(m.disk[id][1].c.path, "boot:/boot:/cd2.img") == 0);
    assert_true(manager_cd_eject("drive", "IDE1:0", false, SECOND, NULL, &err));
    assert_true(m.disks == 1 && manager_config(id, &c) && c.disks == 2 && c.disk[1].path[0] == '\0');
    assert_true(manager_cd_eject("drive", "xvdb", false, SECOND, NULL, &err)); /* empty: fine */
    m.lets_go = false;
    assert_true(manager_cd_insert("drive", "xvdb", "cd1.img", 0, NULL, &err));
    refused(manager_cd_eject("drive", "xvdb", false, 0, NULL, &err), EXIT_TIMEOUT, "cd-eject --force drive xvdb");
    assert_true(manager_cd_eject("drive", "xvdb", true, 0, NULL, &err));
    assert_int_equal(m.disks, 1);
    m.blind = 1; /* it took the first for the old one */
    unsigned before = m.attached;
    assert_true(manager_cd_insert("drive", "xvdb", "cd1.img", 0, NULL, &err));
    assert_true(m.attached == before + 2 && m.disks == 2);
    assert_true(manager_cd_eject("drive", "xvdb", true, 0, NULL, &err));
    m.blind = 100; /* it has no driver */
    before = m.attached;
    assert_true(manager_cd_insert("drive", "xvdb", "cd1.img", 0, NULL, &err));
    assert_true(m.attached == before + 3 && m.disks == 2);
    assert_true(manager_cd_eject("drive", "xvdb", true, 0, NULL, &err));
    m.blind = 0;
    refused(manager_cd_insert("drive", "xvda", "cd1.img", 0, NULL, &err), EXIT_FAILED, "a disk, not a CD drive");
    refused(manager_cd_insert("drive", "scsi0:0", "cd1.img", 0, NULL, &err), EXIT_FAILED, "a disk, not a CD drive");
    refused(manager_cd_insert("drive", "xvdc", "cd1.img", 0, NULL, &err), EXIT_FAILED, "no drive xvdc");
    refused(manager_cd_eject("drive", "sata0:0", false, 0, NULL, &err), EXIT_FAILED, "no drive sata0:0");
    refused(manager_cd_insert("nobody", "xvdb", "cd1.img", 0, NULL, &err), EXIT_NO_DOMAIN, "no such domain");
    assert_true(manager_destroy("drive", &err));
    nothing_left(0);
}

static void test_serial_goes_to_a_file(void **s)
{
    (void)s;
    uint16_t id;
    m.disk_volume = m.console_live = true;
    strcpy(m.said, "hello\r\n");
    assert_true(create("serial", &id));
    assert_non_null(m.writer);
    write_on();
    assert_string_equal(m.saved_path, "boot:/serial/out.log");
    assert_string_equal(m.saved, "hello\r\n");
    strcat(m.said, "more\r\n");
    write_on();
    assert_string_equal(m.saved, "hello\r\nmore\r\n");
    memmove(m.said, m.said + 7, strlen(m.said) - 6); /* the scroll-back forgets its beginning */
    m.said_at += 7;
    strcat(m.said, "abcdef");
    memmove(m.said, m.said + 8, strlen(m.said) - 7);
    m.said_at += 8; /* two bytes that were never written: "ab" */
    write_on();
    assert_string_equal(m.saved, "hello\r\nmore\r\n\r\n[2 bytes are missing here: the disk was too slow]\r\ncdef");
    strcat(m.said, "last words");
    m.console_live = false;
    assert_true(manager_destroy("serial", &err));
    assert_null(m.writer);
    assert_non_null(strstr(m.saved, "cdeflast words"));
    nothing_left(0);
    m.console_live = true; /* it is appended to; then the disk is full */
    m.said_at = 0;
    strcpy(m.said, "again");
    strcpy(m.saved_path, "boot:/serial/out.log");
    strcpy(m.saved, "before ");
    assert_true(create("serial", &id));
    write_on();
    assert_string_equal(m.saved_path, "boot:/serial/out.log");
    saved("before again");
    m.full = true;
    m.printed[0] = '\0';
    strcat(m.said, " and more");
    write_on();
    said("serial: serial0: what it says from now on is not written to its file: boot:/serial/out.log: the volume is full");
    m.printed[0] = '\0';
    strcat(m.said, " and more");
    write_on();
    assert_string_equal(m.printed, "");
    struct vm_view v;
    assert_true(manager_find("serial", &v, &err));
    assert_true(manager_destroy("serial", &err));
    nothing_left(0);
}

static void test_the_hard_way(void **s)
{
    (void)s;
    uint16_t id;
    struct vm_view v;
    struct vm_config c;
    assert_true(create("hard", &id));
    assert_true(manager_config(id, &c) && c.power_off == VM_HARD && c.power_reset == VM_HARD);
    assert_true(manager_cut("hard", true, &err));
    assert_true(manager_find("hard", &v, &err) && v.domid == id + 1);
    assert_string_equal(m.shutdown_node, ""); /* nobody was asked */
    nothing_left(1);
    assert_true(manager_cut("hard", false, &err));
    nothing_left(0);
    refused(manager_cut("hard", false, &err), EXIT_NO_DOMAIN, "powered off by the operator");
    refused(manager_cut("0", true, &err), EXIT_REFUSED, "Domain-0");
    assert_true(create("hard", &id));
    m.step = 0;
    m.fail_at = 2;
    assert_false(manager_cut("hard", true, &err)); /* it cannot be built again: gone, and said */
    m.fail_at = 0;
    nothing_left(0);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_create_and_destroy), T(test_generated_values_are_kept), T(test_set), T(test_explain_looks_for_files),
        T(test_cds_come_and_go), T(test_serial_goes_to_a_file), T(test_the_hard_way),
        T(test_every_failure_leaves_nothing), T(test_disks), T(test_interrupt_and_refusals), T(test_poweroff),
        T(test_crash_and_kill_are_kept), T(test_reboot), T(test_reboot_flood), T(test_shutdown_asks), T(test_exit_actions),
        T(test_limits_and_scheduling_of_a_new_domain), T(test_rename), T(test_vcpus), T(test_memory), T(test_network_cards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
