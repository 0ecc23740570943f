/* SPDX-License-Identifier: Apache-2.0
 * [FW][HOST] The memory type that the host's MTRRs give a physical range. Pure. SDM vol 3, "Memory Type Range Registers
 * (MTRRs)". */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "boot/efi/handoff.h"

#define MEMTYPE_UC           0U
#define MEMTYPE_WB           6U
#define MEMTYPE_MAX_VARIABLE 32U

struct mtrr_state {
    uint64_t cap;       /* IA32_MTRRCAP */
    uint64_t def_type;  /* IA32_MTRR_DEF_TYPE */
    uint64_t fixed[11]; /* 0x250, 0x258, 0x259, 0x268..0x26f */
    struct {
        uint64_t base, mask;
    } variable[MEMTYPE_MAX_VARIABLE];
    unsigned phys_bits;
};

/* The type of the 4 KiB frame number f. */
unsigned memtype_of_frame(const struct mtrr_state *m, uint64_t f);

/* The type of [f, +2^order) when it is the same all over; false otherwise. */
bool memtype_of_range(const struct mtrr_state *m, uint64_t f, unsigned order, unsigned *type);

/* Free memory that is not write-back becomes reserved, so that all free memory is alike. False: no room in the list. */
bool memtype_keep_write_back(const struct mtrr_state *m, struct handoff_ranges *ranges);
