/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Small texts kept on a volume. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "dom0/lib/error.h"

/* The file at PATH holds TEXT from now on, on the medium when this returns. A power cut leaves the old text or the new
 * one, never a part. EXIT_NO_RESOURCE: the volume is full or not to be written to. */
bool stored_write(const char *path, const char *text, size_t len, struct error *e);
/* At most SIZE - 1 bytes of the file at PATH, ended by 0. *LEN: how many; a longer file is an error. */
bool stored_read(const char *path, char *text, size_t size, size_t *len, struct error *e);
