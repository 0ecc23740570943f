/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The TCP or UDP checksum of a frame whose sender left it blank (Xen's csum_blank). Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum checksum_kind {
    CHECKSUM_NONE, /* no TCP or UDP in the frame, a fragment, or lengths that do not fit: it cannot be completed */
    CHECKSUM_IPV4,
    CHECKSUM_IPV6,
};

/* What a checksum that is blank would belong to. Reads nothing past LEN. */
enum checksum_kind checksum_find(const uint8_t *frame, uint32_t len);
/* Writes the right checksum. false: checksum_find says NONE; the frame is as it was. */
bool checksum_complete(uint8_t *frame, uint32_t len);
/* The one's complement sum of 16-bit words as they lie in memory, behind an odd last byte a zero. LEN is not negative. Also lwIP's. */
uint16_t checksum_sum(const void *data, int len);
