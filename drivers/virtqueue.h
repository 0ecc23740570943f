/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] A split virtqueue, seen from the driver: Virtual I/O Device (VIRTIO) 1.1, section 2.6. Pure. The device is
 * not believed: what it writes is read once and checked against the driver's own notes, which it cannot reach. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define VIRTQUEUE_SIZE  64U /* descriptors; a power of two */
#define VIRTQUEUE_BYTES 4096U

#define VIRTQ_DESC_NEXT  1U
#define VIRTQ_DESC_WRITE 2U
#define VIRTQ_AVAIL_QUIET 1U

struct virtq_desc {
    uint64_t address;
    uint32_t bytes;
    uint16_t flags, next;
};

struct virtq_avail {
    uint16_t flags, index;
    uint16_t ring[VIRTQUEUE_SIZE];
    uint16_t used_event;
};

struct virtq_used {
    uint16_t flags, index;
    struct {
        uint32_t id, bytes;
    } ring[VIRTQUEUE_SIZE];
    uint16_t avail_event;
};

_Static_assert(sizeof(struct virtq_desc) == 16, "virtio layout");

struct virtqueue {
    struct virtq_desc *desc;
    struct virtq_avail *avail;
    volatile struct virtq_used *used;
    uint64_t desc_phys, avail_phys, used_phys;
    uint16_t avail_index, used_index; /* ours; the device's copies are never read back */
    uint16_t outstanding;
    bool busy[VIRTQUEUE_SIZE];        /* by the chain's first descriptor */
};

struct virtq_buffer {
    uint64_t phys;
    uint32_t bytes;
    bool device_writes;
};

enum virtq_take { VIRTQ_NOTHING = 0, VIRTQ_TAKEN = 1, VIRTQ_BROKEN = 2 };

/* MEM: VIRTQUEUE_BYTES at PHYS, page-aligned. Empties the queue. */
void virtqueue_init(struct virtqueue *q, uint8_t *mem, uint64_t phys);
/* Gives the chain BUFFERS[0..COUNT) in descriptors FIRST on to the device. Precondition: those are the caller's and
 * not with the device. */
void virtqueue_put(struct virtqueue *q, uint32_t first, const struct virtq_buffer *buffers, uint32_t count);
/* The next chain that came back: its FIRST, and how many bytes the device says that it wrote (anything). BROKEN: the
 * device gives back what it does not have; the queue is of no use until it is initialised again. */
enum virtq_take virtqueue_take(struct virtqueue *q, uint32_t *first, uint32_t *bytes);
/* Something came back and was not taken yet. */
bool virtqueue_waiting(const struct virtqueue *q);
/* The device need not interrupt for this queue (it may all the same). */
void virtqueue_quiet(struct virtqueue *q, bool quiet);
