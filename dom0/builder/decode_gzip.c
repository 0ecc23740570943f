/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] gzip by zlib. */
#include <zlib.h>

#include "dom0/builder/decode.h"

#define ROOM       (64U << 10)
#define WORK_BYTES (64U << 10) /* the window of 32 KiB, tables, structs */
#define IN_MAX     (1U << 30)  /* zlib counts with 32 bits */
#define GZIP_ONLY  (16 + MAX_WBITS)

static voidpf take_memory(voidpf opaque, uInt count, uInt size) { return decode_work(opaque, (size_t)count * size); }

static void give_memory(voidpf opaque, voidpf p)
{
    (void)opaque;
    (void)p;
}

static size_t needs(const uint8_t *in, size_t len)
{
    (void)in;
    return len < 2 ? 0 : WORK_BYTES;
}

static bool begin(struct decode *d)
{
    z_stream *z = decode_work(d, sizeof(*z));
    if (z == NULL) {
        return false;
    }
    z->zalloc = take_memory;
    z->zfree = give_memory;
    z->opaque = d;
    d->state = z;
    return inflateInit2(z, GZIP_ONLY) == Z_OK;
}

static enum decode_result step(struct decode *d)
{
    z_stream *z = d->state;
    uInt in_len = d->in_len < IN_MAX ? (uInt)d->in_len : IN_MAX, room = d->room < ROOM ? (uInt)d->room : ROOM;
    z->next_in = (z_const Bytef *)(uintptr_t)d->in;
    z->avail_in = in_len;
    z->next_out = d->out;
    z->avail_out = room;
    int ret = inflate(z, Z_NO_FLUSH);
    d->in += in_len - z->avail_in;
    d->in_len -= in_len - z->avail_in;
    d->out += room - z->avail_out;
    d->room -= room - z->avail_out;
    return ret == Z_OK || ret == Z_BUF_ERROR ? DECODE_MORE : ret == Z_STREAM_END ? DECODE_END : DECODE_DAMAGED;
}

const struct decoder decode_gzip = {
    .name = "gzip", .room = ROOM, .has_length = true, .needs = needs, .begin = begin, .step = step};
