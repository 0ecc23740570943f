/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The shared page of a PV console (Xen public io/console.h) and the scroll-back behind it. The guest may write
 * anything into the page at any time: indices are read once and checked. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/io/console.h>

/* Takes at most LEN bytes of the guest's output. *BROKEN: its indices are impossible, nothing was taken. */
size_t guest_ring_take(struct xencons_interface *ring, char *buf, size_t len, bool *broken);
/* Puts input for the guest; returns how many bytes fitted. */
size_t guest_ring_put(struct xencons_interface *ring, const char *text, size_t len, bool *broken);

#define SCROLLBACK_BYTES 65536U

/* The last SCROLLBACK_BYTES of everything that was added; positions count from the first byte ever added. */
struct scrollback {
    uint64_t end;
    char bytes[SCROLLBACK_BYTES];
};

void scrollback_add(struct scrollback *s, const char *text, size_t len);
/* Copies from *POS on, which moves up to what is still there; returns the count and advances *POS. */
size_t scrollback_read(const struct scrollback *s, uint64_t *pos, char *buf, size_t len);
/* Where the last LINES lines of it begin; an unfinished one counts. */
uint64_t scrollback_tail(const struct scrollback *s, uint64_t lines);
