/* SPDX-License-Identifier: Apache-2.0
 * [HOST] What AHCI and NVMe write into memory for a command, and NVMe's completion ring against a hostile controller. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/ahci_priv.h"
#include "drivers/ata_regs.h"
#include "drivers/nvme_priv.h"

static struct ahci_header h;
static struct ahci_table t;

static bool build(struct disk_command c, uint64_t phys, uint32_t tag, bool ncq, bool lba48)
{
    struct ahci_image i = {.cmd = &c, .data_phys = phys, .tag = tag, .ncq = ncq, .lba48 = lba48,
                           .flush_command = ATA_CMD_FLUSH_EXT};
    memset(&h, 0xee, sizeof(h));
    memset(&t, 0xee, sizeof(t));
    return ahci_build(&h, &t, 0x7000, &i);
}

static void ahci_queued(void **state)
{
    struct disk_command c = {.kind = DISK_WRITE, .lba = 0x123456789abc, .sectors = 0x1234, .bytes = 0x1234 * 512};
    static const uint8_t fis[20] = {0x27, 0x80, ATA_CMD_WRITE_FPDMA, 0x34, 0xbc, 0x9a, 0x78, 0x40, 0x56, 0x34, 0x12, 0x12, 3 << 3};

    (void)state;
    assert_true(build(c, 0x100000, 3, true, true));
    assert_memory_equal(t.fis, fis, sizeof(fis));
    assert_int_equal(h.flags, 5 | 0x40 | 1 << 16);
    assert_int_equal(h.table, 0x7000);
    assert_int_equal(h.bytes_done, 0);
    assert_int_equal(t.prdt[0].address, 0x100000);
    assert_int_equal(t.prdt[0].count, 0x1234 * 512 - 1);
}

static void ahci_alone(void **state)
{
    struct disk_command c = {.kind = DISK_READ, .lba = 0xabcdef0123, .sectors = 128, .bytes = 65536, .alone = true};
    static const uint8_t ext[20] = {0x27, 0x80, ATA_CMD_READ_DMA_EXT, 0, 0x23, 0x01, 0xef, 0x40, 0xcd, 0xab, 0, 0, 128};
    static const uint8_t old[20] = {0x27, 0x80, ATA_CMD_READ_DMA, 0, 0x56, 0x34, 0x12, 0x4a, 0, 0, 0, 0, 0};
    static const uint8_t flush[20] = {0x27, 0x80, ATA_CMD_FLUSH_EXT, 0, 0, 0, 0, 0x40};

    (void)state;
    assert_true(build(c, 0x100000, 3, true, true));
    assert_memory_equal(t.fis, ext, sizeof(ext));
    assert_int_equal(h.flags, 5 | 1 << 16);
    c.lba = 0xa123456;
    c.sectors = 256;
    assert_true(build(c, 0x100000, 0, false, false));
    assert_memory_equal(t.fis, old, sizeof(old));
    assert_true(build((struct disk_command){.kind = DISK_FLUSH, .alone = true}, 0x100000, 0, true, true));
    assert_memory_equal(t.fis, flush, sizeof(flush));
    assert_int_equal(h.flags, 5);
}

static void ahci_region_limits(void **state)
{
    struct disk_command c = {.kind = DISK_READ, .sectors = 1, .bytes = AHCI_PRDT_MOST + 512};

    (void)state;
    assert_true(build(c, 0x100000, 0, false, true));
    assert_int_equal(h.flags >> 16, 2);
    assert_int_equal(t.prdt[0].count, AHCI_PRDT_MOST - 1);
    assert_int_equal(t.prdt[1].address, 0x100000 + AHCI_PRDT_MOST);
    assert_int_equal(t.prdt[1].count, 511);
    c.bytes = AHCI_PRDT_MOST * AHCI_PRDT_MAX;
    assert_true(build(c, 0x100000, 0, false, true));
    assert_int_equal(h.flags >> 16, AHCI_PRDT_MAX);
    c.bytes += 512;
    assert_false(build(c, 0x100000, 0, false, true));
    c.bytes = 513;
    assert_false(build(c, 0x100000, 0, false, true));
    c.bytes = 512;
    assert_false(build(c, 0x100001, 0, false, true));
}

/* ---- NVMe ---- */

