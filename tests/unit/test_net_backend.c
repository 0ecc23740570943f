/* SPDX-License-Identifier: Apache-2.0
 * [HOST] The network back end against a model of two guests, their pages and xenstore: frames both ways, states, guests that lie, take grants back,
 * or go away in the middle. After each test no ring is mapped, no event channel open, no watch and no memory left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <xen/xen.h>
#include <xen/grant_table.h>
#include <xen/io/netif.h>
#include <xen/io/xenbus.h>

#include "dom0/backend/net_backend.h"
#include "dom0/backend/net_uplink.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/event.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/kernel/thread.h"
#include "dom0/kernel/time.h"
#include "dom0/store/store.h"

#define GUESTS 3 /* domains 1 to 3 */
#define GRANTS 64
#define TX_REF 8
#define RX_REF 9

struct guest {
    uint8_t pages[GRANTS][4096] __attribute__((aligned(64)));
    bool granted[GRANTS];
    uint32_t tx, rx; /* what it has produced */
    uint32_t events;
};
static struct guest *guests;
static struct { char path[96], value[64]; } nodes[400];
static struct { const char *path; void (*fn)(const char *, void *); void *ctx; } watches[40];
static struct { event_handler fn; void *arg; } ports[16];
static int heap_blocks, mapped, nodes_used, notices;
static unsigned copy_calls;
static bool no_memory, no_port;
static char said[4096];
static uint64_t now;
static void (*server)(void *);
static jmp_buf idle;
static uint8_t *frame_buffer;
static uint8_t outside[3 * 4096] __attribute__((aligned(4096))); /* a card's memory */
#define BUFFER_GFN 0x1234UL
#define OUTSIDE_GFN 0x4000UL

/* ---- the model ---- */

long hypercall3(uint64_t nr, uint64_t op, uint64_t arg, uint64_t n)
{
    assert_true(nr == __HYPERVISOR_grant_table_op && op == GNTTABOP_copy && n <= 512);
    copy_calls++;
    for (uint64_t i = 0; i < n; i++) {
        struct gnttab_copy *c = &((struct gnttab_copy *)arg)[i];
        bool out = (c->flags & GNTCOPY_source_gref) != 0;
        assert_int_equal(c->flags, out ? GNTCOPY_source_gref : GNTCOPY_dest_gref);
        assert_true(c->source.offset + c->len <= 4096 && c->dest.offset + c->len <= 4096);
        assert_int_equal(out ? c->dest.domid : c->source.domid, DOMID_SELF);
        uint64_t gmfn = out ? c->dest.u.gmfn : c->source.u.gmfn;
        uint32_t domid = out ? c->source.domid : c->dest.domid, ref = out ? c->source.u.ref : c->dest.u.ref;
        if (out || gmfn < OUTSIDE_GFN)
            assert_in_range(gmfn, BUFFER_GFN, BUFFER_GFN + 3 * 16 - 1);
        else
            assert_in_range(gmfn, OUTSIDE_GFN, OUTSIDE_GFN + 2);
        assert_in_range(domid, 1, GUESTS);
        c->status = ref < GRANTS && guests[domid - 1].granted[ref] ? GNTST_okay : GNTST_bad_gntref;
        if (c->status != GNTST_okay)
            continue;
        uint8_t *ours = gmfn >= OUTSIDE_GFN ? outside + (gmfn - OUTSIDE_GFN) * 4096 : frame_buffer + (gmfn - BUFFER_GFN) * 4096, *theirs = guests[domid - 1].pages[ref];
        if (out)
            memcpy(ours + c->dest.offset, theirs + c->source.offset, c->len);
        else
            memcpy(theirs + c->dest.offset, ours + c->source.offset, c->len);
    }
    return 0;
}
void *grant_map(uint16_t domid, uint32_t ref, bool writable, uint32_t *handle)
{
    assert_true(writable);
    if (domid > GUESTS || ref >= GRANTS || !guests[domid - 1].granted[ref])
        return NULL;
    *handle = domid * 100U + ref;
    mapped++;
    return guests[domid - 1].pages[ref];
}
void grant_unmap(void *va, uint32_t handle)
{
    assert_ptr_equal(va, guests[handle / 100 - 1].pages[handle % 100]);
    mapped--;
}
int event_bind_interdomain(uint16_t remote, uint32_t remote_port, event_handler fn, void *arg)
{
    if (no_port || remote_port != 5)
        return -22;
    ports[remote].fn = fn;
    ports[remote].arg = arg;
    fn(remote, arg);
    return remote;
}
void event_send(uint32_t port) { assert_non_null(ports[port].fn); guests[port - 1].events++; }
void event_close(uint32_t port) { assert_non_null(ports[port].fn); ports[port].fn = NULL; }

