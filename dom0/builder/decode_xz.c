/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] XZ by liblzma: LZMA2 with the x86 filter, as Linux packs kernels; CRC32, CRC64, SHA-256 or no check. */
#include <lzma.h>

#include "dom0/builder/decode.h"

#define ROOM (64U << 10)
/* The library's own structs, beyond what it says that the filters take. */
#define STRUCTS (128U << 10)
/* Its options of a block's filters, while the head is looked at. */
#define OPTIONS_BYTES 1024U

static void *take_memory(void *opaque, size_t count, size_t size)
{
    return size != 0 && count > SIZE_MAX / size ? NULL : decode_work(opaque, count * size);
}

static void give_memory(void *opaque, void *p)
{
    (void)opaque;
    (void)p;
}

/* What the filters of the first block take; it holds the whole kernel. */
static size_t needs(const uint8_t *in, size_t len)
{
    uint8_t options[OPTIONS_BYTES] = {0};
    struct decode own = {.work = options, .work_len = sizeof(options)};
    const lzma_allocator allocator = {take_memory, give_memory, &own};
    lzma_stream_flags stream = {0};
    lzma_filter filters[LZMA_FILTERS_MAX + 1] = {{0}};
    lzma_block block = {.version = 1, .filters = filters};
    if (len <= LZMA_STREAM_HEADER_SIZE || lzma_stream_header_decode(&stream, in) != LZMA_OK ||
        in[LZMA_STREAM_HEADER_SIZE] == 0) {
        return 0;
    }
    block.check = stream.check;
    block.header_size = lzma_block_header_size_decode(in[LZMA_STREAM_HEADER_SIZE]);
    if (block.header_size > len - LZMA_STREAM_HEADER_SIZE) {
        return 0;
    }
    lzma_ret ret = lzma_block_header_decode(&block, &allocator, in + LZMA_STREAM_HEADER_SIZE);
    if (ret == LZMA_OPTIONS_ERROR) {
        return STRUCTS; /* an unknown filter: the first step tells */
    }
    if (ret != LZMA_OK) {
        return 0;
    }
    uint64_t bytes = lzma_raw_decoder_memusage(filters);
    return bytes > UINT32_MAX ? STRUCTS : (size_t)bytes + STRUCTS;
}

struct xz {
    lzma_allocator allocator;
    lzma_stream stream;
};

static bool begin(struct decode *d)
{
    struct xz *x = decode_work(d, sizeof(*x));
    if (x == NULL) {
        return false;
    }
    x->allocator = (lzma_allocator){take_memory, give_memory, d};
    x->stream.allocator = &x->allocator;
    d->state = x;
    return lzma_stream_decoder(&x->stream, UINT64_MAX, LZMA_TELL_UNSUPPORTED_CHECK) == LZMA_OK;
}

static enum decode_result step(struct decode *d)
{
    lzma_stream *s = &((struct xz *)d->state)->stream;
    s->next_in = d->in;
    s->avail_in = d->in_len;
    s->next_out = d->out;
    s->avail_out = d->room;
    lzma_ret ret = lzma_code(s, LZMA_RUN);
    d->in = s->next_in;
    d->in_len = s->avail_in;
    d->out = s->next_out;
    d->room = s->avail_out;
    if (ret == LZMA_OK || ret == LZMA_BUF_ERROR) {
        return DECODE_MORE;
    }
    bool unknown = ret == LZMA_OPTIONS_ERROR || ret == LZMA_UNSUPPORTED_CHECK || ret == LZMA_MEM_ERROR;
    return ret == LZMA_STREAM_END ? DECODE_END : unknown ? DECODE_UNKNOWN : DECODE_DAMAGED;
}

const struct decoder decode_xz = {.name = "XZ", .room = ROOM, .needs = needs, .begin = begin, .step = step};
