/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The serial console: 16550 by port or MMIO, output ring drained by the transmit interrupt, input ring. */
#pragma once

#include "kernel/core/types.h"

/* Takes the loader's port into use; a memory-mapped one needs the page tables. false: there is none. */
bool uart_init(void);
/* Moves bytes both ways without an interrupt; from the run loop's slow path and idle. Cheap when there is nothing to do. */
void uart_poll(void);
/* The same for a port without an interrupt, from the run loop; nothing for others. */
void uart_poll_silent(void);
/* A received byte if there is one, else negative; for panic, without locks. */
int uart_poll_byte(void);
/* Bytes that the output ring takes now without dropping any (a \n takes two). */
size_t uart_room(void);
/* After irq setup: interrupt-driven from here on. */
void uart_enable_irq(void);
/* Queues TEXT (\n becomes \r\n); drops the oldest when the ring is full. */
void uart_write(const char *text, size_t len);
/* Polled, for panic: drains the ring, then writes TEXT directly. */
void uart_write_sync(const char *text, size_t len);
/* Does I/O port P belong to the console (so that Dom0 must not touch it)? */
bool uart_owns_port(uint16_t port);