static struct nvme_command c;
static uint64_t list[512];

static void nvme_lists(void **state)
{
    (void)state;
    assert_true(nvme_prps(&c, 0x10000, 4096, list, 0x9000));
    assert_true(c.prp1 == 0x10000 && c.prp2 == 0);
    assert_true(nvme_prps(&c, 0x10000, 512, list, 0x9000));
    assert_true(c.prp1 == 0x10000 && c.prp2 == 0);
    assert_true(nvme_prps(&c, 0x10000, 4097, list, 0x9000));
    assert_true(c.prp1 == 0x10000 && c.prp2 == 0x11000);
    assert_true(nvme_prps(&c, 0x10000, 8192, list, 0x9000));
    assert_true(c.prp1 == 0x10000 && c.prp2 == 0x11000);
    assert_true(nvme_prps(&c, 0x10200, 4096, list, 0x9000));
    assert_true(c.prp1 == 0x10200 && c.prp2 == 0x11000);
    assert_true(nvme_prps(&c, 0x10200, 3584, list, 0x9000));
    assert_true(c.prp1 == 0x10200 && c.prp2 == 0);
    assert_true(nvme_prps(&c, 0x10ffc, 8192, list, 0x9000));
    assert_true(c.prp1 == 0x10ffc && c.prp2 == 0x9000);
    assert_true(list[0] == 0x11000 && list[1] == 0x12000);
    assert_true(nvme_prps(&c, 0x10000, 65536, list, 0x9000));
    assert_true(c.prp2 == 0x9000);
    for (uint32_t i = 0; i < 15; i++)
        assert_true(list[i] == 0x11000 + 0x1000UL * i);
    assert_true(nvme_prps(&c, 0x10000, 513 * 4096, list, 0x9000));
    assert_false(nvme_prps(&c, 0x10000, 513 * 4096 + 1, list, 0x9000));
    assert_false(nvme_prps(&c, 0x10002, 512, list, 0x9000));
}

static void nvme_rings(void **state)
{
    struct nvme_pair q = {.sq = aligned_alloc(4096, 4096), .cq = aligned_alloc(4096, 4096), .number = 1};
    uint16_t id, status, tail = 0;
    bool phase = true;

    (void)state;
    nvme_pair_reset(&q);
    for (uint32_t i = 0; i < 1000; i++) {
        struct nvme_command cmd = {.dw10 = i};
        nvme_pair_put(&q, &cmd);
        assert_int_equal(q.sq[tail].dw10, i);
        assert_int_equal(q.tail, (tail + 1) % NVME_ENTRIES);
        assert_false(nvme_pair_take(&q, &id, &status));
        q.cq[tail].id = (uint16_t)(i * 7919);
        q.cq[tail].status = (uint16_t)(i << 1 | phase);
        tail = (uint16_t)((tail + 1) % NVME_ENTRIES);
        phase = tail == 0 ? !phase : phase;
        assert_true(nvme_pair_take(&q, &id, &status));
        assert_int_equal(id, (uint16_t)(i * 7919));
        assert_int_equal(status, i);
    }
    /* a controller that fills the ring with its phase is read once round, no further */
    nvme_pair_reset(&q);
    for (uint32_t i = 0; i < NVME_ENTRIES; i++)
        q.cq[i].status = 1;
    for (uint32_t i = 0; i < NVME_ENTRIES; i++)
        assert_true(nvme_pair_take(&q, &id, &status));
    assert_false(nvme_pair_take(&q, &id, &status));
    free(q.sq);
    free((void *)(uintptr_t)q.cq);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ahci_queued), cmocka_unit_test(ahci_alone), cmocka_unit_test(ahci_region_limits),
        cmocka_unit_test(nvme_lists),  cmocka_unit_test(nvme_rings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
