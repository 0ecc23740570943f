/* SPDX-License-Identifier: Apache-2.0
 * [FW][HOST] A small printf into a buffer. Pure. */
#pragma once

#include <stdarg.h>
#include <stddef.h>

/* Formats %s %c %u %lu %x %lx %% (no width, no sign) into buf, which always ends with NUL when cap > 0; what does not
 * fit is cut. Characters of %s that are not printable ASCII come out as '?': names and values come from outside.
 * Returns the length written without the NUL. */
size_t fmt_print(char *buf, size_t cap, const char *format, ...) __attribute__((format(printf, 3, 4)));
size_t fmt_vprint(char *buf, size_t cap, const char *format, va_list args) __attribute__((format(printf, 3, 0)));
