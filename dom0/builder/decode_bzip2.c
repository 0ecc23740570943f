/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] bzip2 by its library. */
#include <bzlib.h>

#include "dom0/builder/decode.h"

#define ROOM       (64U << 10)
#define WORK_BYTES (4U << 20) /* four bytes for each of a block's 900,000, and the state */
#define IN_MAX     (1U << 30) /* the library counts with 32 bits */

/* The library asks for this function: what it found is one of its own mistakes, or memory that changed under it. */
void bz_internal_error(int code);
static bool broken;
void bz_internal_error(int code)
{
    (void)code;
    broken = true;
}

static void *take_memory(void *opaque, int count, int size)
{
    return count < 0 || size < 0 ? NULL : decode_work(opaque, (size_t)count * (size_t)size);
}

static void give_memory(void *opaque, void *p)
{
    (void)opaque;
    (void)p;
}

static size_t needs(const uint8_t *in, size_t len) { return len >= 4 && in[3] >= '1' && in[3] <= '9' ? WORK_BYTES : 0; }

static bool begin(struct decode *d)
{
    bz_stream *z = decode_work(d, sizeof(*z));
    if (z == NULL) {
        return false;
    }
    z->bzalloc = take_memory;
    z->bzfree = give_memory;
    z->opaque = d;
    d->state = z;
    broken = false;
    return BZ2_bzDecompressInit(z, 0, 0) == BZ_OK;
}

static enum decode_result step(struct decode *d)
{
    bz_stream *z = d->state;
    unsigned in_len = d->in_len < IN_MAX ? (unsigned)d->in_len : IN_MAX,
             room = d->room < ROOM ? (unsigned)d->room : ROOM;
    z->next_in = (char *)(uintptr_t)d->in;
    z->avail_in = in_len;
    z->next_out = (char *)d->out;
    z->avail_out = room;
    int ret = BZ2_bzDecompress(z);
    d->in += in_len - z->avail_in;
    d->in_len -= in_len - z->avail_in;
    d->out += room - z->avail_out;
    d->room -= room - z->avail_out;
    return broken ? DECODE_DAMAGED : ret == BZ_OK ? DECODE_MORE : ret == BZ_STREAM_END ? DECODE_END : DECODE_DAMAGED;
}

const struct decoder decode_bzip2 = {.name = "bzip2", .room = ROOM, .needs = needs, .begin = begin, .step = step};
