/* SPDX-License-Identifier: Apache-2.0
 * [HOST] The IDE driver against a model of the registers: two channels, drives that are slow, fail, lose interrupts
 * or cannot DMA. Time is the model's: it moves when somebody looks at it or waits. */
#define _GNU_SOURCE
#include "fs_fakes.h"

#include <setjmp.h>
#include <stdint.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "dom0/kernel/time.h"
#include "drivers/ata.h"
#include "drivers/io.h"
#include "drivers/pci.h"
#include "drivers/pci_irq.h"

#define BSY 0x80
#define DRQ 0x08
#define ERR 0x01
#define RDY 0x50

struct drive {
    bool present, atapi;
    uint8_t *data;
    uint64_t sectors;
    uint32_t sector_bytes;
    uint16_t id[256];
    uint64_t bad_lba;    /* reading it gives UNC */
    int lose_commands;   /* so many are swallowed: busy for ever, until a reset */
    int dma_errors;      /* so many DMA commands end with ICRC */
    unsigned commands, dma_commands, flushes, mode;
};

struct channel {
    uint16_t cmd, ctl, bm;
    bool floating, nien, hang;
    struct drive drives[2];
    uint8_t regs[8], hob[8];
    uint8_t status, error, bm_command, bm_status;
    uint32_t bm_prd;
    uint8_t command;
    uint64_t ready_at, lba;
    uint32_t left, pos; /* sectors to go; bytes of the block that moved */
    bool write, dma, ext;
    uint8_t block[4096];
    bool irq_line;
    int lose_irqs;
    bool stuck; /* busy for ever, resets or not */
    unsigned resets;
    void (*handler)(uint32_t, void *);
    void *arg;
};

static struct channel channels[2];
static uint64_t now;
static uint64_t latency = 100000;
static bool irq_works, in_handler;
static struct pci_device ide;

/* ---- the model ---- */

static struct drive *drive_of(struct channel *c) { return &c->drives[(c->regs[6] >> 4) & 1]; }

static void raise_irq(struct channel *c)
{
    if (c->nien)
        return; /* the drive drives no interrupt, so the bus master sees none */
    if (c->bm != 0)
        c->bm_status |= 4;
    if (c->lose_irqs > 0)
        c->lose_irqs--;
    else
        c->irq_line = true;
}

static void finish(struct channel *c, uint8_t error)
{
    c->status = error != 0 ? RDY | ERR : RDY;
    c->error = error;
    c->command = 0;
    raise_irq(c);
}

static bool load(struct channel *c)
{
    struct drive *d = drive_of(c);

    if (c->command == 0xec) {
        memcpy(c->block, d->id, 512);
        return true;
    }
    if (c->lba >= d->sectors)
        return finish(c, 0x10), false;
    if (c->lba == d->bad_lba)
        return finish(c, 0x40), false;
    memcpy(c->block, d->data + c->lba * d->sector_bytes, d->sector_bytes);
    return true;
}

static void run_dma(struct channel *c)
{
    struct drive *d = drive_of(c);
    uint32_t prd = c->bm_prd;

    if (d->dma_errors > 0 && d->dma_errors--)
        return finish(c, 0x84);
    for (uint64_t lba = c->lba; lba < c->lba + c->left; lba++)
        if (lba >= d->sectors || lba == d->bad_lba)
            return finish(c, 0x40);
    uint8_t *disk = d->data + c->lba * d->sector_bytes;
    size_t left = (size_t)c->left * d->sector_bytes;
    for (;;) {
        uint32_t *e = (uint32_t *)(uintptr_t)prd;
        uint32_t n = (e[1] & 0xffff) == 0 ? 65536 : e[1] & 0xffff;
        assert_true((e[0] & 0xffff) + n <= 65536);
        assert_true(n <= left);
        if (c->write)
            memcpy(disk, (void *)(uintptr_t)e[0], n);
        else
            memcpy((void *)(uintptr_t)e[0], disk, n);
        disk += n;
        left -= n;
        if ((e[1] & 0x80000000U) != 0)
            break;
        prd += 8;
    }
    assert_int_equal(left, 0);
    c->bm_status &= (uint8_t)~1;
    finish(c, 0);
}

