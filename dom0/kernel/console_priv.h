/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Start of the console, and output for the moment when nothing else works. */
#pragma once

#include <stdarg.h>
#include <stddef.h>

/* Input by event; output works from the start. */
void console_init(void);
/* One try, never waits, needs no thread. */
void console_write_now(const char *text, size_t len);
void console_print_now(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));
