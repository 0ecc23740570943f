/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Registers and structures of AHCI: Serial ATA AHCI 1.3.1 Specification, chapters 3 "HBA Memory Registers" and
 * 4 "System Memory Structures"; FISes: Serial ATA Revision 3.1, section 10.3; queued commands: ATA8-ACS, section 7. */
#pragma once

#include <stdint.h>

/* Generic host control. */
#define AHCI_CAP  0x00U
#define AHCI_GHC  0x04U
#define AHCI_IS   0x08U /* one bit per port, write 1 to clear */
#define AHCI_PI   0x0cU
#define AHCI_CAP2 0x24U
#define AHCI_BOHC 0x28U

#define AHCI_CAP_S64A       0x80000000U
#define AHCI_CAP_SNCQ       0x40000000U
#define AHCI_CAP_SCLO       0x01000000U
#define AHCI_CAP_NCS(cap)   ((((cap) >> 8) & 0x1fU) + 1U) /* command slots */
#define AHCI_GHC_AE         0x80000000U
#define AHCI_GHC_IE         0x00000002U
#define AHCI_CAP2_BOH       0x00000001U
#define AHCI_BOHC_OOS       0x00000002U
#define AHCI_BOHC_BOS       0x00000001U

/* Ports. */
#define AHCI_PORTS        32U
#define AHCI_PORT(n)      (0x100U + 0x80U * (n))
#define AHCI_PORT_BYTES   0x80U
#define AHCI_PX_CLB       0x00U
#define AHCI_PX_FB        0x08U
#define AHCI_PX_IS        0x10U /* write 1 to clear */
#define AHCI_PX_IE        0x14U
#define AHCI_PX_CMD       0x18U
#define AHCI_PX_TFD       0x20U
#define AHCI_PX_SIG       0x24U
#define AHCI_PX_SSTS      0x28U
#define AHCI_PX_SCTL      0x2cU
#define AHCI_PX_SERR      0x30U /* write 1 to clear */
#define AHCI_PX_SACT      0x34U
#define AHCI_PX_CI        0x38U

#define AHCI_CMD_ST       0x00000001U
#define AHCI_CMD_SUD      0x00000002U
#define AHCI_CMD_POD      0x00000004U
#define AHCI_CMD_CLO      0x00000008U
#define AHCI_CMD_FRE      0x00000010U
#define AHCI_CMD_FR       0x00004000U
#define AHCI_CMD_CR       0x00008000U
#define AHCI_CMD_ICC_MASK 0xf0000000U
#define AHCI_CMD_ICC_ON   0x10000000U

#define AHCI_TFD_BUSY     0x88U /* BSY and DRQ */

#define AHCI_SSTS_DET     0x0fU
#define AHCI_DET_NONE     0U
#define AHCI_DET_UP       3U
#define AHCI_SCTL_NO_LPM  0x300U /* no partial, no slumber */
#define AHCI_SCTL_RESET   0x001U

#define AHCI_SIG_ATA      0x00000101U
#define AHCI_SIG_ATAPI    0xeb140101U
#define AHCI_SIG_PM       0x96690101U
#define AHCI_SIG_SEMB     0xc33c0101U

#define AHCI_IS_DHRS      0x00000001U
#define AHCI_IS_PSS       0x00000002U
#define AHCI_IS_DSS       0x00000004U
#define AHCI_IS_SDBS      0x00000008U
#define AHCI_IS_PCS       0x00000040U
#define AHCI_IS_PRCS      0x00400000U
#define AHCI_IS_FAILED    0x7d000000U /* TFES HBFS HBDS IFS INFS OFS */
#define AHCI_IS_TFES      0x40000000U
#define AHCI_IE_WANTED                                                                                                 \
    (AHCI_IS_DHRS | AHCI_IS_PSS | AHCI_IS_DSS | AHCI_IS_SDBS | AHCI_IS_PCS | AHCI_IS_PRCS | AHCI_IS_FAILED)

/* Command header. */
#define AHCI_HEADER_FIS_DWORDS 5U
#define AHCI_HEADER_WRITE      0x40U
#define AHCI_HEADER_ENTRIES    16U /* shift */

struct ahci_header {
    uint32_t flags, bytes_done;
    uint64_t table;
    uint32_t reserved[4];
};

struct ahci_prdt {
    uint64_t address;
    uint32_t reserved;
    uint32_t count; /* bytes - 1; bit 0 is 1 */
};

#define AHCI_PRDT_MOST 0x400000U /* bytes of one entry */
#define AHCI_PRDT_MAX  8U

struct ahci_table {
    uint8_t fis[64];
    uint8_t packet[16];
    uint8_t reserved[48];
    struct ahci_prdt prdt[AHCI_PRDT_MAX];
};

_Static_assert(sizeof(struct ahci_header) == 32 && sizeof(struct ahci_prdt) == 16, "AHCI layout");
_Static_assert(sizeof(struct ahci_table) == 256, "tables stay aligned to 128 bytes");

/* Where things are in a port's page. */
#define AHCI_MEM_LIST   0U    /* 32 headers */
#define AHCI_MEM_FIS    1024U /* 256 bytes */
#define AHCI_MEM_TABLES 2048U /* one of 256 bytes per slot */

#define AHCI_FIS_H2D      0x27U
#define AHCI_FIS_COMMAND  0x80U
#define AHCI_DEVICE_LBA   0x40U

#define ATA_CMD_READ_FPDMA  0x60U
#define ATA_CMD_WRITE_FPDMA 0x61U

/* Words of IDENTIFY DEVICE that only SATA has, ATA8-ACS, section 7.16. */
#define ATA_ID_QUEUE_DEPTH  75U /* - 1, 5 bits */
#define ATA_ID_SATA         76U
#define ATA_ID_SATA_NCQ     0x0100U
