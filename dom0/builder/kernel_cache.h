/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Unpacked kernels that are kept, in borrowed memory, so that the next domain of the same kernel starts without
 * unpacking. Each is kept with its packed bytes, and a file is the same kernel only when all of these are equal: no
 * name, no date and no hash decides. What is kept goes as soon as memory is short; it belongs to no domain. Called with
 * manager_lock held (the figures: by anybody). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kernel_cache_figures {
    uint32_t kernels;
    uint64_t bytes; /* borrowed for them */
    uint64_t used;  /* how often one was found */
};

/* The LEN unpacked bytes of the kernel that is PACKED; good until the next call but kernel_cache_figures. NULL: it is
 * not kept. Lets other threads run. */
const uint8_t *kernel_cache_find(const uint8_t *packed, size_t packed_len, uint64_t len);
/* Memory for LEN unpacked bytes and one more, to be filled and handed to kernel_cache_keep; NULL: not enough is free.
 */
uint8_t *kernel_cache_room(uint64_t len);
/* Keeps WHOLE (of kernel_cache_room), or, when KEEP is false or memory is short, gives it back. */
void kernel_cache_keep(uint8_t *whole, uint64_t len, const uint8_t *packed, size_t packed_len, bool keep);
/* memory_borrow; where that fails, kernels that are kept go first. memory_return takes it back. */
void *kernel_cache_borrow(size_t bytes);
/* Gives everything back. false: there was nothing. */
bool kernel_cache_drop(void);
void kernel_cache_figures(struct kernel_cache_figures *out);
