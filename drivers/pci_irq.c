/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Interrupts of devices. A line may have several users: it is bound once, every user is called, and the line
 * opens again when each of its level users has said that it is done. MSI and MSI-X: PCI Local Bus Specification 3.0,
 * sections 6.8.1 and 6.8.2. */
#include "drivers/pci_irq.h"

#include "dom0/kernel/boot.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/event.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/hypercall.h"
#include "drivers/mmio.h"
#include "drivers/pci.h"

#define IRQ_LINES_MAX 24U

#define PCI_COMMAND           0x04U
#define PCI_COMMAND_INTX_OFF  0x0400U
#define MSI_CONTROL           2U
#define MSI_ADDRESS           4U
#define MSI_CONTROL_ENABLE    0x0001U
#define MSI_CONTROL_MULTIPLE  0x0070U
#define MSI_CONTROL_64BIT     0x0080U
#define MSI_CONTROL_MASKABLE  0x0100U

#define MSIX_CONTROL          2U
#define MSIX_TABLE            4U
#define MSIX_CONTROL_ENABLE   0x8000U
#define MSIX_CONTROL_MASK_ALL 0x4000U
#define MSIX_ENTRY_BYTES      16U

struct irq_user {
    void (*fn)(uint32_t port, void *arg);
    void *arg;
    const struct pci_device *dev; /* NULL: an edge user, which needs no acknowledgement */
    bool pending;                 /* called and not yet done */
    struct irq_user *next;
};

struct irq_line {
    uint32_t gsi;
    uint32_t waiting; /* users that are pending */
    struct irq_user *users;
};

static struct irq_line lines[IRQ_LINES_MAX];
static uint32_t line_count;

static void irq_line_fire(uint32_t port, void *arg)
{
    struct irq_line *line = arg;

    for (struct irq_user *u = line->users; u != NULL; u = u->next) {
        if (u->dev != NULL && !u->pending) {
            u->pending = true;
            line->waiting++;
        }
    }
    for (struct irq_user *u = line->users; u != NULL; u = u->next)
        u->fn(port, u->arg);
}

static struct irq_line *irq_line_bind(uint32_t gsi)
{
    for (uint32_t i = 0; i < line_count; i++) {
        if (lines[i].gsi == gsi)
            return &lines[i];
    }
    if (line_count == IRQ_LINES_MAX)
        return NULL;
    struct cbl_irq_bind bind = {.gsi = gsi, .flags = ~0U};
    long err = control(CTL_IRQ_BIND, &bind);
    if (err != 0) {
        console_notice("irq: line %u is refused: %s: its devices are polled", gsi, errno_text(err));
        return NULL;
    }
    struct irq_line *line = &lines[line_count++];
    line->gsi = gsi;
    event_set_handler(bind.port, irq_line_fire, line);
    return line;
}

static bool irq_line_attach(uint32_t gsi, const struct pci_device *d, void (*fn)(uint32_t, void *), void *arg)
{
    struct irq_user *user = heap_alloc(sizeof(*user));

    if (user == NULL)
        return false;
    *user = (struct irq_user){.fn = fn, .arg = arg, .dev = d};
    struct irq_line *line = irq_line_bind(gsi);
    if (line == NULL) {
        heap_free(user);
        return false;
    }
    user->next = line->users;
    line->users = user; /* one store: an interrupt in between sees the old list or the new one */
    return true;
}

bool pci_gsi_attach(uint32_t gsi, void (*fn)(uint32_t port, void *arg), void *arg)
{
    return boot_on_corbel() && irq_line_attach(gsi, NULL, fn, arg);
}

