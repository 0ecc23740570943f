/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Registers and commands of IDE: ATA/ATAPI-6 (INCITS 361-2002), chapters 7 "Interface register definitions"
 * and 8 "Command descriptions"; bus-master part: Programming Interface for Bus Master IDE Controller, revision 1.0. */
#pragma once

/* Command block, offsets from its base. */
#define ATA_DATA      0U
#define ATA_ERROR     1U /* read */
#define ATA_FEATURES  1U /* write */
#define ATA_COUNT     2U
#define ATA_LBA_LOW   3U
#define ATA_LBA_MID   4U
#define ATA_LBA_HIGH  5U
#define ATA_DEVICE    6U
#define ATA_STATUS    7U /* reading it clears the interrupt */
#define ATA_COMMAND   7U

#define ATA_STATUS_ERR  0x01U
#define ATA_STATUS_DRQ  0x08U
#define ATA_STATUS_DF   0x20U
#define ATA_STATUS_DRDY 0x40U
#define ATA_STATUS_BSY  0x80U
#define ATA_FLOATING    0xffU /* nobody drives the bus */

#define ATA_ERROR_ABRT 0x04U
#define ATA_ERROR_ICRC 0x80U /* the cable, not the medium */

#define ATA_DEVICE_OLD  0xa0U /* bits that were once always 1 */
#define ATA_DEVICE_LBA  0x40U
#define ATA_DEVICE_UNIT 0x10U

/* Control block: one register. Reads give the status without clearing the interrupt. */
#define ATA_CONTROL_NIEN 0x02U
#define ATA_CONTROL_SRST 0x04U

#define ATA_CMD_READ_PIO       0x20U
#define ATA_CMD_READ_PIO_EXT   0x24U
#define ATA_CMD_READ_DMA_EXT   0x25U
#define ATA_CMD_WRITE_PIO      0x30U
#define ATA_CMD_WRITE_PIO_EXT  0x34U
#define ATA_CMD_WRITE_DMA_EXT  0x35U
#define ATA_CMD_READ_DMA       0xc8U
#define ATA_CMD_WRITE_DMA      0xcaU
#define ATA_CMD_FLUSH          0xe7U
#define ATA_CMD_FLUSH_EXT      0xeaU
#define ATA_CMD_IDENTIFY       0xecU
#define ATA_CMD_SET_FEATURES   0xefU
#define ATA_SET_TRANSFER_MODE  0x03U
#define ATA_MODE_MWDMA         0x20U /* | mode 0..2 */

/* Words of IDENTIFY DEVICE, table 26. */
#define ATA_ID_WORDS          256U
#define ATA_ID_GENERAL        0U
#define ATA_ID_MODEL          27U /* 20 words */
#define ATA_ID_CAPABILITIES   49U
#define ATA_ID_SECTORS28      60U /* 2 words */
#define ATA_ID_MWDMA          63U
#define ATA_ID_COMMANDS_82    82U
#define ATA_ID_COMMANDS_83    83U
#define ATA_ID_UDMA           88U
#define ATA_ID_SECTORS48      100U /* 4 words */
#define ATA_ID_SECTOR_SIZE    106U
#define ATA_ID_SECTOR_WORDS   117U /* 2 words */
#define ATA_ID_NOT_ATA        0x8000U
#define ATA_ID_CAP_DMA        0x0100U
#define ATA_ID_CAP_LBA        0x0200U
#define ATA_ID_MODE_ACTIVE    0x7f00U
#define ATA_ID_WRITE_CACHE    0x0020U
#define ATA_ID_83_MASK        0xc000U
#define ATA_ID_83_VALID       0x4000U
#define ATA_ID_83_FLUSH_EXT   0x2000U
#define ATA_ID_83_FLUSH       0x1000U
#define ATA_ID_83_LBA48       0x0400U
#define ATA_ID_106_MASK       0xd000U
#define ATA_ID_106_LARGE      0x5000U /* valid, and logical sectors longer than 256 words */

#define ATA_LBA28_END 0x10000000UL
#define ATA_LBA48_END 0x1000000000000UL

/* Bus master, offsets from the channel's base. */
#define BM_COMMAND 0U
#define BM_STATUS  2U
#define BM_PRD     4U

#define BM_COMMAND_START 0x01U
#define BM_COMMAND_READ  0x08U /* from the disk into memory */
#define BM_STATUS_ACTIVE 0x01U
#define BM_STATUS_ERROR  0x02U /* write 1 to clear */
#define BM_STATUS_IRQ    0x04U /* write 1 to clear */
#define BM_STATUS_KEEP   0x60U /* the firmware's marks: which drive can DMA */
#define BM_PRD_LAST      0x80000000U

/* PCI IDE, programming interface byte. */
#define IDE_PRIMARY_NATIVE   0x01U
#define IDE_SECONDARY_NATIVE 0x04U
#define IDE_BUS_MASTER       0x80U
