/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Every method that kernels are packed with: what the real tools packed comes out again, whole and in pieces;
 * what is cut or damaged never does; memory that is not there is told, and all of it goes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "dom0/builder/decode.h"
#include "dom0/builder/image.h"
#include "dom0/builder/kernel_cache.h"
#include "dom0/builder/unpack.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/thread.h"

static unsigned loans, yields, sections;
static size_t most_borrowed;
static bool no_memory, inside;

void *kernel_cache_borrow(size_t bytes)
{
    assert_false(inside); /* a preemptible section touches nothing shared */
    most_borrowed = bytes > most_borrowed ? bytes : most_borrowed;
    if (no_memory) {
        return NULL;
    }
    loans++;
    return calloc(1, bytes);
}
void memory_return(void *p, size_t bytes)
{
    (void)bytes;
    assert_false(inside);
    loans -= p != NULL;
    free(p);
}
void thread_yield(void) { yields++; }
void thread_preemptible(bool on)
{
    assert_true(on != inside);
    inside = on;
    sections += on;
}

/* ---- what is packed: this test's own code, some noise, some zeros ---- */

static uint8_t *plain;
static size_t plain_len;

static void make_plain(void)
{
    size_t cap = 5U << 20;
    plain = calloc(1, cap);
    FILE *f = fopen("/proc/self/exe", "rb");
    assert_non_null(f);
    plain_len = fread(plain, 1, 700000, f);
    fclose(f);
    assert_true(plain_len > 100000);
    uint32_t x = 1;
    for (unsigned i = 0; i < 100000; i++) {
        x = x * 1664525U + 1013904223U;
        plain[plain_len++] = (uint8_t)(x >> 24);
    }
    plain_len += 300000;
}

static const struct method {
    const char *name, *command;
    bool checked; /* a checksum covers what comes out */
} methods[] = {
    {"XZ", "xz --check=crc32 --x86 --lzma2=dict=32MiB", true},
    {"XZ", "xz -6", true},
    {"XZ", "xz --check=sha256 -1 --block-size=262144", true},
    {"XZ", "xz --check=none -1", false},
    {"gzip", "gzip -n -9", true},
    {"gzip", "gzip -1", true},
    {"bzip2", "bzip2 -9", true},
    {"bzip2", "bzip2 -1", true},
    {"zstd", "zstd -q --ultra -22", true},
    {"zstd", "zstd -q -1 --no-check", false},
    {"LZ4", "lz4 -q -l -9", false},
    {"LZ4", "lz4 -q -l -1", false},
};
#define METHODS (sizeof(methods) / sizeof(methods[0]))

struct bytes {
    uint8_t *data;
    size_t len;
};

/* What COMMAND makes of DATA, as its standard input and output. */
static struct bytes filter(const char *command, const uint8_t *data, size_t len)
{
    char in[] = "/tmp/corbel-plain-XXXXXX", line[300];
    int fd = mkstemp(in);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), len);
    close(fd);
    snprintf(line, sizeof(line), "%s -c < %s", command, in);
    FILE *f = popen(line, "r");
    assert_non_null(f);
    struct bytes out = {malloc(2 * len + 4096), 0};
    out.len = fread(out.data, 1, 2 * len + 4096, f);
    if (pclose(f) != 0 || out.len == 0) {
        fail_msg("%s failed: is it installed?", line);
    }
    unlink(in);
    out.data = realloc(out.data, out.len); /* exact: a byte behind it is an ASan error */
    return out;
}

static struct bytes packed[METHODS];

/* ---- running ---- */

static struct {
    uint8_t *data;
    size_t len, stop_at;
    uint64_t limit;
} got;

static bool sink(void *ctx, const uint8_t *data, size_t len)
{
    assert_ptr_equal(ctx, &got);
    assert_false(inside);
    assert_true(len > 0 && got.len + len <= got.limit);
    assert_true(got.len > 0 || len == got.limit || len >= 8192); /* the head comes in one piece */
    memcpy(got.data + got.len, data, len);
    got.len += len;
    return got.stop_at == 0 || got.len < got.stop_at;
}

static enum unpack_result run(const char *name, const uint8_t *data, size_t len, uint64_t total, bool whole)
{
    struct unpack u = {
        .decoder = decoder_find(name), .packed = data, .packed_len = len, .total = total, .sink = sink, .ctx = &got};
    u.whole = whole ? malloc(total + 1) : NULL; /* exact, too */
    got.data = malloc(total + 1);
    got.len = 0;
    got.limit = total;
    uint64_t need = 0;
    most_borrowed = 0;
    assert_non_null(u.decoder);
    enum unpack_result r = unpack(&u, &need);
    assert_int_equal(loans, 0);
    assert_false(inside);
    if (r == UNPACK_NO_MEMORY) {
        assert_int_equal(need, most_borrowed);
    }
    if (r == UNPACK_OK) {
        assert_int_equal(got.len, total);
        if (whole) {
            assert_memory_equal(u.whole, got.data, total);
        }
    }
    free(u.whole);
    return r;
}

static void done(void) { free(got.data); }

