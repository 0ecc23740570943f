/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Root's own 4-level map: W^X, no direct map of RAM. Layout in docs/memory-map.md.
 * Root-owned frames are visible at a linear place: root_va(h) = ROOT_MAP_BASE + h, present only while the frame is root's. */
#pragma once

#include "kernel/core/addr.h"
#include "kernel/core/status.h"

#define ROOT_IMAGE_BASE 0xffffffff80000000UL
#define ROOT_MAP_BASE 0xffff800000000000UL    /* + hpa, root-owned frames only, RW NX */
#define ROOT_FRAME_TABLE 0xffffc00000000000UL /* + 8 * hfn */
#define ROOT_WINDOW_BASE 0xffffe00000000000UL /* per-CPU windows */
#define ROOT_MMIO_BASE 0xffffe80000000000UL   /* device registers */

static inline void *root_va(hpa_t a) { return (void *)(ROOT_MAP_BASE + a.v); }
static inline hpa_t root_pa(const void *va) { return hpa((uint64_t)va - ROOT_MAP_BASE); }

/* Refines entry.asm's tables into the final ones (image by segment W^X, windows, no identity map) and reloads CR3. Boot only;
 * needs no frame allocator. The tables see each other through a recursive PML4 slot, so their frames are not at root_va(). */
void pagetable_init(void);
/* Maps 2 MiB of physical memory at A as piece CHUNK of the frame table (2 MiB of table: 1 GiB of memory). Boot only, no frame allocator needed. */
void pagetable_map_frame_table(unsigned chunk, hpa_t a);
/* Makes 2^ORDER frames visible at root_va(), RW NX. STATUS_NO_MEMORY: no frame for a table; some may be mapped then: unmap them. */
enum status pagetable_map_root(hfn_t first, unsigned order);
/* Takes them out again; frames that are not there are skipped. This CPU's TLB is flushed for them. */
void pagetable_unmap_root(hfn_t first, unsigned order);
/* Does the 2 MiB unit around F have its table at root_va() already, so that mapping F there costs no frame? */
bool pagetable_root_unit_mapped(hfn_t f);
/* Points window page SLOT of CPU at F (kernel/mm/window.c only). */
void *pagetable_set_window(uint32_t cpu, unsigned slot, hfn_t f);
/* Maps SIZE bytes of device memory at physical A, uncached, RW NX; for good. */
enum status pagetable_map_mmio(hpa_t a, size_t size, void **out);
/* Physical address of a byte inside root's image. */
hpa_t pagetable_image_pa(const void *va);
uint64_t pagetable_cr3(void);
/* For audit: no page both writable and executable; false and the address otherwise. */
bool pagetable_check_wx(uint64_t *bad_va);
