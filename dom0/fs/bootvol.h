/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The files that the loader read into memory, seen as folders. Pure but for dom0/kernel/boot.h. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0/fs/volume.h"

/* PATH is "/", "/a/b", normalized. */
bool bootvol_stat(const char *path, struct dir_entry *out, struct error *e);
bool bootvol_list(const char *path, bool (*fn)(const struct dir_entry *d, void *ctx), void *ctx, struct error *e);
/* The contents of the file at PATH; false: no such file. */
bool bootvol_open(const char *path, const void **data, uint64_t *size, struct error *e);
uint64_t bootvol_bytes(void);
