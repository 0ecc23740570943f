/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Long work of a verb: one line that is drawn over itself, with percent, rate and the time that is left, and
 * Ctrl-C. What is done within 0.2 s shows nothing.
 *
 *     struct progress p;
 *     progress_begin(&p, "copying");
 *     while (there is more && ok)
 *         ok = progress_step(&p, name, done, total) && a step's work;
 *     return progress_end(&p, ok, &e);     (or progress_clear, then lines of one's own)
 *
 * A call costs a clock reading and a look for a key: once per 64 KiB is right, once per sector is too often. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0/lib/error.h"

struct progress_mark {
    uint64_t ns, done;
};

struct progress {
    char doing[72]; /* "copying", "building box:" */
    char what[48];  /* the end of what is worked on now */
    uint64_t total, last; /* of it; what was done at the last step */
    struct progress_mark older, newer; /* the rate is that since OLDER, at least 2 and at most 4 s ago once there is so much */
    uint64_t next_ns;
    bool shown, stopped;
};

/* DOING is what stands before the name: "copying". */
void progress_begin(struct progress *p, const char *doing);
/* DONE of TOTAL bytes of WHAT (of a path its last part is shown) are done. TOTAL 0: nobody knows; both 0: nothing to
 * count. WHAT may change while it goes on, as when a folder is copied; another TOTAL or a smaller DONE begin anew. false: Ctrl-C was typed, now or at an earlier step: stop and undo. */
bool progress_step(struct progress *p, const char *what, uint64_t done, uint64_t total);
/* The same for those who take a function with a context: CTX is a struct progress (tree_progress, manager_progress). */
bool progress_fn(void *ctx, const char *what, uint64_t done, uint64_t total);
/* The line goes; all else can be printed again. */
void progress_clear(struct progress *p);
/* progress_clear, and prints E when not OK. */
enum exit_code progress_end(struct progress *p, bool ok, const struct error *e);

/* The line without its frame, at most LEN - 1 bytes: "copying disk.img: 45%, 12.3 of 27.0 MiB, 3.4 MiB/s, 0:05 left".
 * RATE in bytes per second; 0: not known yet. Pure. */
size_t progress_text(char *out, size_t len, const struct progress *p, uint64_t done, uint64_t rate);
/* Bytes as "512 B", "1.5 KiB", "27.0 MiB". Pure. */
size_t progress_size(char *out, size_t len, uint64_t bytes);