static int find(const char *path)
{
    for (int i = 0; i < 400; i++)
        if (strcmp(nodes[i].path, path) == 0)
            return i;
    return -1;
}
static bool under(const char *path, const char *top) { size_t n = strlen(top); return strncmp(path, top, n) == 0 && (path[n] == '\0' || path[n] == '/'); }
static void changed(const char *path)
{
    for (int i = 0; i < 40; i++)
        if (watches[i].fn != NULL && (under(path, watches[i].path) || under(watches[i].path, path)))
            watches[i].fn(path, watches[i].ctx);
}
int store_write(const char *path, const char *value)
{
    int i = find(path);
    nodes_used += i < 0;
    i = i < 0 ? find("") : i;
    snprintf(nodes[i].path, sizeof nodes[i].path, "%s", path);
    snprintf(nodes[i].value, sizeof nodes[i].value, "%s", value);
    changed(path);
    return 0;
}
int store_write_fmt(const char *path, const char *fmt, ...)
{
    char text[64];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return store_write(path, text);
}
int store_read(const char *path, char *value, size_t len)
{
    int i = find(path);
    if (i < 0)
        return 2;
    if (strlen(nodes[i].value) >= len)
        return 7;
    strcpy(value, nodes[i].value);
    return 0;
}
int store_mkdir(const char *path) { return find(path) >= 0 ? 0 : store_write(path, ""); }
int store_rm(const char *path)
{
    for (int i = 0; i < 400; i++) {
        if (nodes[i].path[0] != '\0' && under(nodes[i].path, path)) {
            nodes[i].path[0] = '\0';
            nodes_used--;
        }
    }
    changed(path);
    return 0;
}
int store_set_perms(const char *path, const char *perms) { assert_true(find(path) >= 0 && perms[0] == 'n'); return 0; }
bool store_list(const char *path, bool (*fn)(const char *name, void *ctx), void *ctx)
{
    for (int i = 0; i < 400; i++)
        if (under(nodes[i].path, path) && nodes[i].path[strlen(path)] == '/' && !fn(nodes[i].path, ctx))
            break;
    return true;
}
int store_watch(const char *path, void (*fn)(const char *path, void *ctx), void *ctx)
{
    int i = 1;
    if (no_memory)
        return -12;
    while (watches[i].fn != NULL)
        i++;
    watches[i].path = strdup(path);
    watches[i].fn = fn;
    watches[i].ctx = ctx;
    fn(path, ctx);
    return i;
}
void store_unwatch(int id) { assert_non_null(watches[id].fn); free((char *)watches[id].path); watches[id].fn = NULL; }
uint64_t page_phys(const void *p)
{
    const uint8_t *at = p;
    bool card = at >= outside && at < outside + sizeof outside;
    return card ? OUTSIDE_GFN * 4096 + (uint64_t)(at - outside) : BUFFER_GFN * 4096 + (uint64_t)(at - frame_buffer);
}
void *heap_alloc(size_t size) { heap_blocks++; return calloc(1, size); }
void heap_free(void *p) { heap_blocks -= p != NULL; free(p); }
void *page_alloc(size_t pages, uint64_t *phys) { *phys = BUFFER_GFN * 4096; return frame_buffer = calloc(pages, 4096); }
struct thread *thread_create(const char *name, void (*fn)(void *arg), void *arg, size_t stack) { (void)name; (void)arg; (void)stack; server = fn; return (struct thread *)&idle; }
static void (*at_yield)(void);
void thread_yield(void) { now += 1000; if (at_yield != NULL) at_yield(); }
static uint64_t wait_until;
bool waitq_wait(struct waitq *q, uint64_t deadline_ns)
{
    (void)q;
    wait_until = deadline_ns;
    if (deadline_ns <= now)
        return false;
    longjmp(idle, 1);
}
void waitq_wake(struct waitq *q) { (void)q; }
uint64_t time_now_ns(void) { return now; }
void console_notice(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(said + strlen(said), sizeof said - strlen(said), fmt, ap);
    va_end(ap);
    strcat(said, "\n");
    notices++;
}

/* ---- a front end ---- */

static void run(void) /* until the thread waits */
{
    now += 1000000;
    if (setjmp(idle) == 0)
        server(NULL);
}

static struct netif_tx_sring *tx_of(unsigned g) { return (struct netif_tx_sring *)guests[g - 1].pages[TX_REF]; }
static struct netif_rx_sring *rx_of(unsigned g) { return (struct netif_rx_sring *)guests[g - 1].pages[RX_REF]; }
#define TX(g, n) (((union netif_tx_sring_entry *)(guests[(g) - 1].pages[TX_REF] + 64))[(n) % 256])
#define RX(g, n) (((union netif_rx_sring_entry *)(guests[(g) - 1].pages[RX_REF] + 64))[(n) % 256])

