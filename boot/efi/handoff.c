/* SPDX-License-Identifier: Apache-2.0
 * [FW][HOST] From what the firmware tells to the tables of boot_info: memory ranges, CPUs, time. Pure. */
#include "boot/efi/handoff.h"

#include "boot/efi/lib.h"

#define PAGE       4096UL
#define LARGE_PAGE (2UL << 20)

/* UEFI 2.10, section "EFI_BOOT_SERVICES.GetMemoryMap()". */
struct descriptor {
    uint32_t type;
    uint32_t pad;
    uint64_t base;
    uint64_t virtual_base;
    uint64_t pages;
    uint64_t attributes;
};
_Static_assert(sizeof(struct descriptor) == 40, "EFI_MEMORY_DESCRIPTOR");

#define ATTRIBUTE_WB               (1UL << 3)
#define ATTRIBUTE_SPECIFIC_PURPOSE (1UL << 18)
#define TYPE_CONVENTIONAL          7U

/* ---- ranges --------------------------------------------------------------------------- */
static uint64_t end_of(const struct boot_range *r) { return r->base + r->size; }

static void delete_at(struct handoff_ranges *ranges, uint32_t at)
{
    ranges->count--;
    memmove(&ranges->r[at], &ranges->r[at + 1], (ranges->count - at) * sizeof(ranges->r[0]));
}

static void insert_at(struct handoff_ranges *ranges, uint32_t at, struct boot_range range)
{
    memmove(&ranges->r[at + 1], &ranges->r[at], (ranges->count - at) * sizeof(ranges->r[0]));
    ranges->r[at] = range;
    ranges->count++;
}

/* Takes [base, end) out of the list; returns where a range for it belongs. */
static uint32_t cut(struct handoff_ranges *ranges, uint64_t base, uint64_t end)
{
    uint32_t i = 0;

    while (i < ranges->count && end_of(&ranges->r[i]) <= base) {
        i++;
    }
    if (i < ranges->count && ranges->r[i].base < base) { /* it begins before: keep that part */
        struct boot_range tail = ranges->r[i];
        ranges->r[i].size = base - tail.base;
        i++;
        if (end_of(&tail) > end) { /* and ends behind: keep that as well */
            insert_at(ranges, i, (struct boot_range){end, end_of(&tail) - end, tail.type, 0});
            return i;
        }
    }
    while (i < ranges->count && ranges->r[i].base < end) {
        uint64_t its_end = end_of(&ranges->r[i]);
        if (its_end > end) {
            ranges->r[i].base = end;
            ranges->r[i].size = its_end - end;
            break;
        }
        delete_at(ranges, i);
    }
    return i;
}

static void merge_with_next(struct handoff_ranges *ranges, uint32_t at)
{
    if (at + 1 < ranges->count && ranges->r[at].type == ranges->r[at + 1].type &&
        end_of(&ranges->r[at]) == ranges->r[at + 1].base) {
        ranges->r[at].size += ranges->r[at + 1].size;
        delete_at(ranges, at + 1);
    }
}

bool handoff_paint(struct handoff_ranges *ranges, uint64_t base, uint64_t size, uint32_t type)
{
    if (size == 0) {
        return true;
    }
    if (size > UINT64_MAX - PAGE - base) {
        return false;
    }
    uint64_t end = (base + size + PAGE - 1) & ~(PAGE - 1);
    base &= ~(PAGE - 1);
    if (ranges->count + 2 > ranges->cap) { /* at worst one range splits and one comes */
        return false;
    }
    uint32_t at = cut(ranges, base, end);
    insert_at(ranges, at, (struct boot_range){base, end - base, type, 0});
    merge_with_next(ranges, at);
    if (at > 0) {
        merge_with_next(ranges, at - 1);
    }
    return true;
}

/* UEFI 2.10, table "Memory Type Usage after ExitBootServices()". */
static uint32_t range_type(const struct descriptor *d, bool allocatable)
{
    static const uint8_t types[] = {
        [0] = BOOT_RANGE_RESERVED, [1] = BOOT_RANGE_FREE,      [2] = BOOT_RANGE_FREE,     [3] = BOOT_RANGE_FREE,
        [4] = BOOT_RANGE_FREE,     [5] = BOOT_RANGE_RESERVED,  [6] = BOOT_RANGE_RESERVED, [7] = BOOT_RANGE_FREE,
        [8] = BOOT_RANGE_BAD,      [9] = BOOT_RANGE_ACPI,      [10] = BOOT_RANGE_NVS,     [11] = BOOT_RANGE_MMIO,
        [12] = BOOT_RANGE_MMIO,    [13] = BOOT_RANGE_RESERVED, /* PAL code */
    };
    uint32_t type = d->type < sizeof(types) ? types[d->type] : BOOT_RANGE_RESERVED;

    if (type != BOOT_RANGE_FREE) {
        return type;
    }
    /* Memory that cannot be cached, or that the firmware keeps for a special purpose, is no general memory. */
    if ((d->attributes & ATTRIBUTE_WB) == 0 || (d->attributes & ATTRIBUTE_SPECIFIC_PURPOSE) != 0) {
        return BOOT_RANGE_RESERVED;
    }
    return allocatable && d->type != TYPE_CONVENTIONAL ? BOOT_RANGE_RESERVED : BOOT_RANGE_FREE;
}

