/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] The front end's half of a device, without a driver. */
#include "tests/guest/lib/pv.h"

#define GRANT_GFN  0x1f00UL /* above what the guests' images take; they have 32 MiB and more of addresses */
#define SHARED_GFN 0x1f01UL
#define STORE ((volatile uint8_t *)(store_pfn << 12))
#define WORD(at) (*(volatile uint32_t *)(STORE + (at)))
#define XS_READ 2U
#define XS_WRITE 11U
#define XS_RM 13U
#define XS_ERROR 16U

static uint64_t store_pfn, store_port;
void (*pv_meanwhile)(void) = pv_yield;
static volatile uint64_t *const grants = (volatile uint64_t *)(GRANT_GFN << 12);
static volatile uint8_t *const shared = (volatile uint8_t *)(SHARED_GFN << 12);

void pv_copy(void *to, const void *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((volatile uint8_t *)to)[i] = ((const volatile uint8_t *)from)[i];
}

uint32_t pv_length(const char *s)
{
    uint32_t n = 0;
    while (s[n] != '\0')
        n++;
    return n;
}

void pv_format(char out[24], uint64_t value)
{
    char digits[24];
    unsigned n = 0, at = 0;
    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    while (n != 0)
        out[at++] = digits[--n];
    out[at] = '\0';
}

/* ---- events and time ---- */

void pv_yield(void) { hypercall(HC_SCHED_OP, 0, 0, 0); }
void pv_send(uint32_t port) { hypercall(HC_EVTCHN, 4, (uint64_t)&port, 0); }
long pv_close_port(uint32_t port) { return hypercall(HC_EVTCHN, 3, (uint64_t)&port, 0); }

uint32_t pv_port(void)
{
    struct { uint16_t dom, remote; uint32_t port; } alloc = {DOMID_SELF, 0, 0};
    check(hypercall(HC_EVTCHN, 6, (uint64_t)&alloc, 0) == 0, "no event channel");
    return alloc.port;
}

uint64_t pv_now_ns(void)
{
    uint32_t lo, hi, version;
    uint64_t ns;
    do { /* vcpu_info[0].time */
        version = *(volatile uint32_t *)(shared + 32);
        __asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
        uint64_t delta = ((uint64_t)hi << 32 | lo) - *(volatile uint64_t *)(shared + 40);
        int8_t shift = *(volatile int8_t *)(shared + 60);
        delta = shift < 0 ? delta >> -shift : delta << shift;
        ns = *(volatile uint64_t *)(shared + 48) + (uint64_t)((unsigned __int128)delta * *(volatile uint32_t *)(shared + 56) >> 32);
    } while ((version & 1) != 0 || version != *(volatile uint32_t *)(shared + 32));
    return ns;
}

void pv_poll(uint32_t port, uint64_t ns)
{
    struct { uint64_t ports; uint32_t nr, pad; uint64_t timeout; } poll = {(uint64_t)&port, port != 0, 0, pv_now_ns() + ns};
    hypercall(HC_SCHED_OP, 3, (uint64_t)&poll, 0);
}

void pv_block(uint32_t port)
{
    *(volatile uint8_t *)shared = 0; /* vcpu_info[0]: upcall_pending, then pending_sel */
    *(volatile uint64_t *)(shared + 8) = 0;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if ((__atomic_load_n((volatile uint64_t *)(shared + 2048) + port / 64, __ATOMIC_SEQ_CST) >> port % 64 & 1) == 0)
        hypercall(HC_SCHED_OP, 1, 0, 0);
    pv_clear(port);
}

void pv_clear(uint32_t port) { __atomic_fetch_and((volatile uint64_t *)(shared + 2048) + port / 64, ~(1UL << port % 64), __ATOMIC_SEQ_CST); }

/* ---- xenstore ---- */

static void put(const void *data, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        while (WORD(2052) - WORD(2048) == 1024)
            pv_meanwhile();
        STORE[WORD(2052) % 1024] = ((const uint8_t *)data)[i];
        WORD(2052) = WORD(2052) + 1;
    }
}

static void get(char *data, uint32_t len, uint32_t room)
{
    for (uint32_t i = 0; i < len; i++) {
        while (WORD(2060) == WORD(2056)) {
            pv_send((uint32_t)store_port);
            pv_meanwhile();
        }
        if (i < room)
            data[i] = (char)STORE[1024 + WORD(2056) % 1024];
        WORD(2056) = WORD(2056) + 1;
    }
}