static void progress(struct channel *c)
{
    struct drive *d = drive_of(c);

    if (c->hang || c->command == 0 || now < c->ready_at || (c->status & BSY) == 0)
        return;
    if (c->dma) {
        if ((c->bm_command & 1) != 0) {
            assert_int_equal((c->bm_command & 8) == 0, c->write);
            run_dma(c);
        }
    } else if (c->command == 0xe7 || c->command == 0xea) {
        d->flushes++;
        finish(c, 0);
    } else if (c->command == 0xef) {
        d->mode = c->regs[2];
        finish(c, 0);
    } else if (c->write) { /* a block arrived */
        if (c->lba >= d->sectors) {
            finish(c, 0x10);
            return;
        }
        memcpy(d->data + c->lba * d->sector_bytes, c->block, d->sector_bytes);
        c->lba++;
        c->pos = 0;
        if (--c->left == 0) {
            finish(c, 0);
        } else {
            c->status = RDY | DRQ;
            raise_irq(c);
        }
    } else if (load(c)) {
        c->pos = 0;
        c->status = RDY | DRQ;
        raise_irq(c);
    }
}

static void tick(uint64_t ns)
{
    now += ns;
    for (int i = 0; i < 2; i++) {
        struct channel *c = &channels[i];
        progress(c);
        if (c->irq_line && c->handler != NULL && !in_handler) {
            in_handler = true;
            c->irq_line = false;
            c->handler(14 + (uint32_t)i, c->arg);
            in_handler = false;
        }
    }
}

static void start(struct channel *c, uint8_t command)
{
    struct drive *d = drive_of(c);

    if (!d->present)
        return;
    assert_int_equal(c->status & (BSY | DRQ), 0);
    d->commands++;
    if (d->lose_commands > 0) {
        d->lose_commands--;
        c->hang = true;
        c->status = BSY;
        return;
    }
    if (d->atapi) {
        c->regs[4] = 0x14;
        c->regs[5] = 0xeb;
        c->status = ERR;
        return;
    }
    c->command = command;
    c->ext = command == 0x24 || command == 0x25 || command == 0x34 || command == 0x35 || command == 0xea;
    c->dma = command == 0xc8 || command == 0xca || command == 0x25 || command == 0x35;
    c->write = command == 0x30 || command == 0x34 || command == 0xca || command == 0x35;
    d->dma_commands += c->dma;
    if (c->ext) {
        c->lba = (uint64_t)c->regs[3] | (uint64_t)c->regs[4] << 8 | (uint64_t)c->regs[5] << 16 |
                 (uint64_t)c->hob[3] << 24 | (uint64_t)c->hob[4] << 32 | (uint64_t)c->hob[5] << 40;
        c->left = (uint32_t)(c->regs[2] | c->hob[2] << 8);
    } else {
        c->lba = (uint64_t)(c->regs[3] | c->regs[4] << 8 | c->regs[5] << 16) | (uint64_t)(c->regs[6] & 15) << 24;
        c->left = c->regs[2] == 0 ? 256 : c->regs[2];
    }
    if (command == 0xec)
        c->left = 1;
    c->pos = 0;
    c->ready_at = now + latency;
    c->status = c->write && !c->dma ? RDY | DRQ : BSY;
}

static struct channel *at(uint16_t port, int *reg)
{
    for (int i = 0; i < 2; i++) {
        struct channel *c = &channels[i];
        if (port >= c->cmd && port < c->cmd + 8)
            return *reg = port - c->cmd, c;
        if (port == c->ctl)
            return *reg = 8, c;
        if (c->bm != 0 && port >= c->bm && port < c->bm + 8)
            return *reg = 0x10 + port - c->bm, c;
    }
    fail_msg("port 0x%x", port);
    return NULL;
}

uint8_t io_in8(uint16_t port)
{
    int reg;
    struct channel *c = at(port, &reg);

    if (c->floating && reg < 0x10)
        return 0xff;
    tick(100);
    bool present = drive_of(c)->present;
    if (reg == 0x12)
        return (uint8_t)(c->bm_status | 0x60);
    if (reg == 0x10)
        return c->bm_command;
    if (reg == 7)
        c->irq_line = false;
    if (reg == 7 || reg == 8)
        return present ? c->status : 0;
    return reg == 1 ? c->error : present || reg == 6 ? c->regs[reg] : 0;
}

