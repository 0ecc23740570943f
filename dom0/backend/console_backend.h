/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The PV console of each guest: drains its output ring all the time into a scroll-back of 64 KiB (so that a
 * guest never stalls), feeds input while attached. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Serves DOMID's console ring page mapped at RING; binds REMOTE_PORT. false: no memory or no port. */
bool guest_console_add(uint16_t domid, void *ring, uint32_t remote_port);
/* Drains what is left and stops; the scroll-back stays until guest_console_forget. */
void guest_console_stop(uint16_t domid);
void guest_console_forget(uint16_t domid);
bool guest_console_present(uint16_t domid);
/* Scroll-back: copies from absolute position *POS on (moved up when overwritten), returns the count; 0: nothing new. */
size_t guest_console_read(uint16_t domid, uint64_t *pos, char *buf, size_t len);
/* The position at which the last LINES lines begin, an unfinished one included. */
uint64_t guest_console_tail(uint16_t domid, uint64_t lines);
/* Waits until there is output past POS, the console stops, or DEADLINE_NS. */
void guest_console_wait(uint16_t domid, uint64_t pos, uint64_t deadline_ns);
/* Wakes whoever waits there. */
void guest_console_kick(uint16_t domid);
/* Sends input; returns how many bytes fitted. */
size_t guest_console_input(uint16_t domid, const char *text, size_t len);
/* Is its ring still served? */
bool guest_console_live(uint16_t domid);
/* Heap bytes of all scroll-backs, also of ended domains. */
size_t guest_console_bytes(void);
#define CONSOLE_FILTER_EXTRA 32U
/* Copies IN to OUT (LEN + CONSOLE_FILTER_EXTRA bytes are enough: what was held back by earlier calls may come out)
 * without escape sequences that could harm the operator's terminal: passes SGR, cursor movement and erase; drops OSC,
 * DCS, APC, PM, device queries and everything unknown. STATE keeps a sequence that is cut by the buffer's end. Pure. */
struct console_filter {
    uint8_t state;
    uint8_t len;
    char seq[32];
};
size_t console_filter(struct console_filter *f, const char *in, size_t len, char *out, size_t out_len);
