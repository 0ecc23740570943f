/* SPDX-License-Identifier: Apache-2.0
 * [FW][HOST] From what the firmware tells to the tables of boot_info: memory ranges, CPUs, time. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boot/boot_info.h"

/* A list of ranges: page-aligned, sorted, not overlapping, neighbours of one type merged. */
struct handoff_ranges {
    struct boot_range *r;
    uint32_t count;
    uint32_t cap;
};

/* Makes [base, base + size) be of `type`, whatever it was; page-aligned outwards. False and no change: no room in the
 * list, or the range wraps. */
bool handoff_paint(struct handoff_ranges *ranges, uint64_t base, uint64_t size, uint32_t type);

/* Reads a firmware memory map (UEFI 2.10, section "EFI_BOOT_SERVICES.GetMemoryMap()": descriptors `stride` bytes apart)
 * into an empty list. Where entries overlap, the one that is not free wins. With `allocatable`, only memory that boot
 * services would still give away counts as free. False: no room in the list, or a malformed map. */
bool handoff_read_map(struct handoff_ranges *ranges, const void *map, size_t bytes, size_t stride, bool allocatable);

/* Lowest address >= min of `size` free bytes aligned to `align` (a power of two) that end at or below max; 0: none. */
uint64_t handoff_find_free(const struct handoff_ranges *ranges, uint64_t size, uint64_t align, uint64_t min,
                           uint64_t max);

/* Sum of the free ranges in bytes. */
uint64_t handoff_free_bytes(const struct handoff_ranges *ranges);

/* Largest free stretch below max, cut to multiples of align, in bytes. */
uint64_t handoff_largest_free(const struct handoff_ranges *ranges, uint64_t align, uint64_t max);

/* The last step: keeps free memory back that the hypervisor does not use (BOOT_RAM_FIRST, BOOT_RAM_LIMIT) and sets aside its
 * frame table, as high as possible. False: no room, in the list or in memory. */
bool handoff_finish(struct handoff_ranges *ranges);

/* The first of BOOT_SCRATCH_PAGES frame numbers in the upper half of the address space that no range touches; 0: none. */
uint64_t handoff_scratch(const struct handoff_ranges *ranges, unsigned address_bits);

/* Adds an enabled CPU to info; a known APIC id is added once. False: the table is full. */
bool handoff_add_cpu(struct boot_info *info, uint32_t apic_id);

/* Marks the boot CPU, puts it first, and adds it if the firmware's list lacks it. */
void handoff_mark_boot_cpu(struct boot_info *info, uint32_t apic_id);

/* Seconds since 1970 of a calendar date; zone_minutes is what local time lacks to UTC (UEFI: TimeZone). 0: not a date.
 */
uint64_t handoff_unix_seconds(unsigned year, unsigned month, unsigned day, unsigned seconds_of_day, int zone_minutes);

/* The TSC's rate (1 .. 2^32-1; 0: unknown) and the factors of Xen's clock page for it, mul with its top bit set: the best
 * precision that 32 bits give. */
void handoff_set_rate(struct boot_clock *clock, uint64_t khz);

/* UNIX time in ns, some TSC ticks after the time that was `seconds`; 0: unknown. */
uint64_t handoff_wall_ns(const struct boot_clock *clock, uint64_t seconds, uint64_t ticks_since);