void io_out8(uint16_t port, uint8_t v)
{
    int reg;
    struct channel *c = at(port, &reg);

    if (c->floating && reg < 0x10)
        return;
    tick(100);
    if (reg == 7) {
        start(c, v);
    } else if (reg == 8) {
        if ((v & 4) != 0) {
            c->resets++;
            c->hang = false;
            c->command = 0;
            c->status = c->stuck ? BSY : RDY;
        }
        c->nien = (v & 2) != 0;
    } else if (reg == 0x10) {
        c->bm_command = v;
        c->bm_status = (uint8_t)((c->bm_status & ~1) | (v & 1));
    } else if (reg == 0x12) {
        c->bm_status &= (uint8_t)~(v & 6);
    } else {
        c->hob[reg] = c->regs[reg];
        c->regs[reg] = v;
    }
}

uint32_t io_in32(uint16_t port)
{
    fail_msg("in32 0x%x", port);
    return 0;
}
uint16_t io_in16(uint16_t port)
{
    fail_msg("in16 0x%x", port);
    return 0;
}
void io_out16(uint16_t port, uint16_t v) { fail_msg("out16 0x%x %u", port, v); }
void io_out32(uint16_t port, uint32_t v)
{
    int reg;
    struct channel *c = at(port, &reg);

    assert_int_equal(reg, 0x14);
    c->bm_prd = v;
}

static void block_moved(struct channel *c)
{
    struct drive *d = drive_of(c);
    uint32_t size = c->command == 0xec ? 512 : d->sector_bytes;

    assert_int_equal(c->pos, size);
    c->status = BSY;
    c->ready_at = now + latency;
    if (!c->write) {
        c->lba++;
        if (--c->left == 0) {
            c->status = RDY;
            c->command = 0;
        }
    }
}

void io_in16_block(uint16_t port, void *buf, size_t count)
{
    int reg;
    struct channel *c = at(port, &reg);

    assert_int_equal(c->status & (BSY | DRQ), DRQ);
    memcpy(buf, c->block + c->pos, count * 2);
    c->pos += (uint32_t)count * 2;
    block_moved(c);
}

void io_out16_block(uint16_t port, const void *buf, size_t count)
{
    int reg;
    struct channel *c = at(port, &reg);

    assert_int_equal(c->status & (BSY | DRQ), DRQ);
    memcpy(c->block + c->pos, buf, count * 2);
    c->pos += (uint32_t)count * 2;
    block_moved(c);
}

/* ---- what the driver stands on ---- */

uint64_t time_now_ns(void)
{
    tick(1000);
    return now;
}
void thread_sleep_ns(uint64_t ns) { tick(ns); }
static bool woken;
void waitq_wake(struct waitq *q)
{
    (void)q;
    woken = true;
}
bool waitq_wait(struct waitq *q, uint64_t deadline)
{
    (void)q;
    woken = false;
    while (!woken && now < deadline)
        tick(10000);
    return woken;
}
void *page_alloc(size_t pages, uint64_t *phys)
{
    void *p = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

    *phys = (uint64_t)p;
    return p == MAP_FAILED ? NULL : p;
}
void page_free(void *p, size_t pages) { munmap(p, pages * 4096); }
struct pci_device *pci_first(void) { return &ide; }
uint16_t pci_enable(const struct pci_device *d, bool bus_master)
{
    assert_ptr_equal(d, &ide);
    assert_int_equal(bus_master, (ide.prog_if & 0x80) != 0);
    return 0;
}
bool pci_gsi_attach(uint32_t gsi, void (*fn)(uint32_t, void *), void *arg)
{
    if (!irq_works)
        return false;
    channels[gsi - 14].handler = fn;
    channels[gsi - 14].arg = arg;
    return true;
}
bool pci_irq_attach(struct pci_device *d, void (*fn)(uint32_t, void *), void *arg)
{
    (void)d;
    if (!irq_works)
        return false;
    channels[0].handler = channels[1].handler = fn;
    channels[0].arg = channels[1].arg = arg;
    return true;
}
static unsigned irq_dones;
void pci_irq_done(struct pci_device *d)
{
    assert_ptr_equal(d, &ide);
    irq_dones++;
}