static void front_key(unsigned g, const char *key, const char *value)
{
    char path[96];
    snprintf(path, sizeof path, "/local/domain/%u/device/vif/0/%s", g, key);
    store_write(path, value);
}

static const char *back_state(unsigned g)
{
    static char value[64];
    char path[96];
    snprintf(path, sizeof path, "/local/domain/0/backend/vif/%u/0/state", g);
    return store_read(path, value, sizeof value) == 0 ? value : "none";
}

static struct error err;

static void plug(unsigned g, uint32_t rate)
{
    struct net_device_config c = {.domid = (uint16_t)g, .mac = {2, 0, 0, 0, 0, (uint8_t)g}, .bridge = "bridge0", .rate_kib = rate};
    assert_true(net_device_add(&c, "guest", &err));
    run();
    assert_string_equal(back_state(g), "2");
}

static void give(unsigned g, unsigned n) /* buffers: grants 32 to 63 */
{
    for (; n > 0; n--, guests[g - 1].rx++)
        RX(g, guests[g - 1].rx).req = (struct netif_rx_request){.id = (uint16_t)(guests[g - 1].rx % 256), .gref = 32 + guests[g - 1].rx % 32};
    rx_of(g)->req_prod = guests[g - 1].rx;
}

static void front_connect(unsigned g, bool sg)
{
    struct guest *x = &guests[g - 1];
    memset(x, 0, sizeof *x);
    memset(x->granted, true, sizeof x->granted);
    tx_of(g)->req_event = tx_of(g)->rsp_event = rx_of(g)->req_event = rx_of(g)->rsp_event = 1;
    give(g, 30);
    front_key(g, "tx-ring-ref", "8");
    front_key(g, "rx-ring-ref", "9");
    front_key(g, "event-channel", "5");
    front_key(g, "request-rx-copy", "1");
    front_key(g, "feature-sg", sg ? "1" : "0");
    front_key(g, "state", "4");
    run();
}

static void up(unsigned g, uint32_t rate)
{
    plug(g, rate);
    front_connect(g, true);
    assert_string_equal(back_state(g), "4");
}

static void kick(unsigned g) { assert_non_null(ports[g].fn); ports[g].fn(g, ports[g].arg); }

/* A frame of LEN bytes from G's page 10 on, as many parts as it needs. */
static void put_frame(unsigned g, const uint8_t to[6], uint32_t len, uint16_t flags)
{
    struct guest *x = &guests[g - 1];
    memcpy(x->pages[10], to, 6);
    memcpy(x->pages[10] + 6, (uint8_t[]){2, 0, 0, 0, 0, (uint8_t)g}, 6);
    for (uint32_t at = 0; at < len; at += 4096, x->tx++) {
        uint32_t part = len - at < 4096 ? len - at : 4096;
        bool more = at + part < len;
        TX(g, x->tx).req = (struct netif_tx_request){.gref = 10 + at / 4096, .flags = (uint16_t)((at == 0 ? flags : 0) | (more ? NETTXF_more_data : 0)),
                                                     .id = (uint16_t)x->tx, .size = (uint16_t)(at == 0 ? len : part)};
    }
    tx_of(g)->req_prod = x->tx;
}

static void put(unsigned g, unsigned to, uint32_t len, uint16_t flags) { put_frame(g, (uint8_t[]){2, 0, 0, 0, 0, (uint8_t)to}, len, flags); }

static struct net_device_view view(unsigned g)
{
    struct net_device_view v;
    assert_true(net_device_get((uint16_t)g, 0, &v));
    return v;
}

static int setup(void **state)
{
    (void)state;
    guests = calloc(GUESTS, sizeof *guests);
    memset(nodes, 0, sizeof nodes);
    said[0] = '\0';
    nodes_used = notices = 0;
    now += 1000000000000UL;
    no_memory = no_port = false;
    at_yield = NULL;
    if (server == NULL)
        net_backend_init();
    nodes_used = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (uint16_t g = 1; g <= GUESTS; g++)
        net_devices_remove(g);
    for (unsigned i = 0; i < 16; i++) {
        assert_null(ports[i].fn);
        assert_null(watches[i].fn);
    }
    assert_int_equal(mapped, 0);
    assert_int_equal(heap_blocks, 0);
    for (int i = 0; i < 400; i++) /* what the guest keeps writing is its own */
        assert_true(nodes[i].path[0] == '\0' || strstr(nodes[i].path, "/backend/vif/") == NULL);
    free(guests);
    return 0;
}

