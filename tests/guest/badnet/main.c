/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] badnet: connects its network card as a driver does, then puts something into the rings that cannot be true; again and again.
 * Why: the back end in Dom0 reads what guests write. Expected: each lie costs this guest its card (the back end's state becomes Closed) and nothing
 * else; grants that are taken back are answered with an error; after each the card can be had anew; frames that are right pass to the end. */
#include "tests/guest/lib/guest.h"

#include <xen/io/netif.h>

#define STORE ((volatile uint8_t *)(store_pfn << 12))
#define WORD(at) (*(volatile uint32_t *)(STORE + (at)))
#define XS_READ 2U
#define XS_WRITE 11U
#define TRIES 200000U
#define NOISE_ROUNDS 60U
#define GRANT_GFN 0x900UL

enum { REF_TX = 8, REF_RX, REF_DATA, REF_LAST = 12 };

static uint64_t store_pfn, store_port;
static uint32_t port; /* of the card */
static char back[96];
static uint8_t pages[REF_LAST][4096] __attribute__((aligned(4096)));
static volatile uint64_t *const grants = (volatile uint64_t *)(GRANT_GFN << 12);

static struct netif_tx_sring *const tx = (void *)pages[REF_TX];
static struct netif_rx_sring *const rx = (void *)pages[REF_RX];
#define TX(n) (((volatile union netif_tx_sring_entry *)(pages[REF_TX] + 64))[(n) % 256])

static void copy(void *to, const void *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((volatile uint8_t *)to)[i] = ((const volatile uint8_t *)from)[i];
}

static void yield(void) { hypercall(HC_SCHED_OP, 0, 0, 0); }
static void send(uint32_t to) { hypercall(HC_EVTCHN, 4, (uint64_t)&to, 0); }

/* ---- xenstore ---- */

static void put(const void *data, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        while (WORD(2052) - WORD(2048) == 1024)
            yield();
        STORE[WORD(2052) % 1024] = ((const uint8_t *)data)[i];
        WORD(2052) = WORD(2052) + 1;
    }
}

static void get(char *data, uint32_t len, uint32_t room)
{
    for (uint32_t i = 0; i < len; i++) {
        while (WORD(2060) == WORD(2056)) {
            send((uint32_t)store_port);
            yield();
        }
        if (i < room)
            data[i] = (char)STORE[1024 + WORD(2056) % 1024];
        WORD(2056) = WORD(2056) + 1;
    }
}

static uint32_t length(const char *s)
{
    uint32_t n = 0;
    while (s[n] != '\0')
        n++;
    return n;
}

/* READ (VALUE NULL) or WRITE; REPLY gets what was read, with a NUL. */
static bool talk(const char *path, const char *value, char *reply, uint32_t room)
{
    uint32_t header[4] = {value != NULL ? XS_WRITE : XS_READ, 1, 0, length(path) + 1 + (value != NULL ? length(value) : 0)};
    put(header, sizeof(header));
    put(path, length(path) + 1);
    if (value != NULL)
        put(value, length(value));
    send((uint32_t)store_port);
    get((char *)header, sizeof(header), sizeof(header));
    char skipped[2];
    get(reply != NULL ? reply : skipped, header[3], reply != NULL ? room - 1 : sizeof(skipped));
    if (reply != NULL)
        reply[header[3] < room ? header[3] : room - 1] = '\0';
    return header[0] != 16;
}

static void key(const char *name, const char *value)
{
    char path[64] = "device/vif/0/";
    copy(path + 13, name, length(name) + 1);
    check(talk(path, value, NULL, 0), "cannot write %s", name);
}

static char back_state(void)
{
    char path[128], state[8];
    copy(path, back, length(back));
    copy(path + length(back), "/state", 7);
    return talk(path, NULL, state, sizeof(state)) ? state[0] : '?';
}

static bool wait_state(char want)
{
    for (unsigned i = 0; i < 2000; i++) {
        if (back_state() == want)
            return true;
        yield();
    }
    return false;
}

/* ---- a card ---- */

static void grant(unsigned ref, bool on)
{
    grants[ref] = on ? ((uint64_t)pages[ref] >> 12) << 32 | 1 : 0;
}

static void connect(void)
{
    char number[8] = "0";
    key("state", "1");
    check(wait_state('2'), "the back end does not begin anew: %d", back_state());
    for (unsigned i = 0; i < sizeof(pages[0]); i++)
        pages[REF_TX][i] = pages[REF_RX][i] = 0;
    tx->req_event = tx->rsp_event = rx->req_event = rx->rsp_event = 1;
    for (unsigned ref = REF_TX; ref < REF_LAST; ref++)
        grant(ref, true);
    number[0] = (char)('0' + port % 10);
    key("tx-ring-ref", "8");
    key("rx-ring-ref", "9");
    key("event-channel", number);
    key("request-rx-copy", "1");
    key("state", "4");
    check(wait_state('4'), "the back end does not connect: %d", back_state());
}

static void request(uint32_t n, uint16_t size, uint16_t offset, uint16_t flags)
{
    TX(n).req.gref = REF_DATA;
    TX(n).req.size = size;
    TX(n).req.offset = offset;
    TX(n).req.flags = flags;
    TX(n).req.id = (uint16_t)n;
}

