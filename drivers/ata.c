/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] IDE: which channels exist and which drives are on them. An absent channel or drive costs a few register
 * reads and no waiting: it shows by a floating bus or by registers that do not keep what is written. */
#include "drivers/ata.h"

#include "dom0/kernel/console.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/string.h"
#include "drivers/ata_identify.h"
#include "drivers/ata_priv.h"
#include "drivers/ata_regs.h"
#include "drivers/io.h"
#include "drivers/pci.h"
#include "drivers/pci_irq.h"

#define ATA_CONTROLLERS_MAX 8U
#define ATA_CHANNELS_MAX    8U
#define ATA_IDENTIFY_NS  2000000000UL
#define ATA_POWER_UP_NS  10000000000UL
#define PCI_CLASS_STORAGE 0x01U
#define PCI_SUBCLASS_IDE  0x01U

struct ata_controller { /* one PCI function; its native channels share its interrupt */
    struct pci_device *pci; /* NULL: legacy ports without a PCI function */
    struct ata_channel *channels[2];
};

static const struct {
    uint16_t cmd, ctl;
    uint8_t gsi;
} ata_legacy[2] = {{0x1f0, 0x3f6, 14}, {0x170, 0x376, 15}};

static struct ata_controller controllers[ATA_CONTROLLERS_MAX];
static uint32_t controllers_found, disks_found, channels_found;

/* ---- interrupts ---- */

static void ata_legacy_interrupt(uint32_t port, void *arg)
{
    (void)port;
    ata_interrupt(arg);
}

static void ata_native_interrupt(uint32_t port, void *arg)
{
    struct ata_controller *c = arg;

    (void)port;
    for (uint32_t i = 0; i < 2; i++) {
        if (c->channels[i] != NULL && c->channels[i]->irq)
            ata_interrupt(c->channels[i]);
    }
    pci_irq_done(c->pci);
}

static void ata_enable_interrupt(struct ata_controller *c, struct ata_channel *ch, bool native, uint32_t index)
{
    struct ata_channel *other = c->channels[1U - index];

    if (!native)
        ch->irq = pci_gsi_attach(ata_legacy[index].gsi, ata_legacy_interrupt, ch);
    else if (other != NULL && other->irq)
        ch->irq = true;
    else
        ch->irq = pci_irq_attach(c->pci, ata_native_interrupt, c);
    (void)io_in8((uint16_t)(ch->cmd + ATA_STATUS));
    if (ch->irq)
        io_out8(ch->ctl, 0);
}

/* ---- drives ---- */

static void ata_write_signature(const struct ata_channel *ch)
{
    io_out8((uint16_t)(ch->cmd + ATA_COUNT), 0x55);
    io_out8((uint16_t)(ch->cmd + ATA_LBA_LOW), 0xaa);
}

/* Selects UNIT and tells whether something is there. A drive that is just powered up may be busy for long. */
static bool ata_unit_present(struct ata_channel *ch, uint8_t unit)
{
    io_out8((uint16_t)(ch->cmd + ATA_DEVICE), ATA_DEVICE_OLD | (unit != 0 ? ATA_DEVICE_UNIT : 0U));
    ata_settle(ch);
    uint8_t status = io_in8(ch->ctl);
    if (status == ATA_FLOATING)
        return false;
    if ((status & ATA_STATUS_BSY) != 0 && !ata_wait_idle(ch, ATA_POWER_UP_NS))
        return false;
    ata_write_signature(ch);
    return io_in8((uint16_t)(ch->cmd + ATA_COUNT)) == 0x55 && io_in8((uint16_t)(ch->cmd + ATA_LBA_LOW)) == 0xaa;
}

/* A drive for which the firmware chose no DMA mode gets its best multiword mode: there the controller drives every
 * strobe, so its timing, whatever the firmware left, is slow enough for the drive. */
static bool ata_choose_dma(struct ata_drive *d, const uint16_t *id)
{
    if (d->ch->bm == 0 || (id[ATA_ID_CAPABILITIES] & ATA_ID_CAP_DMA) == 0)
        return false;
    if (((id[ATA_ID_MWDMA] | id[ATA_ID_UDMA]) & ATA_ID_MODE_ACTIVE) != 0)
        return true;
    uint32_t modes = id[ATA_ID_MWDMA] & 7U;
    if (modes == 0)
        return false;
    uint32_t best = modes >= 4 ? 2 : modes >= 2 ? 1 : 0;
    struct ata_request r = {.drive = d, .sectors = ATA_MODE_MWDMA | best, .command = ATA_CMD_SET_FEATURES,
                            .features = ATA_SET_TRANSFER_MODE};
    return ata_pio(&r, ATA_IDENTIFY_NS) == BLOCK_OK;
}

