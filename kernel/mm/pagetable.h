/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Root's own 4-level map: W^X, no direct map of RAM. Layout in docs/memory-map.md.
 * Root-owned frames are visible at a linear place: root_va(h) = ROOT_MAP_BASE + h, present only while the frame is root's. */
#ifndef KERNEL_MM_PAGETABLE_H
#define KERNEL_MM_PAGETABLE_H

#include "kernel/core/addr.h"
#include "kernel/core/status.h"

#define ROOT_IMAGE_BASE 0xffffffff80000000UL
#define ROOT_MAP_BASE 0xffff800000000000UL    /* + hpa, root-owned frames only, RW NX */
#define ROOT_FRAME_TABLE 0xffffc00000000000UL /* + 8 * hfn */
#define ROOT_WINDOW_BASE 0xffffe00000000000UL /* per-CPU windows */
#define ROOT_MMIO_BASE 0xffffe80000000000UL   /* device registers */

static inline void *root_va(hpa_t a) { return (void *)(ROOT_MAP_BASE + a.v); }
static inline hpa_t root_pa(const void *va) { return hpa((uint64_t)va - ROOT_MAP_BASE); }

/* Builds the final tables (image by segment W^X, frame table) and loads CR3. Panics if memory does not suffice: boot only. */
void pagetable_init(void);
/* Maps SIZE bytes of device memory at physical A, uncached, RW NX; for good. */
enum status pagetable_map_mmio(hpa_t a, size_t size, void **out);
/* Physical address of a byte inside root's image. */
hpa_t pagetable_image_pa(const void *va);
uint64_t pagetable_cr3(void);
/* For audit: no page both writable and executable; false and the address otherwise. */
bool pagetable_check_wx(uint64_t *bad_va);

#endif
