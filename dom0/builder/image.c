/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Recognises kernel images: ELF, and Linux's bzImage (the kernel's documentation, "The Linux/x86 Boot
 * Protocol"). */
#include "dom0/builder/image.h"

#include "dom0/lib/string.h"

#define BZ_SETUP_SECTS     0x1f1U
#define BZ_MAGIC           0x202U
#define BZ_VERSION         0x206U
#define BZ_PAYLOAD_OFF     0x248U
#define BZ_PAYLOAD_LEN     0x24cU
#define BZ_HEAD_END        0x250U
#define BZ_VERSION_PAYLOAD 0x208U /* the first with the payload fields */

static uint32_t le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static const char *detect_bzimage(const uint8_t *head, uint64_t file_size, struct image *out)
{
    unsigned version = (unsigned)head[BZ_VERSION] | (unsigned)head[BZ_VERSION + 1] << 8;
    if (version < BZ_VERSION_PAYLOAD) {
        return "a bzImage older than boot protocol 2.08 does not say where its kernel is: use a kernel since 2.6.26";
    }
    uint64_t sects = head[BZ_SETUP_SECTS] == 0 ? 4U : head[BZ_SETUP_SECTS];
    uint64_t off = (sects + 1U) * 512U + le32(head + BZ_PAYLOAD_OFF);
    uint64_t len = le32(head + BZ_PAYLOAD_LEN);
    if (off >= file_size || len > file_size - off) {
        return "the file is shorter than its header says: copy it again";
    }
    if (len < 16) {
        return "the bzImage has no kernel in it: copy it again";
    }
    *out = (struct image){.kind = IMAGE_BZIMAGE, .payload_off = off, .payload_len = len - 4U};
    return NULL;
}

const char *image_detect(const void *head, size_t len, uint64_t file_size, struct image *out)
{
    const uint8_t *p = head;
    if (len >= 4 && memcmp(p, "\177ELF", 4) == 0) {
        *out = (struct image){.kind = IMAGE_ELF, .payload_len = file_size};
        return NULL;
    }
    if (len >= BZ_HEAD_END && memcmp(p + BZ_MAGIC, "HdrS", 4) == 0) {
        return detect_bzimage(p, file_size, out);
    }
    return "neither an ELF file nor a Linux bzImage: name a kernel image in corbel.kernel";
}

const char *image_compression(const uint8_t magic[IMAGE_MAGIC_BYTES])
{
    static const struct {
        uint8_t bytes[6];
        uint8_t len;
        const char *name;
    } known[] = {
        {{0x02, 0x21, 0x4c, 0x18}, 4, "LZ4"},
        {{0x1f, 0x8b}, 2, "gzip"},
        {{'B', 'Z', 'h'}, 3, "bzip2"},
        {{0x5d, 0x00, 0x00}, 3, "LZMA"},
        {{0xfd, '7', 'z', 'X', 'Z', 0x00}, 6, "XZ"},
        {{0x89, 'L', 'Z', 'O'}, 4, "LZO"},
        {{0x28, 0xb5, 0x2f, 0xfd}, 4, "zstd"},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (memcmp(magic, known[i].bytes, known[i].len) == 0) {
            return known[i].name;
        }
    }
    return NULL;
}
