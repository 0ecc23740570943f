/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Dom0's memory: pages and heap, and memory borrowed from the hypervisor. Cooperative threads: no lock
 * needed. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* 16-byte aligned, zeroed. NULL: exhausted. */
void *heap_alloc(size_t size);
void *heap_realloc(void *p, size_t size);
void heap_free(void *p); /* NULL is fine */
char *heap_strdup(const char *s);
size_t heap_used(void);  /* bytes handed out, for leak counts */
size_t heap_total(void);
/* Whole pages, zeroed, physically contiguous, below 4 GiB; phys = bus address (Dom0's RAM is 1:1 with the host's). */
void *page_alloc(size_t pages, uint64_t *phys);
void page_free(void *p, size_t pages);
/* Large scratch memory outside Dom0's own RAM, 2 MiB granularity, virtually contiguous; NULL: the host has none
 * free. Zeroed. Given back by memory_return. Not for DMA. Both let other threads run. */
void *memory_borrow(size_t bytes);
void memory_return(void *p, size_t bytes);
