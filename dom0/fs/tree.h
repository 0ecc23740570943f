/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Files and whole folders copied, moved and removed, within a volume and between two. Nothing is left half-made:
 * a copy that fails or is stopped is taken away again. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dom0/lib/error.h"

/* Called before each step: this path is worked on, and so many bytes of all that is to be copied are done. TOTAL 0: no
 * bytes to count, or not yet. false: stop. May be NULL. */
typedef bool (*tree_progress)(void *ctx, const char *path, uint64_t done, uint64_t total);

/* Where SRC goes when DST is meant as by `cp`: into DST when that is a folder, else to DST itself. OUT: PATH_MAX_LEN
 * bytes. */
bool tree_target(const char *src, const char *dst, char *out, struct error *e);
/* FROM, a file or (ALL) a folder with all in it, becomes TO too. A file that is there is replaced, a folder is an
 * error. */
bool tree_copy(const char *from, const char *to, bool all, tree_progress fn, void *ctx, struct error *e);
/* In one step where the file system can; else copied, then removed. */
bool tree_move(const char *from, const char *to, tree_progress fn, void *ctx, struct error *e);
/* A file, or a folder: an empty one, or (ALL) with all in it. */
bool tree_remove(const char *path, bool all, tree_progress fn, void *ctx, struct error *e);
