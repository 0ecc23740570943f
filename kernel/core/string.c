/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Memory and string primitives. Bulk moves are REP instructions by quadword: one instruction in C's place that no compiler
 * turns back into a call of itself. The empty asm in the byte loops stops that same transformation. */
#include "kernel/core/string.h"

#define NO_IDIOM() __asm__ volatile("" : : : "memory")

void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
    void *d = dst;
    size_t quads = n / 8;
    size_t rest = n % 8;
    __asm__ volatile("rep movsq" : "+D"(d), "+S"(src), "+c"(quads) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(d), "+S"(src), "+c"(rest) : : "memory");
    return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
    if ((uintptr_t)dst - (uintptr_t)src >= n)
        return memcpy(dst, src, n);
    for (size_t i = n; i > 0; i--) {
        ((uint8_t *)dst)[i - 1] = ((const uint8_t *)src)[i - 1];
        NO_IDIOM();
    }
    return dst;
}

void *memset(void *dst, int byte, size_t n)
{
    void *d = dst;
    uint64_t pattern = 0x0101010101010101UL * (uint8_t)byte;
    size_t quads = n / 8;
    size_t rest = n % 8;
    __asm__ volatile("rep stosq" : "+D"(d), "+c"(quads) : "a"(pattern) : "memory");
    __asm__ volatile("rep stosb" : "+D"(d), "+c"(rest) : "a"(pattern) : "memory");
    return dst;
}

void memset64(void *dst, uint64_t value, size_t count)
{
    __asm__ volatile("rep stosq" : "+D"(dst), "+c"(count) : "a"(value) : "memory");
}

int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *x = a;
    const uint8_t *y = b;
    for (size_t i = 0; i < n; i++) {
        if (x[i] != y[i])
            return x[i] - y[i];
        NO_IDIOM();
    }
    return 0;
}

size_t strnlen(const char *s, size_t max)
{
    size_t n = 0;
    while (n < max && s[n] != '\0') {
        n++;
        NO_IDIOM();
    }
    return n;
}

size_t strlen(const char *s) { return strnlen(s, ~0UL); }

void str_copy(char *dst, size_t size, const char *src)
{
    size_t n = strnlen(src, size - 1);
    memcpy(dst, src, n);
    dst[n] = '\0';
}
