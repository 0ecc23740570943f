/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Little-endian numbers of any alignment in what is read from a disk and written to it. */
#pragma once

#include <stdint.h>

static inline uint16_t bytes_le16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }

static inline uint32_t bytes_le32(const uint8_t *p) { return bytes_le16(p) | (uint32_t)bytes_le16(p + 2) << 16; }

static inline uint64_t bytes_le64(const uint8_t *p) { return bytes_le32(p) | (uint64_t)bytes_le32(p + 4) << 32; }

static inline void bytes_put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v & 0xffU);
    p[1] = (uint8_t)(v >> 8 & 0xffU);
}

static inline void bytes_put32(uint8_t *p, uint32_t v)
{
    bytes_put16(p, v);
    bytes_put16(p + 2, v >> 16);
}
