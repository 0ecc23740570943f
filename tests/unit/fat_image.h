/* SPDX-License-Identifier: Apache-2.0
 * [HOST] A FAT32 file system that mkfs.vfat and mtools made, in memory: what other systems write is what ours must
 * read. */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAT_IMAGE_BYTES (40U * 1024 * 1024)
#define FAT_BIG_BYTES   (3000000U)

static uint8_t *fat_image;      /* the whole image: one MBR partition at FAT_IMAGE_FIRST */
#define FAT_IMAGE_FIRST 2048U
#define FAT_IMAGE_SECTORS (FAT_IMAGE_BYTES / 512)

static uint8_t fat_big_byte(size_t i) { return (uint8_t)(i * 2654435761U >> 11); }

/* Runs mkfs and mtools; returns false when they are not there or fail. */
static bool fat_image_make(const char *mkfs_options)
{
    char dir[] = "/tmp/corbel-fat-XXXXXX", command[4096];

    if (mkdtemp(dir) == NULL)
        return false;
    snprintf(command, sizeof(command), "%s/big", dir);
    FILE *f = fopen(command, "wb");
    for (size_t i = 0; i < FAT_BIG_BYTES; i++)
        fputc(fat_big_byte(i), f);
    fclose(f);
    snprintf(command, sizeof(command),
             "cd %s && export PATH=$PATH:/sbin:/usr/sbin LC_ALL=C.UTF-8 MTOOLS_SKIP_CHECK=1 && set -e && "
             "truncate -s %u part && mkfs.vfat %s -n CORBEL part > /dev/null && "
             "mmd -i part ::/corbel ::/corbel/vm ::/corbel/vm/debian ::/empty && "
             "printf 'displayName = \"debian\"\\n' > vmx && mcopy -i part vmx ::/corbel/vm/debian/debian.vmx && "
             "printf '12345678901234567890' > one && mcopy -i part one '::/A long name with spaces.text' && "
             "mcopy -i part one ::/UPPER.TXT && mcopy -i part one ::/lower.txt && "
             "mcopy -i part one '::/Grüße 日本.txt' && : > none && mcopy -i part none ::/zero && "
             "mcopy -i part one ::/$(printf 'n%%.0s' $(seq 1 200)).x && "
             "i=0; while [ $i -lt 60 ]; do head -c 3000 big > s; mcopy -i part s ::/empty/f$i; i=$((i+1)); done; "
             "mdel -i part '::/empty/f[0-9]' ::/empty/f1? ::/empty/f3? ::/empty/f5?; "
             "mcopy -i part big ::/big.bin && mdel -i part ::/empty/f* && "
             "truncate -s %u image && dd if=part of=image bs=512 seek=%u conv=notrunc 2> /dev/null",
             dir, FAT_IMAGE_BYTES - FAT_IMAGE_FIRST * 512, mkfs_options, FAT_IMAGE_BYTES, FAT_IMAGE_FIRST);
    bool ok = system(command) == 0;
    if (ok) {
        snprintf(command, sizeof(command), "%s/image", dir);
        f = fopen(command, "rb");
        fat_image = malloc(FAT_IMAGE_BYTES);
        ok = f != NULL && fread(fat_image, 1, FAT_IMAGE_BYTES, f) == FAT_IMAGE_BYTES;
        if (f != NULL)
            fclose(f);
        uint8_t *p = fat_image + 446;
        p[4] = 0x0c;
        fake_put32(p + 8, FAT_IMAGE_FIRST);
        fake_put32(p + 12, FAT_IMAGE_SECTORS - FAT_IMAGE_FIRST);
        fat_image[510] = 0x55;
        fat_image[511] = 0xaa;
    }
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command) == 0 && ok;
}