/* The geometry of the drive into its block_device; false after a log line that says why it is not used. */
static bool ata_describe(struct ata_drive *d, const uint16_t *id)
{
    char where[16];

    ata_model(id, d->dev.model);
    (void)snprintf(where, sizeof(where), "ata%u.%u", d->ch->number, d->unit);
    d->lba48 = ata_has_lba48(id);
    d->dev.sector_size = ata_sector_size(id);
    d->dev.sectors = ata_sectors(id, d->lba48);
    if (d->lba48 && d->dev.sectors == 0) {
        d->lba48 = false;
        d->dev.sectors = ata_sectors(id, false);
    }
    if ((id[ATA_ID_GENERAL] & ATA_ID_NOT_ATA) != 0) {
        console_notice("%s: %s: not a disk: left aside", where, d->dev.model);
        return false;
    }
    if ((id[ATA_ID_CAPABILITIES] & ATA_ID_CAP_LBA) == 0 || d->dev.sectors == 0) {
        console_notice("%s: %s: a disk without block addresses (LBA): left aside", where, d->dev.model);
        return false;
    }
    if (d->dev.sector_size == 0 || d->dev.sectors > ATA_LBA48_END) {
        console_notice("%s: %s: sectors of an unknown size: left aside", where, d->dev.model);
        return false;
    }
    d->flush_command = ata_flush_command(id, d->lba48);
    d->dma = ata_choose_dma(d, id);
    return true;
}

/* IDENTIFY into ID. false: nothing answers, or a device that is not a disk, which is named. */
static bool ata_identify(struct ata_drive *d, uint16_t *id)
{
    struct ata_channel *ch = d->ch;
    struct ata_request r = {.drive = d, .command = ATA_CMD_IDENTIFY, .in = (uint8_t *)id,
                            .block_bytes = ATA_ID_WORDS * 2U, .data_bytes = ATA_ID_WORDS * 2U};
    enum block_status s = ata_pio(&r, ATA_IDENTIFY_NS);

    if (s == BLOCK_OK)
        return true;
    uint8_t mid = io_in8((uint16_t)(ch->cmd + ATA_LBA_MID)), high = io_in8((uint16_t)(ch->cmd + ATA_LBA_HIGH));
    if ((mid == 0x14 && high == 0xeb) || (mid == 0x69 && high == 0x96)) /* ATA/ATAPI-6, section 9.12 signatures */
        console_notice("ata%u.%u: a CD-ROM or other ATAPI device: left aside", ch->number, d->unit);
    else if (s == BLOCK_TIMEOUT)
        console_notice("ata%u.%u: does not identify itself in time: left aside", ch->number, d->unit);
    return false;
}

/* DMA memory for the channel, when its first disk can use it. */
static bool ata_dma_memory(struct ata_channel *ch)
{
    uint64_t phys = 0;

    if (ch->bounce != NULL)
        return true;
    uint8_t *mem = page_alloc(ATA_DMA_PAGES + 1U, &phys);
    if (mem == NULL)
        return false;
    if (phys + (ATA_DMA_PAGES + 1UL) * 4096UL > 0x100000000UL) {
        page_free(mem, ATA_DMA_PAGES + 1U);
        return false;
    }
    ch->prd = (uint32_t *)(void *)mem;
    ch->prd_phys = (uint32_t)phys;
    ch->bounce = mem + 4096;
    ch->bounce_phys = (uint32_t)phys + 4096U;
    return true;
}

static void ata_publish(struct ata_drive *d)
{
    struct block_device *dev = &d->dev;
    uint64_t bytes = dev->sectors * dev->sector_size;

    (void)snprintf(dev->name, sizeof(dev->name), "hd%u", disks_found++);
    dev->ops = &ata_block_ops;
    dev->driver = d;
    block_register(dev);
    console_notice("%s: %s, %lu MiB, %s, %s", dev->name, dev->model[0] != '\0' ? dev->model : "disk", bytes >> 20,
                   d->dma ? "DMA" : "no DMA", d->ch->irq ? "interrupts" : "polled");
}

