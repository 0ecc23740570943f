/* SPDX-License-Identifier: Apache-2.0
 * [HOST] dom0/backend/block*.c and blk_ring.c: front ends that work, that come and go, and that are hostile, against a small model of grants, xenstore,
 * files and disks; the scheduler is Dom0's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include <xen/grant_table.h>
#include <xen/io/xenbus.h>

#include "dom0/backend/blk_ring.h"
#include "dom0/backend/block_backend.h"
#include "dom0/backend/block_priv.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/event.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/kernel/page.h"
#include "dom0/kernel/thread.h"
#include "dom0/kernel/time.h"
#include "dom0/kernel/time_priv.h"
#include "dom0/store/store.h"
#include "thread_model.h"

#define PAGES   1024U
#define PORTS   64U
#define NODES   128U
#define WATCHES 8U
#define PENDING 16U
#define IMAGE   (64U * 1024U)
#define SECTORS (IMAGE / 512U)

struct vdisk { unsigned image; bool writing; struct vdisk_user user; char path[64]; };

/* ---- the model ---- */

static struct {
    struct { char path[96], value[PATH_MAX_LEN]; } node[NODES];
    struct { char path[96]; void (*fn)(const char *path, void *ctx); void *ctx; } watch[WATCHES];
    bool granted[PAGES], read_only[PAGES];
    event_handler fn[PORTS];
    void *arg[PORTS];
    unsigned mapped, ports, sent, blocks, pages, files, notices, syncs, step, fail_at;
    char last_notice[300];
    uint64_t now;
    uint8_t image[2][IMAGE], medium[2][IMAGE]; /* MEDIUM: what a power cut leaves */
    bool disk_fails, disk_full, silence, memory;
    bool quiet;       /* the test waits until everybody waits */
    struct waitq all; /* there */
    uint32_t depth;   /* of the disks; 0: what is asked for is done at once */
    struct { bool used, done, write; unsigned image; uint64_t sector; uint32_t count; struct waitq wait; } at_work[PENDING];
    unsigned started; /* transfers and flushes of slow disks */
    int stacks;       /* before the test */
    unsigned ios, bad_sector; /* a sector that cannot be read or written; 0: none */
    struct vdisk *open[8];
    void (*on_io)(void);
} m;
static uint8_t page[PAGES][4096] __attribute__((aligned(4096)));
static struct error err;

static bool fails(void) { return ++m.step == m.fail_at; }

void *heap_alloc(size_t size)
{
    if (fails())
        return NULL;
    m.blocks++;
    return calloc(1, size);
}
void heap_free(void *p) { m.blocks -= p != NULL; free(p); }
void *page_alloc(size_t pages, uint64_t *phys)
{
    (void)phys;
    if (fails())
        return NULL;
    m.pages += (unsigned)pages;
    return aligned_alloc(4096, pages * 4096);
}
void page_free(void *p, size_t pages) { m.pages -= (unsigned)pages; free(p); }
uint64_t page_phys(const void *p) { return (uint64_t)p; }
const char *errno_text(long e) { (void)e; return "refused"; }
uint64_t time_now_ns(void) { return m.now; }
void console_notice(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(m.last_notice, sizeof m.last_notice, fmt, ap);
    va_end(ap);
    m.notices++;
}

/* Pages that follow one another in memory are all that can be had; M.MAPPED counts rings. */
void *grant_map_pages(uint16_t domid, const uint32_t *refs, uint32_t n, bool writable, uint32_t *handles)
{
    assert_true(domid >= 1 && writable && n >= 1);
    for (uint32_t i = 0; i < n; i++) {
        if (refs[i] >= PAGES || !m.granted[refs[i]] || m.read_only[refs[i]] || refs[i] != refs[0] + i)
            return NULL;
        handles[i] = refs[i] + 1000;
    }
    m.mapped++;
    return page[refs[0]];
}
void grant_unmap_pages(void *va, const uint32_t *handles, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        assert_ptr_equal((uint8_t *)va + 4096 * i, page[handles[i] - 1000]);
    m.mapped--;
}
static uint8_t *copy_end(struct gnttab_copy_ptr *p, bool by_ref, bool write)
{
    if (!by_ref) {
        assert_int_equal(p->domid, DOMID_SELF);
        return (uint8_t *)(p->u.gmfn << 12);
    }
    return p->u.ref < PAGES && m.granted[p->u.ref] && !(write && m.read_only[p->u.ref]) ? page[p->u.ref] : NULL;
}
long hypercall3(uint64_t nr, uint64_t a, uint64_t b, uint64_t c)
{
    struct gnttab_copy *op = (struct gnttab_copy *)b;
    assert_true(nr == __HYPERVISOR_grant_table_op && a == GNTTABOP_copy && c >= 1 && c <= 16);
    for (uint64_t i = 0; i < c; i++, op++) {
        uint8_t *from = copy_end(&op->source, op->flags & GNTCOPY_source_gref, false), *to = copy_end(&op->dest, op->flags & GNTCOPY_dest_gref, true);
        assert_true(op->source.offset + op->len <= 4096 && op->dest.offset + op->len <= 4096);
        op->status = from != NULL && to != NULL ? 0 : GNTST_bad_gntref;
        if (op->status == 0)
            memcpy(to + op->dest.offset, from + op->source.offset, op->len);
    }
    return 0;
}
int event_bind_interdomain(uint16_t remote, uint32_t port, event_handler fn, void *arg)
{
    if (port == 0 || port >= PORTS)
        return -22;
    (void)remote;
    assert_null(m.fn[port]);
    m.fn[port] = fn;
    m.arg[port] = arg;
    m.ports++;
    return (int)port;
}
void event_close(uint32_t port) { assert_non_null(m.fn[port]); m.fn[port] = NULL; m.ports--; }
void event_send(uint32_t port) { assert_non_null(m.fn[port]); m.sent++; }

/* xenstore */

static unsigned node_find(const char *path)
{
    unsigned i = 0;
    while (i < NODES && strcmp(m.node[i].path, path) != 0)
        i++;
    return i;
}
static void changed(const char *path)
{
    for (unsigned i = 0; i < WATCHES; i++)
        if (m.watch[i].fn != NULL && strcmp(m.watch[i].path, path) == 0)
            m.watch[i].fn(path, m.watch[i].ctx);
}
int store_write(const char *path, const char *value)
{
    if (fails())
        return 28;
    unsigned i = node_find(path) < NODES ? node_find(path) : node_find("");
    assert_true(i < NODES);
    snprintf(m.node[i].path, sizeof m.node[i].path, "%s", path);
    snprintf(m.node[i].value, sizeof m.node[i].value, "%s", value);
    changed(path);
    return 0;
}
int store_mkdir(const char *path) { return store_write(path, ""); }
int store_set_perms(const char *path, const char *perms)
{
    const char *want = strncmp(path, "/local/domain/0/", 16) == 0 ? "n0,r" : "n";
    assert_int_equal(strncmp(perms, want, strlen(want)), 0);
    return 0;
}
int store_read(const char *path, char *value, size_t len)
{
    unsigned i = node_find(path);
    if (i == NODES)
        return 2;
    if (strlen(m.node[i].value) >= len)
        return 7;
    snprintf(value, len, "%s", m.node[i].value);
    return 0;
}
int store_rm(const char *path)
{
    for (unsigned i = 0; i < NODES; i++) {
        if (strncmp(m.node[i].path, path, strlen(path)) != 0)
            continue;
        char was[96];
        snprintf(was, sizeof was, "%s", m.node[i].path);
        m.node[i].path[0] = '\0';
        changed(was);
    }
    return 0;
}
bool store_list(const char *path, bool (*fn)(const char *name, void *ctx), void *ctx)
{
    size_t len = strlen(path);
    for (unsigned i = 0; i < NODES; i++)
        if (strncmp(m.node[i].path, path, len) == 0 && m.node[i].path[len] == '/' && !fn(m.node[i].path, ctx))
            break;
    return true;
}
int store_watch(const char *path, void (*fn)(const char *path, void *ctx), void *ctx)
{
    unsigned i = 0;
    while (m.watch[i].fn != NULL)
        i++;
    if (fails())
        return -12;
    snprintf(m.watch[i].path, sizeof m.watch[i].path, "%s", path);
    m.watch[i].fn = fn;
    m.watch[i].ctx = ctx;
    fn(path, ctx);
    return (int)i;
}
void store_unwatch(int id) { assert_non_null(m.watch[id].fn); m.watch[id].fn = NULL; }

/* Images: /0 and /1 are there, the others are not. */

