/* SPDX-License-Identifier: Apache-2.0
 * [HOST] What lies below the real frame allocator, pools, windows, EPT and flush epochs: 8 MiB of pretended memory, page tables that only say yes, and
 * the CPU's part of EPT. domain_fakes.h includes it in place of its own pretended memory where FAKES_REAL_MEMORY is defined; UNIT_MEMORY in units.mk names
 * the real files, and all files are compiled with -include tests/unit/host_memory.h. Under ASan a free frame is poisoned. */
#pragma once

#include "ept/ept_priv.h"
#include "ept/hw.h"
#include "ept/walk.h"

#if defined(__SANITIZE_ADDRESS__)
#define FAKES_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FAKES_POISON 1
#endif
#endif
#ifdef FAKES_POISON
#include <sanitizer/asan_interface.h>
#define fake_poison(f, n) ASAN_POISON_MEMORY_REGION(host_ram[f], (n) * PAGE_SIZE)
#define fake_unpoison(f, n) ASAN_UNPOISON_MEMORY_REGION(host_ram[f], (n) * PAGE_SIZE)
#else
#define fake_poison(f, n) ((void)(f), (void)(n))
#define fake_unpoison(f, n) ((void)(f), (void)(n))
#endif

#define FAKE_FIRST_FREE 256UL /* frames: 1 MiB nobody's, 1 MiB free, 2 MiB the frame table's place, 4 MiB free */
#define FAKE_FRAMES HOST_FRAMES
#ifdef HOST_SNAPSHOT
#pragma clang section bss = "hostram"
#endif
char host_ram[HOST_FRAMES][PAGE_SIZE] __attribute__((aligned(2 << 20)));
#ifdef HOST_SNAPSHOT
#pragma clang section bss = "rootbss"
#endif
uint64_t frame_test_table[FRAME_LIMIT];
static uint8_t fake_touched[HOST_FRAMES]; /* its contents or its poison may have changed; whoever wants to know clears it */
static void fake_touch(size_t f) { __atomic_store_n(&fake_touched[f], 1, __ATOMIC_RELAXED); }
static long fake_allocs_until_failure = -1, fake_maps_until_failure = -1; /* < 0: never; one fails, unless fake_failure_lasts */
static bool fake_failure_lasts;
static unsigned fake_failures;

void memset64(void *dst, uint64_t value, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ((uint64_t *)dst)[i] = value;
}
void pagetable_map_frame_table(unsigned chunk, hpa_t a) { assert_int_equal(chunk, 0); (void)a; }
bool pagetable_root_unit_mapped(hfn_t f) { (void)f; return true; }
bool pagetable_check_wx(uint64_t *bad) { (void)bad; return true; }
void pagetable_unmap_root(hfn_t first, unsigned order) { (void)first; (void)order; }
#ifdef FAKES_NOTE_FAILURE
static void fake_failure_noted(void);
#else
static inline void fake_failure_noted(void) {}
#endif
static bool fake_fails(long *until)
{
    if (*until < 0 || (*until)-- > 0)
        return false;
    *until = fake_failure_lasts ? 0 : -1;
    fake_failures++;
    fake_failure_noted();
    return true;
}
/* As for want of a frame for a page table. */
enum status pagetable_map_root(hfn_t first, unsigned order)
{
    for (size_t i = 0; i < 1UL << order; i++)
        fake_touch(first.v + i);
    return fake_fails(&fake_maps_until_failure) ? STATUS_NO_MEMORY : STATUS_OK;
}
#if defined(HOST_SNAPSHOT) && defined(FAKES_POISON)
static uint16_t fake_shown[FAKE_CPUS][WINDOW_SLOTS + 1]; /* by each window; 0: nothing */
static uint8_t fake_windows[HOST_FRAMES];                /* that show the frame */
/* A guest's page is there only while a window shows it: beside it, before and after is poison, unless another window happens to show what lies there. */
static void fake_show(uint32_t cpu, unsigned slot, size_t f)
{
    uint16_t old = fake_shown[cpu][slot];
    uint64_t type = frame_test_table[old] & DESC_TYPE;
    if (old && --fake_windows[old] == 0 && (type == FRAME_GUEST || type == FRAME_FREE))
        fake_poison(old, 1UL);
    fake_shown[cpu][slot] = (uint16_t)f;
    fake_windows[f] = (uint8_t)(fake_windows[f] + (f != 0));
}
#else
#define fake_show(cpu, slot, f) ((void)(cpu), (void)(slot))
#endif
void *pagetable_set_window(uint32_t cpu, unsigned slot, hfn_t f)
{
    fake_show(cpu, slot, f.v == HFN_INVALID.v ? 0 : f.v);
    if (f.v == HFN_INVALID.v)
        return NULL;
    assert_true(f.v >= FAKE_FIRST_FREE && f.v < HOST_FRAMES);
#if defined(HOST_SNAPSHOT) && defined(FAKES_POISON)
    if (slot == WINDOW_SLOTS || (frame_test_table[f.v] & DESC_TYPE) == FRAME_GUEST) /* a frame that was freed stays poison */
        fake_unpoison(f.v, 1UL);
#else
    if (slot == WINDOW_SLOTS) /* for scrubbing: it is being allocated */
        fake_unpoison(f.v, 1UL);
#endif
    fake_touch(f.v);
    return host_ram[f.v];
}

