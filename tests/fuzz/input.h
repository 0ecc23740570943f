/* SPDX-License-Identifier: Apache-2.0
 * [HOST] An input that a fuzzer takes byte by byte; behind its end are zeros. */
#pragma once

#include <stddef.h>
#include <stdint.h>

static struct { const uint8_t *p; size_t len; } in;
static uint8_t next(void)
{
    if (in.len == 0)
        return 0;
    in.len--;
    return *in.p++;
}
static uint64_t raw(size_t bytes)
{
    uint64_t n = 0;
    while (bytes-- > 0)
        n = n << 8 | next();
    return n;
}
