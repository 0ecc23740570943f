/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] What a disk says about itself in IDENTIFY DEVICE; for IDE and AHCI. Pure. */
#include "drivers/ata_identify.h"

#include <stddef.h>

#include "drivers/ata_regs.h"

bool ata_has_lba48(const uint16_t *id)
{
    return (id[ATA_ID_COMMANDS_83] & (ATA_ID_83_MASK | ATA_ID_83_LBA48)) == (ATA_ID_83_VALID | ATA_ID_83_LBA48);
}

/* Words of a string are big-endian, ATA/ATAPI-6, section 8.15. What is not printable becomes a space. */
void ata_model(const uint16_t *id, char *out)
{
    size_t len = 0;

    for (uint32_t i = 0; i < 40; i++) {
        uint16_t word = id[ATA_ID_MODEL + i / 2];
        char c = (char)(i % 2 == 0 ? word >> 8 : word & 0xff);
        out[i] = c >= 0x20 && c < 0x7f ? c : ' ';
        if (out[i] != ' ')
            len = i + 1U;
    }
    out[len] = '\0';
}

uint64_t ata_sectors(const uint16_t *id, bool lba48)
{
    const uint16_t *w = &id[ATA_ID_SECTORS48];

    if (lba48)
        return w[0] | (uint64_t)w[1] << 16 | (uint64_t)w[2] << 32 | (uint64_t)w[3] << 48;
    return id[ATA_ID_SECTORS28] | (uint64_t)id[ATA_ID_SECTORS28 + 1] << 16;
}

uint32_t ata_sector_size(const uint16_t *id)
{
    uint64_t words = 256;

    if ((id[ATA_ID_SECTOR_SIZE] & ATA_ID_106_MASK) == ATA_ID_106_LARGE)
        words = id[ATA_ID_SECTOR_WORDS] | (uint64_t)id[ATA_ID_SECTOR_WORDS + 1] << 16;
    return words == 256 || words == 2048 ? (uint32_t)words * 2U : 0;
}

uint8_t ata_flush_command(const uint16_t *id, bool lba48)
{
    bool valid = (id[ATA_ID_COMMANDS_83] & ATA_ID_83_MASK) == ATA_ID_83_VALID;

    if (valid && lba48 && (id[ATA_ID_COMMANDS_83] & ATA_ID_83_FLUSH_EXT) != 0)
        return ATA_CMD_FLUSH_EXT;
    if (valid && (id[ATA_ID_COMMANDS_83] & ATA_ID_83_FLUSH) != 0)
        return ATA_CMD_FLUSH;
    return (id[ATA_ID_COMMANDS_82] & ATA_ID_WRITE_CACHE) != 0 ? ATA_CMD_FLUSH : 0;
}
