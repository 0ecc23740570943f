/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Partition tables: MBR with logical partitions, GPT (UEFI Specification 2.10, chapter 5 "GUID Partition
 * Table"). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0/lib/error.h"
#include "drivers/block.h"

#define PARTITIONS_MAX 32U

struct partition {
    uint32_t number; /* as in hd0p1; 0: the whole disk is one file system */
    uint64_t first;  /* sector of the device */
    uint64_t sectors;
};

/* The partitions of DEV that lie inside it, at most MAX; *COUNT says how many. false: the table cannot be used, E
 * says why (*COUNT is 0). A disk without a table is true with none. *LEFT_OUT: entries that were not believable or
 * too many. */
bool partition_scan(struct block_device *dev, struct partition *out, size_t max, size_t *count, uint32_t *left_out,
                    struct error *e);
/* CRC-32 of ISO 3309, as the GPT uses it. */
uint32_t partition_crc32(const void *data, size_t len);