static void unpacks(void **state)
{
    (void)state;
    for (size_t i = 0; i < METHODS; i++) {
        assert_string_equal(image_compression(packed[i].data), methods[i].name);
        for (int whole = 0; whole < 2; whole++) {
            yields = sections = 0;
            enum unpack_result r = run(methods[i].name, packed[i].data, packed[i].len, plain_len, whole);
            if (r != UNPACK_OK) {
                fail_msg("%s: %d", methods[i].command, r);
            }
            assert_memory_equal(got.data, plain, plain_len);
            done();
            /* Not in one go: others run between (LZ4's smallest unit is a block of 8 MiB). */
            bool lz4 = strcmp(methods[i].name, "LZ4") == 0;
            assert_true(yields >= (lz4 ? 1U : plain_len / (256U << 10)));
            assert_in_range(sections, yields, yields + 1);
        }
        /* What it takes beside the kernel itself. */
        run(methods[i].name, packed[i].data, packed[i].len, plain_len, true);
        done();
        assert_true(most_borrowed <= (34U << 20));
    }
}

static void small_ones(void **state)
{
    (void)state;
    for (size_t i = 0; i < METHODS; i++) {
        struct bytes z = filter(methods[i].command, (const uint8_t *)"kernel", 6);
        assert_int_equal(run(methods[i].name, z.data, z.len, 6, i % 2), UNPACK_OK);
        assert_memory_equal(got.data, "kernel", 6);
        done();
        free(z.data);
    }
}

/* A copy of the exact length, so that ASan sees each byte that is read behind it. */
static uint8_t *copy_of(const uint8_t *data, size_t len)
{
    uint8_t *c = malloc(len + (len == 0));
    memcpy(c, data, len);
    return c;
}

static void cut_off(void **state)
{
    (void)state;
    for (size_t i = 0; i < METHODS; i++) {
        for (size_t n = 0; n < 40; n++) {
            /* In the head byte by byte, then through the whole of it. */
            size_t len = n < 30 ? n : packed[i].len / 10 * (n - 30) + 40;
            len = n == 39 ? packed[i].len - 1 : len;
            uint8_t *c = copy_of(packed[i].data, len);
            enum unpack_result r = run(methods[i].name, c, len, plain_len, n % 2);
            if (r != UNPACK_DAMAGED && r != UNPACK_LENGTH) {
                fail_msg("%s cut at %zu: %d", methods[i].command, len, r);
            }
            done();
            free(c);
        }
    }
}

static void damaged(void **state)
{
    (void)state;
    for (size_t i = 0; i < METHODS; i++) {
        unsigned refused = 0;
        for (size_t n = 0; n < 64; n++) {
            size_t at = n < 32 ? n : packed[i].len / 32 * (n - 32);
            uint8_t *c = copy_of(packed[i].data, packed[i].len);
            c[at] ^= (uint8_t)(1U << (n * 5 % 8));
            enum unpack_result r = run(methods[i].name, c, packed[i].len, plain_len, n % 2);
            refused += r != UNPACK_OK;
            if (r == UNPACK_OK && methods[i].checked) {
                assert_memory_equal(got.data, plain, plain_len); /* a byte without meaning, such as gzip's date */
            }
            done();
            free(c);
        }
        assert_true(refused >= (methods[i].checked ? 50U : 4U));
    }
}

static void wrong_lengths(void **state)
{
    (void)state;
    for (size_t i = 0; i < METHODS; i++) {
        for (int whole = 0; whole < 2; whole++) {
            assert_int_equal(run(methods[i].name, packed[i].data, packed[i].len, plain_len + 1, whole), UNPACK_LENGTH);
            done();
            enum unpack_result r = run(methods[i].name, packed[i].data, packed[i].len, plain_len - 1, whole);
            assert_true(r == UNPACK_LENGTH || r == UNPACK_DAMAGED);
            done();
            r = run(methods[i].name, packed[i].data, packed[i].len, 1, whole);
            assert_true(r == UNPACK_LENGTH || r == UNPACK_DAMAGED);
            done();
        }
    }
}

static void stops_and_shortages(void **state)
{
    (void)state;
    for (size_t i = 0; i < METHODS; i++) {
        got.stop_at = 1;
        assert_int_equal(run(methods[i].name, packed[i].data, packed[i].len, plain_len, i % 2), UNPACK_STOPPED);
        got.stop_at = 0;
        done();
        no_memory = true;
        assert_int_equal(run(methods[i].name, packed[i].data, packed[i].len, plain_len, i % 2), UNPACK_NO_MEMORY);
        assert_true(most_borrowed > 0);
        no_memory = false;
        done();
    }
}

static void unknown_ways(void **state)
{
    (void)state;
    /* A filter for another machine; a dictionary of 1 GiB is only a matter of memory. */
    struct bytes z = filter("xz --check=crc32 --arm --lzma2=dict=1MiB", plain, plain_len);
    assert_int_equal(run("XZ", z.data, z.len, plain_len, true), UNPACK_UNKNOWN);
    done();
    free(z.data);
    z = filter("xz --check=crc32 --lzma2=preset=0,dict=1GiB", plain, 100000);
    no_memory = true;
    assert_int_equal(run("XZ", z.data, z.len, 100000, true), UNPACK_NO_MEMORY);
    assert_in_range(most_borrowed, 1U << 30, (1U << 30) + (1U << 20));
    no_memory = false;
    done();
    free(z.data);
    assert_null(decoder_find("LZMA"));
    assert_null(decoder_find("LZO"));
}

static int setup(void **state)
{
    (void)state;
    make_plain();
    for (size_t i = 0; i < METHODS; i++) {
        packed[i] = filter(methods[i].command, plain, plain_len);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(plain);
    for (size_t i = 0; i < METHODS; i++) {
        free(packed[i].data);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unpacks),      cmocka_unit_test(small_ones),    cmocka_unit_test(cut_off),
        cmocka_unit_test(damaged),      cmocka_unit_test(wrong_lengths), cmocka_unit_test(stops_and_shortages),
        cmocka_unit_test(unknown_ways),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
