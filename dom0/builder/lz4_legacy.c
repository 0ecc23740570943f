/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The LZ4 legacy frame (the LZ4 project's frame format description, "Legacy frame"). */
#include "dom0/builder/lz4_legacy.h"

static uint32_t le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

enum lz4_legacy_result lz4_legacy_unpack(const struct lz4_legacy_io *io, uint64_t len, uint64_t *done)
{
    *done = 0;
    uint64_t off = 0;
    bool magic_seen = false;
    while (off < len) {
        if (len - off < 4) {
            return LZ4_LEGACY_DAMAGED;
        }
        const uint8_t *p = io->read(io->ctx, off, 4);
        if (p == NULL) {
            return LZ4_LEGACY_IO;
        }
        uint32_t packed = le32(p);
        off += 4;
        if (packed == LZ4_LEGACY_MAGIC) { /* the first word, and again where frames were joined */
            magic_seen = true;
            continue;
        }
        if (!magic_seen || packed == 0 || packed > LZ4_LEGACY_PACKED_MAX || packed > len - off) {
            return LZ4_LEGACY_DAMAGED;
        }
        p = io->read(io->ctx, off, packed);
        if (p == NULL) {
            return LZ4_LEGACY_IO;
        }
        int n = io->decode(io->ctx, p, packed, io->block, LZ4_LEGACY_BLOCK);
        if (n <= 0 || (uint32_t)n > LZ4_LEGACY_BLOCK) {
            return LZ4_LEGACY_DAMAGED;
        }
        *done += (uint32_t)n;
        if (!io->sink(io->ctx, io->block, (uint32_t)n)) {
            return LZ4_LEGACY_IO;
        }
        off += packed;
    }
    return magic_seen ? LZ4_LEGACY_OK : LZ4_LEGACY_DAMAGED;
}
