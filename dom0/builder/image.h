/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] What kind of kernel image is this, and where is the kernel in it. Pure; every number in the file is checked
 * against the file's size. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMAGE_HEAD_BYTES  1024U /* what image_detect wants to see (less when the file is shorter) */
#define IMAGE_MAGIC_BYTES 6U

enum image_kind { IMAGE_ELF, IMAGE_BZIMAGE };
struct image {
    enum image_kind kind;
    uint64_t payload_off; /* of the compressed kernel; ELF: 0 */
    uint64_t payload_len; /* without the length word behind it; ELF: the file */
};

/* NULL: OUT is filled; else why the file cannot be a kernel for a guest, and what to do: "why: what to do". */
const char *image_detect(const void *head, size_t len, uint64_t file_size, struct image *out);
/* The name of the compression that begins with these IMAGE_MAGIC_BYTES bytes ("LZ4", "gzip", …); NULL: none that is
 * known. */
const char *image_compression(const uint8_t magic[IMAGE_MAGIC_BYTES]);
