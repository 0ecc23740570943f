/* SPDX-License-Identifier: Apache-2.0
 * [FW] memcpy and friends: the compiler calls them by name, and the loader links no library but the firmware start
 * code. */
#include "boot/efi/lib.h"

#include <stdint.h>

/* Quadwords first: in an emulator each iteration of a REP instruction costs one step. */
void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    void *d = to;
    size_t quads = n / 8;
    size_t rest = n % 8;

    __asm__ volatile("rep movsq" : "+D"(d), "+S"(from), "+c"(quads) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(d), "+S"(from), "+c"(rest) : : "memory");
    return to;
}

void *memmove(void *to, const void *from, size_t n)
{
    volatile uint8_t *d = to;
    const volatile uint8_t *s = from;

    if ((uintptr_t)to - (uintptr_t)from >= n) {
        return memcpy(to, from, n);
    }
    while (n > 0) { /* the end overlaps: backwards */
        n--;
        d[n] = s[n];
    }
    return to;
}

void *memset(void *to, int byte, size_t n)
{
    void *d = to;
    uint64_t pattern = (uint64_t)(uint8_t)byte * 0x0101010101010101UL;
    size_t quads = n / 8;
    size_t rest = n % 8;

    __asm__ volatile("rep stosq" : "+D"(d), "+c"(quads) : "a"(pattern) : "memory");
    __asm__ volatile("rep stosb" : "+D"(d), "+c"(rest) : "a"(pattern) : "memory");
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const volatile uint8_t *x = a;
    const volatile uint8_t *y = b;

    for (size_t i = 0; i < n; i++) {
        if (x[i] != y[i]) {
            return x[i] < y[i] ? -1 : 1;
        }
    }
    return 0;
}

size_t strlen(const char *s)
{
    const volatile char *p = s;
    size_t n = 0;

    while (p[n] != '\0') {
        n++;
    }
    return n;
}
