/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Registers of NE2000 on PCI: National Semiconductor DP8390D/NS32490D NIC data sheet, sections 10 "Internal
 * Registers" and 7 "Buffer management"; Realtek RTL8029AS data sheet, section 5, for what is around it. */
#pragma once

#include <stdint.h>

#define NE2K_PORTS 0x20U

/* Page 0, that is selected whenever interrupts are on. */
#define NE2K_CR     0x00U
#define NE2K_PSTART 0x01U
#define NE2K_PSTOP  0x02U
#define NE2K_BNRY   0x03U
#define NE2K_TSR    0x04U /* read */
#define NE2K_TPSR   0x04U /* written */
#define NE2K_TBCR0  0x05U
#define NE2K_TBCR1  0x06U
#define NE2K_ISR    0x07U
#define NE2K_RSAR0  0x08U
#define NE2K_RSAR1  0x09U
#define NE2K_RBCR0  0x0aU
#define NE2K_RBCR1  0x0bU
#define NE2K_RCR    0x0cU
#define NE2K_TCR    0x0dU
#define NE2K_DCR    0x0eU
#define NE2K_IMR    0x0fU
#define NE2K_CNTR0  0x0dU /* read: frames with an error of alignment; cleared */
#define NE2K_CNTR1  0x0eU /* of the check sequence */
#define NE2K_CNTR2  0x0fU /* that found no room */
/* Page 1. */
#define NE2K_PAR0   0x01U
#define NE2K_CURR   0x07U
#define NE2K_MAR0   0x08U
/* Beside the pages. */
#define NE2K_DATA   0x10U
#define NE2K_RESET  0x1fU /* a read, written back */

#define NE2K_CR_STOP   0x01U
#define NE2K_CR_START  0x02U
#define NE2K_CR_SEND   0x04U
#define NE2K_CR_READ   0x08U
#define NE2K_CR_WRITE  0x10U
#define NE2K_CR_NO_DMA 0x20U
#define NE2K_CR_PAGE1  0x40U

#define NE2K_ISR_PRX 0x01U /* received */
#define NE2K_ISR_PTX 0x02U /* sent */
#define NE2K_ISR_RXE 0x04U
#define NE2K_ISR_TXE 0x08U
#define NE2K_ISR_OVW 0x10U /* the ring overflowed */
#define NE2K_ISR_CNT 0x20U
#define NE2K_ISR_RDC 0x40U /* the remote DMA is complete */
#define NE2K_ISR_RST 0x80U
#define NE2K_IMR_WANTED (NE2K_ISR_PRX | NE2K_ISR_PTX | NE2K_ISR_RXE | NE2K_ISR_TXE | NE2K_ISR_OVW)

#define NE2K_DCR_WORDS    0x49U /* 16-bit transfers, no loopback, FIFO threshold of 8 bytes */
#define NE2K_RCR_WANTED   0x1cU /* broadcast, multicast, promiscuous; what is damaged is refused */
#define NE2K_RCR_MONITOR  0x20U /* nothing goes to memory */
#define NE2K_TCR_NORMAL   0x00U
#define NE2K_TCR_LOOPBACK 0x02U

/* The card's memory, in pages of 256 bytes: two frames to be sent, then the ring. */
#define NE2K_PAGE       256U
#define NE2K_MEM_FIRST  0x40U
#define NE2K_TX_PAGES   6U
#define NE2K_RX_FIRST   (NE2K_MEM_FIRST + NE2K_TX_PAGES)
#define NE2K_RX_END     0x80U
#define NE2K_HEADER     4U /* in front of a frame in the ring: status, next page, length with these 4 */
#define NE2K_FCS        4U
#define NE2K_RX_GOOD    0x01U
