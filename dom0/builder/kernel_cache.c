/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Unpacked kernels that are kept. */
#include "dom0/builder/kernel_cache.h"

#include "dom0/kernel/heap.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/kernel/thread.h"
#include "dom0/lib/string.h"

#define KERNELS    4U
#define KEPT_MAX   (256ULL << 20) /* of the 1 GiB of addresses that Dom0 has for all foreign memory */
#define FREE_BYTES (64ULL << 20)  /* of the host's memory stay free */
#define PIECE      (64U << 10)    /* so much is compared or copied at a time, then other threads run */

static struct kept {
    uint8_t *whole, *packed; /* NULL: free */
    uint64_t len;
    size_t packed_len;
    uint64_t last_use;
} kept[KERNELS];
static uint64_t uses, found;

static void give_back(struct kept *k)
{
    memory_return(k->whole, (size_t)k->len + 1U);
    memory_return(k->packed, k->packed_len);
    *k = (struct kept){0};
}

/* The one that was not used for longest; NULL: nothing is kept. */
static struct kept *oldest(void)
{
    struct kept *k = NULL;
    for (unsigned i = 0; i < KERNELS; i++) {
        if (kept[i].whole != NULL && (k == NULL || kept[i].last_use < k->last_use)) {
            k = &kept[i];
        }
    }
    return k;
}

static bool same(const uint8_t *a, const uint8_t *b, size_t len)
{
    for (size_t off = 0, n; off < len; off += n) {
        n = len - off < PIECE ? len - off : PIECE;
        if (memcmp(a + off, b + off, n) != 0) {
            return false;
        }
        thread_yield();
    }
    return true;
}

const uint8_t *kernel_cache_find(const uint8_t *packed, size_t packed_len, uint64_t len)
{
    for (unsigned i = 0; i < KERNELS; i++) {
        struct kept *k = &kept[i];
        if (k->whole != NULL && k->packed_len == packed_len && k->len == len && same(k->packed, packed, packed_len)) {
            k->last_use = ++uses;
            found++;
            return k->whole;
        }
    }
    return NULL;
}

static bool enough_free(uint64_t bytes)
{
    struct cbl_host_info *host = heap_alloc(sizeof(*host));
    bool ok = host != NULL && control(CTL_HOST_INFO, host) == 0 && host->mem_free_bytes >= FREE_BYTES + bytes;
    heap_free(host);
    return ok;
}

uint8_t *kernel_cache_room(uint64_t len)
{
    struct kernel_cache_figures now;
    while (kernel_cache_figures(&now), now.bytes + len >= KEPT_MAX || !enough_free(len + 1U)) {
        struct kept *k = oldest();
        if (k == NULL) {
            return NULL;
        }
        give_back(k);
    }
    return memory_borrow((size_t)len + 1U);
}

void kernel_cache_keep(uint8_t *whole, uint64_t len, const uint8_t *packed, size_t packed_len, bool keep)
{
    uint8_t *copy = keep && enough_free(packed_len) ? memory_borrow(packed_len) : NULL;
    if (copy == NULL) {
        memory_return(whole, (size_t)len + 1U);
        return;
    }
    for (size_t off = 0, n; off < packed_len; off += n) {
        n = packed_len - off < PIECE ? packed_len - off : PIECE;
        memcpy(copy + off, packed + off, n);
        thread_yield();
    }
    struct kept *place = oldest();
    for (unsigned i = 0; i < KERNELS; i++) {
        place = kept[i].whole == NULL ? &kept[i] : place;
    }
    if (place->whole != NULL) {
        give_back(place);
    }
    *place = (struct kept){.whole = whole, .packed = copy, .len = len, .packed_len = packed_len, .last_use = ++uses};
}

void *kernel_cache_borrow(size_t bytes)
{
    for (;;) {
        void *p = memory_borrow(bytes);
        struct kept *k = p == NULL ? oldest() : NULL;
        if (k == NULL) {
            return p;
        }
        give_back(k);
    }
}

bool kernel_cache_drop(void)
{
    bool any = false;
    for (struct kept *k = oldest(); k != NULL; k = oldest()) {
        give_back(k);
        any = true;
    }
    return any;
}

void kernel_cache_figures(struct kernel_cache_figures *out)
{
    *out = (struct kernel_cache_figures){.used = found};
    for (unsigned i = 0; i < KERNELS; i++) {
        out->kernels += kept[i].whole != NULL;
        out->bytes += kept[i].whole != NULL ? kept[i].len + 1U + kept[i].packed_len : 0;
    }
}