static bool nobody_has(const char *path, bool writing, struct error *e)
{
    for (unsigned i = 0; i < 8; i++) {
        const struct vdisk *d = m.open[i];
        if (d == NULL || strcasecmp(d->path, path) != 0 || (!writing && !d->writing))
            continue;
        return error_set(e, EXIT_WRONG_STATE, "%s: domain %u %s it as its disk %s: detach it", path, d->user.domid, d->writing ? "writes to" : "reads", d->user.disk);
    }
    return true;
}
bool vdisk_check(const char *path, enum vdisk_access access, const struct vdisk_user *user, struct error *e)
{
    (void)user;
    if (!nobody_has(path, access == VDISK_WRITE, e))
        return false;
    return (strcmp(path, "v:/none") != 0 && strcmp(path, "v:/dir") != 0) || error_set(e, EXIT_FAILED, "none: no such file: copy it");
}
bool vdisk_open(const char *path, enum vdisk_access access, const struct vdisk_user *user, struct vdisk **out, struct error *e)
{
    unsigned i = 0;
    if (!vdisk_check(path, access, user, e))
        return false;
    if (fails())
        return error_set(e, EXIT_FAILED, "disk: broken: get another");
    *out = calloc(1, sizeof **out);
    **out = (struct vdisk){.image = path[3] == '1', .writing = access == VDISK_WRITE, .user = *user};
    strcpy((*out)->path, path);
    while (m.open[i] != NULL)
        i++;
    m.open[i] = *out;
    m.files++;
    return true;
}
uint64_t vdisk_sectors(const struct vdisk *d) { (void)d; return SECTORS; }

/* What one of several is never to do: overtake a write, or be at work beside a flush. */
static void may_begin(unsigned image, uint64_t sector, uint32_t count, bool write)
{
    unsigned beside = 0;
    for (unsigned i = 0; i < PENDING; i++) {
        if (!m.at_work[i].used || m.at_work[i].image != image)
            continue;
        beside++;
        assert_true(count != 0 && m.at_work[i].count != 0);
        assert_true((!write && !m.at_work[i].write) || sector + count <= m.at_work[i].sector || m.at_work[i].sector + m.at_work[i].count <= sector);
    }
    assert_true(beside < m.depth);
}
/* A slow disk: until the test says that it is done. */
static void at_work(unsigned image, uint64_t sector, uint32_t count, bool write)
{
    unsigned i = 0;
    may_begin(image, sector, count, write);
    while (m.at_work[i].used)
        assert_true(++i < PENDING);
    memset(&m.at_work[i], 0, sizeof m.at_work[i]);
    m.at_work[i].used = true;
    m.at_work[i].image = image;
    m.at_work[i].sector = sector;
    m.at_work[i].count = count;
    m.at_work[i].write = write;
    m.started++;
    while (!m.at_work[i].done)
        waitq_wait(&m.at_work[i].wait, WAIT_FOREVER);
    m.at_work[i].used = false;
}
static unsigned pending(void)
{
    unsigned n = 0;
    for (unsigned i = 0; i < PENDING; i++)
        n += m.at_work[i].used && !m.at_work[i].done;
    return n;
}
/* The N-th of those at work ends. */
static void end_one(unsigned n)
{
    for (unsigned i = 0; i < PENDING; i++) {
        if (m.at_work[i].used && !m.at_work[i].done && n-- == 0) {
            m.at_work[i].done = true;
            waitq_wake(&m.at_work[i].wait);
            return;
        }
    }
    fail();
}
static bool io(struct vdisk *d, uint64_t sector, uint32_t count, bool write, struct error *e)
{
    assert_true(d->image < 2 && sector <= SECTORS && count <= SECTORS - sector);
    if (m.on_io != NULL)
        m.on_io();
    m.ios++;
    if (m.depth != 0)
        at_work(d->image, sector, count, write);
    bool bad = m.bad_sector != 0 && sector <= m.bad_sector && m.bad_sector < sector + count;
    return (!m.disk_fails && !bad) || error_set(e, EXIT_FAILED, "hd0: read error: get another");
}
void vdisk_about(struct vdisk *d, struct vdisk_about *out) { *out = (struct vdisk_about){.discards = d->image == 1, .depth = m.depth != 0 ? m.depth : 1}; }
void *vdisk_memory(struct vdisk *d, uint64_t sector, uint32_t count, bool write)
{
    assert_true(count <= SECTORS && sector <= SECTORS - count && (d->writing || !write));
    return m.memory ? m.image[d->image] + sector * 512 : NULL;
}
bool vdisk_discard(struct vdisk *d, uint64_t sector, uint64_t count, struct error *e)
{
    assert_true(d->writing && d->image == 1);
    if (!io(d, sector, (uint32_t)count, true, e))
        return false;
    memset(m.image[1] + sector * 512, 0, count * 512);
    return true;
}
bool paging_lookup(const void *va, uint64_t *phys) { *phys = (uint64_t)va; return true; }
void fatal(const char *fmt, ...) { fail_msg("%s", fmt); abort(); }
bool vdisk_read(struct vdisk *d, uint64_t sector, uint32_t count, void *buf, struct error *e)
{
    if (!io(d, sector, count, false, e))
        return false;
    memcpy(buf, m.image[d->image] + sector * 512, count * 512UL);
    return true;
}
bool vdisk_write(struct vdisk *d, uint64_t sector, uint32_t count, const void *buf, struct error *e)
{
    assert_true(d->writing);
    if (m.disk_full)
        return error_set(e, EXIT_NO_RESOURCE, "v:/0 cannot grow: v: the volume is full: remove something");
    if (!io(d, sector, count, true, e))
        return false;
    memcpy(m.image[d->image] + sector * 512, buf, count * 512UL);
    return true;
}
bool vdisk_flush(struct vdisk *d, struct error *e)
{
    m.syncs += d->writing;
    if (!d->writing || !io(d, 0, 0, true, e))
        return !d->writing;
    memcpy(m.medium[d->image], m.image[d->image], IMAGE);
    return true;
}
void vdisk_close(struct vdisk *d)
{
    for (unsigned i = 0; d != NULL && i < 8; i++)
        if (m.open[i] == d)
            m.open[i] = NULL;
    m.files -= d != NULL;
    free(d);
}

/* Threads */

uint64_t time_stolen_ns(void) { return 0; }
void time_timer_set(uint64_t deadline_ns) { (void)deadline_ns; }
/* Everybody waits: that is what the test waits for; or a slow disk gets on; or, in silence, the time of what is set comes. */
void time_wait_until(uint64_t deadline_ns)
{
    assert_true(deadline_ns > m.now);
    if (m.silence && deadline_ns != WAIT_FOREVER) {
        m.now = deadline_ns;
        m.silence = false;
    } else if (m.quiet) {
        waitq_wake(&m.all);
    } else {
        end_one(0); /* else somebody waits for what does not come */
    }
}
static void run_threads(void)
{
    m.quiet = true;
    waitq_wait(&m.all, WAIT_FOREVER);
    m.quiet = false;
}

/* ---- a front end ---- */

struct front { /* domain D: ring in page D, port D, its data pages from 8 * D on */
    uint16_t domid, index;
    blkif_sring_t *ring;
    uint32_t prod, cons;
};

static int setup(void **s)
{
    (void)s;
    memset(&m, 0, sizeof m);
    memset(page, 0, sizeof page);
    m.stacks = stacks_live;
    m.now = 1;
    for (unsigned i = 0; i < PAGES; i++)
        m.granted[i] = true;
    m.granted[60] = m.granted[61] = false;
    m.read_only[62] = true;
    for (unsigned i = 0; i < IMAGE; i++)
        m.image[0][i] = (uint8_t)(i / 512 * 7 + i), m.image[1][i] = (uint8_t)(i / 512 * 5 + i);
    return 0;
}

static void nothing_left(void)
{
    unsigned crew = (unsigned)(stacks_live - m.stacks); /* that the test has made stays */
    assert_int_equal(m.mapped + m.ports + m.files + pending(), 0);
    assert_true(crew == 0 || m.depth > 1);
    assert_int_equal(m.blocks, 2 * crew);
    assert_int_equal(m.pages, 33 * crew);
    for (unsigned i = 0; i < NODES; i++)
        assert_string_equal(m.node[i].path, "");
    for (unsigned i = 0; i < WATCHES; i++)
        assert_null(m.watch[i].fn);
}

static struct block_config config(uint16_t domid, uint16_t index, const char *path, bool read_only)
{
    struct block_config c = {.domid = domid, .index = index, .read_only = read_only};
    strcpy(c.path, path);
    return c;
}

static void attach(uint16_t domid, uint16_t index, const char *path, bool read_only)
{
    struct block_config c = config(domid, index, path, read_only);
    if (!block_attach(&c, &err))
        fail_msg("%s", err.text);
    run_threads();
}

