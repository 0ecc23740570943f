/* SPDX-License-Identifier: Apache-2.0
 * [FW][HOST] A small printf into a buffer. Pure. */
#include "boot/efi/fmt.h"

#include <stdbool.h>
#include <stdint.h>

struct out {
    char *buf;
    size_t cap;
    size_t used;
};

static void put(struct out *out, char c)
{
    if (out->used + 1 < out->cap) {
        out->buf[out->used++] = c;
    }
}

static void put_string(struct out *out, const char *s)
{
    for (; *s != '\0'; s++) {
        put(out, *s >= ' ' && *s <= '~' ? *s : '?');
    }
}

static void put_number(struct out *out, uint64_t value, unsigned base)
{
    char digits[20];
    unsigned n = 0;

    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    while (n > 0) {
        put(out, digits[--n]);
    }
}

size_t fmt_vprint(char *buf, size_t cap, const char *format, va_list args)
{
    struct out out = {buf, cap, 0};

    for (const char *f = format; *f != '\0'; f++) {
        if (*f != '%') {
            put(&out, *f);
            continue;
        }
        f++;
        bool wide = *f == 'l';
        if (wide) {
            f++;
        }
        if (*f == 's') {
            put_string(&out, va_arg(args, const char *));
        } else if (*f == 'c') {
            put(&out, (char)va_arg(args, int));
        } else if (*f == 'u' || *f == 'x') {
            put_number(&out, wide ? va_arg(args, unsigned long) : va_arg(args, unsigned), *f == 'u' ? 10 : 16);
        } else if (*f == '%') {
            put(&out, '%');
        } else {
            break; /* an unknown conversion would read the wrong argument: stop here */
        }
    }
    if (cap > 0) {
        buf[out.used] = '\0';
    }
    return out.used;
}

size_t fmt_print(char *buf, size_t cap, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    size_t n = fmt_vprint(buf, cap, format, args);
    va_end(args);
    return n;
}
