/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Fuzzing the xenstore as two guests could: bytes into their request rings in pieces, replies fetched or not,
 * indices overwritten; domain 0 changes things in between. After each run the arena passes the checker, no quota is
 * exceeded, and when both guests are gone nothing of theirs is left. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/store/ops.h"
#include "dom0/store/ring.h"
#include "dom0/store/watch.h"

#define ARENA_BYTES (128U << 10)
#define GUESTS      2U

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "fuzz_store: %s\n", what);
        abort();
    }
}

static void home(struct store *s, uint16_t domid)
{
    char path[64], text[16];
    struct store_caller c = {.s = s};
    struct store_perms p;
    snprintf(path, sizeof(path), "/local/domain/%u/data", domid);
    must(store_op_write(&c, path, "v", 1) == 0, "home");
    snprintf(text, sizeof(text), "n%u", domid);
    (void)store_perms_parse(text, strlen(text), ',', &p);
    must(store_op_set_perms(&c, path, &p) == 0, "home");
}

static void check(struct store *s)
{
    const char *why;
    must(store_arena_check(s, s->size, &why), why);
    for (uint16_t d = 1; d <= GUESTS; d++) {
        const struct store_domain *dom = store_domain_find(s, d);
        if (dom != NULL) {
            must(dom->nodes <= STORE_QUOTA_NODES && dom->watches <= STORE_QUOTA_WATCHES &&
                     dom->transactions <= STORE_QUOTA_TRANSACTIONS,
                 "quota");
            must(dom->bytes <= store_domain_bytes_max(s) + 1024U, "bytes");
        }
    }
}

/* The next COUNT bytes of the input. */
struct input {
    const uint8_t *p;
    size_t len;
};
static uint8_t next(struct input *in)
{
    if (in->len == 0) {
        return 0;
    }
    in->len--;
    return *in->p++;
}

/* A request with a well-formed header around fuzzed content: most of the depth is behind it. */
static void send(struct xenstore_domain_interface *page, struct input *in)
{
    static const char *const paths[] = {
        "data", "data/a", "data/a/b", "data/c", "/local/domain/1/data", "/local/domain/2/data/x", "/", "@releaseDomain"};
    uint8_t type = next(in), choice = next(in), tx = next(in), extra = (uint8_t)(next(in) % 64);
    char msg[16 + 256];
    size_t len = (size_t)snprintf(msg + 16, 64, "%s", paths[choice % 8]) + 1U;
    for (uint8_t i = 0; i < extra; i++) {
        msg[16 + len++] = (char)next(in);
    }
    if (type % 24 == XS_TRANSACTION_END) {
        memcpy(msg + 16, choice % 4 == 0 ? "F" : "T", 2);
        len = 2;
    } else if (type % 24 == XS_TRANSACTION_START) {
        msg[16] = '\0';
        len = 1;
    }
    struct xsd_sockmsg h = {.type = type % 24U, .req_id = 1, .tx_id = tx % 8U, .len = (uint32_t)len};
    memcpy(msg, &h, sizeof(h));
    for (size_t i = 0; i < 16 + len && page->req_prod - page->req_cons < XENSTORE_RING_SIZE; i++) {
        page->req[MASK_XENSTORE_IDX(page->req_prod++)] = msg[i];
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t arena[ARENA_BYTES] __attribute__((aligned(16)));
    memset(arena, 0xbe, sizeof(arena)); /* nothing of the last input, and nothing that is right by chance */
    struct store *s = store_arena_init(arena, ARENA_BYTES);
    struct xenstore_domain_interface *page[GUESTS];
    struct store_ring *ring[GUESTS];
    struct input in = {data, size};
    uint32_t empty = s->used;
    for (uint16_t d = 0; d < GUESTS; d++) {
        home(s, (uint16_t)(d + 1));
        page[d] = calloc(1, sizeof(*page[d]));
        ring[d] = calloc(1, sizeof(*ring[d]));
        store_ring_start(ring[d], page[d], (uint16_t)(d + 1));
    }
    while (in.len > 0) {
        uint8_t what = next(&in), g = what % GUESTS;
        struct store_caller zero = {.s = s};
        bool notify;
        const char *why;
        switch ((what / GUESTS) % 8) {
        case 0: /* raw bytes */
            for (uint8_t n = next(&in) % 40; n > 0 && page[g]->req_prod - page[g]->req_cons < XENSTORE_RING_SIZE; n--) {
                page[g]->req[MASK_XENSTORE_IDX(page[g]->req_prod++)] = (char)next(&in);
            }
            break;
        case 1:
            (&page[g]->req_cons)[next(&in) % 4] = (uint32_t)next(&in) << (next(&in) % 25);
            break;
        case 2:
            page[g]->rsp_cons = page[g]->rsp_prod;
            page[g]->connection = next(&in) % 4 == 0 ? XENSTORE_RECONNECT : XENSTORE_CONNECTED;
            store_watch_fire_special(s, "@releaseDomain");
            break;
        case 3:
            (void)store_op_write(&zero, next(&in) % 2 ? "/local/domain/1/data/a" : "/local/domain/2/data/c", "zero", 4);
            break;
        case 4:
            (void)store_op_rm(&zero, next(&in) % 2 ? "/local/domain/1/data/a" : "/local/domain/1/data/a/b");
            break;
        default:
            send(page[g], &in);
            break;
        }
        for (int i = 0; i < 8; i++) {
            enum store_ring_result r = store_ring_turn(s, ring[g], &notify, &why);
            must(!ring[g]->bad || page[g]->error != XENSTORE_ERROR_NONE, "a broken ring without its error word");
            if (r != STORE_RING_PROGRESS) {
                break;
            }
        }
    }
    check(s);
    for (uint16_t d = 0; d < GUESTS; d++) {
        store_watch_del_all(s, (uint16_t)(d + 1));
        store_tx_abort_all(s, (uint16_t)(d + 1));
        store_tree_forget_domain(s, (uint16_t)(d + 1));
        store_domain_put(s, (uint16_t)(d + 1));
        free(page[d]);
        free(ring[d]);
    }
    check(s);
    must(s->guest_used == 0 && s->domains == STORE_NONE, "something of a guest is left");
    struct store_caller zero = {.s = s};
    must(store_op_rm(&zero, "/local") == 0 && s->used == empty, "memory is lost");
    return 0;
}
