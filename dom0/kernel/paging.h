/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Dom0's own page tables and the layout of its address space. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define DIRECT_BASE  0xffff800000000000UL /* Dom0's RAM, at its physical address */
#define MODULE_BASE  0xffff900000000000UL /* files of the guest folder, likewise; read-only */
#define STACK_BASE   0xffffa00000000000UL /* thread stacks */
#define DEVICE_BASE  0xffffb00000000000UL /* device registers, uncached */
#define SCRATCH_BASE 0xffffc00000000000UL /* foreign and borrowed memory */
#define IMAGE_BASE   0xffffffff80000000UL

enum paging_flags { PAGING_READ = 0, PAGING_WRITE = 1, PAGING_EXECUTE = 2, PAGING_UNCACHED = 4 };

/* From dom0.ld, page-aligned. */
extern unsigned char image_start[], text_end[], rodata_end[], image_end[];

/* Builds the final tables and switches to them: the image at BASE with W^X, RAM [RAM_BASE, RAM_END) at DIRECT_BASE
 * (the image's code and constants read-only there too). Gives the boot tables back to the pages. false: no memory. */
bool paging_init(uint64_t base, uint64_t ram_base, uint64_t ram_end);
/* Maps BYTES at PHYS to VA (all page-aligned), 2 MiB pages where both allow. Precondition: nothing is mapped there.
 * false: no memory for a table; then nothing of it is mapped. */
bool paging_map(uint64_t va, uint64_t phys, uint64_t bytes, enum paging_flags flags);
/* Undoes paging_map for the same range; what is not mapped is passed over. */
void paging_unmap(uint64_t va, uint64_t bytes);
/* Where VA points to. false: nowhere. */
bool paging_lookup(const void *va, uint64_t *phys);
