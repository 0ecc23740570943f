/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] NVMe's queues and lists of pages in memory. Pure. What the device writes is read once and believed nothing. */
#include "drivers/nvme_priv.h"

#include "dom0/lib/string.h"

#define NVME_PAGE      4096UL
#define NVME_LIST_MAX  512U

void nvme_pair_reset(struct nvme_pair *q)
{
    memset(q->sq, 0, NVME_PAGE);
    memset((void *)(uintptr_t)q->cq, 0, NVME_PAGE);
    q->tail = 0;
    q->head = 0;
    q->phase = true;
}

bool nvme_prps(struct nvme_command *c, uint64_t phys, uint32_t bytes, uint64_t *list, uint64_t list_phys)
{
    uint64_t next = (phys & ~(NVME_PAGE - 1)) + NVME_PAGE;
    uint64_t end = phys + bytes;
    uint32_t n = 0;

    if ((phys & 3U) != 0)
        return false;
    c->prp1 = phys;
    c->prp2 = 0;
    if (end > next && end - next <= NVME_PAGE)
        c->prp2 = next;
    if (end <= next || end - next <= NVME_PAGE)
        return true;
    if (end - next > NVME_LIST_MAX * NVME_PAGE)
        return false;
    for (; next < end; next += NVME_PAGE)
        list[n++] = next;
    c->prp2 = list_phys;
    return true;
}

bool nvme_pair_take(struct nvme_pair *q, uint16_t *id, uint16_t *status)
{
    uint16_t word = q->cq[q->head].status;

    if (((word & 1U) != 0) != q->phase)
        return false;
    *id = q->cq[q->head].id;
    *status = word >> 1;
    q->head = (uint16_t)((q->head + 1U) % NVME_ENTRIES);
    if (q->head == 0)
        q->phase = !q->phase;
    return true;
}

void nvme_pair_put(struct nvme_pair *q, const struct nvme_command *c)
{
    q->sq[q->tail] = *c;
    q->tail = (uint16_t)((q->tail + 1U) % NVME_ENTRIES);
}