static bool talk(uint32_t type, const char *path, const char *value, char *reply, uint32_t room)
{
    uint32_t header[4] = {type, 1, 0, pv_length(path) + 1 + (value != NULL ? pv_length(value) : 0)};
    char skipped[16];
    put(header, sizeof(header));
    put(path, pv_length(path) + 1);
    if (value != NULL)
        put(value, pv_length(value));
    pv_send((uint32_t)store_port);
    get((char *)header, sizeof(header), sizeof(header));
    if (reply == NULL) {
        reply = skipped;
        room = sizeof(skipped);
    }
    get(reply, header[3], room - 1);
    reply[header[3] < room ? header[3] : room - 1] = '\0';
    return header[0] != XS_ERROR;
}

bool xs_read(const char *path, char *reply, uint32_t room) { return talk(XS_READ, path, NULL, reply, room); }
bool xs_write(const char *path, const char *value) { return talk(XS_WRITE, path, value, NULL, 0); }
bool xs_remove(const char *path) { return talk(XS_RM, path, NULL, NULL, 0); }

/* ---- a device ---- */

static void join(char out[128], const char *folder, const char *name)
{
    uint32_t n = pv_length(folder);
    pv_copy(out, folder, n);
    out[n] = '/';
    pv_copy(out + n + 1, name, pv_length(name) + 1);
}

void pv_key(const struct pv_device *d, const char *name, const char *value)
{
    char path[128];
    join(path, d->front, name);
    check(xs_write(path, value), "cannot write %s", path);
}

void pv_number(const struct pv_device *d, const char *name, uint64_t value)
{
    char text[24];
    pv_format(text, value);
    pv_key(d, name, text);
}

void pv_remove(const struct pv_device *d, const char *name)
{
    char path[128];
    join(path, d->front, name);
    xs_remove(path); /* it need not be there */
}

char pv_back_state(const struct pv_device *d)
{
    char path[128], state[8];
    join(path, d->back, "state");
    return xs_read(path, state, sizeof(state)) ? state[0] : '?';
}

bool pv_wait_state(const struct pv_device *d, char want)
{
    for (unsigned i = 0; i < 2000; i++) {
        if (pv_back_state(d) == want)
            return true;
        pv_yield();
    }
    return false;
}

bool pv_connect_disk(const struct pv_device *d, uint32_t ring)
{
    bool ready = pv_wait_state(d, '2');
    pv_number(d, "ring-ref", ring);
    pv_number(d, "event-channel", d->port);
    pv_key(d, "protocol", "x86_64-abi");
    pv_key(d, "state", "3");
    return ready && pv_wait_state(d, '4');
}

bool pv_open(struct pv_device *d, const char *kind, uint32_t number)
{
    char path[128], text[24];
    join(path, "device", kind);
    pv_format(text, number);
    char folder[64];
    pv_copy(folder, path, pv_length(path) + 1);
    join(path, folder, text);
    pv_copy(d->front, path, pv_length(path) + 1);
    join(path, d->front, "backend");
    if (!xs_read(path, d->back, sizeof(d->back)))
        return false;
    d->port = pv_port();
    return true;
}

/* ---- grants ---- */

void pv_grant(uint32_t ref, uint64_t gfn, uint16_t domid, uint32_t flags)
{
    grants[ref] = gfn << 32 | (uint64_t)domid << 16 | flags | 1;
}
void pv_grant_page(uint32_t ref, const void *page) { pv_grant(ref, (uint64_t)page >> 12, 0, 0); }
void pv_revoke(uint32_t ref) { grants[ref] = 0; }

static uint64_t param(uint32_t index)
{
    struct { uint16_t dom, pad; uint32_t index; uint64_t value; } p = {DOMID_SELF, 0, index, 0};
    hypercall(HC_HVM_OP, 1, (uint64_t)&p, 0);
    return p.value;
}

static void map_here(uint32_t space, uint64_t gfn)
{
    struct { uint16_t domid, size; uint32_t space; uint64_t idx, gpfn; } map = {DOMID_SELF, 0, space, 0, gfn};
    check(hypercall(HC_MEMORY_OP, 7, (uint64_t)&map, 0) == 0, "space %u cannot be mapped", space);
}

void pv_init(void)
{
    store_pfn = param(1);
    store_port = param(2);
    map_here(0, SHARED_GFN);
    map_here(1, GRANT_GFN);
}
