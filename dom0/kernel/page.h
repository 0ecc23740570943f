/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Pages of Dom0's RAM for the kernel's own use (heap arenas, page tables, stacks). page_alloc/page_free of
 * heap.h are for everybody else. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SIZE 4096UL

/* Takes over RAM [BASE, END) (page-aligned, mapped at VIEW) of which [BASE, USED) is in use; its own bitmap comes
 * next. false: too small. */
bool page_init(uint64_t base, uint64_t used, uint64_t end, void *view);
/* Marks physical [BASE, BASE + SIZE) as in use, where it is RAM of ours. */
void page_reserve(uint64_t base, uint64_t size);
/* N pages in a row, not zeroed, not counted as handed out. NULL: exhausted. */
void *page_take(size_t n);
void page_give(void *p, size_t n);
/* Of pages from page_take or page_alloc. */
uint64_t page_phys(const void *p);
void *page_view(uint64_t phys);
size_t page_free_count(void);
/* Bytes handed out by page_alloc. */
size_t page_handed_out(void);
size_t page_total_bytes(void);
