/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The log ring. log_lock guards the ring and the order of lines at the sink; the sink's own lock comes after it. */
#include "kernel/core/log.h"

#include "kernel/core/printf.h"
#include "kernel/core/spinlock.h"

#define LOG_RING_BYTES 65536U /* a power of two */
#define LOG_LINE_BYTES 320U

static struct spinlock log_lock;
static char log_ring[LOG_RING_BYTES];
static uint64_t log_end; /* absolute position behind the newest byte */
static enum log_level log_max_level = LOG_INFO;
static void (*log_sink)(const char *text, size_t len);
static uint64_t (*log_clock)(void);

void log_set_level(enum log_level level) { log_max_level = level; }
void log_set_sink(void (*sink)(const char *text, size_t len)) { log_sink = sink; }
void log_set_clock(uint64_t (*now_ns)(void)) { log_clock = now_ns; }

/* Formats "(CBL) [s.us] PREFIX text\n"; text that does not fit is cut, the newline always fits. */
__attribute__((format(printf, 2, 0))) static void emit(const char *prefix, const char *fmt, va_list args)
{
    char line[LOG_LINE_BYTES];
    uint64_t us = log_clock != NULL ? log_clock() / 1000 : 0;
    size_t len = (size_t)snprintf(line, sizeof(line), "(CBL) [%lu.%06lu] %s", us / 1000000, us % 1000000, prefix);
    len += (size_t)vsnprintf(line + len, sizeof(line) - len, fmt, args);
    len = MIN(len, sizeof(line) - 2);
    line[len++] = '\n';
    SPIN_GUARD(&log_lock);
    for (size_t i = 0; i < len; i++)
        log_ring[log_end++ % LOG_RING_BYTES] = line[i];
    if (log_sink != NULL)
        log_sink(line, len);
}

void log_line(enum log_level level, const char *fmt, ...)
{
    if (level > log_max_level)
        return;
    va_list args;
    va_start(args, fmt);
    emit("", fmt, args);
    va_end(args);
}

void log_guest(uint16_t domid, const char *fmt, ...)
{
    if (LOG_WARN > log_max_level)
        return;
    char prefix[16];
    snprintf(prefix, sizeof(prefix), "d%u ", domid);
    va_list args;
    va_start(args, fmt);
    emit(prefix, fmt, args);
    va_end(args);
}

size_t log_read(uint64_t *pos, char *buf, size_t len)
{
    SPIN_GUARD(&log_lock);
    uint64_t oldest = log_end > LOG_RING_BYTES ? log_end - LOG_RING_BYTES : 0;
    uint64_t at = *pos < oldest || *pos > log_end ? oldest : *pos;
    size_t n = MIN(len, log_end - at);
    for (size_t i = 0; i < n; i++)
        buf[i] = log_ring[(at + i) % LOG_RING_BYTES];
    *pos = at + n;
    return n;
}