static void publish(uint32_t n)
{
    __atomic_store_n(&tx->req_prod, n, __ATOMIC_RELEASE);
    send(port);
}

/* N frames are answered. */
static bool answered(uint32_t n)
{
    for (unsigned i = 0; i < TRIES && __atomic_load_n(&tx->rsp_prod, __ATOMIC_ACQUIRE) != n; i++)
        yield();
    return tx->rsp_prod == n;
}

static void good_frames(uint32_t from, uint32_t to)
{
    for (; from < to; from++)
        request(from, 60, 0, 0);
    publish(to);
    check(answered(to), "%u frames were not answered", to);
    check(TX(to - 1).rsp.status == NETIF_RSP_OKAY, "a frame that is right: %d", TX(to - 1).rsp.status);
}

static void lies(void)
{
    static const struct { uint16_t size, offset, flags, parts; uint32_t jump; } lie[] = {
        {60, 4090, 0, 1, 0}, {60, 65535, 0, 1, 0}, {5000, 0, 0, 1, 0}, {60, 0, NETTXF_more_data, 1, 0}, {60, 0, NETTXF_more_data, 3, 0},
        {60, 0, NETTXF_more_data, 40, 0}, {60, 0, NETTXF_extra_info, 1, 0}, {60, 0, 0, 1, 300}, {60, 0, 0, 1, 0x80000000U}, {60, 0, 0, 1, 0xfffffff0U},
    };
    for (unsigned i = 0; i < COUNT(lie); i++) {
        connect();
        good_frames(0, 3);
        for (unsigned k = 0; k < lie[i].parts; k++)
            request(3 + k, lie[i].size, lie[i].offset, lie[i].flags);
        publish(3 + lie[i].parts + lie[i].jump);
        check(wait_state('6'), "lie %u is not noticed: state %d", i, back_state());
    }
}

static void grants_taken_back(void)
{
    connect();
    grant(REF_DATA, false);
    request(0, 60, 0, 0);
    publish(1);
    check(answered(1) && TX(0).rsp.status == NETIF_RSP_ERROR, "a page that was taken back: %d", TX(0).rsp.status);
    grant(REF_DATA, true);
    request(1, 13, 0, 0);
    publish(2);
    check(answered(2) && TX(1).rsp.status == NETIF_RSP_ERROR, "a frame that is none: %d", TX(1).rsp.status);
    good_frames(2, 200); /* and nothing else happened */
    grant(REF_TX, false); /* in use: what the entry says does not matter any more */
    good_frames(200, 256);
    key("state", "5");
    check(wait_state('5'), "closing: %d", back_state());
    key("state", "6");
    check(wait_state('6'), "closed: %d", back_state());
}

static void noise(void)
{
    for (unsigned round = 0; round < NOISE_ROUNDS; round++) {
        connect();
        for (unsigned i = 0; i < 4096; i += 8) {
            uint64_t a = random_next() & random_next(), b = random_next();
            copy(pages[REF_TX] + i, &a, 8);
            copy(pages[REF_RX] + i, &b, 8);
        }
        publish((uint32_t)random_next() % 300);
        for (unsigned i = 0; i < 20; i++)
            yield();
        key("state", "6");
        check(wait_state('6'), "round %u: state %d", round, back_state());
    }
    connect();
    good_frames(0, 100);
}

static uint64_t param(uint32_t index)
{
    struct { uint16_t dom, pad; uint32_t index; uint64_t value; } p = {DOMID_SELF, 0, index, 0};
    hypercall(HC_HVM_OP, 1, (uint64_t)&p, 0);
    return p.value;
}

void guest_main(const void *start_info)
{
    struct { uint16_t domid, size; uint32_t space; uint64_t idx, gpfn; } map = {DOMID_SELF, 0, 1, 0, GRANT_GFN};
    struct { uint16_t dom, remote; uint32_t port; } alloc = {DOMID_SELF, 0, 0};
    char mac[20];
    (void)start_info;
    traps_on();
    store_pfn = param(1);
    store_port = param(2);
    check(hypercall(HC_MEMORY_OP, 7, (uint64_t)&map, 0) == 0, "no grant table");
    check(hypercall(HC_EVTCHN, 6, (uint64_t)&alloc, 0) == 0 && alloc.port < 10, "no event channel: %u", alloc.port);
    port = alloc.port;
    check(talk("device/vif/0/backend", NULL, back, sizeof(back)) && talk("device/vif/0/mac", NULL, mac, sizeof(mac)), "there is no network card");
    for (unsigned i = 0; i < 6; i++) {
        unsigned high = (unsigned char)mac[3 * i], low = (unsigned char)mac[3 * i + 1];
        pages[REF_DATA][i] = 0xff; /* to everybody */
        pages[REF_DATA][6 + i] = (uint8_t)((high > '9' ? high - 'a' + 10 : high - '0') << 4 | (low > '9' ? low - 'a' + 10 : low - '0'));
    }
    lies();
    grants_taken_back();
    noise();
    summary("badnet");
}
