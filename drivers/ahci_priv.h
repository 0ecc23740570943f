/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] What the files of the AHCI driver share. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "drivers/ahci_regs.h"
#include "drivers/disk.h"

struct ahci_port {
    struct disk disk;
    struct disk_queue queue;
    volatile void *regs;       /* the port's own */
    uint32_t number;
    uint8_t *mem;              /* one page: AHCI_MEM_* */
    uint64_t mem_phys;
    volatile uint32_t is_seen; /* what the interrupt cleared and poll has not judged */
    bool ncq, lba48, can_clo;
    uint8_t flush_command;
};

/* ahci_command.c; pure. What CMD needs in the taskfile and in the list of regions, for slot TAG. */
struct ahci_image {
    const struct disk_command *cmd;
    uint64_t data_phys;
    uint32_t tag;
    bool ncq, lba48;
    uint8_t flush_command;
};
/* false: the regions do not fit, or the length is odd. */
bool ahci_build(struct ahci_header *h, struct ahci_table *t, uint64_t table_phys, const struct ahci_image *i);
/* A command without an address, whose answer of BYTES bytes comes to DATA_PHYS. */
void ahci_build_plain(struct ahci_header *h, struct ahci_table *t, uint64_t table_phys, uint8_t command,
                      uint64_t data_phys, uint32_t bytes);
/* The headers and tables of P. */
struct ahci_header *ahci_header_of(const struct ahci_port *p, uint32_t slot);
struct ahci_table *ahci_table_of(const struct ahci_port *p, uint32_t slot);
uint64_t ahci_table_phys(const struct ahci_port *p, uint32_t slot);

/* ahci_port.c. All but the interrupt may sleep. */
bool ahci_port_stop(struct ahci_port *p);  /* no DMA any more. false: it does not stop */
/* From stopped to taking commands; HARD: the link is reset first. false: no device, or one that stays busy. */
bool ahci_port_start(struct ahci_port *p, bool hard);
bool ahci_port_identify(struct ahci_port *p, uint16_t *id);
void ahci_port_interrupt(struct ahci_port *p); /* upcall context */
extern const struct disk_queue_ops ahci_queue_ops;
