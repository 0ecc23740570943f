/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The LZ4 legacy frame, as Linux packs kernels: magic, then blocks of {u32 compressed length, data}, each at
 * most 8 MiB when unpacked. Pure: input, decoder and output are functions of the caller. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LZ4_LEGACY_MAGIC 0x184c2102U
#define LZ4_LEGACY_BLOCK (8U << 20)
/* The longest that a block of incompressible data gets. */
#define LZ4_LEGACY_PACKED_MAX (LZ4_LEGACY_BLOCK + LZ4_LEGACY_BLOCK / 255U + 16U)

struct lz4_legacy_io {
    void *ctx;
    /* LEN bytes at OFF of the payload, valid until the next call; NULL: failed, the caller knows why. */
    const uint8_t *(*read)(void *ctx, uint64_t off, uint32_t len);
    /* One raw LZ4 block; the unpacked length, negative: damaged. */
    int (*decode)(void *ctx, const uint8_t *src, uint32_t len, uint8_t *dst, uint32_t dst_len);
    /* The next unpacked bytes. false: failed, the caller knows why. */
    bool (*sink)(void *ctx, const uint8_t *data, uint32_t len);
    uint8_t *block; /* LZ4_LEGACY_BLOCK bytes */
};

enum lz4_legacy_result { LZ4_LEGACY_OK, LZ4_LEGACY_DAMAGED, LZ4_LEGACY_IO };

/* Unpacks a payload of LEN bytes; *DONE: how many bytes came out. LZ4_LEGACY_IO: read or sink failed. */
enum lz4_legacy_result lz4_legacy_unpack(const struct lz4_legacy_io *io, uint64_t len, uint64_t *done);
