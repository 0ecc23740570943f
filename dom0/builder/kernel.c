/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Loading the files of a guest. Unpacked bytes pass by once: head -> plan, segments -> guest memory, notes ->
 * entry. Nothing holds a whole kernel. */
#include "dom0/builder/kernel.h"

#include "dom0/builder/image.h"
#include "dom0/builder/lz4_legacy.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/thread.h"
#include "dom0/lib/string.h"

#define STAGING_BYTES (128U << 10) /* so much is moved at a time, then other threads run */
#define STEP_BYTES    (1U << 20)   /* so often the operator hears of progress */

/* Of the LZ4 library. */
int LZ4_decompress_safe(const char *src, char *dst, int src_len, int dst_len);

static bool kernel_error(struct build *b, const char *why)
{
    return error_set(b->e, EXIT_FAILED, "kernel %s: %s", b->r->kernel_path, why);
}

bool build_progress(struct build *b, const char *what, uint64_t done, uint64_t total)
{
    thread_yield();
    if (done - b->reported < STEP_BYTES && done != total) {
        return true;
    }
    b->reported = done;
    if (b->r->progress != NULL && !b->r->progress(b->r->ctx, what, done, total)) {
        return error_set(b->e, EXIT_FAILED, "%s: loading was stopped at %lu of %lu KiB: start it again when ready",
                         what, done >> 10, total >> 10);
    }
    return true;
}

/* Exactly LEN bytes at OFF into BUF. */
static bool read_exact(struct build *b, struct file *f, const char *path, uint64_t off, void *buf, size_t len)
{
    size_t got = 0;
    if (!file_read(f, off, buf, len, &got, b->e)) {
        return false;
    }
    return got == len ? true
                      : error_set(b->e, EXIT_FAILED,
                                  "%s: it ended early while it was read: was it replaced meanwhile? try again", path);
}

static bool place(void *ctx, uint64_t gpa, const void *data, size_t len)
{
    struct build *b = ctx;
    return guest_memory_write(&b->memory, gpa, data, len, b->e);
}

/* The head of the unpacked stream: plan segments and layout, before anything is written to the guest. */
static bool plan(struct build *b, const uint8_t *head, size_t len, uint64_t stream_len)
{
    char text[160];
    const char *why = elf_plan_make(head, len, stream_len, &b->plan);
    if (why == NULL) {
        why = guest_layout_plan(&b->plan, &b->layout, text, sizeof(text));
    }
    if (why != NULL) {
        return kernel_error(b, why);
    }
    b->notes = heap_alloc(b->plan.note_bytes + 1U);
    return b->notes != NULL
               ? true
               : error_set(b->e, EXIT_NO_RESOURCE, "kernel: Dom0 has no memory left: close other work and try again");
}

/* The next unpacked bytes, in order; TOTAL is the stream's length. */
static bool stream(struct build *b, const uint8_t *data, size_t len, uint64_t total)
{
    if (b->stream_off == 0 && !plan(b, data, len < ELF_PLAN_HEAD_BYTES ? len : ELF_PLAN_HEAD_BYTES, total)) {
        return false;
    }
    while (len > 0) {
        size_t n = len < STAGING_BYTES ? len : STAGING_BYTES;
        if (!elf_plan_feed(&b->plan, b->stream_off, data, n, b->notes, place, b)) {
            return false;
        }
        b->stream_off += n;
        data += n;
        len -= n;
        if (!build_progress(b, "kernel", b->stream_off < total ? b->stream_off : total, total)) {
            return false;
        }
    }
    return true;
}

static bool stream_end(struct build *b, uint64_t expected)
{
    if (b->stream_off != expected) {
        return kernel_error(b, "the packed kernel has another length than it says: copy the file again");
    }
    const char *why = elf_plan_entry(&b->plan, b->notes, &b->entry);
    return why == NULL ? true : kernel_error(b, why);
}

static bool load_elf(struct build *b)
{
    uint64_t size = file_size(b->r->kernel);
    const uint8_t *memory = file_memory(b->r->kernel);
    if (memory != NULL) {
        return stream(b, memory, size, size) && stream_end(b, size);
    }
    for (uint64_t off = 0; off < size;) {
        size_t n = size - off < STAGING_BYTES ? (size_t)(size - off) : STAGING_BYTES;
        if (!read_exact(b, b->r->kernel, b->r->kernel_path, off, b->staging, n) || !stream(b, b->staging, n, size)) {
            return false;
        }
        off += n;
    }
    return stream_end(b, size);
}

/* ---- bzImage with LZ4 ------------------------------------------------------------------------- */

struct unpack {
    struct build *b;
    const uint8_t *memory; /* of the payload, or NULL */
    uint8_t *packed;       /* LZ4_LEGACY_PACKED_MAX, when not in memory */
    uint64_t payload_off, total;
};

static const uint8_t *unpack_read(void *ctx, uint64_t off, uint32_t len)
{
    struct unpack *u = ctx;
    if (u->memory != NULL) {
        return u->memory + off;
    }
    /* Through the staging buffer: borrowed memory is not for DMA. */
    for (uint32_t done = 0; done < len;) {
        uint32_t n = len - done < STAGING_BYTES ? len - done : STAGING_BYTES;
        if (!read_exact(u->b, u->b->r->kernel, u->b->r->kernel_path, u->payload_off + off + done, u->b->staging, n)) {
            return NULL;
        }
        memcpy(u->packed + done, u->b->staging, n);
        done += n;
    }
    return u->packed;
}

