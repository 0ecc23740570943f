/* SPDX-License-Identifier: Apache-2.0
 * [FW] The firmware's services: tables, memory that is given back on failure, and its memory map. */
#pragma once

#include <efi.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boot/efi/handoff.h"

#define FIRMWARE_BELOW_640K 0xa0000UL
#define FIRMWARE_BELOW_4G (1UL << 32)
#define FIRMWARE_ANYWHERE BOOT_RAM_LIMIT /* as far as the hypervisor's frame table reaches */

/* Keeps the tables; must come first. */
void firmware_init(EFI_HANDLE image, EFI_SYSTEM_TABLE *table);
EFI_HANDLE firmware_image(void);
EFI_SYSTEM_TABLE *firmware_table(void);
EFI_BOOT_SERVICES *firmware_boot(void);

/* Pages below `max`; 0: none. Freed by firmware_release(). */
uint64_t firmware_alloc(size_t bytes, uint64_t max);
/* Whole 2 MiB units at a 2 MiB-aligned address below max, which may hold code; 0: none. Freed by firmware_release(). */
uint64_t firmware_alloc_large(size_t bytes, uint64_t max);
void firmware_free(uint64_t address);
/* Gives back all that was allocated: the way back to the firmware. */
void firmware_release(void);

/* The current memory as ranges in `ranges`. With `allocatable`, what AllocatePages would still give counts as free. */
EFI_STATUS firmware_ranges(struct handoff_ranges *ranges, bool allocatable);

/* Leaves boot services: reads the map into `ranges`, runs `finish` on it (it must not call the firmware; false: give up
 * before anything happened), exits with the map's key, and tries again if the key got stale meanwhile. After success no
 * boot service may be called. */
EFI_STATUS firmware_exit(struct handoff_ranges *ranges, bool (*finish)(void *context), void *context);

/* A short name for a status. */
const char *firmware_words(EFI_STATUS status);