static void front_write(const struct front *f, const char *key, const char *value)
{
    char path[96];
    snprintf(path, sizeof path, "/local/domain/%u/device/vbd/%u/%s", f->domid, 51712 + 16 * f->index, key);
    assert_int_equal(store_write(path, value), 0);
}

static const char *back(const struct front *f, const char *key)
{
    static char value[256];
    char path[96];
    snprintf(path, sizeof path, "/local/domain/0/backend/vbd/%u/%u/%s", f->domid, 51712 + 16 * f->index, key);
    return store_read(path, value, sizeof value) == 0 ? value : "-";
}

static void front_state(const struct front *f, const char *state)
{
    front_write(f, "state", state);
    run_threads();
}

static struct front front_ready(uint16_t domid, uint16_t index)
{
    struct front f = {domid, index, (blkif_sring_t *)page[domid], 0, 0};
    char number[8];
    snprintf(number, sizeof number, "%u", domid);
    memset(page[domid], 0, 4096);
    f.ring->rsp_event = f.ring->req_event = 1;
    front_write(&f, "ring-ref", number);
    front_write(&f, "event-channel", number);
    front_write(&f, "protocol", "x86_64-abi");
    return f;
}

static struct front connected(uint16_t domid, const char *path, bool read_only)
{
    attach(domid, 0, path, read_only);
    struct front f = front_ready(domid, 0);
    front_state(&f, "3");
    assert_string_equal(back(&f, "state"), "4");
    front_state(&f, "4");
    return f;
}

static struct blkif_request *next(struct front *f, uint8_t op, uint64_t sector, uint8_t segments)
{
    struct blkif_request *q = &f->ring->ring[f->prod++ % 32].req;
    memset(q, 0, sizeof(union blkif_sring_entry));
    q->operation = op;
    q->sector_number = sector;
    q->nr_segments = segments;
    q->id = 0xabcd000000000000UL + f->prod;
    for (unsigned i = 0; i < segments && i < 11; i++)
        q->seg[i] = (struct blkif_request_segment){8U * f->domid + i % 8, 0, 7};
    return q;
}

static void push(struct front *f)
{
    f->ring->req_prod = f->prod;
    if (m.fn[f->domid] != NULL)
        m.fn[f->domid](f->domid, m.arg[f->domid]);
    run_threads();
}

/* The next answer's status. */
static int16_t answer(struct front *f, uint8_t op)
{
    assert_true(f->ring->rsp_prod != f->cons);
    struct blkif_response r = f->ring->ring[f->cons++ % 32].rsp;
    assert_int_equal(r.id, 0xabcd000000000000UL + f->cons);
    assert_int_equal(r.operation, op);
    f->ring->rsp_event = f->cons + 1;
    return r.status;
}

static int16_t ask(struct front *f, uint8_t op, uint64_t sector, uint8_t segments)
{
    next(f, op, sector, segments);
    push(f);
    return answer(f, op);
}

static struct block_view view(uint16_t domid)
{
    struct block_view v = {0};
    assert_true(block_get(domid, 0, &v));
    return v;
}

/* ---- tests ---- */

static void test_life(void **s)
{
    (void)s;
    attach(1, 0, "v:/0", false);
    struct front f = front_ready(1, 0);
    assert_string_equal(back(&f, "state"), "2");
    assert_string_equal(back(&f, "feature-flush-cache"), "1");
    assert_string_equal(back(&f, "frontend"), "/local/domain/1/device/vbd/51712");
    assert_string_equal(back(&f, "sectors"), "-");
    front_state(&f, "3");
    assert_string_equal(back(&f, "state"), "4");
    assert_string_equal(back(&f, "sectors"), "128");
    assert_string_equal(back(&f, "info"), "0");
    assert_int_equal(m.mapped, 1);
    assert_int_equal(ask(&f, BLKIF_OP_READ, 16, 2), 0);
    assert_memory_equal(page[8], m.image[0] + 16 * 512, 8192);
    memset(page[8], 0x55, 4096);
    struct blkif_request *q = next(&f, BLKIF_OP_WRITE, 100, 3); /* parts of pages, one after the other on the disk */
    q->seg[0] = (struct blkif_request_segment){8, 7, 7};
    q->seg[1] = (struct blkif_request_segment){9, 0, 0};
    q->seg[2] = (struct blkif_request_segment){9, 1, 7};
    push(&f);
    assert_int_equal(answer(&f, BLKIF_OP_WRITE), 0);
    assert_int_equal(m.image[0][100 * 512 - 1], (uint8_t)(99 * 7 + 100 * 512 - 1));
    for (unsigned i = 0; i < 512; i++)
        assert_int_equal(m.image[0][100 * 512 + i], 0x55);
    assert_memory_equal(m.image[0] + 101 * 512, page[9], 4096);
    assert_int_equal(m.syncs, 0);
    assert_int_equal(ask(&f, BLKIF_OP_FLUSH_DISKCACHE, 0, 0), 0);
    assert_int_equal(m.syncs, 1);
    assert_int_equal(ask(&f, BLKIF_OP_WRITE_BARRIER, 0, 1), 0);
    assert_int_equal(m.syncs, 3); /* before and behind */
    struct block_view v = view(1);
    assert_true(v.state == BLOCK_CONNECTED && v.reads == 1 && v.read_bytes == 8192 && v.writes == 2 && v.written_bytes == 9 * 512 + 4096 && v.flushes == 2 && v.errors == 0);
    assert_int_equal(m.sent, 4);
    block_remove_all(1);
    assert_int_equal(m.notices, 0);
    nothing_left();
}

/* A full ring in one go, round and round; an event only when one is asked for. */
static void test_many_requests(void **s)
{
    (void)s;
    struct front f = connected(1, "v:/0", false);
    for (unsigned round = 0; round < 5; round++) {
        unsigned sent = m.sent;
        for (unsigned i = 0; i < 32; i++)
            next(&f, i % 2 ? BLKIF_OP_READ : BLKIF_OP_WRITE, i, 1);
        f.ring->rsp_event = f.prod;
        push(&f);
        for (unsigned i = 0; i < 32; i++)
            assert_int_equal(answer(&f, i % 2 ? BLKIF_OP_READ : BLKIF_OP_WRITE), 0);
        assert_int_equal(m.sent, sent + 1);
        assert_int_equal(f.ring->req_event, f.prod + 1);
    }
    block_remove(1, 0);
    nothing_left();
}

static struct blkif_request_indirect *indirect(struct front *f, uint8_t op, uint64_t sector, uint16_t segments, uint32_t table)
{
    struct blkif_request_indirect *q = (struct blkif_request_indirect *)next(f, BLKIF_OP_INDIRECT, 0, 0);
    q->indirect_op = op;
    q->nr_segments = segments;
    q->id = 0xabcd000000000000UL + f->prod;
    q->sector_number = sector;
    q->indirect_grefs[0] = table;
    return q;
}

static void test_indirect(void **s)
{
    (void)s;
    struct front f = connected(1, "v:/0", false);
    struct blkif_request_segment *t = (struct blkif_request_segment *)page[50];
    for (unsigned i = 0; i < 32; i++)
        t[i] = (struct blkif_request_segment){16 + i, 4, 7}; /* 128 sectors */
    indirect(&f, BLKIF_OP_READ, 0, 32, 50);
    push(&f);
    assert_int_equal(answer(&f, BLKIF_OP_READ), 0);
    for (unsigned i = 0; i < 32; i++)
        assert_memory_equal(page[16 + i] + 2048, m.image[0] + 2048 * i, 2048);
    assert_int_equal(view(1).read_bytes, IMAGE);
    block_remove(1, 0);
    nothing_left();
}