/* All that root allocates comes out of the free lists: the linker puts this before them (--wrap). */
uint64_t __real_frame_lists_take(unsigned order, bool cluster, bool *clean);
uint64_t __wrap_frame_lists_take(unsigned order, bool cluster, bool *clean);
uint64_t __wrap_frame_lists_take(unsigned order, bool cluster, bool *clean)
{
    return fake_fails(&fake_allocs_until_failure) ? 0 : __real_frame_lists_take(order, cluster, clean);
}
void __real_frame_free(hfn_t first, unsigned order);
void __wrap_frame_free(hfn_t first, unsigned order);
void __wrap_frame_free(hfn_t first, unsigned order)
{
    for (size_t i = 0; i < 1UL << order; i++)
        fake_touch(first.v + i);
    __real_frame_free(first, order);
    fake_poison(first.v, 1UL << order);
}

bool bitmaps_check(char *why, size_t len) { (void)why; (void)len; return true; }
uint64_t *ept_fake_table(hpa_t a) { return root_va(a); }
static void (*fake_store_hook)(void);
void ept_fake_store(uint64_t *slot, uint64_t value)
{
    if (fake_store_hook)
        fake_store_hook();
    fake_touch(((uintptr_t)slot - (uintptr_t)host_ram) / PAGE_SIZE);
    __atomic_store_n(slot, value, __ATOMIC_RELEASE);
}
static bool fake_nx_large;
unsigned ept_max_order(void) { return FRAME_ORDER_2M; }
unsigned hw_memtype(hfn_t h) { return frame_is_ram(h) ? EPT_MEMTYPE_WB : EPT_MEMTYPE_UC; }
bool hw_nx_large(void) { return fake_nx_large; }
#ifndef FAKES_REAL_SMP
void hw_invept(uint64_t eptp) { (void)eptp; }
#endif

__attribute__((unused)) static hfn_t fake_hfn(size_t i) { return hfn(FAKE_FIRST_FREE + i); }
static const unsigned fake_unflushed = 0; /* the EPT itself knows: unsynced */

/* The boot of this machine's memory. */
static void fake_memory(void)
{
    static const struct boot_info boot = {.nr_ranges = 3, .ranges = {
        {.base = 1UL << 20, .size = 1UL << 20, .type = BOOT_RANGE_FREE},
        {.base = 2UL << 20, .size = 2UL << 20, .type = BOOT_RANGE_FRAME_TABLE},
        {.base = 4UL << 20, .size = 4UL << 20, .type = BOOT_RANGE_FREE}}};
    assert_int_equal(frame_init(&boot), STATUS_OK);
    fake_poison(FAKE_FIRST_FREE, 256UL);
    fake_poison(1024UL, 1024UL);
}
