/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Formatted text: %s %c %d %u %x %%, flag 0, width, precision .* (of %s), l ll z. */
#pragma once

#include <stdarg.h>

#include "kernel/core/types.h"

/* Write at most SIZE bytes, terminated when SIZE > 0; return the length that the whole text has. An unknown conversion is copied as it is. */
int vsnprintf(char *buf, size_t size, const char *fmt, va_list args) __attribute__((format(printf, 3, 0)));
int snprintf(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
