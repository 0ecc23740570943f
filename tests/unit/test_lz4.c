/* SPDX-License-Identifier: Apache-2.0
 * [HOST] The LZ4 legacy frame with a stand-in for the block decoder (a block is {count, byte}: COUNT times BYTE). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "dom0/builder/lz4_legacy.h"

struct run {
    uint8_t data[256];
    size_t len;
    uint8_t out[256];
    size_t out_len;
    bool read_fails, sink_fails;
};

static const uint8_t *run_read(void *ctx, uint64_t off, uint32_t len)
{
    struct run *r = ctx;
    assert_true(off <= r->len && len <= r->len - off); /* the framing never asks for more than there is */
    return r->read_fails ? NULL : r->data + off;
}

static int run_decode(void *ctx, const uint8_t *src, uint32_t len, uint8_t *dst, uint32_t dst_len)
{
    (void)ctx;
    assert_int_equal(dst_len, LZ4_LEGACY_BLOCK);
    if (len != 2 || src[0] == 0xff) {
        return -1;
    }
    memset(dst, src[1], src[0]);
    return src[0];
}

static bool run_sink(void *ctx, const uint8_t *data, uint32_t len)
{
    struct run *r = ctx;
    memcpy(r->out + r->out_len, data, len);
    r->out_len += len;
    return !r->sink_fails;
}

static enum lz4_legacy_result go(struct run *r)
{
    static uint8_t block[LZ4_LEGACY_BLOCK];
    struct lz4_legacy_io io = {.ctx = r, .read = run_read, .decode = run_decode, .sink = run_sink, .block = block};
    uint64_t done;
    enum lz4_legacy_result result = lz4_legacy_unpack(&io, r->len, &done);
    if (result == LZ4_LEGACY_OK) {
        assert_int_equal(done, r->out_len);
    }
    return result;
}

static void word(struct run *r, uint32_t v)
{
    memcpy(r->data + r->len, &v, 4);
    r->len += 4;
}
static void block_of(struct run *r, uint8_t count, uint8_t byte)
{
    word(r, 2);
    r->data[r->len++] = count;
    r->data[r->len++] = byte;
}

static void unpacks(void **state)
{
    (void)state;
    struct run r = {0};
    word(&r, LZ4_LEGACY_MAGIC);
    block_of(&r, 3, 'a');
    block_of(&r, 2, 'b');
    assert_int_equal(go(&r), LZ4_LEGACY_OK);
    assert_memory_equal(r.out, "aaabb", 5);
    /* Joined frames. */
    r.out_len = 0;
    word(&r, LZ4_LEGACY_MAGIC);
    block_of(&r, 1, 'c');
    assert_int_equal(go(&r), LZ4_LEGACY_OK);
    assert_memory_equal(r.out, "aaabbc", 6);
}

static void refuses(void **state)
{
    (void)state;
    struct run r = {0};
    assert_int_equal(go(&r), LZ4_LEGACY_DAMAGED); /* empty */
    block_of(&r, 3, 'a');
    assert_int_equal(go(&r), LZ4_LEGACY_DAMAGED); /* no magic */
    static const uint32_t lengths[] = {0, 1, 3, 100, LZ4_LEGACY_PACKED_MAX, LZ4_LEGACY_PACKED_MAX + 1, 0xffffffff};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        r = (struct run){0};
        word(&r, LZ4_LEGACY_MAGIC);
        word(&r, lengths[i]);
        r.len += 2;
        assert_int_equal(go(&r), LZ4_LEGACY_DAMAGED);
    }
    for (size_t cut = 1; cut < 10; cut++) { /* cut anywhere but after the magic */
        r = (struct run){0};
        word(&r, LZ4_LEGACY_MAGIC);
        block_of(&r, 3, 'a');
        r.len = cut;
        assert_int_equal(go(&r), cut == 4 ? LZ4_LEGACY_OK : LZ4_LEGACY_DAMAGED);
    }
    r = (struct run){0};
    word(&r, LZ4_LEGACY_MAGIC);
    block_of(&r, 0xff, 'a'); /* the decoder says no */
    assert_int_equal(go(&r), LZ4_LEGACY_DAMAGED);
    r = (struct run){0};
    word(&r, LZ4_LEGACY_MAGIC);
    block_of(&r, 1, 'a');
    r.sink_fails = true;
    assert_int_equal(go(&r), LZ4_LEGACY_IO);
    r.read_fails = true;
    assert_int_equal(go(&r), LZ4_LEGACY_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(unpacks), cmocka_unit_test(refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