/* ---- tests ---- */

#define SECTORS 4000U

static void drive_make(struct drive *d, const char *model)
{
    d->present = true;
    d->sectors = SECTORS;
    d->sector_bytes = 512;
    d->bad_lba = ~0UL;
    d->data = calloc(SECTORS, 512);
    for (size_t i = 0; i < SECTORS * 512; i++)
        d->data[i] = (uint8_t)(i * 2654435761U >> 12);
    char padded[41];
    snprintf(padded, sizeof(padded), "%-40s", model);
    for (int i = 0; i < 20; i++)
        d->id[27 + i] = (uint16_t)((uint8_t)padded[2 * i] << 8 | (uint8_t)padded[2 * i + 1]);
    d->id[49] = 0x300;
    d->id[60] = SECTORS;
    d->id[63] = 0x0007;
    d->id[88] = 0x203f;
    d->id[82] = 0x0020;
    d->id[83] = 0x7400;
    d->id[100] = SECTORS;
}

static struct block_device *probe(bool irq, uint8_t prog_if, const char *name)
{
    irq_works = irq;
    ide = (struct pci_device){.class_code = 1, .subclass = 1, .prog_if = prog_if};
    ide.bars[4] = (struct pci_bar){.base = 0xc000, .size = 16, .io = true};
    fake_notices[0] = '\0';
    ata_init();
    return block_find(name);
}

static void model_reset(void)
{
    for (int i = 0; i < 2; i++) {
        free(channels[i].drives[0].data);
        free(channels[i].drives[1].data);
    }
    memset(channels, 0, sizeof(channels));
    channels[0] = (struct channel){.cmd = 0x1f0, .ctl = 0x3f6, .bm = 0xc000, .status = RDY};
    channels[1] = (struct channel){.cmd = 0x170, .ctl = 0x376, .bm = 0xc008, .floating = true};
    latency = 100000;
}

static uint8_t buf[512 * 1000 + 1];

static void check_read(struct block_device *dev, uint64_t lba, uint32_t count)
{
    struct drive *d = &channels[0].drives[0];

    memset(buf, 0, sizeof(buf));
    assert_int_equal(dev->ops->read(dev, lba, count, buf + 1), BLOCK_OK);
    assert_memory_equal(buf + 1, d->data + lba * 512, count * 512UL);
}

static void check_rw(struct block_device *dev)
{
    struct drive *d = &channels[0].drives[0];

    check_read(dev, 0, 1);
    check_read(dev, 3, 700); /* several commands */
    check_read(dev, SECTORS - 1, 1);
    for (size_t i = 0; i < 300 * 512; i++)
        buf[i + 1] = (uint8_t)(i * 7 + 1);
    assert_int_equal(dev->ops->write(dev, 1234, 300, buf + 1), BLOCK_OK);
    assert_memory_equal(buf + 1, d->data + 1234 * 512, 300 * 512);
    assert_int_equal(dev->ops->flush(dev), BLOCK_OK);
    assert_int_equal(d->flushes, 1);
    check_read(dev, 1200, 400);
    assert_int_equal(dev->ops->read(dev, SECTORS, 1, buf), BLOCK_RANGE);
    assert_int_equal(dev->ops->read(dev, SECTORS - 1, 2, buf), BLOCK_RANGE);
    assert_int_equal(dev->ops->read(dev, UINT64_MAX, 2, buf), BLOCK_RANGE);
    assert_int_equal(dev->ops->read(dev, SECTORS, 0, buf), BLOCK_OK);
    dev->read_only = true;
    assert_int_equal(dev->ops->write(dev, 0, 1, buf), BLOCK_READ_ONLY);
    dev->read_only = false;
}

static struct block_device *dma_dev;

static void test_dma_with_interrupts(void **state)
{
    (void)state;
    model_reset();
    drive_make(&channels[0].drives[0], "CORBEL TEST DISK");
    channels[0].drives[1].present = channels[0].drives[1].atapi = true;
    uint64_t before = now;
    struct block_device *dev = dma_dev = probe(true, 0x80, "hd0");
    assert_non_null(dev);
    assert_true(now - before < 1000000); /* nothing was waited for */
    assert_string_equal(dev->model, "CORBEL TEST DISK");
    assert_int_equal(dev->sectors, SECTORS);
    assert_int_equal(dev->sector_size, 512);
    assert_non_null(strstr(fake_notices, "hd0: CORBEL TEST DISK, 1 MiB, DMA, interrupts"));
    assert_non_null(strstr(fake_notices, "ata0.1: a CD-ROM or other ATAPI device: left aside"));
    check_rw(dev);
    assert_true(channels[0].drives[0].dma_commands > 10);
    assert_int_equal(channels[0].resets, 0);
}

