/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Included before everything else (-include) by root's real files in tests that run its real memory management: a machine of 8 MiB, whose
 * physical memory is an array. What the hypervisor has at ROOT_MAP_BASE + address is here at host_ram + address; the numbers of frames are small, so that
 * frame.c's table is. Nothing else of root changes. tests/unit/memory_fakes.h is the rest of that machine. */
#pragma once

#ifdef HOST_SNAPSHOT /* all of root's data together, so that a fuzzer can put it back */
#pragma clang section bss = "rootbss" data = "rootdata"
#endif

#include "boot/boot_info.h"
#undef BOOT_RAM_LIMIT
#define BOOT_RAM_LIMIT (16UL << 20)

#include "kernel/mm/frame_priv.h"
#undef FRAME_BITS
#define FRAME_BITS 12U
#undef FRAME_CHUNK_SHIFT
#define FRAME_CHUNK_SHIFT 11U

#define root_va root_va_of_the_hypervisor
#define root_pa root_pa_of_the_hypervisor
#include "kernel/mm/pagetable.h"
#undef root_va
#undef root_pa

#define HOST_FRAMES 2048UL
extern char host_ram[HOST_FRAMES][PAGE_SIZE];
static inline void *root_va(hpa_t a) { return &host_ram[0][0] + a.v; }
static inline hpa_t root_pa(const void *va) { return hpa((uint64_t)((const char *)va - &host_ram[0][0])); }
