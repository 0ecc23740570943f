/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Paths as text: VOLUME:/FOLDER/FILE. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "dom0/lib/error.h"

/* PATH in the form VOLUME:/A/B into OUT (SIZE bytes): "." and empty parts go, ".." takes its parent away, a path
 * without volume begins at BASE, which is in that form itself; "" is BASE. false: E says why (it leaves the volume,
 * is too long, …). */
bool path_normalize(const char *path, const char *base, char *out, size_t size, struct error *e);
/* The part behind the volume: "/A/B". */
const char *path_in_volume(const char *normal);