/* Each of these costs a guest its disk, with one line; the neighbour does not notice. */
static void test_hostile_requests(void **s)
{
    (void)s;
    static const char *const words[] = {"none or too many segments", "none or too many segments", "none or too many segments", "not within a page", "not within a page",
        "beyond the disk's end", "beyond the disk's end", "beyond the disk's end", "did not grant", "did not grant", "did not grant", "did not grant", "neither a read nor a write",
        "none or too many", "none or too many", "table of segments", "not within a page", "beyond the disk's end", "impossible indices", "impossible indices"};
    struct front good = connected(2, "v:/1", false);
    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++) {
        m.now += 1000000000000UL;
        m.notices = 0;
        struct front f = connected(1, "v:/0", false);
        uint32_t before = f.prod;
        struct blkif_request_segment *t = (struct blkif_request_segment *)page[50];
        t[0] = (struct blkif_request_segment){16, 0, i == 16 ? 8 : 7};
        struct blkif_request *q = i < 12 ? next(&f, i == 11 ? BLKIF_OP_WRITE : BLKIF_OP_READ, 0, 1) : NULL;
        switch (i) {
        case 0: q->nr_segments = 12; break;
        case 1: q->nr_segments = 0; break;
        case 2: q->nr_segments = 255; break;
        case 3: q->seg[0].first_sect = 7; q->seg[0].last_sect = 6; break;
        case 4: q->seg[0].last_sect = 8; break;
        case 5: q->sector_number = SECTORS - 7; break;
        case 6: q->sector_number = UINT64_MAX - 3; break;
        case 7: q->sector_number = 1UL << 55; break;
        case 8: q->seg[0].gref = 60; break;
        case 9: q->seg[0].gref = 0xffffffffU; break;
        case 10: q->seg[0].gref = 62; break; /* to be read into, but granted for reading only */
        case 11: q->seg[0].gref = 61; break;
        case 12: indirect(&f, BLKIF_OP_FLUSH_DISKCACHE, 0, 1, 50); break;
        case 13: indirect(&f, BLKIF_OP_READ, 0, 0, 50); break;
        case 14: indirect(&f, BLKIF_OP_READ, 0, 33, 50); break;
        case 15: indirect(&f, BLKIF_OP_READ, 0, 1, 60); break;
        case 16: indirect(&f, BLKIF_OP_READ, 0, 1, 50); break;
        case 17: indirect(&f, BLKIF_OP_READ, SECTORS - 1, 1, 50); break;
        case 18: f.prod += 33; break;
        case 19: f.prod -= 1; break;
        }
        push(&f);
        if (view(1).state != BLOCK_DROPPED || m.notices != 1 || strstr(m.last_notice, words[i]) == NULL)
            fail_msg("%u: %s", i, m.last_notice);
        assert_non_null(strstr(m.last_notice, "disk xvda of domain 1: no longer served"));
        assert_int_equal(f.ring->rsp_prod, before);
        assert_string_equal(back(&f, "state"), "5");
        assert_int_equal(m.mapped, 1); /* the neighbour's */
        push(&f);
        front_state(&f, "6");
        assert_string_equal(back(&f, "state"), "6");
        assert_int_equal(view(1).state, BLOCK_DROPPED);
        front_state(&f, "1"); /* a driver that is loaded again gets it again */
        f = front_ready(1, 0);
        front_state(&f, "3");
        assert_int_equal(ask(&f, BLKIF_OP_READ, 0, 1), 0);
        assert_int_equal(m.notices, 1);
        assert_int_equal(ask(&good, BLKIF_OP_READ, i, 1), 0);
        block_remove(1, 0);
    }
    block_remove(2, 0);
    nothing_left();
}

static void test_refused_requests(void **s)
{
    (void)s;
    struct front f = connected(1, "v:/0", true);
    assert_string_equal(back(&f, "info"), "4");
    assert_string_equal(back(&f, "mode"), "r");
    assert_int_equal(ask(&f, BLKIF_OP_WRITE, 0, 1), BLKIF_RSP_ERROR);
    assert_int_equal(ask(&f, BLKIF_OP_WRITE_BARRIER, 0, 1), BLKIF_RSP_ERROR);
    assert_int_equal(ask(&f, BLKIF_OP_FLUSH_DISKCACHE, 0, 1), BLKIF_RSP_ERROR);
    indirect(&f, BLKIF_OP_WRITE, 0, 1, 60);
    push(&f);
    assert_int_equal(answer(&f, BLKIF_OP_WRITE), BLKIF_RSP_ERROR);
    assert_int_equal(ask(&f, BLKIF_OP_FLUSH_DISKCACHE, 0, 0), 0);
    assert_int_equal(ask(&f, BLKIF_OP_DISCARD, 0, 1), BLKIF_RSP_EOPNOTSUPP);
    assert_int_equal(ask(&f, 4, 0, 255), BLKIF_RSP_EOPNOTSUPP);
    assert_int_equal(ask(&f, 255, UINT64_MAX, 255), BLKIF_RSP_EOPNOTSUPP);
    assert_true(view(1).state == BLOCK_CONNECTED && view(1).errors == 7);
    assert_int_equal(ask(&f, BLKIF_OP_READ, 0, 1), 0);
    block_remove(1, 0);
    nothing_left();
}

/* What lies side by side goes to the disk in one piece; a bad sector concerns one request only; a hostile one does not undo those before it. */
static void test_gathering(void **s)
{
    (void)s;
    struct front f = connected(1, "v:/0", false);
    unsigned ios = m.ios, sent = m.sent;
    for (unsigned i = 0; i < 12; i++)
        next(&f, BLKIF_OP_WRITE, 8 * i, 1);
    for (unsigned i = 0; i < 4; i++) /* 4 times 9 segments: three fit */
        next(&f, BLKIF_OP_READ, 0, 9)->sector_number = i == 3 ? 0 : 2 + 72 * i % 70;
    push(&f);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(answer(&f, i < 12 ? BLKIF_OP_WRITE : BLKIF_OP_READ), 0);
    assert_true(m.ios - ios == 1 + 4 && m.sent == sent + 1);
    for (unsigned i = 0; i < 12; i++)
        assert_memory_equal(m.image[0] + 4096 * i, page[8 + 0], 4096);
    assert_int_equal(view(1).writes, 12);
    ios = m.ios;
    m.bad_sector = 17;
    for (unsigned i = 0; i < 4; i++)
        next(&f, BLKIF_OP_READ, 8 * i, 1);
    push(&f);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(answer(&f, BLKIF_OP_READ), i == 2 ? BLKIF_RSP_ERROR : 0);
    assert_int_equal(m.ios - ios, 5);
    assert_int_equal(m.notices, 1);
    m.bad_sector = 0;
    for (unsigned i = 0; i < 3; i++)
        next(&f, BLKIF_OP_READ, 8 * i, i == 2 ? 12 : 1);
    uint32_t before = f.ring->rsp_prod;
    push(&f);
    assert_int_equal(f.ring->rsp_prod, before + 2);
    assert_int_equal(view(1).state, BLOCK_DROPPED);
    block_remove(1, 0);
    nothing_left();
}

/* A disk that is memory: no buffer between it and the guest's pages. */
static void test_disks_in_memory(void **s)
{
    (void)s;
    m.memory = true;
    struct front f = connected(1, "v:/0", false);
    assert_int_equal(ask(&f, BLKIF_OP_READ, 13, 2), 0); /* crosses pages */
    assert_memory_equal(page[8], m.image[0] + 13 * 512, 8192);
    memset(page[8], 0x77, 4096);
    assert_int_equal(ask(&f, BLKIF_OP_WRITE, 21, 1), 0);
    assert_memory_equal(page[8], m.image[0] + 21 * 512, 4096);
    assert_int_equal(m.ios, 0);
    assert_int_equal(ask(&f, BLKIF_OP_WRITE_BARRIER, 21, 1), 0);
    assert_true(m.ios > 0 && m.syncs == 2);
    block_remove(1, 0);
    nothing_left();
}

static struct blkif_request_discard *discard(struct front *f, uint64_t sector, uint64_t count)
{
    struct blkif_request_discard *q = (struct blkif_request_discard *)next(f, BLKIF_OP_DISCARD, sector, 0);
    q->id = 0xabcd000000000000UL + f->prod;
    q->nr_sectors = count;
    return q;
}

static void test_discard(void **s)
{
    (void)s;
    struct front f = connected(1, "v:/1", false);
    assert_string_equal(back(&f, "feature-discard"), "1");
    discard(&f, 8, 16);
    push(&f);
    assert_int_equal(answer(&f, BLKIF_OP_DISCARD), 0);
    assert_true(m.image[1][8 * 512 - 1] != 0 && m.image[1][8 * 512 + 1] == 0 && m.image[1][24 * 512 - 1] == 0 && m.image[1][24 * 512 + 1] != 0);
    discard(&f, 8, 16)->flag = BLKIF_DISCARD_SECURE;
    push(&f);
    assert_int_equal(answer(&f, BLKIF_OP_DISCARD), BLKIF_RSP_EOPNOTSUPP);
    for (unsigned i = 0; i < 4; i++) {
        static const uint64_t bad[][2] = {{SECTORS - 8, 9}, {SECTORS, 1}, {8, UINT64_MAX - 7}, {0, 0}};
        discard(&f, bad[i][0], bad[i][1]);
        push(&f);
        assert_int_equal(view(1).state, BLOCK_DROPPED);
        front_state(&f, "1");
        f = front_ready(1, 0);
        front_state(&f, "3");
    }
    m.syncs = 0; /* a discard is no flush of what was written before */
    assert_int_equal(ask(&f, BLKIF_OP_WRITE, 3, 2), 0);
    discard(&f, 8, 8);
    push(&f);
    assert_int_equal(answer(&f, BLKIF_OP_DISCARD), 0);
    m.silence = true;
    run_threads();
    assert_int_equal(m.syncs, 1);
    m.silence = false;
    block_remove(1, 0);
    f = connected(1, "v:/0", false);
    assert_string_equal(back(&f, "feature-discard"), "-");
    block_remove(1, 0);
    f = connected(1, "v:/1", true);
    assert_string_equal(back(&f, "feature-discard"), "-");
    block_remove(1, 0);
    nothing_left();
}

