/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] A command as AHCI wants it in memory: header, taskfile (a register FIS from host to device), regions. Pure. */
#include "drivers/ahci_priv.h"
#include "drivers/ata_regs.h"
#include "dom0/lib/string.h"

/* false: more regions than a table holds, or a length that the hardware cannot say. */
static bool ahci_regions(struct ahci_table *t, uint64_t phys, uint32_t bytes, uint32_t *count)
{
    uint32_t n = 0;

    for (uint32_t off = 0; off < bytes; n++) {
        uint32_t part = bytes - off < AHCI_PRDT_MOST ? bytes - off : AHCI_PRDT_MOST;
        if (n == AHCI_PRDT_MAX || ((phys + off) & 1U) != 0 || (part & 1U) != 0)
            return false;
        t->prdt[n] = (struct ahci_prdt){.address = phys + off, .count = part - 1U};
        off += part;
    }
    *count = n;
    return true;
}

static void ahci_taskfile(uint8_t *fis, uint8_t command, uint64_t lba, uint32_t count)
{
    memset(fis, 0, 64);
    fis[0] = AHCI_FIS_H2D;
    fis[1] = AHCI_FIS_COMMAND;
    fis[2] = command;
    for (uint32_t i = 0; i < 3; i++) {
        fis[4 + i] = (uint8_t)(lba >> (8U * i));
        fis[8 + i] = (uint8_t)(lba >> (24U + 8U * i));
    }
    fis[7] = AHCI_DEVICE_LBA;
    fis[12] = (uint8_t)count;
    fis[13] = (uint8_t)(count >> 8);
}

/* In a queued command the count is where others have their features, and the tag where they have the count: ATA8-ACS,
 * "READ FPDMA QUEUED". */
static void ahci_taskfile_queued(uint8_t *fis, bool write, uint64_t lba, uint32_t count, uint32_t tag)
{
    ahci_taskfile(fis, write ? ATA_CMD_WRITE_FPDMA : ATA_CMD_READ_FPDMA, lba, tag << 3);
    fis[3] = (uint8_t)count;
    fis[11] = (uint8_t)(count >> 8);
}

static void ahci_taskfile_short(uint8_t *fis, bool write, uint64_t lba, uint32_t count)
{
    ahci_taskfile(fis, write ? ATA_CMD_WRITE_DMA : ATA_CMD_READ_DMA, lba & 0xffffffU, count & 0xffU);
    fis[7] = (uint8_t)(AHCI_DEVICE_LBA | ((lba >> 24) & 0xfU));
}

static void ahci_header(struct ahci_header *h, uint64_t table_phys, uint32_t regions, bool write)
{
    *h = (struct ahci_header){.flags = AHCI_HEADER_FIS_DWORDS | (write ? AHCI_HEADER_WRITE : 0U) |
                                       regions << AHCI_HEADER_ENTRIES,
                              .table = table_phys};
}

bool ahci_build(struct ahci_header *h, struct ahci_table *t, uint64_t table_phys, const struct ahci_image *i)
{
    const struct disk_command *c = i->cmd;
    bool write = c->kind == DISK_WRITE;
    uint32_t regions = 0;

    if (!ahci_regions(t, i->data_phys, c->bytes, &regions))
        return false;
    if (c->kind == DISK_FLUSH)
        ahci_taskfile(t->fis, i->flush_command, 0, 0);
    else if (i->ncq && !c->alone)
        ahci_taskfile_queued(t->fis, write, c->lba, c->sectors, i->tag);
    else if (i->lba48)
        ahci_taskfile(t->fis, write ? ATA_CMD_WRITE_DMA_EXT : ATA_CMD_READ_DMA_EXT, c->lba, c->sectors);
    else
        ahci_taskfile_short(t->fis, write, c->lba, c->sectors);
    ahci_header(h, table_phys, regions, write);
    return true;
}

void ahci_build_plain(struct ahci_header *h, struct ahci_table *t, uint64_t table_phys, uint8_t command,
                      uint64_t data_phys, uint32_t bytes)
{
    uint32_t regions = 0;

    ahci_taskfile(t->fis, command, 0, 0);
    (void)ahci_regions(t, data_phys, bytes, &regions);
    ahci_header(h, table_phys, regions, false);
}

struct ahci_header *ahci_header_of(const struct ahci_port *p, uint32_t slot)
{
    return (struct ahci_header *)(void *)(p->mem + AHCI_MEM_LIST) + slot;
}

struct ahci_table *ahci_table_of(const struct ahci_port *p, uint32_t slot)
{
    return (struct ahci_table *)(void *)(p->mem + AHCI_MEM_TABLES) + slot;
}

uint64_t ahci_table_phys(const struct ahci_port *p, uint32_t slot)
{
    return p->mem_phys + AHCI_MEM_TABLES + slot * sizeof(struct ahci_table);
}