/* Paints the free entries (want_free) or the others. */
static bool paint_map(struct handoff_ranges *ranges, const void *map, size_t bytes, size_t stride, bool allocatable,
                      bool want_free)
{
    for (size_t at = 0; bytes - at >= stride; at += stride) {
        struct descriptor d;
        memcpy(&d, (const uint8_t *)map + at, sizeof(d));
        uint32_t type = range_type(&d, allocatable);
        if ((type == BOOT_RANGE_FREE) != want_free) {
            continue;
        }
        if (d.pages > UINT64_MAX / PAGE || !handoff_paint(ranges, d.base, d.pages * PAGE, type)) {
            return false;
        }
    }
    return true;
}

bool handoff_read_map(struct handoff_ranges *ranges, const void *map, size_t bytes, size_t stride, bool allocatable)
{
    ranges->count = 0;
    if (stride < sizeof(struct descriptor)) {
        return false;
    }
    return paint_map(ranges, map, bytes, stride, allocatable, true) &&
           paint_map(ranges, map, bytes, stride, allocatable, false);
}

/* The part of a free range in [min, max], its start aligned; false: nothing. */
static bool clip(const struct boot_range *r, uint64_t align, uint64_t min, uint64_t max, uint64_t *base, uint64_t *size)
{
    uint64_t start = r->base > min ? r->base : min;
    uint64_t end = end_of(r) < max ? end_of(r) : max;

    if (r->type != BOOT_RANGE_FREE || start > UINT64_MAX - (align - 1)) {
        return false;
    }
    start = (start + align - 1) & ~(align - 1);
    *base = start;
    *size = start < end ? end - start : 0;
    return start < end;
}

uint64_t handoff_find_free(const struct handoff_ranges *ranges, uint64_t size, uint64_t align, uint64_t min,
                           uint64_t max)
{
    uint64_t base, room;

    for (uint32_t i = 0; i < ranges->count; i++) {
        if (clip(&ranges->r[i], align, min, max, &base, &room) && room >= size) {
            return base;
        }
    }
    return 0;
}

uint64_t handoff_free_bytes(const struct handoff_ranges *ranges)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < ranges->count; i++) {
        sum += ranges->r[i].type == BOOT_RANGE_FREE ? ranges->r[i].size : 0;
    }
    return sum;
}

uint64_t handoff_largest_free(const struct handoff_ranges *ranges, uint64_t align, uint64_t max)
{
    uint64_t best = 0;
    uint64_t base, room;

    for (uint32_t i = 0; i < ranges->count; i++) {
        if (clip(&ranges->r[i], align, 0, max, &base, &room)) {
            room &= ~(align - 1);
            best = room > best ? room : best;
        }
    }
    return best;
}

static bool is_ram(uint32_t type)
{
    return type == BOOT_RANGE_FREE || (type >= BOOT_RANGE_ROOT && type <= BOOT_RANGE_ROOT_REST);
}

/* Free memory in [min, max) is kept. */
static bool reserve(struct handoff_ranges *ranges, uint64_t min, uint64_t max)
{
    uint64_t base, size;

    for (uint32_t i = 0; i < ranges->count; i++) {
        if (clip(&ranges->r[i], PAGE, min, max, &base, &size)) {
            if (!handoff_paint(ranges, base, size, BOOT_RANGE_RESERVED)) {
                return false;
            }
            i = ~0U; /* the list is another one now: from its start */
        }
    }
    return true;
}

/* How many GiBs have memory that the frame table describes. */
static uint64_t count_gibs(const struct handoff_ranges *ranges)
{
    uint64_t count = 0;
    uint64_t next = 0; /* the first that is not counted yet */

    for (uint32_t i = 0; i < ranges->count; i++) {
        const struct boot_range *r = &ranges->r[i];
        uint64_t first = r->base >> 30 > next ? r->base >> 30 : next;
        uint64_t end = ((end_of(r) - 1) >> 30) + 1;
        if (is_ram(r->type) && end > first) {
            count += end - first;
            next = end;
        }
    }
    return count;
}

