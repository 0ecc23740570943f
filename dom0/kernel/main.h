/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Entry from entry.asm. */
#pragma once

#include <stdint.h>

/* START: physical address of the PVH start info; BASE: of the image. On the boot stack and boot tables, interrupts
 * off. */
_Noreturn void dom0_main(uint64_t start, uint64_t base);
