/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Fuzzing what reads kernel images: detection, ELF planning and loading, notes. Nothing may be read outside the
 * file or placed outside the plan (fuzz_decode has what unpacks). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/builder/elf_plan.h"
#include "dom0/builder/image.h"
#include "dom0/builder/start_info.h"

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "fuzz_image: %s\n", what);
        abort();
    }
}

static bool place(void *ctx, uint64_t gpa, const void *data, size_t len)
{
    const struct elf_plan *p = ctx;
    must(gpa >= p->low && len <= p->high - gpa, "placed outside the plan");
    uint8_t sum = 0;
    for (size_t i = 0; i < len; i++) {
        sum = (uint8_t)(sum + ((const uint8_t *)data)[i]);
    }
    return sum != 0xff; /* also the way where placing fails */
}

static void try_elf(const uint8_t *data, size_t size)
{
    struct elf_plan p;
    size_t head = size < ELF_PLAN_HEAD_BYTES ? size : ELF_PLAN_HEAD_BYTES;
    if (elf_plan_make(data, head, size, &p) != NULL) {
        return;
    }
    must(p.segments > 0 && p.low <= p.high && p.note_bytes <= ELF_PLAN_NOTE_BYTES && p.file_end <= size, "plan");
    char text[160];
    struct guest_layout l = {.ram_bytes = 64U << 20, .ramdisk_bytes = size};
    if (guest_layout_plan(&p, &l, text, sizeof(text)) == NULL) {
        must(p.high <= l.ram_bytes && l.ramdisk_gpa + l.ramdisk_bytes <= l.ram_bytes && l.ramdisk_gpa >= p.high,
             "layout");
        must(l.info_gpa >= 0x1000 && l.info_gpa + GUEST_INFO_BYTES <= l.ramdisk_gpa, "start info");
    }
    uint8_t *notes = calloc(1, p.note_bytes + 1U);
    bool whole = true;
    for (size_t off = 0, n; whole && off < size; off += n) {
        n = size - off < 100 ? size - off : 100;
        whole = elf_plan_feed(&p, off, data + off, n, notes, place, &p);
    }
    uint32_t entry = 0;
    if (elf_plan_entry(&p, notes, &entry) == NULL) {
        must(entry >= p.low && entry < p.high, "entry");
    }
    free(notes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct image im;
    size_t head = size < IMAGE_HEAD_BYTES ? size : IMAGE_HEAD_BYTES;
    if (image_detect(data, head, size, &im) == NULL) {
        must(im.payload_off <= size && im.payload_len <= size - im.payload_off, "payload");
        if (im.kind == IMAGE_ELF) {
            try_elf(data, size);
        }
    }
    return 0;
}