/* Rings of 2 to 16 pages, filled. */
static void test_large_rings(void **s)
{
    (void)s;
    for (unsigned order = 1; order <= 4; order++) {
        attach(1, 0, "v:/0", false);
        struct front f = front_ready(1, 0);
        assert_string_equal(back(&f, "max-ring-page-order"), "4");
        f.ring = (blkif_sring_t *)page[40];
        memset(page[40], 0, 4096 * 16);
        f.ring->rsp_event = f.ring->req_event = 1;
        char text[16], key[24];
        snprintf(text, sizeof text, "%u", order);
        front_write(&f, "ring-page-order", text);
        for (unsigned i = 0; i < 1U << order; i++) {
            snprintf(key, sizeof key, "ring-ref%u", i);
            snprintf(text, sizeof text, "%u", 40 + i);
            front_write(&f, key, text);
        }
        m.granted[60] = m.granted[61] = true;
        front_state(&f, "3");
        assert_string_equal(back(&f, "state"), "4");
        unsigned entries = 32U << order;
        for (unsigned round = 0; round < 3; round++) {
            for (unsigned i = 0; i < entries; i++) {
                struct blkif_request *q = &f.ring->ring[f.prod++ % entries].req;
                memset(q, 0, sizeof(union blkif_sring_entry));
                q->sector_number = i % 100;
                q->nr_segments = 1;
                q->id = i;
                q->seg[0] = (struct blkif_request_segment){8, 0, 7};
            }
            push(&f);
            assert_int_equal(f.ring->rsp_prod, f.prod);
            for (unsigned i = 0; i < entries; i++)
                assert_true(f.ring->ring[(f.prod - entries + i) % entries].rsp.id == i);
        }
        f.prod += entries + 1;
        push(&f);
        assert_int_equal(view(1).state, BLOCK_DROPPED);
        m.granted[60] = m.granted[61] = false;
        block_remove(1, 0);
        nothing_left();
    }
}

static struct front *attacker;

static void rewrite_ring(void)
{
    m.on_io = NULL;
    memset(attacker->ring->ring, 0xff, 32 * 112);
}

/* What is in the ring after a request was taken does not matter; a disk that fails is an answer. */
static void test_changes_meanwhile_and_broken_disks(void **s)
{
    (void)s;
    struct front f = connected(1, "v:/0", false);
    attacker = &f;
    m.on_io = rewrite_ring;
    assert_int_equal(ask(&f, BLKIF_OP_READ, 3, 2), 0);
    assert_memory_equal(page[8], m.image[0] + 3 * 512, 8192);
    m.disk_fails = true;
    assert_int_equal(ask(&f, BLKIF_OP_READ, 3, 2), BLKIF_RSP_ERROR);
    assert_non_null(strstr(m.last_notice, "hd0: read error"));
    assert_int_equal(ask(&f, BLKIF_OP_WRITE, 3, 2), BLKIF_RSP_ERROR);
    assert_int_equal(ask(&f, BLKIF_OP_FLUSH_DISKCACHE, 0, 0), BLKIF_RSP_ERROR);
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(ask(&f, BLKIF_OP_READ, 3, 2), BLKIF_RSP_ERROR);
    assert_int_equal(m.notices, 5); /* then the limit */
    m.disk_fails = false;
    assert_int_equal(ask(&f, BLKIF_OP_READ, 3, 2), 0);
    block_remove(1, 0);
    nothing_left();
}

/* A guest that never flushes: some seconds after its last write the medium has all of it. */
static void test_silence(void **s)
{
    (void)s;
    struct front f = connected(1, "v:/0", false);
    assert_int_equal(ask(&f, BLKIF_OP_READ, 3, 2), 0);
    m.silence = true;
    run_threads();
    assert_true(m.syncs == 0 && m.silence); /* nothing to flush: no time is set */
    m.silence = false;
    assert_int_equal(ask(&f, BLKIF_OP_WRITE, 3, 2), 0);
    assert_int_equal(m.syncs, 0);
    uint64_t now = m.now;
    m.silence = true;
    run_threads();
    assert_true(m.syncs == 1 && m.now > now + 5000000000UL && m.now <= now + 6000000000UL && !m.silence);
    m.silence = true;
    run_threads();
    assert_true(m.syncs == 1 && m.silence);
    m.silence = false;
    assert_int_equal(ask(&f, BLKIF_OP_WRITE, 3, 2), 0);
    assert_int_equal(ask(&f, BLKIF_OP_FLUSH_DISKCACHE, 0, 0), 0);
    m.silence = true;
    run_threads();
    assert_true(m.syncs == 2 && m.silence); /* the guest's own */
    m.silence = false;
    assert_int_equal(ask(&f, BLKIF_OP_WRITE, 3, 2), 0);
    m.silence = m.disk_fails = true; /* one that nobody asked for: the guest's next is told */
    run_threads();
    m.silence = m.disk_fails = false;
    assert_int_equal(m.notices, 1);
    assert_int_equal(ask(&f, BLKIF_OP_READ, 3, 2), 0);
    assert_int_equal(ask(&f, BLKIF_OP_FLUSH_DISKCACHE, 0, 0), BLKIF_RSP_ERROR);
    assert_int_equal(ask(&f, BLKIF_OP_FLUSH_DISKCACHE, 0, 0), 0);
    m.syncs = 0;
    assert_int_equal(ask(&f, BLKIF_OP_WRITE, 3, 2), 0);
    block_remove(1, 0);
    assert_int_equal(m.syncs, 1); /* before it is closed */
    nothing_left();
}

static struct { struct front *f; uint32_t last, most; } bystander;
static void stand_by(void *arg)
{
    (void)arg;
    while (bystander.last != bystander.f->prod) {
        uint32_t now = bystander.f->ring->rsp_prod;
        bystander.most = now - bystander.last > bystander.most ? now - bystander.last : bystander.most;
        bystander.last = now;
        thread_yield();
    }
    thread_exit();
}

/* Requests that are answered at once and do not go together: others have their turn after each, however many there are. */
static void test_others_have_their_turn(void **s)
{
    (void)s;
    struct front f = connected(1, "v:/0", false);
    for (unsigned round = 0; round < 2; round++) { /* reads; things that are no reads or writes */
        for (unsigned i = 0; i < 20; i++)
            next(&f, round ? BLKIF_OP_FLUSH_DISKCACHE : BLKIF_OP_READ, round ? 0 : 32 * (i % 2), round ? 0 : 2);
        bystander.f = &f;
        bystander.last = f.ring->rsp_prod;
        bystander.most = 0;
        assert_non_null(thread_create("bystander", stand_by, NULL, 16384));
        push(&f);
        assert_true(bystander.last == f.prod && bystander.most <= 2);
        f.cons = f.prod;
        f.ring->rsp_event = f.cons + 1;
    }
    block_remove(1, 0);
    nothing_left();
}

/* A full volume: each write fails, the operator hears of it once, with the guest's name, and again after a write that went through. */
static void test_full_volume(void **s)
{
    (void)s;
    m.now = 1000000000000000UL; /* the limit of lines is one for all tests */
    struct front f = connected(1, "v:/0", false);
    m.disk_full = true;
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(ask(&f, BLKIF_OP_WRITE, 3, 2), BLKIF_RSP_ERROR);
        assert_int_equal(ask(&f, BLKIF_OP_READ, 3, 2), 0);
        assert_int_equal(ask(&f, BLKIF_OP_FLUSH_DISKCACHE, 0, 0), 0);
    }
    assert_int_equal(m.notices, 1);
    assert_non_null(strstr(m.last_notice, "disk xvda of domain 1: a request failed: v:/0 cannot grow: v: the volume is full"));
    m.disk_full = false;
    assert_int_equal(ask(&f, BLKIF_OP_WRITE, 3, 2), 0);
    assert_int_equal(store_write("/local/domain/1/name", "debian"), 0);
    m.disk_full = true;
    assert_int_equal(ask(&f, BLKIF_OP_WRITE, 3, 2), BLKIF_RSP_ERROR);
    assert_int_equal(m.notices, 2);
    assert_non_null(strstr(m.last_notice, "a request of debian failed: "));
    assert_int_equal(store_rm("/local/domain/1/name"), 0);
    block_remove(1, 0);
    nothing_left();
}

