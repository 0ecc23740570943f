/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The physical console: one serial port (or, to look only, a framebuffer) shared by the hypervisor's log, Dom0's console
 * and the hypervisor's own keys. Ctrl-A three times moves the input between Dom0 and those keys. */
#pragma once

#include "boot/boot_info.h"
#include "kernel/core/types.h"

/* Log level, a port-I/O UART; the log's sink. Before page tables. */
void console_init_early(const struct boot_info *boot);
/* The rest, after pagetable_init: MMIO UART, framebuffer. */
void console_init(const struct boot_info *boot);
/* Dom0's output bytes. Never blocks: the oldest output is dropped when the ring is full. */
void console_write(const char *text, size_t len);
/* Dom0's input: takes up to LEN bytes; returns how many. */
size_t console_read(char *buf, size_t len);
/* FN runs (in root, any context) whenever the Dom0 input ring becomes non-empty. */
void console_set_dom0_notify(void (*fn)(void));
/* PRESS carries out a hypervisor key; false: there is no such key. */
void console_set_keys(bool (*press)(char key));
/* Runs the key's function; also for the debug-keys operation. false: no such key. */
bool console_handle_key(char key);
/* One received byte, from the UART's interrupt (and from tests). */
void console_input(uint8_t byte);
/* Polled output for panic: the pending ring first. */
void console_write_sync(const char *text, size_t len);
/* Empties the output ring, polled and bounded; before a reset. */
void console_flush(void);
