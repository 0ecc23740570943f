/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Formatted printing into buffers. Pure. */
#include "dom0/lib/string.h"

struct sink {
    char *buf;
    size_t size;
    size_t len; /* as if the buffer had no end */
};

struct spec {
    bool left, zero, plus, space, alt;
    size_t width;
    bool has_precision;
    size_t precision;
    unsigned size; /* bytes of an integer argument */
    char conv;
};

static void put(struct sink *s, char c)
{
    if (s->len + 1 < s->size) {
        s->buf[s->len] = c;
    }
    s->len++;
}

static void put_many(struct sink *s, char c, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        put(s, c);
    }
}

static void put_text(struct sink *s, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        put(s, text[i]);
    }
}

static void put_padded(struct sink *s, const struct spec *f, const char *text, size_t n)
{
    size_t pad = f->width > n ? f->width - n : 0;
    put_many(s, ' ', f->left ? 0 : pad);
    put_text(s, text, n);
    put_many(s, ' ', f->left ? pad : 0);
}

/* Digits of V, last first; returns how many. */
static size_t digits_of(uint64_t v, unsigned base, bool upper, char *out)
{
    const char *set = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    size_t n = 0;
    for (; v != 0; v /= base) {
        out[n++] = set[v % base];
    }
    return n;
}

static void put_number(struct sink *s, const struct spec *f, uint64_t v, const char *prefix, unsigned base)
{
    char digits[24];
    size_t n = digits_of(v, base, f->conv == 'X', digits);
    size_t zeros = f->has_precision ? (f->precision > n ? f->precision - n : 0) : (n == 0 ? 1 : 0);
    if (base == 8 && f->alt && zeros == 0) {
        zeros = 1;
    }
    size_t prefix_len = strlen(prefix);
    size_t all = prefix_len + zeros + n;
    size_t pad = f->width > all ? f->width - all : 0;
    if (f->zero && !f->left && !f->has_precision) {
        zeros += pad;
        pad = 0;
    }
    put_many(s, ' ', f->left ? 0 : pad);
    put_text(s, prefix, prefix_len);
    put_many(s, '0', zeros);
    while (n != 0) {
        put(s, digits[--n]);
    }
    put_many(s, ' ', f->left ? pad : 0);
}

static const char *number_at(const char *p, size_t *out)
{
    size_t v = 0;
    for (; *p >= '0' && *p <= '9'; p++) {
        v = v < 100000 ? v * 10 + (size_t)(*p - '0') : v;
    }
    *out = v;
    return p;
}

static const char *parse_flags(const char *p, struct spec *f)
{
    for (;; p++) {
        if (*p == '-') {
            f->left = true;
        } else if (*p == '0') {
            f->zero = true;
        } else if (*p == '+') {
            f->plus = true;
        } else if (*p == ' ') {
            f->space = true;
        } else if (*p == '#') {
            f->alt = true;
        } else {
            return p;
        }
    }
}

static const char *parse_size(const char *p, struct spec *f)
{
    f->size = 4;
    if (*p == 'z' || *p == 'j' || *p == 't') {
        f->size = 8;
        return p + 1;
    }
    if (*p == 'l') {
        f->size = 8;
        return p[1] == 'l' ? p + 2 : p + 1;
    }
    if (*p == 'h') {
        f->size = p[1] == 'h' ? 1 : 2;
        return p[1] == 'h' ? p + 2 : p + 1;
    }
    return p;
}

static int64_t signed_arg(uint64_t v, unsigned size)
{
    unsigned shift = 64 - size * 8;
    return (int64_t)(v << shift) >> shift;
}

static void put_signed(struct sink *s, const struct spec *f, uint64_t raw)
{
    int64_t v = signed_arg(raw, f->size);
    const char *sign = v < 0 ? "-" : f->plus ? "+" : f->space ? " " : "";
    put_number(s, f, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, sign, 10);
}

static void put_unsigned(struct sink *s, const struct spec *f, uint64_t raw)
{
    uint64_t v = f->size == 8 ? raw : raw & ((1UL << (f->size * 8)) - 1);
    unsigned base = f->conv == 'u' ? 10 : f->conv == 'o' ? 8 : 16;
    const char *prefix = base == 16 && f->alt && v != 0 ? (f->conv == 'X' ? "0X" : "0x") : "";
    put_number(s, f, v, prefix, base);
}

static void put_string(struct sink *s, const struct spec *f, const char *text)
{
    text = text != NULL ? text : "(null)";
    put_padded(s, f, text, f->has_precision ? strnlen(text, f->precision) : strlen(text));
}

int vsnprintf(char *buf, size_t size, const char *fmt, va_list ap)
{
    struct sink s = {buf, size, 0};
    const char *p = fmt;
    while (*p != '\0') {
        if (*p != '%') {
            put(&s, *p++);
            continue;
        }
        struct spec f = {};
        const char *start = p;
        p = parse_flags(p + 1, &f);
        if (*p == '*') {
            int w = va_arg(ap, int);
            f.left |= w < 0;
            f.width = w < 0 ? 0 - (size_t)w : (size_t)w;
            p++;
        } else {
            p = number_at(p, &f.width);
        }
        if (*p == '.') {
            p++;
            f.has_precision = true;
            if (*p == '*') {
                int prec = va_arg(ap, int);
                f.has_precision = prec >= 0;
                f.precision = prec < 0 ? 0 : (size_t)prec;
                p++;
            } else {
                p = number_at(p, &f.precision);
            }
        }
        p = parse_size(p, &f);
        f.conv = *p;
        switch (f.conv) {
        case 'd':
        case 'i':
            put_signed(&s, &f, f.size == 8 ? va_arg(ap, uint64_t) : va_arg(ap, unsigned));
            break;
        case 'u':
        case 'x':
        case 'X':
        case 'o':
            put_unsigned(&s, &f, f.size == 8 ? va_arg(ap, uint64_t) : va_arg(ap, unsigned));
            break;
        case 'p':
            f.conv = 'x';
            put_number(&s, &f, (uint64_t)(uintptr_t)va_arg(ap, void *), "0x", 16);
            break;
        case 'c': {
            char c = (char)va_arg(ap, int);
            put_padded(&s, &f, &c, 1);
            break;
        }
        case 's':
            put_string(&s, &f, va_arg(ap, const char *));
            break;
        case '%':
            put(&s, '%');
            break;
        case '\0': /* a lone '%' at the end */
            put_text(&s, start, (size_t)(p - start));
            continue;
        default: /* unknown: shown as it stands, so that the mistake is seen */
            put_text(&s, start, (size_t)(p - start) + 1);
            break;
        }
        p++;
    }
    if (size != 0) {
        buf[s.len < size ? s.len : size - 1] = '\0';
    }
    return (int)s.len;
}

int snprintf(char *buf, size_t size, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(buf, size, fmt, ap);
    va_end(ap);
    return n;
}