/* ---- tests ---- */

static void test_frames(void **state)
{
    (void)state;
    up(1, 0);
    up(2, 0);
    uint32_t events = guests[0].events;
    put(1, 2, 100, NETTXF_csum_blank | NETTXF_data_validated);
    guests[0].pages[10][12] = 8; /* not IP: a blank checksum of nothing */
    kick(1);
    run();
    assert_int_equal(tx_of(1)->rsp_prod, 1);
    assert_int_equal(TX(1, 0).rsp.status, NETIF_RSP_ERROR);
    assert_int_equal(view(1).sent.errors, 1);
    put(1, 2, 100, 0);
    kick(1);
    run();
    assert_int_equal(TX(1, 1).rsp.status, NETIF_RSP_OKAY);
    assert_true(guests[0].events > events);
    assert_int_equal(rx_of(2)->rsp_prod, 1);
    assert_true(RX(2, 0).rsp.status == 100 && RX(2, 0).rsp.flags == 0 && RX(2, 0).rsp.id == 0);
    assert_memory_equal(guests[1].pages[32], guests[0].pages[10], 100);
    assert_int_equal(guests[1].events, 1);
    assert_int_equal(view(1).sent.packets, 1);
    assert_int_equal(view(2).received.bytes, 100);
    assert_int_equal(wait_until, WAIT_FOREVER);
}

static void test_jumbo(void **state)
{
    (void)state;
    up(1, 0);
    plug(2, 0);
    front_connect(2, true);
    for (unsigned i = 0; i < 9000; i++)
        guests[0].pages[10 + i / 4096][i % 4096] = (uint8_t)(i * 7 / 3);
    put(1, 2, 9000, 0);
    kick(1);
    run();
    assert_int_equal(rx_of(2)->rsp_prod, 3);
    assert_true(RX(2, 0).rsp.status == 4096 && (RX(2, 0).rsp.flags & NETRXF_more_data) && RX(2, 2).rsp.status == 808 && RX(2, 2).rsp.flags == 0);
    assert_memory_equal(guests[1].pages[32], guests[0].pages[10], 4096);
    assert_memory_equal(guests[1].pages[34], guests[0].pages[12], 808);
    put(1, 2, 9019, 0); /* longer than any frame */
    kick(1);
    run();
    assert_int_equal(view(1).sent.errors, 1);
    assert_int_equal(tx_of(1)->rsp_prod, 6);
    net_device_remove(2, 0);
    store_rm("/local/domain/2");
    plug(2, 0);
    front_connect(2, false); /* takes one page a frame */
    put(1, 2, 9000, 0);
    kick(1);
    run();
    assert_int_equal(view(2).received.drops, 1);
    assert_int_equal(rx_of(2)->rsp_prod, 0);
}

static void test_checksums(void **state)
{
    (void)state;
    static const uint8_t udp[] = {0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 1, 0, 2, 0, 8, 0x12, 0x34};
    (void)tx_of;
    up(1, 0);
    up(2, 0);
    for (unsigned round = 0; round < 2; round++) {
        memset(guests[0].pages[10], 0, 60);
        guests[0].pages[10][12] = 8;
        memcpy(guests[0].pages[10] + 14, udp, sizeof udp);
        put(1, 2, 60, NETTXF_csum_blank | NETTXF_data_validated);
        kick(1);
        run();
        const uint8_t *got = guests[1].pages[32];
        if (round == 0) { /* passed on as it is */
            assert_int_equal(RX(2, 0).rsp.flags, NETRXF_csum_blank | NETRXF_data_validated);
            assert_true(got[40] == 0x12 && got[41] == 0x34);
            front_key(2, "state", "6");
            run();
            front_key(2, "feature-no-csum-offload", "1");
            front_key(2, "state", "1");
            run();
            front_connect(2, true);
        } else { /* completed for who cannot take it blank */
            assert_int_equal(RX(2, 0).rsp.flags, NETRXF_data_validated);
            assert_true(got[40] == 0xeb && got[41] == 0xd8);
        }
    }
}