static int unpack_decode(void *ctx, const uint8_t *src, uint32_t len, uint8_t *dst, uint32_t dst_len)
{
    (void)ctx;
    /* Pure computation on this thread's own buffers, tens of milliseconds long. */
    thread_preemptible(true);
    int n = LZ4_decompress_safe((const char *)src, (char *)dst, (int)len, (int)dst_len);
    thread_preemptible(false);
    return n;
}

static bool unpack_sink(void *ctx, const uint8_t *data, uint32_t len)
{
    struct unpack *u = ctx;
    return stream(u->b, data, len, u->total);
}

static bool unpack(struct unpack *u, uint64_t payload_len)
{
    struct build *b = u->b;
    uint8_t *block = memory_borrow(LZ4_LEGACY_BLOCK);
    u->packed = u->memory != NULL ? NULL : memory_borrow(LZ4_LEGACY_PACKED_MAX);
    bool ok = false;
    if (block == NULL || (u->memory == NULL && u->packed == NULL)) {
        error_set(b->e, EXIT_NO_RESOURCE, "kernel %s: no 18 MiB of free memory to unpack it: destroy a guest first",
                  b->r->kernel_path);
    } else {
        struct lz4_legacy_io io = {
            .ctx = u, .read = unpack_read, .decode = unpack_decode, .sink = unpack_sink, .block = block};
        uint64_t done;
        enum lz4_legacy_result result = lz4_legacy_unpack(&io, payload_len, &done);
        ok = result == LZ4_LEGACY_OK && stream_end(b, u->total);
        if (result == LZ4_LEGACY_DAMAGED) {
            kernel_error(b, "the packed kernel is damaged: copy the file again");
        }
    }
    if (block != NULL) {
        memory_return(block, LZ4_LEGACY_BLOCK);
    }
    if (u->packed != NULL) {
        memory_return(u->packed, LZ4_LEGACY_PACKED_MAX);
    }
    return ok;
}

static bool load_bzimage(struct build *b, const struct image *image)
{
    uint8_t magic[IMAGE_MAGIC_BYTES], size[4];
    if (!read_exact(b, b->r->kernel, b->r->kernel_path, image->payload_off, magic, sizeof(magic)) ||
        !read_exact(b, b->r->kernel, b->r->kernel_path, image->payload_off + image->payload_len, size, sizeof(size))) {
        return false;
    }
    const char *name = image_compression(magic);
    if (name == NULL || strcmp(name, "LZ4") != 0) {
        return error_set(b->e, EXIT_FAILED,
                         "kernel %s: packed with %s: use a kernel packed with LZ4 (Debian's linux-image-cloud-amd64) "
                         "or an unpacked ELF file (extract-vmlinux)",
                         b->r->kernel_path, name == NULL ? "an unknown method" : name);
    }
    const uint8_t *memory = file_memory(b->r->kernel);
    struct unpack u = {
        .b = b, .memory = memory == NULL ? NULL : memory + image->payload_off, .payload_off = image->payload_off};
    u.total = (uint64_t)size[0] | (uint64_t)size[1] << 8 | (uint64_t)size[2] << 16 | (uint64_t)size[3] << 24;
    return unpack(&u, image->payload_len);
}

bool kernel_load(struct build *b)
{
    b->reported = 0;
    uint8_t head[IMAGE_HEAD_BYTES];
    uint64_t size = file_size(b->r->kernel);
    size_t len = size < sizeof(head) ? (size_t)size : sizeof(head);
    if (!read_exact(b, b->r->kernel, b->r->kernel_path, 0, head, len)) {
        return false;
    }
    struct image image;
    const char *why = image_detect(head, len, size, &image);
    if (why != NULL) {
        return kernel_error(b, why);
    }
    b->staging = file_memory(b->r->kernel) != NULL ? NULL : heap_alloc(STAGING_BYTES);
    if (b->staging == NULL && file_memory(b->r->kernel) == NULL) {
        return error_set(b->e, EXIT_NO_RESOURCE, "kernel: Dom0 has no memory left: close other work and try again");
    }
    bool ok = image.kind == IMAGE_ELF ? load_elf(b) : load_bzimage(b, &image);
    heap_free(b->staging);
    heap_free(b->notes);
    b->staging = b->notes = NULL;
    return ok;
}

bool ramdisk_load(struct build *b)
{
    uint64_t size = b->layout.ramdisk_bytes, gpa = b->layout.ramdisk_gpa;
    const uint8_t *memory = file_memory(b->r->ramdisk);
    uint8_t *staging = memory != NULL ? NULL : heap_alloc(STAGING_BYTES);
    if (memory == NULL && staging == NULL) {
        return error_set(b->e, EXIT_NO_RESOURCE, "ramdisk: Dom0 has no memory left: close other work and try again");
    }
    bool ok = true;
    b->reported = 0;
    for (uint64_t off = 0; ok && off < size;) {
        size_t n = size - off < STAGING_BYTES ? (size_t)(size - off) : STAGING_BYTES;
        ok = memory != NULL || read_exact(b, b->r->ramdisk, b->r->ramdisk_path, off, staging, n);
        ok = ok && guest_memory_write(&b->memory, gpa + off, memory != NULL ? memory + off : staging, n, b->e);
        off += n;
        ok = ok && build_progress(b, "ramdisk", off, size);
    }
    heap_free(staging);
    return ok;
}