bool handoff_finish(struct handoff_ranges *ranges)
{
    uint64_t base, size;

    if (!reserve(ranges, 0, BOOT_RAM_FIRST) || !reserve(ranges, BOOT_RAM_LIMIT, UINT64_MAX)) {
        return false;
    }
    uint64_t need = count_gibs(ranges) * LARGE_PAGE;
    for (uint32_t i = ranges->count; i > 0; i--) { /* as high as possible */
        if (clip(&ranges->r[i - 1], LARGE_PAGE, 0, UINT64_MAX, &base, &size) && (size & ~(LARGE_PAGE - 1)) >= need) {
            return handoff_paint(ranges, base + (size & ~(LARGE_PAGE - 1)) - need, need, BOOT_RANGE_FRAME_TABLE);
        }
    }
    return false;
}

uint64_t handoff_scratch(const struct handoff_ranges *ranges, unsigned address_bits)
{
    const uint64_t need = BOOT_SCRATCH_PAGES * PAGE;
    uint64_t limit = 1UL << address_bits;

    for (uint64_t at = limit / 2; at + need <= limit; at += need) {
        uint32_t i = 0;
        while (i < ranges->count && (ranges->r[i].base >= at + need || end_of(&ranges->r[i]) <= at)) {
            i++;
        }
        if (i == ranges->count) {
            return at / PAGE;
        }
    }
    return 0;
}

/* ---- CPUs ------------------------------------------------------------------------------ */
bool handoff_add_cpu(struct boot_info *info, uint32_t apic_id)
{
    for (uint32_t i = 0; i < info->nr_cpus; i++) {
        if (info->cpus[i].apic_id == apic_id) {
            return true;
        }
    }
    if (info->nr_cpus == BOOT_MAX_CPUS) {
        return false;
    }
    info->cpus[info->nr_cpus++] = (struct boot_cpu){apic_id, 1};
    return true;
}

void handoff_mark_boot_cpu(struct boot_info *info, uint32_t apic_id)
{
    uint32_t at = 0;

    while (at < info->nr_cpus && info->cpus[at].apic_id != apic_id) {
        at++;
    }
    if (at == BOOT_MAX_CPUS) { /* full without it: the last gives way */
        at--;
    }
    if (at == info->nr_cpus) {
        info->nr_cpus++;
    }
    memmove(&info->cpus[1], &info->cpus[0], at * sizeof(info->cpus[0]));
    info->cpus[0] = (struct boot_cpu){apic_id, 3};
}

/* ---- time -------------------------------------------------------------------------------- */
static bool is_leap(unsigned year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

uint64_t handoff_unix_seconds(unsigned year, unsigned month, unsigned day, unsigned seconds_of_day, int zone_minutes)
{
    static const uint8_t month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t days = 0;

    if (year < 1971 || year > 9999 || month < 1 || month > 12 || day < 1 || seconds_of_day >= 86400 ||
        day > month_days[month - 1] + (month == 2 && is_leap(year) ? 1U : 0U) || zone_minutes < -1440 ||
        zone_minutes > 1440) {
        return 0;
    }
    for (unsigned y = 1970; y < year; y++) {
        days += is_leap(y) ? 366 : 365;
    }
    for (unsigned m = 1; m < month; m++) {
        days += month_days[m - 1] + (m == 2 && is_leap(year) ? 1 : 0);
    }
    days += day - 1;
    return (uint64_t)(days * 86400 + (int64_t)seconds_of_day + (int64_t)zone_minutes * 60);
}

void handoff_set_rate(struct boot_clock *clock, uint64_t khz)
{
    /* ns per tick = 10^6 / khz = mul * 2^(shift - 32); shift is the one that brings mul into [2^31, 2^32). */
    uint64_t num = 1000000;

    clock->khz = (uint32_t)khz;
    clock->shift = 0;
    if (khz == 0) {
        return;
    }
    while (num < khz) { /* less than 1 ns per tick: shift right */
        num <<= 1;
        clock->shift--;
    }
    while (num >= 2 * khz) {
        khz <<= 1;
        clock->shift++;
    }
    /* 1 <= num / khz < 2: mul = num / khz * 2^31, and one more shift makes up for the 31. */
    clock->mul = (uint32_t)((num << 31) / khz);
    clock->shift++;
}

uint64_t handoff_wall_ns(const struct boot_clock *clock, uint64_t seconds, uint64_t ticks_since)
{
    if (seconds == 0 || clock->khz == 0) {
        return 0;
    }
    uint64_t ms = ticks_since / clock->khz;
    return seconds * 1000000000UL + ms * 1000000 + ticks_since % clock->khz * 1000000 / clock->khz;
}