static void test_bad_front_ends(void **s)
{
    (void)s;
    static const struct { const char *key, *value, *words; } bad[] = {
        {"ring-ref", "60", "no page it granted"}, {"ring-ref", "62", "no page it granted"}, {"ring-ref", "4294967295", "no page it granted"},
        {"ring-ref", "4294967297", "named no ring"}, {"ring-ref", "-1", "named no ring"}, {"ring-ref", "", "named no ring"}, {"ring-ref", "11111111111111111111111", "named no ring"},
        {"event-channel", "0", "event channel that cannot"}, {"event-channel", "99", "event channel that cannot"}, {"event-channel", "x", "named no ring, or no event channel"},
        {"ring-page-order", "5", "size that was not offered"}, {"ring-page-order", "1", "named no ring"}, {"ring-page-order", "", "size that was"},
        {"protocol", "x86_32-abi", "another kind of machine"}, {"protocol", "this text is longer than any protocol's name", "x"}};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        m.now += 1000000000000UL;
        attach(1, 0, "v:/0", false);
        struct front f = front_ready(1, 0);
        front_write(&f, bad[i].key, bad[i].value);
        front_state(&f, "3");
        if (bad[i].words[0] != 'x' && (view(1).state != BLOCK_DROPPED || strstr(m.last_notice, bad[i].words) == NULL))
            fail_msg("%u: %s", i, m.last_notice);
        block_remove(1, 0);
        nothing_left();
    }
    attach(1, 0, "v:/0", false);
    struct front f = front_ready(1, 0);
    f.ring->req_prod = 33; /* of a ring that begins at 0 */
    front_state(&f, "3");
    assert_true(view(1).state == BLOCK_DROPPED && m.mapped == 0);
    block_remove(1, 0);
    attach(1, 0, "v:/0", false);
    f = front_ready(1, 0);
    m.step = 0;
    m.fail_at = 2; /* the buffer */
    front_state(&f, "3");
    m.fail_at = 0;
    assert_true(view(1).state == BLOCK_DROPPED && m.mapped == 0);
    block_remove(1, 0);
    nothing_left();
}

static void test_states(void **s)
{
    (void)s;
    struct front f = connected(1, "v:/0", false);
    front_state(&f, "5");
    assert_string_equal(back(&f, "state"), "5");
    assert_int_equal(m.mapped, 1);
    front_state(&f, "6");
    assert_string_equal(back(&f, "state"), "6");
    assert_int_equal(m.mapped, 0);
    front_state(&f, "1"); /* the driver is loaded again */
    assert_string_equal(back(&f, "state"), "2");
    f = front_ready(1, 0);
    front_state(&f, "3");
    assert_int_equal(ask(&f, BLKIF_OP_READ, 0, 1), 0);
    store_rm("/local/domain/1/device/vbd"); /* a guest may */
    run_threads();
    assert_string_equal(back(&f, "state"), "6");
    assert_int_equal(m.mapped, 0);
    block_remove(1, 0);
    nothing_left();
    /* Asked to let go. */
    f = connected(1, "v:/0", false);
    assert_true(block_close(1, 0));
    run_threads();
    assert_string_equal(back(&f, "state"), "5");
    assert_string_equal(back(&f, "online"), "0");
    assert_int_equal(ask(&f, BLKIF_OP_READ, 0, 1), 0); /* until it has */
    front_state(&f, "6");
    assert_int_equal(view(1).state, BLOCK_CLOSED);
    front_state(&f, "1");
    front_state(&f, "3");
    assert_int_equal(view(1).state, BLOCK_CLOSED); /* it does not come back */
    block_remove(1, 0);
    attach(1, 0, "v:/0", false); /* nobody ever came */
    assert_true(block_close(1, 0));
    run_threads();
    assert_int_equal(view(1).state, BLOCK_CLOSED);
    block_remove(1, 0);
    assert_false(block_close(1, 0));
    nothing_left();
}

/* Any sequence of states and ring contents: a ring is mapped exactly while it is served, and nothing is left at the end. */
static void test_random_guests(void **s)
{
    (void)s;
    unsigned seed = 1;
    for (unsigned round = 0; round < 40; round++) {
        m.now += 1000000000000UL;
        attach(1, 0, "v:/0", round % 3 == 0);
        struct front f = front_ready(1, 0);
        for (unsigned step = 0; step < 200; step++) {
            char text[16];
            unsigned r = (unsigned)rand_r(&seed), k = r / 16 % 64;
            if (r % 16 == 0) {
                snprintf(text, sizeof text, "%u", k % 10);
                front_state(&f, text);
            } else if (r % 16 == 1) {
                front_state(&f, k % 2 ? "garbage" : "3");
            } else {
                struct blkif_request *q = next(&f, (uint8_t)(k % 8), (uint64_t)rand_r(&seed) % (SECTORS + 2), (uint8_t)((unsigned)rand_r(&seed) % 13));
                for (unsigned i = 0; i < 11; i++)
                    q->seg[i] = (struct blkif_request_segment){(uint32_t)rand_r(&seed) % 61, (uint8_t)(rand_r(&seed) % 4), (uint8_t)(4 + rand_r(&seed) % 4)};
                push(&f);
                f.prod = f.ring->req_prod;
            }
            assert_true(m.mapped <= 1 && m.ports == m.mapped && m.pages == 33 * m.mapped);
            assert_true((view(1).state == BLOCK_CONNECTED || view(1).state == BLOCK_CLOSING) || m.mapped == 0);
        }
        block_remove_all(1);
        nothing_left();
    }
}

static bool try_attach(uint16_t domid, uint16_t index, const char *path, bool read_only)
{
    struct block_config c = config(domid, index, path, read_only);
    bool could = block_check(&c, &err), ok = block_attach(&c, &err);
    assert_int_equal(could, ok);
    return ok;
}

static void test_sharing(void **s)
{
    (void)s;
    assert_true(try_attach(1, 0, "v:/0", false));
    assert_false(try_attach(2, 0, "V:/0", false));
    assert_int_equal(err.code, EXIT_WRONG_STATE);
    assert_non_null(strstr(err.text, "domain 1 writes to it as its disk xvda"));
    assert_false(try_attach(1, 1, "v:/0", true));
    assert_true(try_attach(1, 1, "v:/1", true));
    assert_true(try_attach(2, 1, "v:/1", true));
    assert_false(try_attach(2, 2, "v:/1", false));
    assert_non_null(strstr(err.text, "reads it as its disk xvdb"));
    assert_false(try_attach(2, 2, "v:/none", false));
    assert_false(try_attach(2, 2, "v:/dir", false));
    struct block_view v;
    assert_true(block_next(1, 1, &v) && v.config.index == 1 && v.number == 51728);
    assert_false(block_next(1, 2, &v));
    run_threads();
    block_remove_all(1);
    assert_true(try_attach(2, 0, "v:/0", false));
    run_threads();
    block_remove_all(2);
    nothing_left();
}

static void test_every_failure_leaves_nothing(void **s)
{
    (void)s;
    unsigned at = 0;
    bool ok = false;
    while (!ok) {
        struct block_config c = config(1, 0, "v:/0", false);
        m.step = 0;
        m.fail_at = ++at;
        ok = block_attach(&c, &err);
        m.fail_at = 0;
        if (!ok)
            nothing_left();
    }
    assert_true(at > 20 && at < 40);
    run_threads();
    block_remove(1, 0);
    nothing_left();
}

static void test_names(void **s)
{
    (void)s;
    uint16_t i = 99;
    char name[BLOCK_NAME_BYTES];
    block_name(15, name);
    assert_string_equal(name, "xvdp");
    assert_true(block_parse("xvdb", &i) && i == 1);
    assert_true(block_parse("51952", &i) && i == 15);
    assert_false(block_parse("xvdq", &i));
    assert_false(block_parse("51713", &i));
    assert_false(block_parse("", &i));
    assert_false(block_parse("xvdaa", &i));
}

/* ---- disks that do several things at once ---- */

struct guest {
    struct front f;
    unsigned image, out; /* not yet answered */
    struct ask { bool used, fails; uint8_t op; uint64_t sector; uint32_t count, number; uint8_t expect[16384]; } ask[32];
    uint8_t shadow[IMAGE];        /* what the disk holds if all is done in the order of asking */
    uint32_t answered[SECTORS];   /* the last write that was answered */
    uint32_t writes, reads, flushes, errors, last; /* LAST: the slot of the last answer */
};
static struct guest guests[2];

