/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Unpacks a kernel that lies packed in memory, with borrowed memory that is given back on every path. Other
 * threads run meanwhile. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0/builder/decode.h"

enum unpack_result {
    UNPACK_OK,
    UNPACK_DAMAGED,
    UNPACK_LENGTH,    /* it is longer or shorter than TOTAL */
    UNPACK_UNKNOWN,   /* packed in a way that the decoder does not know */
    UNPACK_NO_MEMORY, /* *NEED bytes in all are not there */
    UNPACK_STOPPED,   /* SINK said so */
};

struct unpack {
    const struct decoder *decoder;
    const uint8_t *packed;
    size_t packed_len;
    uint64_t total; /* so long it should be when it is unpacked */
    uint8_t *whole; /* TOTAL + 1 bytes that shall hold all of it in the end; NULL: there is no memory for that */
    /* The next unpacked bytes, in order. */
    bool (*sink)(void *ctx, const uint8_t *data, size_t len);
    void *ctx;
};

enum unpack_result unpack(const struct unpack *u, uint64_t *need);