static void test_lost_interrupt(void **state)
{
    (void)state;
    channels[0].lose_irqs = 1;
    uint64_t before = now;
    check_read(dma_dev, 5, 9);
    assert_true(now - before < 10000000); /* found out in milliseconds, without a reset */
    assert_int_equal(channels[0].lose_irqs, 0);
    assert_int_equal(channels[0].resets, 0);
}

static void test_silent_line(void **state)
{
    (void)state;
    model_reset();
    drive_make(&channels[0].drives[0], "SILENT");
    struct block_device *dev = probe(true, 0x80, "hd5");
    assert_non_null(dev);
    channels[0].handler = NULL;
    for (int i = 0; i < 20; i++)
        check_read(dev, 5, 9);
    assert_non_null(strstr(fake_notices, "ata5: its interrupts do not arrive"));
    uint64_t before = now;
    check_read(dev, 5, 9);
    assert_true(now - before < 1000000);
}

static void test_media_error(void **state)
{
    struct drive *d = &channels[0].drives[0];
    (void)state;
    d->bad_lba = 77;
    assert_int_equal(dma_dev->ops->read(dma_dev, 70, 10, buf), BLOCK_IO_ERROR);
    d->bad_lba = ~0UL;
    unsigned dmas = d->dma_commands;
    check_read(dma_dev, 70, 10);
    assert_int_equal(d->dma_commands, dmas + 1); /* a bad sector is no reason to give up DMA */
}

static void test_timeout_and_reset(void **state)
{
    (void)state;
    channels[0].drives[0].lose_commands = 1;
    unsigned resets = channels[0].resets;
    check_read(dma_dev, 9, 3);
    assert_int_equal(channels[0].resets, resets + 1);
    channels[0].drives[0].lose_commands = 1;
    unsigned flushes = channels[0].drives[0].flushes;
    assert_int_equal(dma_dev->ops->flush(dma_dev), BLOCK_OK); /* a lost flush is repeated */
    assert_int_equal(channels[0].resets, resets + 2);
    assert_int_equal(channels[0].drives[0].flushes, flushes + 1);
    channels[0].drives[0].lose_commands = 1000;
    assert_int_equal(dma_dev->ops->read(dma_dev, 0, 1, buf), BLOCK_TIMEOUT);
    assert_int_equal(dma_dev->ops->flush(dma_dev), BLOCK_TIMEOUT);
    channels[0].drives[0].lose_commands = 0;
}

static void test_dma_falls_back(void **state)
{
    struct drive *d = &channels[0].drives[0];
    (void)state;
    channels[0].hang = false;
    d->dma_errors = 100;
    check_read(dma_dev, 0, 20);
    unsigned dmas = d->dma_commands;
    assert_non_null(strstr(fake_notices, "hd0: DMA fails"));
    check_read(dma_dev, 100, 300);
    assert_int_equal(d->dma_commands, dmas);
    d->flushes = 0;
    check_rw(dma_dev);
}

static void test_polled_pio(void **state)
{
    (void)state;
    model_reset();
    channels[0].bm = channels[1].bm = 0;
    drive_make(&channels[0].drives[0], "PIO");
    struct block_device *dev = probe(false, 0, "hd1");
    assert_non_null(dev);
    assert_non_null(strstr(fake_notices, "no DMA, polled"));
    check_rw(dev);
    assert_int_equal(channels[0].drives[0].dma_commands, 0);
    channels[0].drives[0].bad_lba = 50;
    assert_int_equal(dev->ops->read(dev, 45, 10, buf), BLOCK_IO_ERROR);
    channels[0].drives[0].bad_lba = ~0UL;
    channels[0].drives[0].lose_commands = 1;
    check_read(dev, 45, 10);
}