static uint32_t data_page(const struct guest *g, unsigned slot) { return 64 + 128 * g->f.domid + 4 * slot; }

static void set_sector(uint8_t *at, uint32_t number, uint64_t sector)
{
    memset(at, (int)(number * 37 + sector), 512);
    memcpy(at, &number, 4);
}

static void guest_begin(struct guest *g, uint16_t domid, uint32_t depth)
{
    memset(g, 0, sizeof *g);
    m.depth = depth;
    m.now += 1000000000000UL;
    g->image = domid - 1U;
    memset(m.image[g->image], 0, IMAGE);
    memset(m.medium[g->image], 0, IMAGE);
    g->f = connected(domid, g->image == 0 ? "v:/0" : "v:/1", false);
}

/* One more request of 8 to 32 sectors, pushed later. Returns its slot. */
static unsigned want(struct guest *g, uint8_t op, uint64_t sector, uint32_t count)
{
    unsigned slot = 0;
    while (g->ask[slot].used)
        assert_true(++slot < 32);
    struct ask *a = &g->ask[slot];
    uint32_t segments = (count + 7) / 8;
    struct blkif_request *q = next(&g->f, op, sector, (uint8_t)segments);
    bool bad = count != 0 && m.bad_sector != 0 && sector <= m.bad_sector && m.bad_sector < sector + count;
    *a = (struct ask){.used = true, .fails = bad, .op = op, .sector = sector, .count = count, .number = g->f.prod};
    q->id = slot;
    for (uint32_t i = 0; i < segments; i++)
        q->seg[i] = (struct blkif_request_segment){data_page(g, slot) + i, 0, (uint8_t)(count - 8 * i < 8 ? count - 8 * i - 1 : 7)};
    uint8_t *data = page[data_page(g, slot)];
    for (uint32_t i = 0; i < count; i++) {
        if (op == BLKIF_OP_READ)
            memcpy(a->expect + 512 * i, g->shadow + 512 * (sector + i), 512);
        else
            set_sector(data + 512 * i, a->number, sector + i);
    }
    if (op != BLKIF_OP_READ && !bad)
        memcpy(g->shadow + 512 * sector, data, 512 * count);
    g->out++;
    return slot;
}

static void check_medium(const struct guest *g)
{
    for (unsigned i = 0; i < SECTORS; i++) {
        uint32_t number;
        memcpy(&number, m.medium[g->image] + 512 * i, 4);
        assert_true(number >= g->answered[i]);
    }
}

/* Looks at all answers that are there. */
static unsigned collect(struct guest *g)
{
    unsigned n = 0;
    for (; g->f.cons != g->f.ring->rsp_prod; n++) {
        struct blkif_response r = g->f.ring->ring[g->f.cons++ % 32].rsp;
        assert_true(r.id < 32 && g->ask[r.id].used);
        struct ask *a = &g->ask[r.id];
        assert_true(r.operation == a->op && r.status == (a->fails ? BLKIF_RSP_ERROR : 0));
        if (a->op == BLKIF_OP_READ && !a->fails)
            assert_memory_equal(page[data_page(g, (unsigned)r.id)], a->expect, 512 * a->count);
        for (uint32_t i = 0; i < a->count && a->op != BLKIF_OP_READ && !a->fails; i++)
            if (g->answered[a->sector + i] < a->number)
                g->answered[a->sector + i] = a->number;
        if ((a->op == BLKIF_OP_FLUSH_DISKCACHE || a->op == BLKIF_OP_WRITE_BARRIER) && !a->fails)
            check_medium(g);
        g->writes += a->op == BLKIF_OP_WRITE;
        g->reads += a->op == BLKIF_OP_READ;
        g->flushes += a->count == 0;
        g->errors += a->fails;
        g->last = (uint32_t)r.id;
        a->used = false;
        g->out--;
    }
    g->f.ring->rsp_event = g->f.cons + 1;
    return n;
}

static void end_and_run(unsigned n)
{
    end_one(n);
    run_threads();
}

static void guest_end(struct guest *g)
{
    while (g->out != 0) {
        if (pending() != 0)
            end_and_run(0);
        assert_true(collect(g) != 0 || pending() != 0);
    }
    assert_memory_equal(m.image[g->image], g->shadow, IMAGE);
    block_remove_all(g->f.domid);
}

/* First of all these tests: there is no crew yet. A request alone, and any where there is no memory for one, is the disk's own thread's. */
static void test_alone(void **s)
{
    struct guest *g = &guests[0];
    (void)s;
    guest_begin(g, 1, 4);
    int stacks = stacks_live;
    for (unsigned i = 0; i < 3; i++) {
        want(g, BLKIF_OP_READ, 16 * i, 8);
        push(&g->f);
        assert_int_equal(pending(), 1);
        end_and_run(0);
        assert_int_equal(collect(g), 1);
    }
    for (unsigned step = 1; step <= 2; step++) {
        for (unsigned i = 0; i < 4; i++)
            want(g, i % 2 ? BLKIF_OP_READ : BLKIF_OP_WRITE, 16 * i, 8);
        for (unsigned i = 0; i < 4; i++) {
            m.step = 0;
            m.fail_at = step; /* of each member's memory; a thread's own comes third */
            if (i == 0)
                push(&g->f);
            else
                end_and_run(0);
            assert_int_equal(pending(), i < 4);
        }
        m.step = 0;
        m.fail_at = step;
        end_and_run(0);
        m.fail_at = 0;
        assert_int_equal(collect(g), 4);
    }
    assert_int_equal(stacks_live, stacks);
    guest_end(g);
    nothing_left();
}

/* As many at once as the medium takes, answered as they end. */
static void test_several(void **s)
{
    (void)s;
    for (uint32_t depth = 1; depth <= 4; depth++) {
        struct guest *g = &guests[0];
        guest_begin(g, 1, depth);
        for (unsigned i = 0; i < 7; i++)
            want(g, i % 2 ? BLKIF_OP_READ : BLKIF_OP_WRITE, 16 * i, 8);
        push(&g->f);
        for (unsigned left = 7; left != 0; left--) {
            assert_int_equal(pending(), left < depth ? left : depth);
            unsigned youngest = pending() - 1;
            end_and_run(youngest);
            assert_int_equal(collect(g), 1);
            if (left == 7)
                assert_int_equal(g->last, depth - 1);
        }
        guest_end(g);
    }
    nothing_left();
}

/* A flush is asked of the medium when nothing else is at work, and nothing begins before it has ended; so is a barrier. */
static void test_flush_in_between(void **s)
{
    (void)s;
    for (unsigned barrier = 0; barrier < 2; barrier++) {
        struct guest *g = &guests[0];
        guest_begin(g, 1, 4);
        for (unsigned i = 0; i < 3; i++)
            want(g, BLKIF_OP_WRITE, 16 * i, 8);
        want(g, barrier ? BLKIF_OP_WRITE_BARRIER : BLKIF_OP_FLUSH_DISKCACHE, 100, barrier ? 8 : 0);
        for (unsigned i = 0; i < 2; i++)
            want(g, BLKIF_OP_WRITE, 16 * i, 8);
        push(&g->f);
        for (unsigned left = 3; left != 0; left--) {
            assert_true(pending() == left && m.syncs == 0);
            end_and_run(left - 1);
        }
        assert_int_equal(collect(g), 3);
        for (unsigned i = 0; i < (barrier ? 3 : 1); i++) {
            assert_true(pending() == 1 && m.syncs == i / 2 + 1 && collect(g) == 0);
            end_and_run(0);
        }
        assert_true(collect(g) == 1 && g->last == 3);
        assert_int_equal(pending(), 2);
        guest_end(g);
        m.syncs = 0;
    }
    nothing_left();
}

/* Requests that share sectors keep their order, unless both only read. */
static void test_overlaps(void **s)
{
    (void)s;
    static const struct { uint8_t first, second; uint64_t at; unsigned together; } cases[] = {
        {BLKIF_OP_READ, BLKIF_OP_READ, 20, 3}, {BLKIF_OP_WRITE, BLKIF_OP_READ, 27, 1}, {BLKIF_OP_READ, BLKIF_OP_WRITE, 13, 1},
        {BLKIF_OP_WRITE, BLKIF_OP_WRITE, 20, 1}, {BLKIF_OP_WRITE, BLKIF_OP_WRITE, 12, 3}, {BLKIF_OP_WRITE, BLKIF_OP_READ, 28, 3}};
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct guest *g = &guests[0];
        guest_begin(g, 1, 4);
        want(g, cases[i].first, 20, 8);
        want(g, cases[i].second, cases[i].at, 8);
        want(g, BLKIF_OP_READ, 60, 8);
        push(&g->f);
        assert_int_equal(pending(), cases[i].together);
        end_and_run(0);
        if (cases[i].together == 1)
            assert_int_equal(pending(), 2); /* and what stood behind it */
        guest_end(g);
    }
    nothing_left();
}

