/* SPDX-License-Identifier: Apache-2.0
 * [FW] Files of the volume that the loader came from. */
#pragma once

#include <efi.h>

#include <stddef.h>
#include <stdint.h>

#include "boot/boot_info.h"

struct file_data {
    uint64_t address; /* whole pages; give back with firmware_free() */
    size_t bytes;
};

/* Opens the volume. Prints why it cannot. */
EFI_STATUS files_open(void);

/* Reads a file of at most `limit` bytes into pages below 4 GiB. Prints nothing. EFI_NOT_FOUND: there is none;
 * EFI_BAD_BUFFER_SIZE: larger than limit; EFI_UNSUPPORTED: a folder. */
EFI_STATUS files_read(const char *path, size_t limit, struct file_data *data);

/* Reads the files under `folder` into info->modules, one line on the screen for each, and leaves at least
 * `reserve_bytes` of memory free. What does not fit or cannot be read is left out, with one warning for each cause. A
 * folder that is not there has no files. Fails only when the firmware cannot tell about its memory; prints why. */
EFI_STATUS files_read_folder(const char *folder, uint64_t reserve_bytes, struct boot_info *info);
