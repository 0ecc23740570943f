/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The LZ4 legacy frame, as Linux packs kernels (the LZ4 project's frame format description, "Legacy frame"):
 * magic, then blocks of {u32 packed length, data}, each at most 8 MiB when unpacked. It has no mark at the end and no
 * checksum. */
#include "dom0/builder/decode.h"

/* Of the LZ4 library. */
int LZ4_decompress_safe(const char *src, char *dst, int src_len, int dst_len);

#define MAGIC 0x184c2102U
#define BLOCK (8U << 20)
/* The longest that a block of incompressible data gets. */
#define PACKED_MAX (BLOCK + BLOCK / 255U + 16U)

static uint32_t le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static size_t needs(const uint8_t *in, size_t len) { return len >= 4 && le32(in) == MAGIC ? 1 : 0; }

static bool begin(struct decode *d)
{
    (void)d;
    return true;
}

static void take(struct decode *d, size_t n)
{
    d->in += n;
    d->in_len -= n;
}

static enum decode_result step(struct decode *d)
{
    while (d->in_len >= 4 && le32(d->in) == MAGIC) { /* the first word, and again where frames were joined */
        take(d, 4);
    }
    if (d->in_len == 0) {
        return DECODE_END;
    }
    uint32_t packed = d->in_len < 4 ? 0 : le32(d->in);
    if (packed == 0 || packed > PACKED_MAX || packed > d->in_len - 4U) {
        return DECODE_DAMAGED;
    }
    size_t room = d->room < BLOCK ? d->room : BLOCK;
    int n = LZ4_decompress_safe((const char *)d->in + 4, (char *)d->out, (int)packed, (int)room);
    if (n <= 0 || (size_t)n > room) {
        return DECODE_DAMAGED;
    }
    take(d, 4U + packed);
    d->out += n;
    d->room -= (size_t)n;
    return DECODE_MORE;
}

const struct decoder decode_lz4 = {.name = "LZ4", .room = BLOCK, .needs = needs, .begin = begin, .step = step};
