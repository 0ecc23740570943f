/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Memory blocks. REP MOVSQ/STOSQ carry the bulk: one instruction for the program, eight bytes per step for
 * the machine. */
#include "dom0/lib/string.h"

/* A word at any address, of any type underneath. */
typedef uint64_t __attribute__((may_alias, aligned(1))) word_any;

void *memcpy(void *dst, const void *src, size_t len)
{
    void *d = dst;
    size_t words = len / 8, tail = len % 8;
    __asm__ volatile("rep movsq" : "+D"(d), "+S"(src), "+c"(words) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(d), "+S"(src), "+c"(tail) : : "memory");
    return dst;
}

void *memmove(void *dst, const void *src, size_t len)
{
    if ((uintptr_t)dst - (uintptr_t)src >= len) {
        return memcpy(dst, src, len); /* below the source, or beyond its end: forward is safe */
    }
    unsigned char *d = dst;
    const unsigned char *s = src;
    while (len % 8 != 0) {
        len--;
        d[len] = s[len];
    }
    while (len != 0) { /* backward; a word is loaded whole before it is stored */
        len -= 8;
        *(word_any *)(void *)(d + len) = *(const word_any *)(const void *)(s + len);
    }
    return dst;
}

void *memset(void *dst, int c, size_t len)
{
    void *d = dst;
    uint64_t pattern = (uint64_t)(unsigned char)c * 0x0101010101010101UL;
    size_t words = len / 8, tail = len % 8;
    __asm__ volatile("rep stosq" : "+D"(d), "+c"(words) : "a"(pattern) : "memory");
    __asm__ volatile("rep stosb" : "+D"(d), "+c"(tail) : "a"(pattern) : "memory");
    return dst;
}

int memcmp(const void *a, const void *b, size_t len)
{
    const unsigned char *x = a, *y = b;
    size_t i = 0;
    while (i + 8 <= len && *(const word_any *)(const void *)(x + i) == *(const word_any *)(const void *)(y + i)) {
        i += 8;
    }
    for (; i < len; i++) {
        if (x[i] != y[i]) {
            return x[i] < y[i] ? -1 : 1;
        }
    }
    return 0;
}

void *memchr(const void *s, int c, size_t len)
{
    const unsigned char *p = s;
    for (size_t i = 0; i < len; i++) {
        if (p[i] == (unsigned char)c) {
            return (void *)(uintptr_t)(p + i);
        }
    }
    return NULL;
}