/* A turn's frames take two calls, and what is wrong with one of them is no other's affair. */
static void test_together(void **state)
{
    (void)state;
    up(1, 0);
    up(2, 0);
    copy_calls = 0;
    for (unsigned i = 0; i < 10; i++) {
        put(1, 2, 100, 0);
        memcpy(guests[0].pages[40 + i], guests[0].pages[10], 14);
        memset(guests[0].pages[40 + i] + 14, (int)(i + 1), 86);
        TX(1, i).req.gref = 40 + i;
    }
    guests[0].granted[43] = false;
    RX(2, 5).req.gref = 99;
    kick(1);
    run();
    assert_int_equal(copy_calls, 2);
    assert_int_equal(rx_of(2)->rsp_prod, 9);
    for (unsigned i = 0, k = 0; i < 10; i++) {
        assert_int_equal(TX(1, i).rsp.id, i);
        assert_int_equal(TX(1, i).rsp.status, i == 3 ? NETIF_RSP_ERROR : NETIF_RSP_OKAY);
        if (i == 3)
            continue;
        assert_int_equal(RX(2, k).rsp.id, k);
        assert_int_equal(RX(2, k).rsp.status, k == 5 ? NETIF_RSP_ERROR : 100);
        if (k != 5)
            assert_memory_equal(guests[1].pages[32 + k], guests[0].pages[40 + i], 100);
        k++;
    }
    assert_true(view(1).sent.packets == 9 && view(1).sent.errors == 1);
    assert_true(view(2).received.packets == 8 && view(2).received.bytes == 800 && view(2).received.errors == 1);
}

/* One receiver takes a blank checksum, the next one does not: the first must not get the second's. */
static void test_blank_for_all(void **state)
{
    (void)state;
    static const uint8_t udp[] = {0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 1, 0, 2, 0, 8, 0x12, 0x34};
    up(1, 0);
    front_key(3, "feature-no-csum-offload", "1");
    up(3, 0);
    up(2, 0); /* the last that came gets it first */
    guests[0].pages[10][12] = 8;
    memcpy(guests[0].pages[10] + 14, udp, sizeof udp);
    put_frame(1, (uint8_t[]){255, 255, 255, 255, 255, 255}, 60, NETTXF_csum_blank | NETTXF_data_validated);
    kick(1);
    run();
    assert_int_equal(RX(2, 0).rsp.flags, NETRXF_csum_blank | NETRXF_data_validated);
    assert_true(guests[1].pages[32][40] == 0x12 && guests[1].pages[32][41] == 0x34);
    assert_int_equal(RX(3, 0).rsp.flags, NETRXF_data_validated);
    assert_true(guests[2].pages[32][40] == 0xeb && guests[2].pages[32][41] == 0xd8);
}

static void test_receiver_lies(void **state)
{
    (void)state;
    up(1, 0);
    up(2, 0);
    up(3, 0);
    RX(2, 0).req.gref = 99; /* no such grant */
    put(1, 2, 100, 0);
    kick(1);
    run();
    assert_int_equal(RX(2, 0).rsp.status, NETIF_RSP_ERROR);
    assert_int_equal(view(2).received.errors, 1);
    assert_int_equal(TX(1, 0).rsp.status, NETIF_RSP_OKAY); /* not the sender's fault */
    for (unsigned i = 0; i < 40; i++)
        put(1, 2, 100, 0);
    kick(1);
    run();
    assert_int_equal(view(2).received.packets, 29);
    assert_int_equal(view(2).received.drops, 11);
    assert_int_equal(tx_of(1)->rsp_prod, 41);
    rx_of(2)->req_prod += 5000;
    put_frame(1, (uint8_t[]){255, 255, 255, 255, 255, 255}, 100, 0);
    kick(1);
    run();
    assert_string_equal(back_state(2), "6");
    assert_true(view(2).failed);
    assert_int_equal(notices, 1);
    assert_non_null(strstr(said, "network card 0 of domain 2: the guest moved its index"));
    assert_int_equal(view(3).received.packets, 1); /* everybody else goes on */
    assert_string_equal(back_state(1), "4");
    front_key(2, "state", "4"); /* it insists: nothing */
    run();
    assert_string_equal(back_state(2), "6");
    front_key(2, "state", "1"); /* a driver that starts anew */
    run();
    assert_string_equal(back_state(2), "2");
    front_connect(2, true);
    assert_string_equal(back_state(2), "4");
}

static void test_sender_lies(void **state)
{
    (void)state;
    up(1, 0);
    up(2, 0);
    guests[0].granted[10] = false; /* taken back: an answer with an error, and it goes on */
    put(1, 2, 100, 0);
    kick(1);
    run();
    assert_int_equal(TX(1, 0).rsp.status, NETIF_RSP_ERROR);
    guests[0].granted[10] = true;
    put(1, 2, 100, 0);
    guests[0].pages[10][11] = 2; /* another's address */
    kick(1);
    run();
    assert_int_equal(TX(1, 1).rsp.status, NETIF_RSP_OKAY);
    assert_true(view(1).spoofed == 1 && view(1).sent.drops == 1 && view(2).received.packets == 0);
    assert_int_equal(notices, 0);
    put(1, 2, 100, 0);
    TX(1, 2).req.offset = 4090;
    kick(1);
    run();
    assert_string_equal(back_state(1), "6");
    assert_non_null(strstr(said, "crosses its page"));
    assert_int_equal(notices, 1);
    assert_string_equal(back_state(2), "4");
}

