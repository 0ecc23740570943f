/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] See virtqueue.h. x86 keeps stores in order and loads in order; the compiler is told to. */
#include "drivers/virtqueue.h"

#include "dom0/lib/string.h"

#define VIRTQ_AT_AVAIL (VIRTQUEUE_SIZE * 16U)
#define VIRTQ_AT_USED  2048U

_Static_assert(VIRTQ_AT_AVAIL + sizeof(struct virtq_avail) <= VIRTQ_AT_USED, "the rings fit");
_Static_assert(VIRTQ_AT_USED + sizeof(struct virtq_used) <= VIRTQUEUE_BYTES, "the rings fit");

static void barrier(void) { __asm__ volatile("" : : : "memory"); }

void virtqueue_init(struct virtqueue *q, uint8_t *mem, uint64_t phys)
{
    memset(mem, 0, VIRTQUEUE_BYTES);
    *q = (struct virtqueue){
        .desc = (struct virtq_desc *)(void *)mem,
        .avail = (struct virtq_avail *)(void *)(mem + VIRTQ_AT_AVAIL),
        .used = (volatile struct virtq_used *)(void *)(mem + VIRTQ_AT_USED),
        .desc_phys = phys,
        .avail_phys = phys + VIRTQ_AT_AVAIL,
        .used_phys = phys + VIRTQ_AT_USED,
    };
}

void virtqueue_put(struct virtqueue *q, uint32_t first, const struct virtq_buffer *buffers, uint32_t count)
{
    if (count == 0 || first >= VIRTQUEUE_SIZE || count > VIRTQUEUE_SIZE - first || q->busy[first])
        return;
    for (uint32_t i = 0; i < count; i++) {
        uint16_t flags = (uint16_t)((buffers[i].device_writes ? VIRTQ_DESC_WRITE : 0U) |
                                    (i + 1U < count ? VIRTQ_DESC_NEXT : 0U));
        q->desc[first + i] = (struct virtq_desc){.address = buffers[i].phys, .bytes = buffers[i].bytes, .flags = flags,
                                                 .next = (uint16_t)(first + i + 1U)};
    }
    q->busy[first] = true;
    q->outstanding++;
    q->avail->ring[q->avail_index % VIRTQUEUE_SIZE] = (uint16_t)first;
    barrier();
    q->avail_index++;
    *(volatile uint16_t *)&q->avail->index = q->avail_index;
    barrier();
}

enum virtq_take virtqueue_take(struct virtqueue *q, uint32_t *first, uint32_t *bytes)
{
    uint16_t waiting = (uint16_t)(q->used->index - q->used_index);

    if (waiting == 0)
        return VIRTQ_NOTHING;
    if (waiting > q->outstanding)
        return VIRTQ_BROKEN;
    barrier();
    uint32_t id = q->used->ring[q->used_index % VIRTQUEUE_SIZE].id;
    *bytes = q->used->ring[q->used_index % VIRTQUEUE_SIZE].bytes;
    if (id >= VIRTQUEUE_SIZE || !q->busy[id])
        return VIRTQ_BROKEN;
    q->busy[id] = false;
    q->outstanding--;
    q->used_index++;
    *first = id;
    return VIRTQ_TAKEN;
}

bool virtqueue_waiting(const struct virtqueue *q)
{
    barrier();
    return q->used->index != q->used_index;
}

void virtqueue_quiet(struct virtqueue *q, bool quiet)
{
    *(volatile uint16_t *)&q->avail->flags = quiet ? VIRTQ_AVAIL_QUIET : 0;
    /* The device's answer to this is looked for next: the store must not wait behind that. */
    __asm__ volatile("lock; orl $0, (%%rsp)" : : : "memory", "cc");
}
