/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Where things lie in a new guest's memory, and the PVH start info that says so. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "dom0/builder/elf_plan.h"

/* RAM ends below the devices' addresses; the rest goes on at 4 GiB. */
#define GUEST_LOW_MAX     (0xf0000000ULL)
#define GUEST_HIGH_BASE   (1ULL << 32)
#define GUEST_RAM_MAX     (512ULL << 30)
#define GUEST_RAM_MIN     (4ULL << 20)
#define GUEST_CMDLINE_MAX 4000U
#define GUEST_INFO_BYTES  8192U /* start info, module list, memory map and command line together */

struct guest_layout {
    uint64_t ram_bytes;  /* from 0 on, at most GUEST_LOW_MAX: all that the builder places lies here */
    uint64_t high_bytes; /* from GUEST_HIGH_BASE on */
    uint64_t info_gpa;
    uint64_t ramdisk_gpa, ramdisk_bytes; /* 0 bytes: none */
    uint64_t acpi_gpa, acpi_bytes;
    uint64_t special_gpa, special_bytes; /* ring pages: reserved in the memory map */
};

/* Fills info_gpa and ramdisk_gpa from the rest. NULL: good; else "why: what to do", written to TEXT. */
const char *guest_layout_plan(const struct elf_plan *kernel, struct guest_layout *l, char *text, size_t text_len);
/* The bytes for info_gpa into BUF (GUEST_INFO_BYTES, zeroed); returns how many are used. CMDLINE at most
 * GUEST_CMDLINE_MAX long. */
size_t start_info_build(uint8_t *buf, const struct guest_layout *l, const char *cmdline);