static void test_wrong_keys(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {{"tx-ring-ref", "x"}, {"tx-ring-ref", "4294967296"}, {"tx-ring-ref", "99"}, {"rx-ring-ref", ""},
                                           {"rx-ring-ref", "99"}, {"event-channel", "6"}, {"event-channel", "11111111111111111111"}, {"request-rx-copy", "0"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        plug(1, 0);
        memset(guests[0].granted, true, sizeof guests[0].granted);
        front_key(1, "tx-ring-ref", "8");
        front_key(1, "rx-ring-ref", "9");
        front_key(1, "event-channel", "5");
        front_key(1, "request-rx-copy", "1");
        front_key(1, wrong[i][0], wrong[i][1]);
        front_key(1, "state", "4");
        run();
        assert_string_equal(back_state(1), "6");
        assert_int_equal(mapped, 0);
        net_device_remove(1, 0);
        store_rm("/local/domain/1");
    }
    assert_in_range(notices, 1, 7); /* said, but not as often as they like */
    plug(1, 0);
    front_key(1, "state", "99");
    run();
    front_key(1, "state", "nonsense of more than sixteen bytes");
    run();
    assert_string_equal(back_state(1), "6"); /* as if it were gone */
}

static void test_orderly_close(void **state)
{
    (void)state;
    up(1, 0);
    front_key(1, "state", "5");
    run();
    assert_string_equal(back_state(1), "5");
    assert_int_equal(mapped, 0);
    front_key(1, "state", "6");
    run();
    assert_string_equal(back_state(1), "6");
    front_key(1, "state", "1");
    run();
    assert_string_equal(back_state(1), "2");
    front_connect(1, true);
    assert_true(view(1).connected);
    /* Dom0 asks. */
    assert_true(net_device_close(1, 0));
    assert_string_equal(back_state(1), "5");
    assert_false(net_device_closed(1, 0));
    front_key(1, "state", "6");
    run();
    assert_true(net_device_closed(1, 0));
    front_key(1, "state", "1"); /* it may not come back */
    run();
    assert_string_equal(back_state(1), "6");
    net_device_remove(1, 0);
    assert_false(net_device_close(1, 0));
    assert_true(net_device_closed(1, 0));
    assert_string_equal(back_state(1), "none");
}

static void gone(void) { net_devices_remove(2); net_devices_remove(1); at_yield = NULL; }

static void test_gone_in_the_middle(void **state)
{
    (void)state;
    up(1, 0);
    up(2, 0);
    for (unsigned i = 0; i < 100; i++) /* more than a turn */
        put(1, 2, 100, 0);
    kick(1);
    at_yield = gone;
    run();
    assert_int_equal(mapped, 0);
    run();
    struct net_device_view v;
    assert_false(net_device_get(1, 0, &v));
    plug(1, 0); /* and a guest that removes its own nodes */
    front_connect(1, true);
    store_rm("/local/domain/1/device/vif/0");
    run();
    assert_int_equal(mapped, 0);
    assert_string_equal(back_state(1), "6");
}

static void test_rate(void **state)
{
    (void)state;
    up(1, 10); /* 10240 bytes a second */
    up(2, 0);
    for (unsigned i = 0; i < 20; i++)
        put(1, 2, 1024, 0);
    kick(1);
    run();
    uint32_t first = tx_of(1)->rsp_prod;
    assert_in_range(first, 1, 2);
    assert_true(wait_until > now && wait_until < now + 1000000000UL);
    for (unsigned i = 0; i < 100 && tx_of(1)->rsp_prod < 20; i++) {
        now = wait_until;
        run();
        give(2, 1);
    }
    assert_int_equal(tx_of(1)->rsp_prod, 20);
    assert_int_equal(view(1).sent.drops, 0);
    assert_int_equal(view(2).received.packets, 20);
}

static void test_no_memory(void **state)
{
    struct net_device_config c = {.domid = 1, .bridge = "bridge0"};
    (void)state;
    no_memory = true;
    assert_false(net_device_add(&c, "guest", &err));
    assert_int_equal(err.code, EXIT_NO_RESOURCE);
    assert_string_equal(back_state(1), "none");
    no_memory = false;
    for (unsigned i = 0; i < NET_DEVICES_MAX; i++) { /* bridges without number are refused with words */
        c.dev = i;
        snprintf(c.bridge, sizeof c.bridge, "n%u", i);
        assert_true(net_device_add(&c, "guest", &err));
        c.domid = 2;
        snprintf(c.bridge, sizeof c.bridge, "m%u", i);
        assert_true(net_device_add(&c, "guest", &err));
        c.domid = 1;
    }
    c.domid = 3;
    strcpy(c.bridge, "z");
    assert_false(net_device_add(&c, "guest", &err));
    assert_non_null(strstr(err.text, "16 bridges"));
}

/* A port of Dom0's own: frames go both ways, guests hear of theirs at once, and its address is nobody else's. */
static uint32_t own_got, own_len;
static uint8_t own_first;
static bool own_deliver(struct net_port *to, struct net_frame *f)
{
    (void)to;
    own_got++;
    own_len = f->len;
    own_first = f->data[14];
    return true;
}

static void test_own_port(void **state)
{
    static struct net_port own = {.mac = {2, 0, 0, 0, 0, 9}, .locked = true, .up = true, .deliver = own_deliver};
    uint16_t domid = 77;
    uint32_t dev = 0;
    (void)state;
    assert_false(net_mac_owner(own.mac, &domid, &dev));
    assert_true(net_port_join("bridge0", &own));
    assert_true(net_mac_owner(own.mac, &domid, &dev));
    assert_int_equal(domid, 0);
    up(1, 0);
    guests[0].pages[10][14] = 0x5a;
    put(1, 9, 200, 0);
    kick(1);
    run();
    assert_int_equal(own_got, 1);
    assert_int_equal(own_len, 200);
    assert_int_equal(own_first, 0x5a);
    uint8_t *data = frame_buffer + 4096 - 100; /* the frame crosses a page of ours */
    for (unsigned i = 0; i < 1000; i++)
        data[i] = (uint8_t)i;
    memcpy(data, (uint8_t[]){2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9}, 12);
    uint32_t events = guests[0].events, before = rx_of(1)->rsp_prod;
    net_port_frame(&own, &(struct net_frame){.data = data, .len = 1000});
    assert_int_equal(guests[0].events, events + 1);
    assert_int_equal(rx_of(1)->rsp_prod, before + 1);
    assert_int_equal(RX(1, before).rsp.status, 1000);
    assert_memory_equal(guests[0].pages[32 + before % 32], data, 1000);
    data[11] = 1; /* from the guest's address */
    net_port_frame(&own, &(struct net_frame){.data = data, .len = 1000});
    assert_int_equal(own.spoofed, 1);
    assert_int_equal(rx_of(1)->rsp_prod, before + 1);
    net_bridge_leave(&own);
}

/* Both pages full of noise, again and again, and any state: nothing outside is touched, nothing is left. */
static void test_noise(void **state)
{
    (void)state;
    srand(7);
    up(2, 0);
    for (unsigned i = 0; i < 3000; i++) {
        char value[16];
        if (i % 3 == 0) {
            net_devices_remove(1);
            store_rm("/local/domain/1/device/vif");
            plug(1, 0);
            front_connect(1, true);
        }
        for (unsigned k = 0; k < 1024; k++)
            ((uint32_t *)guests[0].pages[rand() % 2 ? TX_REF : RX_REF])[k] = (uint32_t)rand() & ((uint32_t)rand() | 0xff00ff);
        tx_of(1)->req_prod = (uint32_t)(rand() % 300);
        rx_of(1)->req_prod = (uint32_t)(rand() % 300);
        put(2, 1, 100, 0);
        kick(2);
        if (ports[1].fn != NULL)
            kick(1);
        run();
        snprintf(value, sizeof value, "%d", rand() % 9);
        front_key(1, "state", value);
        run();
        assert_string_equal(back_state(2), "4");
    }
}

/* ---- a card of the host's ---- */

static struct netdev wire_card = {.name = "nic0", .driver = "fake", .mac = {2, 0, 0, 0, 0, 99}};
static bool wire_busy;
static uint8_t wire[2048];
static uint32_t wire_len, wire_frames;
static void (*wire_receive)(void *ctx, uint8_t *frame, uint32_t len);
static void (*wire_over)(void *ctx);
static void *wire_ctx;
struct netdev *netdev_first(void) { return &wire_card; }
bool netdev_open(struct netdev *n, void (*receive)(void *ctx, uint8_t *frame, uint32_t len), void (*turn_over)(void *ctx), void *ctx)
{
    assert_ptr_equal(n, &wire_card);
    wire_receive = receive;
    wire_over = turn_over;
    wire_ctx = ctx;
    return true;
}
bool netdev_send(struct netdev *n, const uint8_t *frame, uint32_t len)
{
    assert_true(n == &wire_card && len <= sizeof wire);
    if (wire_busy)
        return false;
    memcpy(wire, frame, len);
    wire_len = len;
    wire_frames++;
    return true;
}

/* From the wire, at AT in the card's memory, to guest TO (0: everybody), from an address of outside that ends with FROM. */
static void from_wire(uint32_t at, uint8_t to, uint8_t from, uint32_t len)
{
    uint8_t *f = outside + at;
    for (uint32_t i = 0; i < len; i++)
        f[i] = (uint8_t)(i * 5 + at);
    memcpy(f, to != 0 ? (uint8_t[]){2, 0, 0, 0, 0, to} : (uint8_t[]){255, 255, 255, 255, 255, 255}, 6);
    memcpy(f + 6, (uint8_t[]){2, 0, 0, 0, 0, from}, 6);
    wire_receive(wire_ctx, f, len);
    wire_over(wire_ctx);
}

static bool bridge_is(const struct netdev *n, const char *bridge, void *ctx)
{
    (*(int *)ctx)++;
    assert_ptr_equal(n, &wire_card);
    assert_string_equal(bridge, "bridge0");
    return true;
}

/* Last: the card stays on the bridge. */
static void test_uplink(void **state)
{
    static const uint32_t places[] = {0, 1, 2048, 4096 - 60, 4096 - 1, 4096 + 2050};
    static const uint8_t udp[] = {0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 1, 0, 2, 0, 8, 0x12, 0x34};
    int listed = 0;

    (void)state;
    net_uplink_init();
    heap_blocks--; /* it lasts */
    net_uplinks_list(bridge_is, &listed);
    assert_int_equal(listed, 1);
    up(1, 0);
    up(2, 0);
    put(1, 2, 100, 0); /* between guests: not for the wire */
    kick(1);
    run();
    assert_true(wire_frames == 0 && rx_of(2)->rsp_prod == 1);
    put(1, 77, 100, 0); /* nobody's here: it may be out there */
    kick(1);
    run();
    assert_true(wire_frames == 1 && wire_len == 100);
    assert_memory_equal(wire, guests[0].pages[10], 100);
    put_frame(1, (uint8_t[]){255, 255, 255, 255, 255, 255}, 100, 0);
    kick(1);
    run();
    assert_true(wire_frames == 2 && rx_of(2)->rsp_prod == 2);
    memset(guests[0].pages[10], 0, 60);
    guests[0].pages[10][12] = 8;
    memcpy(guests[0].pages[10] + 14, udp, sizeof udp);
    put(1, 77, 60, NETTXF_csum_blank | NETTXF_data_validated); /* on the wire it is complete */
    kick(1);
    run();
    assert_true(wire_frames == 3 && wire[40] == 0xeb && wire[41] == 0xd8);
    wire_busy = true;
    put(1, 77, 100, 0);
    kick(1);
    run();
    wire_busy = false;
    assert_true(wire_frames == 3 && TX(1, 4).rsp.status == NETIF_RSP_OKAY);
    for (unsigned i = 0; i < 6; i++) { /* in: from anywhere in the card's memory, also across pages */
        uint32_t before = guests[1].events;
        rx_of(2)->rsp_event = rx_of(2)->rsp_prod + 1;
        from_wire(places[i], 2, 50, 1514);
        assert_true(rx_of(2)->rsp_prod == 3 + i && RX(2, 2 + i).rsp.status == 1514 && RX(2, 2 + i).rsp.flags == 0);
        assert_memory_equal(guests[1].pages[32 + 2 + i], outside + places[i], 1514);
        assert_int_equal(guests[1].events, before + 1);
    }
    assert_int_equal(rx_of(1)->rsp_prod, 0);
    from_wire(0, 0, 50, 60); /* to everybody, but not back */
    assert_true(rx_of(1)->rsp_prod == 1 && rx_of(2)->rsp_prod == 9 && wire_frames == 3);
    from_wire(0, 77, 50, 60); /* to somebody out there */
    from_wire(0, 2, 1, 60);   /* from outside under a guest's address */
    from_wire(0, 2, 50, 13);
    assert_true(rx_of(1)->rsp_prod == 1 && rx_of(2)->rsp_prod == 9 && wire_frames == 3);
    RX(2, 9).req.gref = 99;
    from_wire(0, 2, 50, 60); /* the guest lies: its affair */
    assert_int_equal(view(2).received.errors, 1);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_frames), T(test_jumbo), T(test_checksums), T(test_together), T(test_blank_for_all), T(test_receiver_lies), T(test_sender_lies), T(test_wrong_keys), T(test_orderly_close),
        T(test_gone_in_the_middle), T(test_rate), T(test_no_memory), T(test_own_port), T(test_noise), T(test_uplink),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(frame_buffer);
    return failed;
}
