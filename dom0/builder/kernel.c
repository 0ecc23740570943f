/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Loading the files of a guest. Unpacked bytes pass by once: head -> plan, segments -> guest memory, notes ->
 * entry. A file that is packed lies in memory as a whole while it is unpacked. */
#include "dom0/builder/kernel.h"

#include "dom0/builder/image.h"
#include "dom0/builder/kernel_cache.h"
#include "dom0/builder/unpack.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/thread.h"
#include "dom0/lib/string.h"

#define STAGING_BYTES (128U << 10) /* so much is moved at a time, then other threads run */
#define STEP_BYTES    (1U << 20)   /* so often the operator hears of progress */

#define UNPACKED_MAX (512U << 20)
#define WRONG_LENGTH "the packed kernel has another length than it says: copy the file again"

/* The packed kernel of a bzImage. */
struct bzimage {
    struct build *b;
    uint64_t payload_off, total; /* TOTAL: its length when it is unpacked */
    size_t packed_len;
    const uint8_t *packed;
    uint8_t *loan; /* borrowed for PACKED, or NULL */
};

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
        return kernel_error(b, WRONG_LENGTH);
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

/* ---- bzImage -------------------------------------------------------------------------------- */

static bool stream_sink(void *ctx, const uint8_t *data, size_t len)
{
    struct bzimage *z = ctx;
    return stream(z->b, data, len, z->total);
}

/* The payload in memory: as it lies there, or read into a loan. */
static bool payload_get(struct bzimage *z)
{
    struct build *b = z->b;
    const uint8_t *memory = file_memory(b->r->kernel);
    if (memory != NULL) {
        z->packed = memory + z->payload_off;
        return true;
    }
    z->loan = kernel_cache_borrow(z->packed_len);
    if (z->loan == NULL) {
        return error_set(b->e, EXIT_NO_RESOURCE,
                         "kernel %s: no %lu MiB of free memory to read it: destroy a guest first", b->r->kernel_path,
                         (z->packed_len >> 20) + 1U);
    }
    z->packed = z->loan;
    /* Through the staging buffer: borrowed memory is not for DMA. */
    for (size_t off = 0, n; off < z->packed_len; off += n) {
        n = z->packed_len - off < STAGING_BYTES ? z->packed_len - off : STAGING_BYTES;
        if (!read_exact(b, b->r->kernel, b->r->kernel_path, z->payload_off + off, b->staging, n) ||
            !build_progress(b, "kernel file", off + n, z->packed_len)) {
            return false;
        }
        memcpy(z->loan + off, b->staging, n);
    }
    b->reported = 0;
    return true;
}

static bool unpack_failed(struct build *b, enum unpack_result result, const char *method, uint64_t need)
{
    switch (result) {
    case UNPACK_NO_MEMORY:
        return error_set(b->e, EXIT_NO_RESOURCE,
                         "kernel %s: no %lu MiB of free memory to unpack it: destroy a guest first", b->r->kernel_path,
                         (need >> 20) + 1U);
    case UNPACK_UNKNOWN:
        return error_set(
            b->e, EXIT_FAILED,
            "kernel %s: packed with %s in a way that is not known here: use one packed as Linux's own build "
            "does, or an unpacked ELF file (extract-vmlinux)",
            b->r->kernel_path, method);
    case UNPACK_LENGTH:
        return kernel_error(b, WRONG_LENGTH);
    case UNPACK_DAMAGED:
        return kernel_error(b, "the packed kernel is damaged: copy the file again");
    case UNPACK_OK:
    case UNPACK_STOPPED: /* the error is set */
        break;
    }
    return false;
}

static bool unpack_payload(struct bzimage *z, const struct decoder *decoder)
{
    struct unpack u = {.decoder = decoder,
                       .packed = z->packed,
                       .packed_len = z->packed_len,
                       .total = z->total,
                       .whole = kernel_cache_room(z->total),
                       .sink = stream_sink,
                       .ctx = z};
    uint64_t need = 0;
    enum unpack_result result = unpack(&u, &need);
    bool ok = result == UNPACK_OK ? stream_end(z->b, z->total) : unpack_failed(z->b, result, decoder->name, need);
    if (u.whole != NULL) {
        kernel_cache_keep(u.whole, z->total, z->packed, z->packed_len, ok);
    }
    return ok;
}

static bool load_payload(struct bzimage *z, const struct decoder *decoder)
{
    if (!payload_get(z)) {
        return false;
    }
    const uint8_t *known = kernel_cache_find(z->packed, z->packed_len, z->total);
    if (known == NULL) {
        return unpack_payload(z, decoder);
    }
    return stream(z->b, known, (size_t)z->total, z->total) && stream_end(z->b, z->total);
}

static bool load_bzimage(struct build *b, const struct image *image)
{
    uint8_t magic[IMAGE_MAGIC_BYTES], size[4];
    if (!read_exact(b, b->r->kernel, b->r->kernel_path, image->payload_off, magic, sizeof(magic)) ||
        !read_exact(b, b->r->kernel, b->r->kernel_path, image->payload_off + image->payload_len, size, sizeof(size))) {
        return false;
    }
    const char *name = image_compression(magic);
    const struct decoder *decoder = name == NULL ? NULL : decoder_find(name);
    if (decoder == NULL) {
        return error_set(
            b->e, EXIT_FAILED,
            "kernel %s: packed with %s: use a kernel packed with XZ, gzip, zstd, bzip2 or LZ4, or an unpacked "
            "ELF file (extract-vmlinux)",
            b->r->kernel_path, name == NULL ? "an unknown method" : name);
    }
    struct bzimage z = {.b = b, .payload_off = image->payload_off, .packed_len = (size_t)image->payload_len};
    z.packed_len += decoder->has_length ? sizeof(size) : 0;
    z.total = (uint64_t)size[0] | (uint64_t)size[1] << 8 | (uint64_t)size[2] << 16 | (uint64_t)size[3] << 24;
    bool ok = z.total > 0 && z.total <= UNPACKED_MAX ? load_payload(&z, decoder) : kernel_error(b, WRONG_LENGTH);
    memory_return(z.loan, z.packed_len);
    return ok;
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
