/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The operator's terminal (the hypervisor's physical console). */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct waitq;

void console_write(const char *text, size_t len); /* raw; blocks only when the hypervisor's ring is full */
void console_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* \n becomes \r\n */
/* One input byte 0..255, waiting until DEADLINE_NS (thread.h); negative: timed out. */
int console_getc(uint64_t deadline_ns);
/* Waits until Q is woken, there is input that console_getc would give, or DEADLINE_NS. Spurious wake-ups happen. One
 * thread at a time. */
void console_wait(struct waitq *q, uint64_t deadline_ns);
/* Background messages (a domain ended, a driver complains): printed so that the line being edited is redrawn.
 * Before the CLI runs: printed at once. */
void console_notice(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The CLI registers how to erase and redraw its line. */
void console_set_redraw(void (*before)(void), void (*after)(void));