static void test_polled_dma(void **state)
{
    (void)state;
    model_reset();
    drive_make(&channels[0].drives[0], "POLLED");
    channels[0].drives[0].id[88] = 0x3f; /* no mode chosen by the firmware */
    struct block_device *dev = probe(false, 0x80, "hd2");
    assert_non_null(dev);
    assert_int_equal(channels[0].drives[0].mode, 0x22);
    check_rw(dev);
    assert_true(channels[0].drives[0].dma_commands > 10);
}

static void test_lba48(void **state)
{
    (void)state;
    model_reset();
    struct drive *d = &channels[0].drives[0];
    drive_make(d, "LARGE");
    d->id[100] = 0x0100;
    d->id[101] = 0x2000; /* 2^29 + 256 sectors: only the model's first exist */
    struct block_device *dev = probe(true, 0x80, "hd3");
    assert_int_equal(dev->sectors, 0x20000100);
    check_read(dev, 5, 300);
    d->sectors = dev->sectors;
    uint8_t *data = d->data;
    uint64_t lba = 0x0ffffffe; /* the command crosses the 28-bit end */
    d->data = data - lba * 512;
    assert_int_equal(dev->ops->read(dev, lba, 4, buf), BLOCK_OK);
    assert_true(channels[0].ext);
    assert_memory_equal(buf, data, 4 * 512);
    assert_int_equal(dev->ops->read(dev, 0x0fffffff, 1, buf), BLOCK_OK);
    assert_false(channels[0].ext);
    d->data = data;
}

static void test_native(void **state)
{
    (void)state;
    model_reset();
    channels[0].cmd = 0xd000;
    channels[0].ctl = 0xd012;
    drive_make(&channels[0].drives[0], "NATIVE");
    ide.bars[0] = (struct pci_bar){.base = 0xd000, .size = 8, .io = true};
    irq_works = true;
    ide = (struct pci_device){.class_code = 1, .subclass = 1, .prog_if = 0x85};
    ide.bars[0] = (struct pci_bar){.base = 0xd000, .size = 8, .io = true};
    ide.bars[1] = (struct pci_bar){.base = 0xd010, .size = 4, .io = true};
    ide.bars[4] = (struct pci_bar){.base = 0xc000, .size = 16, .io = true};
    ata_init(); /* the second channel has no ports: left out */
    struct block_device *dev = block_find("hd4");
    assert_non_null(dev);
    check_rw(dev);
    assert_true(irq_dones > 10);
    /* It dies for good: one long wait, then answers at once. */
    channels[0].stuck = true;
    channels[0].drives[0].lose_commands = 1000;
    assert_int_equal(dev->ops->read(dev, 0, 1, buf), BLOCK_TIMEOUT);
    assert_non_null(strstr(fake_notices, "hd4: stays busy after a reset"));
    uint64_t before = now;
    assert_int_equal(dev->ops->read(dev, 0, 1, buf), BLOCK_GONE);
    assert_int_equal(dev->ops->flush(dev), BLOCK_GONE);
    assert_true(now - before < 1000000);
}

static void test_refused(void **state)
{
    (void)state;
    model_reset();
    drive_make(&channels[0].drives[0], "OLD");
    channels[0].drives[0].id[49] = 0x100;
    assert_null(probe(true, 0x80, "hd6"));
    assert_non_null(strstr(fake_notices, "ata6.0: OLD: a disk without block addresses"));
    model_reset();
    drive_make(&channels[0].drives[0], "ODD");
    channels[0].drives[0].id[106] = 0x5000;
    channels[0].drives[0].id[117] = 260;
    assert_null(probe(true, 0x80, "hd6"));
    assert_non_null(strstr(fake_notices, "sectors of an unknown size"));
    model_reset();
    assert_null(probe(true, 0x80, "hd6")); /* a channel without drives */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dma_with_interrupts), cmocka_unit_test(test_lost_interrupt),
        cmocka_unit_test(test_media_error),         cmocka_unit_test(test_timeout_and_reset),
        cmocka_unit_test(test_dma_falls_back),      cmocka_unit_test(test_polled_pio),
        cmocka_unit_test(test_polled_dma),          cmocka_unit_test(test_lba48),
        cmocka_unit_test(test_native),              cmocka_unit_test(test_silent_line),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
