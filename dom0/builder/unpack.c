/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Unpacking step by step. A step takes a decoder of somebody else's some milliseconds: it is a preemptible
 * section (docs/adr/0004), for which the decoders have their memory beforehand and touch nothing else. */
#include "dom0/builder/unpack.h"

#include "dom0/builder/kernel_cache.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/thread.h"

#define FIRST_BYTES (64U << 10)

static enum decode_result one_step(const struct decoder *k, struct decode *d)
{
    thread_preemptible(true);
    enum decode_result r = k->step(d);
    thread_preemptible(false);
    return r;
}

/* The result of a step that made COUNT bytes and is not the last. */
static enum unpack_result judge(enum decode_result r, bool went_on)
{
    if (r == DECODE_UNKNOWN) {
        return UNPACK_UNKNOWN;
    }
    return r == DECODE_DAMAGED || !went_on ? UNPACK_DAMAGED : UNPACK_OK;
}

/* BUFFER: for all of it, or for what a step makes and FIRST_BYTES. The first bytes are held back until there are so
 * many: they tell how the rest is placed. */
static enum unpack_result run(const struct unpack *u, struct decode *d, uint8_t *buffer, bool whole)
{
    const struct decoder *k = u->decoder;
    uint64_t made = 0, held = 0;
    for (;;) {
        uint8_t *at = buffer + (whole ? made : held);
        uint64_t left = u->total + 1U - made;
        if (!k->whole) {
            d->out = at;
            d->room = !whole || left > k->room ? k->room : (size_t)left;
        }
        size_t in_len = d->in_len;
        enum decode_result r = one_step(k, d);
        size_t n = (size_t)(d->out - at);
        made += n;
        if (made > u->total) {
            return UNPACK_LENGTH;
        }
        held += n;
        if (held > 0 && (made >= FIRST_BYTES || r == DECODE_END)) {
            if (!u->sink(u->ctx, at + n - held, held)) {
                return UNPACK_STOPPED;
            }
            held = 0;
        }
        if (r == DECODE_END) {
            return made == u->total ? UNPACK_OK : UNPACK_LENGTH;
        }
        enum unpack_result result = judge(r, n > 0 || d->in_len != in_len);
        if (result != UNPACK_OK) {
            return result;
        }
        thread_yield();
    }
}

static size_t round16(size_t n) { return (n + 15U) & ~(size_t)15U; }

enum unpack_result unpack(const struct unpack *u, uint64_t *need)
{
    const struct decoder *k = u->decoder;
    size_t work = k->needs(u->packed, u->packed_len);
    if (work == 0) {
        return UNPACK_DAMAGED;
    }
    /* One loan: a place for what a step makes (or for all, where the decoder wants that), and the decoder's own. */
    size_t place = round16(k->whole ? (size_t)u->total + 1U : k->room + FIRST_BYTES);
    place = u->whole != NULL ? 0 : place;
    size_t bytes = place + work;
    *need = bytes;
    uint8_t *loan = kernel_cache_borrow(bytes);
    if (loan == NULL) {
        return UNPACK_NO_MEMORY;
    }
    uint8_t *buffer = u->whole != NULL ? u->whole : loan;
    bool whole = u->whole != NULL || k->whole;
    struct decode d = {.in = u->packed,
                       .in_len = u->packed_len,
                       .out = buffer,
                       .room = whole ? (size_t)u->total + 1U : k->room,
                       .work = loan + place,
                       .work_len = work};
    enum unpack_result result = k->begin(&d) ? run(u, &d, buffer, whole) : UNPACK_DAMAGED;
    memory_return(loan, bytes);
    return result;
}
