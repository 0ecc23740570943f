/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Fuzzing the decoders of packed kernels and what joins them to Dom0. Input: which decoder, how (bit 0: with a
 * place for the whole), three bytes of length, packed bytes. No more may come out than was announced, all loans go
 * back, and what is good comes out the same both ways. The first run makes its own seeds with the real tools. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <sanitizer/asan_interface.h>

#include "dom0/builder/decode.h"
#include "dom0/builder/image.h"
#include "dom0/builder/kernel_cache.h"
#include "dom0/builder/unpack.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/thread.h"

#define LOAN_MAX  (48U << 20)
#define TOTAL_MAX (1U << 20)

static const char *const names[] = {"LZ4", "XZ", "gzip", "zstd", "bzip2"};
static unsigned loans;
static bool inside;

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "fuzz_decode: %s\n", what);
        abort();
    }
}

/* Large blocks come out of pens that live for ever, for ASan marks each byte of what malloc() gives. A block begins behind poison and ends at poison, is zero,
 * and its beginning is poisoned when it has been given back. */
#define GUARD 4096U
#define SMALL (64U << 10)
struct pen { uint8_t *mem, *block, *last; size_t size, used; };
static struct pen loan_pen = {.size = LOAN_MAX}, whole_pen = {.size = TOTAL_MAX + 1U};

static void *take(struct pen *p, size_t bytes)
{
    if (p->mem == NULL) {
        p->mem = mmap(NULL, GUARD + p->size + GUARD, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        must(p->mem != MAP_FAILED && madvise(p->mem, GUARD + p->size + GUARD, MADV_NOHUGEPAGE) == 0, "no memory for the fuzzer");
    }
    must(p->block == NULL && bytes <= p->size, "two blocks");
    if (p->last != NULL) {
        ASAN_UNPOISON_MEMORY_REGION(p->last, p->used < SMALL ? p->used : SMALL);
    }
    uint8_t *end = p->mem + GUARD + p->size;
    p->block = (uint8_t *)((uintptr_t)(end - bytes) & ~(uintptr_t)15);
    p->used = bytes;
    ASAN_POISON_MEMORY_REGION(p->block - GUARD, GUARD);
    ASAN_POISON_MEMORY_REGION(p->block + bytes, (size_t)(end + GUARD - p->block) - bytes);
    return p->block;
}

static void give(struct pen *p, void *block)
{
    if (block == NULL) {
        return;
    }
    must(block == p->block, "gives back what it was not given");
    ASAN_UNPOISON_MEMORY_REGION(p->block - GUARD, GUARD);
    size_t by_hand = p->used < SMALL ? p->used : -(uintptr_t)p->block & 4095U;
    memset(p->block, 0, by_hand);
    if (by_hand < p->used) { /* whole pages, of which few have been written */
        uint8_t *pages = p->block + by_hand;
        must(madvise(pages, (size_t)(p->mem + GUARD + p->size - pages), MADV_DONTNEED) == 0, "memory does not become zero");
    }
    ASAN_UNPOISON_MEMORY_REGION(p->block + p->used, (size_t)(p->mem + p->size + 2 * GUARD - p->block) - p->used);
    ASAN_POISON_MEMORY_REGION(p->block, p->used < SMALL ? p->used : SMALL);
    p->last = p->block;
    p->block = NULL;
}

void *kernel_cache_borrow(size_t bytes)
{
    must(!inside, "borrowed inside a preemptible section");
    void *p = bytes > LOAN_MAX ? NULL : take(&loan_pen, bytes);
    loans += p != NULL;
    return p;
}
void memory_return(void *p, size_t bytes)
{
    (void)bytes;
    loans -= p != NULL;
    give(&loan_pen, p);
}
void thread_yield(void) { must(!inside, "yield inside a preemptible section"); }
void thread_preemptible(bool on) { inside = on; }

struct out {
    uint64_t len, limit;
    uint32_t sum;
};

static bool sink(void *ctx, const uint8_t *data, size_t len)
{
    struct out *o = ctx;
    must(len > 0 && o->len + len <= o->limit, "more than was announced");
    for (size_t i = 0; i < len; i++) {
        o->sum = o->sum * 31U + data[i];
    }
    o->len += len;
    return true;
}

static enum unpack_result run(const char *name, const uint8_t *data, size_t len, uint64_t total, bool whole,
                              struct out *o)
{
    *o = (struct out){.limit = total};
    struct unpack u = {
        .decoder = decoder_find(name), .packed = data, .packed_len = len, .total = total, .sink = sink, .ctx = o};
    u.whole = whole ? take(&whole_pen, total + 1) : NULL;
    uint64_t need = 0;
    enum unpack_result r = unpack(&u, &need);
    must(loans == 0 && !inside, "a loan was kept");
    must(r != UNPACK_OK || o->len == total, "length");
    must(r != UNPACK_STOPPED, "nobody stopped it");
    must(r != UNPACK_NO_MEMORY || need > LOAN_MAX, "there was memory");
    give(&whole_pen, u.whole);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 5) {
        return 0;
    }
    const char *name = names[data[0] % 5];
    uint64_t total = ((uint64_t)data[2] | (uint64_t)data[3] << 8 | (uint64_t)data[4] << 16) % TOTAL_MAX + 1U;
    struct out a, b;
    enum unpack_result r = run(name, data + 5, size - 5, total, data[1] & 1, &a);
    if (r == UNPACK_OK) {
        must(run(name, data + 5, size - 5, total, !(data[1] & 1), &b) == UNPACK_OK && a.sum == b.sum,
             "two ways, two kernels");
    }
    return 0;
}

static void seed(const char *folder, unsigned method, unsigned n, const char *command)
{
    char line[600], path[500];
    uint8_t head[5] = {(uint8_t)method, (uint8_t)n, 0x9f, 0x0f, 0};
    snprintf(path, sizeof(path), "%s/seed-%s-%u", folder, names[method], n);
    FILE *f = fopen(path, "wb");
    if (f == NULL) {
        return;
    }
    fwrite(head, 1, sizeof(head), f);
    fclose(f);
    snprintf(line, sizeof(line), "head -c 4000 /proc/self/exe | %s -c >> '%s'", command, path);
    must(system(line) == 0, line);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct stat st;
    const char *folder = (*argv)[*argc - 1];
    if (*argc > 1 && folder[0] != '-' && stat(folder, &st) == 0 && S_ISDIR(st.st_mode)) {
        seed(folder, 0, 0, "lz4 -q -l -9");
        seed(folder, 1, 0, "xz --check=crc32 --x86 --lzma2=dict=32MiB");
        seed(folder, 1, 1, "xz --check=none -0");
        seed(folder, 2, 0, "gzip -9");
        seed(folder, 2, 1, "gzip -1");
        seed(folder, 3, 0, "zstd -q -19");
        seed(folder, 3, 1, "zstd -q -1 --no-check");
        seed(folder, 4, 0, "bzip2 -1");
    }
    return 0;
}
