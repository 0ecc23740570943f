/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Formatted text. */
#include "kernel/core/printf.h"

#include "kernel/core/string.h"

struct out {
    char *buf;
    size_t size;
    size_t len;
};

struct spec {
    bool zero, is_long;
    unsigned width, precision; /* of precision ~0U: none */
};

static void put(struct out *o, char c)
{
    if (o->len + 1 < o->size)
        o->buf[o->len] = c;
    o->len++;
}

static void put_text(struct out *o, const struct spec *s, const char *text, size_t len)
{
    for (size_t i = len; i < s->width; i++)
        put(o, ' ');
    for (size_t i = 0; i < len; i++)
        put(o, text[i]);
}

static void put_number(struct out *o, const struct spec *s, uint64_t v, unsigned base, bool negative)
{
    char text[32];
    size_t at = sizeof(text);
    size_t zeros = s->zero ? MIN(s->width, sizeof(text) - 1) - negative : 0; /* digits wanted at least */
    do {
        text[--at] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v != 0 || sizeof(text) - at < zeros);
    if (negative)
        text[--at] = '-';
    put_text(o, s, text + at, sizeof(text) - at);
}

static const char *parse_spec(const char *p, struct spec *s, va_list *args)
{
    *s = (struct spec){.precision = ~0U, .zero = *p == '0'};
    for (; *p >= '0' && *p <= '9'; p++)
        s->width = s->width < 1000 ? s->width * 10 + (unsigned)(*p - '0') : s->width;
    if (*p == '.' && p[1] == '*') {
        s->precision = (unsigned)va_arg(*args, int); /* a negative one means none, and is very large here */
        p += 2;
    }
    for (; *p == 'l' || *p == 'z'; p++)
        s->is_long = true;
    return p;
}

static void put_conversion(struct out *o, char kind, const struct spec *s, va_list *args)
{
    if (kind == 'd') {
        int64_t v = s->is_long ? va_arg(*args, int64_t) : va_arg(*args, int);
        put_number(o, s, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 10, v < 0);
    } else if (kind == 'u' || kind == 'x') {
        uint64_t v = s->is_long ? va_arg(*args, uint64_t) : va_arg(*args, unsigned);
        put_number(o, s, v, kind == 'u' ? 10 : 16, false);
    } else if (kind == 's') {
        const char *text = va_arg(*args, const char *);
        text = text != NULL ? text : "(null)";
        put_text(o, s, text, strnlen(text, s->precision));
    } else if (kind == 'c') {
        put_text(o, s, &(char){(char)va_arg(*args, int)}, 1);
    } else {
        put(o, '%');
        if (kind != '%')
            put(o, kind);
    }
}

int vsnprintf(char *buf, size_t size, const char *fmt, va_list args)
{
    struct out o = {buf, size, 0};
    va_list ap; /* a copy: &args would have another type where va_list is an array */
    va_copy(ap, args);
    for (const char *p = fmt; *p != '\0'; p++) {
        if (*p != '%') {
            put(&o, *p);
            continue;
        }
        struct spec s;
        p = parse_spec(p + 1, &s, &ap);
        if (*p == '\0')
            break;
        put_conversion(&o, *p, &s, &ap);
    }
    va_end(ap);
    if (size > 0)
        buf[MIN(o.len, size - 1)] = '\0';
    return (int)o.len;
}

int snprintf(char *buf, size_t size, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(buf, size, fmt, args);
    va_end(args);
    return n;
}
