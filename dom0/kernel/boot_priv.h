/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The first steps: what the start info says. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel/abi/control.h"

struct boot_ram {
    uint64_t base, end;
};

/* Looks for the hypervisor and copies the start info at physical START; first code of all, on the boot tables.
 * BASE: where the image is. false: the start info is unusable. *RAM: the stretch of RAM that the image lies in. */
bool boot_init(uint64_t start, uint64_t base, struct boot_ram *ram);
/* Maps the modules; after paging_init. */
bool boot_map_modules(void);
/* Keeps the modules out of the pages (driver-test mode: they lie in RAM). */
void boot_reserve_modules(void);
/* As it was at the start; zeros without a hypervisor. */
const struct cbl_host_info *boot_host_info(void);