static bool pci_msi_attach(const struct pci_device *d, void (*fn)(uint32_t, void *), void *arg)
{
    struct cbl_msi_bind msi = {0};
    uint8_t cap = d->msi_cap;

    if (cap == 0 || control(CTL_MSI_BIND, &msi) != 0)
        return false;
    uint16_t ctl = pci_read16(d, (uint8_t)(cap + MSI_CONTROL));
    bool wide = (ctl & MSI_CONTROL_64BIT) != 0;
    if (!wide && msi.address >> 32 != 0) {
        struct cbl_irq_unbind unbind = {.port = msi.port};
        (void)control(CTL_IRQ_UNBIND, &unbind);
        return false;
    }
    event_set_handler(msi.port, fn, arg);
    pci_write32(d, (uint8_t)(cap + MSI_ADDRESS), (uint32_t)msi.address);
    if (wide)
        pci_write32(d, (uint8_t)(cap + MSI_ADDRESS + 4U), (uint32_t)(msi.address >> 32));
    uint8_t data = (uint8_t)(cap + MSI_ADDRESS + (wide ? 8U : 4U));
    pci_write16(d, data, (uint16_t)msi.data);
    if ((ctl & MSI_CONTROL_MASKABLE) != 0)
        pci_write32(d, (uint8_t)(data + 4U), 0);
    pci_write16(d, PCI_COMMAND, (uint16_t)(pci_read16(d, PCI_COMMAND) | PCI_COMMAND_INTX_OFF));
    pci_write16(d, (uint8_t)(cap + MSI_CONTROL), (uint16_t)((ctl & ~MSI_CONTROL_MULTIPLE) | MSI_CONTROL_ENABLE));
    return true;
}

/* Only the first message is used; the others stay masked, as reset leaves them. */
static bool pci_msix_attach(struct pci_device *d, void (*fn)(uint32_t, void *), void *arg)
{
    struct cbl_msi_bind msi = {0};
    uint8_t cap = d->msix_cap;

    if (cap == 0)
        return false;
    uint32_t where = pci_read32(d, (uint8_t)(cap + MSIX_TABLE));
    uint32_t off = where & ~7U;
    volatile void *table = pci_map_bar(d, where & 7U, (uint64_t)off + MSIX_ENTRY_BYTES);
    if (table == NULL || control(CTL_MSI_BIND, &msi) != 0)
        return false;
    event_set_handler(msi.port, fn, arg);
    uint16_t ctl = pci_read16(d, (uint8_t)(cap + MSIX_CONTROL));
    ctl = (uint16_t)(ctl | MSIX_CONTROL_ENABLE);
    pci_write16(d, (uint8_t)(cap + MSIX_CONTROL), (uint16_t)(ctl | MSIX_CONTROL_MASK_ALL));
    mmio_write64(table, off, msi.address);
    mmio_write32(table, off + 8U, msi.data);
    mmio_write32(table, off + 12U, 0);
    pci_write16(d, PCI_COMMAND, (uint16_t)(pci_read16(d, PCI_COMMAND) | PCI_COMMAND_INTX_OFF));
    pci_write16(d, (uint8_t)(cap + MSIX_CONTROL), (uint16_t)(ctl & ~MSIX_CONTROL_MASK_ALL));
    return true;
}

static enum pci_irq_kind pci_irq_choose(struct pci_device *d, void (*fn)(uint32_t, void *), void *arg)
{
    if (!boot_on_corbel())
        return PCI_IRQ_NONE;
    if (pci_msix_attach(d, fn, arg))
        return PCI_IRQ_MSIX;
    if (pci_msi_attach(d, fn, arg))
        return PCI_IRQ_MSI;
    bool line = d->irq_pin != 0 && d->irq_line != 0xffU;
    return line && irq_line_attach(d->irq_line, d, fn, arg) ? PCI_IRQ_LINE : PCI_IRQ_NONE;
}

bool pci_irq_attach(struct pci_device *d, void (*fn)(uint32_t port, void *arg), void *arg)
{
    d->irq_kind = pci_irq_choose(d, fn, arg);
    if (d->irq_kind != PCI_IRQ_NONE)
        return true;
    console_notice("pci: %02x:%02x.%x has no interrupt here: its driver polls", d->bus, d->slot, d->function);
    return false;
}

void pci_irq_done(struct pci_device *d)
{
    for (uint32_t i = 0; i < line_count; i++) {
        struct irq_line *line = &lines[i];
        for (struct irq_user *u = line->users; u != NULL; u = u->next) {
            if (u->dev != d || !u->pending)
                continue;
            u->pending = false;
            struct cbl_irq_ack ack = {.gsi = line->gsi};
            if (--line->waiting == 0)
                (void)control(CTL_IRQ_ACK, &ack);
        }
    }
}
