/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The hypervisor's log: lines `(CBL) [seconds.micros] dNvM text` into a
 * ring that `dmesg` reads and the console drains. Never blocks, any context. */
#pragma once

#include "kernel/core/types.h"

enum log_level { LOG_ERROR = 0, LOG_WARN = 1, LOG_INFO = 2, LOG_DEBUG = 3 };

/* Appends one line (newline added). FMT as printf: %s %c %d %u %x %%, flag 0, width, .* (of %s), l ll z. */
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* As log_line, in the name of guest DOMID. Not limited: never for what a guest can do again and again (domain_log_text is for that). */
void log_guest(uint16_t domid, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Lines above LEVEL are dropped. */
void log_set_level(enum log_level level);
/* Where finished lines go besides the ring (console); set by platform code. */
void log_set_sink(void (*sink)(const char *text, size_t len));
/* The time for stamps, nanoseconds; before it is set stamps read 0.000000. */
void log_set_clock(uint64_t (*now_ns)(void));
/* Copies ring bytes from absolute position *POS on; advances *POS; returns the count (0: nothing new).
 * A *POS that has been overwritten is moved to the oldest byte kept. */
size_t log_read(uint64_t *pos, char *buf, size_t len);

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)
