/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] What a disk says about itself: the 256 words ID of IDENTIFY DEVICE, ATA/ATAPI-6, section 8.15. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

bool ata_has_lba48(const uint16_t *id);
void ata_model(const uint16_t *id, char *out); /* at most 40 characters and the end */
uint64_t ata_sectors(const uint16_t *id, bool lba48);
uint32_t ata_sector_size(const uint16_t *id); /* 512 or 4096; 0: neither */
uint8_t ata_flush_command(const uint16_t *id, bool lba48); /* 0: the drive has no write cache */