/* One of several that fails is its own misfortune, also among those that went to the disk as one. */
static void test_one_fails(void **s)
{
    struct guest *g = &guests[0];
    (void)s;
    guest_begin(g, 1, 4);
    m.bad_sector = 21;
    for (unsigned i = 0; i < 3; i++)
        want(g, BLKIF_OP_WRITE, 8 * (i + 1), 8);
    want(g, BLKIF_OP_READ, 20, 8);
    want(g, BLKIF_OP_READ, 64, 8);
    push(&g->f);
    assert_int_equal(pending(), 1); /* the read of what is being written, and what is behind it, wait */
    guest_end(g);
    assert_true(g->errors == 2 && g->writes == 3 && g->reads == 2);
    nothing_left();
}

/* What a hostile guest has at work ends before its ring is gone, and is answered. */
static void test_hostile_in_flight(void **s)
{
    (void)s;
    for (unsigned how = 0; how < 3; how++) {
        struct guest *g = &guests[0];
        guest_begin(g, 1, 4);
        for (unsigned i = 0; i < 2; i++)
            want(g, BLKIF_OP_READ, 16 * i, 8);
        struct blkif_request *q = next(&g->f, BLKIF_OP_WRITE, how == 1 ? SECTORS : 64, 1);
        q->seg[0] = (struct blkif_request_segment){how == 0 ? 60 : 70, 0, 7};
        if (how == 2)
            g->f.prod += 64;
        m.notices = 0;
        push(&g->f);
        assert_int_equal(pending(), how == 2 ? 0 : 2);
        assert_int_equal(m.mapped, how == 2 ? 0 : 1);
        while (pending() != 0)
            end_and_run(pending() - 1);
        assert_int_equal(collect(g), how == 2 ? 0 : 2);
        assert_true(view(1).state == BLOCK_DROPPED && m.notices == 1 && m.mapped == 0);
        block_remove_all(1);
    }
    nothing_left();
}

/* The guest ends, lets go, or begins anew while the disk works: its memory and ring are there until that is over. */
static void test_end_in_flight(void **s)
{
    struct guest *g = &guests[0];
    (void)s;
    guest_begin(g, 1, 4);
    for (unsigned i = 0; i < 6; i++)
        want(g, BLKIF_OP_WRITE, 16 * i, 8);
    push(&g->f);
    assert_int_equal(pending(), 4);
    unsigned started = m.started;
    block_remove_all(1); /* waits; the disk gets on */
    assert_true(m.started - started <= 3 && pending() == 0); /* two more at most, and the flush of what was written */
    for (unsigned n = 0; n < 2; n++) {
        guest_begin(g, 1, 4);
        for (unsigned i = 0; i < 3; i++)
            want(g, BLKIF_OP_WRITE, 16 * i, 8);
        push(&g->f);
        front_state(&g->f, n == 0 ? "6" : "1");
        assert_true(pending() == 3 && m.mapped == 1);
        end_and_run(1);
        assert_true(pending() == 2 && m.mapped == 1);
        end_and_run(1);
        end_and_run(0);
        assert_int_equal(m.mapped, 0);
        assert_string_equal(back(&g->f, "state"), n == 0 ? "6" : "2");
        front_state(&g->f, "1");
        g->f = front_ready(1, 0);
        memset(g->ask, 0, sizeof g->ask);
        g->out = 0;
        front_state(&g->f, "3");
        for (unsigned i = 0; i < 3; i++)
            want(g, BLKIF_OP_READ, 16 * i, 8);
        push(&g->f);
        guest_end(g);
    }
    nothing_left();
}

/* What was written is flushed in silence, but not while something is at work. */
static void test_silence_in_flight(void **s)
{
    struct guest *g = &guests[0];
    (void)s;
    guest_begin(g, 1, 4);
    for (unsigned i = 0; i < 2; i++)
        want(g, BLKIF_OP_WRITE, 16 * i, 8);
    push(&g->f);
    end_and_run(0);
    m.silence = true;
    run_threads();
    assert_true(m.silence && m.syncs == 0);
    m.silence = false;
    end_and_run(0);
    assert_int_equal(collect(g), 2);
    m.silence = true;
    run_threads();
    assert_true(!m.silence && m.syncs == 1 && pending() == 1);
    end_and_run(0);
    check_medium(g);
    guest_end(g);
    nothing_left();
}

/* One guest's disk is asked without end: another's request takes its turn. */
static void test_neighbours(void **s)
{
    struct guest *busy = &guests[0], *other = &guests[1];
    (void)s;
    guest_begin(busy, 1, 4);
    guest_begin(other, 2, 4);
    for (unsigned n = 0; n < 50; n++) {
        while (busy->out < 20)
            want(busy, BLKIF_OP_READ, 16 * (busy->f.prod % 7), 8);
        push(&busy->f);
        unsigned wanted = n % 6 + 1;
        for (unsigned i = 0; i < wanted; i++)
            want(other, BLKIF_OP_WRITE, 16 * i, 8);
        push(&other->f);
        assert_int_equal(pending(), 4 + (wanted < 4 ? wanted : 4)); /* so it is at work at once */
        while (other->out != 0) {
            end_and_run(pending() - 1);
            collect(other);
            collect(busy);
        }
    }
    guest_end(busy);
    guest_end(other);
    nothing_left();
}

/* Two guests that ask for anything, disks that end in any order, against what is true if all is done one after the other. */
static void test_random_order(void **s)
{
    static const uint8_t ops[] = {BLKIF_OP_READ, BLKIF_OP_READ, BLKIF_OP_READ, BLKIF_OP_WRITE, BLKIF_OP_WRITE, BLKIF_OP_WRITE, BLKIF_OP_FLUSH_DISKCACHE, BLKIF_OP_WRITE_BARRIER};
    unsigned seed = 7, most = 0;
    (void)s;
    for (unsigned round = 0; round < 12; round++) {
        for (unsigned i = 0; i < 2; i++)
            guest_begin(&guests[i], (uint16_t)(i + 1), 1 + round % 4);
        m.bad_sector = round % 3 == 0 ? 77 : 0;
        for (unsigned step = 0; step < 1500; step++) {
            struct guest *g = &guests[rand_r(&seed) % 2];
            for (unsigned n = (unsigned)rand_r(&seed) % 12; n < 5 && g->out < 30; n++) {
                uint8_t op = ops[(unsigned)rand_r(&seed) % (step % 5 == 0 ? 8 : 6)];
                uint32_t count = op == BLKIF_OP_FLUSH_DISKCACHE ? 0 : 1 + (uint32_t)rand_r(&seed) % 32;
                bool follows = count != 0 && rand_r(&seed) % 3 == 0; /* a piece of a stream */
                want(g, op, follows ? 8 * (g->f.prod % 12) : (uint64_t)rand_r(&seed) % (SECTORS - count + 1), follows ? 8 : count);
            }
            push(&g->f);
            most = pending() > most ? pending() : most;
            if (pending() != 0 && rand_r(&seed) % 4 != 0)
                end_and_run((unsigned)rand_r(&seed) % pending());
            collect(&guests[0]);
            collect(&guests[1]);
        }
        for (unsigned i = 0; i < 2; i++) {
            guest_end(&guests[i]);
            assert_true(guests[i].reads > 200 && guests[i].writes > 200 && guests[i].flushes > 5);
            assert_true((guests[i].errors != 0) == (m.bad_sector != 0));
        }
    }
    assert_int_equal(most, 8);
    m.bad_sector = 0;
    nothing_left();
}

int main(void)
{
#define T(t) cmocka_unit_test_setup(t, setup)
    const struct CMUnitTest tests[] = {T(test_life), T(test_many_requests), T(test_indirect), T(test_gathering), T(test_disks_in_memory),
        T(test_discard), T(test_large_rings), T(test_hostile_requests), T(test_refused_requests),
        T(test_changes_meanwhile_and_broken_disks), T(test_bad_front_ends), T(test_states), T(test_random_guests), T(test_sharing),
        T(test_every_failure_leaves_nothing), T(test_names), T(test_silence), T(test_others_have_their_turn), T(test_full_volume),
        T(test_alone), T(test_several), T(test_flush_in_between), T(test_overlaps), T(test_one_fails), T(test_hostile_in_flight), T(test_end_in_flight),
        T(test_silence_in_flight), T(test_neighbours), T(test_random_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
