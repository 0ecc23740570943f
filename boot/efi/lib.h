/* SPDX-License-Identifier: Apache-2.0
 * [FW][HOST] The few C library functions that the loader uses. lib.c defines them for the firmware build; in unit tests
 * the host's C library does. */
#pragma once

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
