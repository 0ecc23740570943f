/* SPDX-License-Identifier: Apache-2.0
 * [HOST] What a driver of a network card stands on, for its test: PCI, memory, time, and drivers/netdev.c's side. Included once, by the test's own
 * file, after its system headers and fs_fakes.h (heap, messages). */
#pragma once

#include "drivers/netdev.h"

static struct pci_device fake_pci;
static struct netdev *card; /* what the driver registered */
static char left_aside[128];
static enum netdev_fault faults;
static uint64_t now;
static uint8_t last[4096]; /* the frame that came in last */
static uint32_t last_len;
static uint64_t received, received_bytes;
static void (*on_received)(uint8_t *frame, uint32_t len);

uint64_t time_now_ns(void) { return now += 1000; }
void thread_sleep_ns(uint64_t ns) { now += ns; }
struct pci_device *pci_first(void) { return &fake_pci; }
uint16_t pci_enable(const struct pci_device *d, bool master)
{
    (void)d;
    assert_false(master);
    return 0x1234;
}
static int restored;
void pci_restore(const struct pci_device *d, uint16_t command)
{
    (void)d;
    assert_int_equal(command, 0x1234);
    restored++;
}
static void *pages_of_card; /* a driver asks once, and keeps them for good if it registers a card */
void *page_alloc(size_t pages, uint64_t *phys)
{
    void *p = fake_heap_empty() ? NULL : aligned_alloc(4096, pages * 4096);
    assert_null(pages_of_card);
    pages_of_card = p;
    *phys = (uint64_t)(uintptr_t)p;
    return p != NULL ? memset(p, 0, pages * 4096) : NULL;
}
void page_free(void *p, size_t pages)
{
    (void)pages;
    assert_ptr_equal(p, pages_of_card);
    pages_of_card = NULL;
    free(p);
}
void netdev_register(struct netdev *n) { card = n; }
void netdev_leave_aside(const struct pci_device *d, const char *driver, const char *why)
{
    (void)d;
    snprintf(left_aside, sizeof left_aside, "%s: %s", driver, why);
}
void netdev_received(struct netdev *n, uint8_t *frame, uint32_t len)
{
    assert_ptr_equal(n, card);
    assert_in_range(len, NETDEV_FRAME_MIN, NETDEV_BUFFER);
    memcpy(last, frame, len);
    last_len = len;
    received++;
    received_bytes += len;
    if (on_received != NULL)
        on_received(frame, len);
}
void netdev_fault(struct netdev *n, enum netdev_fault fault)
{
    n->fault = fault > n->fault ? fault : n->fault;
    faults = n->fault;
}
uint32_t netdev_fill(uint8_t *room, const uint8_t *frame, uint32_t len)
{
    memcpy(room, frame, len);
    memset(room + len, 0, len < NETDEV_FRAME_PAD ? NETDEV_FRAME_PAD - len : 0);
    return len < NETDEV_FRAME_PAD ? NETDEV_FRAME_PAD : len;
}

/* Frame number N: its length and bytes follow from the number. */
static uint32_t frame_of(uint32_t n, uint8_t *out)
{
    uint32_t len = 60 + n * 37 % (1514 - 59);
    for (uint32_t i = 0; i < len; i++)
        out[i] = (uint8_t)(n * 31 + i * 7 + (i >> 8));
    return len;
}

static void assert_last_is(uint32_t n)
{
    uint8_t want[2048];
    uint32_t len = frame_of(n, want);
    assert_int_equal(last_len, len);
    assert_memory_equal(last, want, len);
}

static void fakes_begin(void)
{
    card = NULL;
    left_aside[0] = '\0';
    faults = NETDEV_FAULT_NONE;
    received = received_bytes = 0;
    restored = 0;
    on_received = NULL;
    fake_heap_limit = -1;
}

/* What lasts in Dom0 is given back by hand here. */
static void fakes_end(void)
{
    assert_true((card != NULL) == (pages_of_card != NULL));
    if (card != NULL)
        free(card->priv);
    free(pages_of_card);
    pages_of_card = NULL;
    card = NULL;
}

static int end(void **state)
{
    (void)state;
    fakes_end();
    return 0;
}
