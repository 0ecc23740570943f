/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Registers and descriptors of Intel's gigabit controllers: PCI/PCI-X Family of Gigabit Ethernet Controllers
 * Software Developer's Manual (8254x), chapters 3 and 13; 82574 Family Datasheet, chapters 7 and 10, for what the
 * 82574 has besides. */
#pragma once

#include <stdint.h>

#define E1000_REGISTERS 0x20000U /* bytes */

#define E1000_CTRL     0x0000U
#define E1000_STATUS   0x0008U
#define E1000_EERD     0x0014U
#define E1000_CTRL_EXT 0x0018U
#define E1000_MDIC     0x0020U
#define E1000_ICR      0x00c0U /* read: cleared */
#define E1000_ITR      0x00c4U /* units of 256 ns between two interrupts */
#define E1000_IMS      0x00d0U
#define E1000_IMC      0x00d8U
#define E1000_IVAR     0x00e4U /* 82574 */
#define E1000_RCTL     0x0100U
#define E1000_TCTL     0x0400U
#define E1000_TIPG     0x0410U
#define E1000_RDBAL    0x2800U
#define E1000_RDLEN    0x2808U
#define E1000_RDH      0x2810U
#define E1000_RDT      0x2818U
#define E1000_RDTR     0x2820U
#define E1000_TDBAL    0x3800U
#define E1000_TDLEN    0x3808U
#define E1000_TDH      0x3810U
#define E1000_TDT      0x3818U
#define E1000_TIDV     0x3820U
#define E1000_CRCERRS  0x4000U /* counters: read, they are 0 */
#define E1000_RXERRC   0x400cU
#define E1000_MPC      0x4010U /* no room in the card */
#define E1000_MTA      0x5200U
#define E1000_MTA_SIZE 128U
#define E1000_RAL      0x5400U
#define E1000_RAH      0x5404U

#define E1000_CTRL_LRST   0x00000008U
#define E1000_CTRL_ASDE   0x00000020U
#define E1000_CTRL_SLU    0x00000040U
#define E1000_CTRL_ILOS   0x00000080U
#define E1000_CTRL_FRCSPD 0x00000800U
#define E1000_CTRL_FRCDPX 0x00001000U
#define E1000_CTRL_RST    0x04000000U
#define E1000_CTRL_VME    0x40000000U
#define E1000_CTRL_PHY    0x80000000U

#define E1000_STATUS_LU       0x00000002U
#define E1000_STATUS_SPEED(s) (((s) >> 6) & 3U) /* 10, 100, 1000, 1000 */

#define E1000_EERD_START     0x00000001U
#define E1000_EERD_DATA(v)   ((uint16_t)((v) >> 16))

#define E1000_MDIC_WRITE     (1U << 26 | 1U << 21) /* PHY 1 */
#define E1000_MDIC_READY     0x10000000U
#define E1000_PHY_CONTROL    0U
#define E1000_PHY_NEGOTIATE  0x1200U /* switched on, and begun again */

#define E1000_RAH_VALID 0x80000000U

#define E1000_INT_TXDW   0x00000001U
#define E1000_INT_LSC    0x00000004U
#define E1000_INT_RXDMT0 0x00000010U
#define E1000_INT_RXO    0x00000040U
#define E1000_INT_RXT0   0x00000080U
#define E1000_INT_RXQ0   0x00100000U /* 82574 with MSI-X */
#define E1000_INT_OTHER  0x01000000U
#define E1000_INT_WANTED (E1000_INT_LSC | E1000_INT_RXDMT0 | E1000_INT_RXO | E1000_INT_RXT0)
#define E1000_IVAR_ALL_0 0x00080808U /* receive queue 0, transmit queue 0, all other causes: message 0 */

/* Every frame (unicast and multicast promiscuous, broadcast), buffers of 2048 bytes, the check sequence taken off;
 * what is longer than 1522 bytes is thrown away. */
#define E1000_RCTL_WANTED 0x0400801aU
#define E1000_RCTL_EN     0x00000002U
/* On, short frames filled up, collisions as the manual recommends for full duplex. */
#define E1000_TCTL_WANTED 0x000400faU
#define E1000_TIPG_COPPER 0x0060200aU

struct e1000_rx_desc {
    uint64_t address;
    uint16_t length, checksum;
    uint8_t status, errors;
    uint16_t special;
};

struct e1000_tx_desc {
    uint64_t address;
    uint16_t length;
    uint8_t cso, command, status, css;
    uint16_t special;
};

_Static_assert(sizeof(struct e1000_rx_desc) == 16 && sizeof(struct e1000_tx_desc) == 16, "as the manual has them");

#define E1000_RX_DONE   0x01U
#define E1000_RX_END    0x02U
#define E1000_RX_BAD    0x97U /* check sequence, symbol, sequence, carrier extension, data */
#define E1000_TX_END    0x01U
#define E1000_TX_FCS    0x02U
#define E1000_TX_REPORT 0x08U
#define E1000_TX_DONE   0x01U
