/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] What the files of the NVMe driver share. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "drivers/disk.h"
#include "drivers/nvme_regs.h"
#include "drivers/pci.h"

#define NVME_ENTRIES 16U /* of each queue; more than there are slots, so that no submission queue is ever full */

/* A submission queue with its completion queue, of the same number. Pure but for the doorbells. */
struct nvme_pair {
    struct nvme_command *sq;
    volatile struct nvme_completion *cq;
    uint64_t sq_phys, cq_phys;
    uint32_t number;
    uint16_t tail, head;
    bool phase; /* what a fresh completion has */
};

struct nvme {
    struct pci_device *pci;
    volatile void *regs;
    uint32_t stride; /* bytes between doorbells */
    uint64_t ready_ns;
    struct nvme_pair admin, io;
    struct disk_queue queue;
    uint8_t *mem; /* NVME_MEM_PAGES pages: queues, an identify buffer, one PRP list per slot */
    uint64_t mem_phys;
    bool masking; /* a line interrupt is masked until its completions are taken */
    bool no_cache;
    char model[NVME_ID_MODEL_LEN + 1];
};

#define NVME_MEM_ASQ      0U
#define NVME_MEM_ACQ      1U
#define NVME_MEM_SQ       2U
#define NVME_MEM_CQ       3U
#define NVME_MEM_IDENTIFY 4U
#define NVME_MEM_PRP      5U
#define NVME_MEM_PAGES    (NVME_MEM_PRP + DISK_SLOTS)

/* nvme_queue.c */
void nvme_pair_reset(struct nvme_pair *q);
/* What PRP1 and PRP2 say for BYTES bytes in a row at PHYS; LIST (one page at LIST_PHYS) takes what does not fit. false:
 * PHYS is not a multiple of 4, or a list of one page is too short. */
bool nvme_prps(struct nvme_command *c, uint64_t phys, uint32_t bytes, uint64_t *list, uint64_t list_phys);
/* The next completion, if there is one: its identifier and status (0: success), which may be anything. */
bool nvme_pair_take(struct nvme_pair *q, uint16_t *id, uint16_t *status);
void nvme_pair_put(struct nvme_pair *q, const struct nvme_command *c);

/* nvme_controller.c. May sleep. */
/* Off, then on with empty queues. false, with REASON: it does not answer. */
bool nvme_restart(struct nvme *n, const char **reason);
bool nvme_off(struct nvme *n); /* no DMA any more */
/* IDENTIFY into the identify page. */
bool nvme_identify(struct nvme *n, uint32_t cns, uint32_t nsid);
void nvme_interrupt(uint32_t port, void *arg); /* upcall context; ARG: the struct nvme */
extern const struct disk_queue_ops nvme_queue_ops;
