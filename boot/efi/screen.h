/* SPDX-License-Identifier: Apache-2.0
 * [FW] The loader's words: on the firmware's console, and on the serial port where that console is not already there.
 */
#pragma once

#include <stdint.h>

#include "boot/boot_info.h"

/* Needs firmware_init(). Looks for COM1. */
void screen_init(void);

/* Moves the serial output to the configured console (a memory-mapped one is left to the hypervisor). */
void screen_use(const struct boot_options *options);

/* Prints by fmt.h's rules; '\n' ends a line. */
void screen_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* One line `error: <what>: <why>: <what to do>`. */
void screen_error(const char *what, const char *why, const char *fix);

/* One line `warning: <text>`: something is left aside and the boot goes on. */
void screen_warning(const char *text);

/* Time to read, before the firmware takes the screen again. */
void screen_pause(void);