/* NULL: no disk there. */
static struct ata_drive *ata_probe_unit(struct ata_channel *ch, uint8_t unit, uint16_t *id)
{
    struct ata_drive *d = heap_alloc(sizeof(*d));

    if (d == NULL)
        return NULL;
    d->ch = ch;
    d->unit = unit;
    if (ata_unit_present(ch, unit) && ata_identify(d, id) && ata_describe(d, id)) {
        d->dma = d->dma && ata_dma_memory(ch);
        return d;
    }
    heap_free(d);
    return NULL;
}

/* Interrupts stay off in the drives until the handler is there: nothing may wait on a line that nobody serves. */
static void ata_probe_channel(struct ata_controller *c, const struct ata_channel *ports, bool native, uint32_t index)
{
    struct ata_drive *found[2] = {NULL, NULL};

    if (channels_found == ATA_CHANNELS_MAX || io_in8((uint16_t)(ports->cmd + ATA_STATUS)) == ATA_FLOATING)
        return;
    struct ata_channel *ch = heap_alloc(sizeof(*ch));
    uint16_t *id = heap_alloc(ATA_ID_WORDS * 2U);
    if (ch != NULL && id != NULL) {
        *ch = *ports;
        ch->number = (uint8_t)channels_found++;
        io_out8(ch->ctl, ATA_CONTROL_NIEN);
        for (uint8_t unit = 0; unit < 2; unit++)
            found[unit] = ata_probe_unit(ch, unit, id);
    }
    heap_free(id);
    if (found[0] == NULL && found[1] == NULL) {
        heap_free(ch);
        return;
    }
    c->channels[index] = ch;
    ata_enable_interrupt(c, ch, native, index);
    for (uint32_t unit = 0; unit < 2; unit++) {
        if (found[unit] != NULL)
            ata_publish(found[unit]);
    }
}

/* ---- controllers ---- */

static bool ata_native_ports(const struct pci_device *d, uint32_t index, struct ata_channel *out)
{
    const struct pci_bar *cmd = &d->bars[2 * index], *ctl = &d->bars[2 * index + 1];

    if (!cmd->io || cmd->size < 8 || cmd->base == 0 || cmd->base > 0xfff8 || !ctl->io || ctl->size < 4 ||
        ctl->base == 0 || ctl->base > 0xfffc)
        return false;
    out->cmd = (uint16_t)cmd->base;
    out->ctl = (uint16_t)(ctl->base + 2U); /* PCI IDE Controller Specification 1.0, section 2.0: at offset 2 */
    return true;
}

static void ata_probe_controller(struct pci_device *d)
{
    struct ata_controller *c = &controllers[controllers_found];

    if (controllers_found == ATA_CONTROLLERS_MAX)
        return;
    *c = (struct ata_controller){.pci = d};
    uint8_t prog_if = d != NULL ? d->prog_if : 0;
    const struct pci_bar *bm = d != NULL ? &d->bars[4] : NULL;
    bool master = bm != NULL && (prog_if & IDE_BUS_MASTER) != 0 && bm->io && bm->size >= 16 && bm->base != 0 &&
                  bm->base <= 0xfff0;
    if (d != NULL)
        pci_enable(d, master);
    for (uint32_t i = 0; i < 2; i++) {
        bool native = (prog_if & (i == 0 ? IDE_PRIMARY_NATIVE : IDE_SECONDARY_NATIVE)) != 0;
        struct ata_channel ports = {.cmd = ata_legacy[i].cmd, .ctl = ata_legacy[i].ctl};
        if (native && !ata_native_ports(d, i, &ports))
            continue;
        ports.bm = master ? (uint16_t)(bm->base + 8U * i) : 0;
        ata_probe_channel(c, &ports, native, i);
    }
    if (c->channels[0] != NULL || c->channels[1] != NULL)
        controllers_found++;
}

void ata_init(void)
{
    bool any = false;

    for (struct pci_device *d = pci_first(); d != NULL; d = d->next) {
        if (d->class_code == PCI_CLASS_STORAGE && d->subclass == PCI_SUBCLASS_IDE) {
            any = true;
            ata_probe_controller(d);
        }
    }
    if (!any)
        ata_probe_controller(NULL);
}
