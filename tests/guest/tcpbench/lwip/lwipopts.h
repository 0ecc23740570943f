/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] What tcpbench takes of lwIP: IPv4, ARP and TCP. Checksums of TCP are nobody's business between guests of one host, as Linux has it: they are left blank
 * (card.c says so to the back end) and not looked at. */
#pragma once

#define NO_SYS               1
#define NO_SYS_NO_TIMERS     1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN         0
#define LWIP_SOCKET          0
#define LWIP_STATS           0

#define LWIP_IPV4            1
#define LWIP_IPV6            0
#define LWIP_ARP             1
#define IP_REASSEMBLY        0
#define IP_FRAG              0
#define LWIP_ICMP            1
#define LWIP_RAW             0
#define LWIP_UDP             0
#define LWIP_TCP             1
#define LWIP_DHCP            0
#define LWIP_DNS             0

#define CHECKSUM_GEN_TCP     0
#define CHECKSUM_CHECK_TCP   0

#define MEM_ALIGNMENT        8
#define MEM_SIZE             131072
#define PBUF_POOL_SIZE       128
#define PBUF_POOL_BUFSIZE    1536
#define MEMP_NUM_PBUF        256
#define MEMP_NUM_TCP_PCB     8
#define MEMP_NUM_TCP_SEG     256

#define TCP_MSS              1460
#define TCP_WND              (44 * TCP_MSS) /* as much as there is without scaling */
#define TCP_SND_BUF          (44 * TCP_MSS)
#define TCP_SND_QUEUELEN     200
#define TCP_OVERSIZE         0
