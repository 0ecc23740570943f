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
    bool left, zero;
    unsigned width;
    unsigned precision; /* ~0U: none */
    unsigned bytes;     /* of the integer argument */
};

static void put(struct out *o, char c)
{
    if (o->len + 1 < o->size)
        o->buf[o->len] = c;
    o->len++;
}

static void put_padded(struct out *o, const struct spec *s, const char *text, size_t len, size_t sign)
{
    size_t pad = s->width > len ? s->width - len : 0;
    bool zeros = s->zero && !s->left;
    if (zeros)
        for (size_t i = 0; i < sign; i++)
            put(o, text[i]);
    if (!s->left)
        for (size_t i = 0; i < pad; i++)
            put(o, zeros ? '0' : ' ');
    for (size_t i = zeros ? sign : 0; i < len; i++)
        put(o, text[i]);
    if (s->left)
        for (size_t i = 0; i < pad; i++)
            put(o, ' ');
}

static void put_number(struct out *o, const struct spec *s, uint64_t v, unsigned base, bool upper, bool negative)
{
    const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    char text[24];
    size_t at = sizeof(text);
    do {
        text[--at] = digits[v % base];
        v /= base;
    } while (v != 0);
    if (negative)
        text[--at] = '-';
    put_padded(o, s, text + at, sizeof(text) - at, negative ? 1 : 0);
}

static const char *parse_spec(const char *p, struct spec *s, va_list *args)
{
    *s = (struct spec){.precision = ~0U, .bytes = 4};
    for (; *p == '0' || *p == '-'; p++) {
        s->zero |= *p == '0';
        s->left |= *p == '-';
    }
    for (; *p >= '0' && *p <= '9'; p++)
        s->width = s->width < 1000 ? s->width * 10 + (unsigned)(*p - '0') : s->width;
    if (*p == '.' && p[1] == '*') {
        int n = va_arg(*args, int);
        s->precision = n < 0 ? ~0U : (unsigned)n;
        p += 2;
    } else if (*p == '.') {
        s->precision = 0;
        for (p++; *p >= '0' && *p <= '9'; p++)
            s->precision = s->precision < 1000 ? s->precision * 10 + (unsigned)(*p - '0') : s->precision;
    }
    for (; *p == 'h'; p++)
        s->bytes /= 2;
    for (; *p == 'l' || *p == 'z'; p++)
        s->bytes = 8;
    return p;
}

static void put_signed(struct out *o, const struct spec *s, va_list *args)
{
    int64_t v = s->bytes == 8 ? va_arg(*args, long) : va_arg(*args, int);
    v = s->bytes == 2 ? (int16_t)v : s->bytes == 1 ? (int8_t)v : v;
    put_number(o, s, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 10, false, v < 0);
}

static void put_unsigned(struct out *o, const struct spec *s, va_list *args, char kind)
{
    uint64_t v = s->bytes == 8 ? va_arg(*args, unsigned long) : va_arg(*args, unsigned);
    v = s->bytes == 2 ? (uint16_t)v : s->bytes == 1 ? (uint8_t)v : v;
    put_number(o, s, v, kind == 'u' ? 10 : 16, kind == 'X', false);
}

static void put_pointer(struct out *o, struct spec *s, va_list *args)
{
    put(o, '0');
    put(o, 'x');
    s->width = s->width > 2 ? s->width - 2 : 0;
    put_number(o, s, (uint64_t)va_arg(*args, void *), 16, false, false);
}

static void put_string(struct out *o, struct spec *s, va_list *args)
{
    const char *text = va_arg(*args, const char *);
    if (text == NULL)
        text = "(null)";
    s->zero = false;
    put_padded(o, s, text, strnlen(text, s->precision), 0);
}

static void put_conversion(struct out *o, char kind, struct spec *s, va_list *args)
{
    switch (kind) {
    case 'd':
    case 'i':
        put_signed(o, s, args);
        break;
    case 'u':
    case 'x':
    case 'X':
        put_unsigned(o, s, args, kind);
        break;
    case 'p':
        put_pointer(o, s, args);
        break;
    case 's':
        put_string(o, s, args);
        break;
    case 'c': {
        char c = (char)va_arg(*args, int);
        s->zero = false;
        put_padded(o, s, &c, 1, 0);
        break;
    }
    default:
        put(o, '%');
        if (kind != '%')
            put(o, kind);
        break;
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
