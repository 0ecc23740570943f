/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The little of <string.h> that root mode needs; same names, same meaning. */
#pragma once

#include "kernel/core/types.h"

void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int byte, size_t n);
/* COUNT quadwords of VALUE; DST 8-byte aligned. */
void memset64(void *dst, uint64_t value, size_t count);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
/* Copies at most SIZE - 1 bytes of SRC and always terminates; SIZE > 0. */
void str_copy(char *dst, size_t size, const char *src);
