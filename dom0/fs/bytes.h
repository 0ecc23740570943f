/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Little-endian numbers of any alignment in what was read from a disk. */
#pragma once

#include <stdint.h>

static inline uint16_t bytes_le16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }

static inline uint32_t bytes_le32(const uint8_t *p) { return bytes_le16(p) | (uint32_t)bytes_le16(p + 2) << 16; }

static inline uint64_t bytes_le64(const uint8_t *p) { return bytes_le32(p) | (uint64_t)bytes_le32(p + 4) << 32; }
