/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] What Dom0 takes of lwIP: IPv4, ARP, ICMP, UDP, TCP and DHCP's client on one interface. All its memory is static (some 150 KiB), so whatever
 * comes in over the network, Dom0's heap does not notice. It has no timers of its own: stack.c calls what is due. */
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
#define ARP_TABLE_SIZE       32
#define ARP_QUEUEING         0
#define ETHARP_SUPPORT_VLAN  0
/* What nobody here needs is not there for anybody to play with. */
#define IP_FORWARD           0
#define IP_REASSEMBLY        0
#define IP_FRAG              0
#define IP_OPTIONS_ALLOWED   0
#define LWIP_BROADCAST_PING  0
#define LWIP_MULTICAST_PING  0
#define LWIP_IGMP            0
#define LWIP_AUTOIP          0

#define LWIP_ICMP            1
#define LWIP_RAW             1
#define LWIP_UDP             1
#define LWIP_TCP             1
#define LWIP_DHCP            1
#define DHCP_DOES_ARP_CHECK  1
#define LWIP_NETIF_HOSTNAME  1
#define LWIP_DNS             1 /* for the server that DHCP names; questions are asked by dom0/net/client.c */
#define DNS_MAX_SERVERS      1
#define LWIP_NETIF_LOOPBACK  1 /* its own address */
#define LWIP_LOOPBACK_MAX_PBUFS 8

#define MEM_ALIGNMENT        8
#define MEM_SIZE             32768
#define PBUF_POOL_SIZE       64
#define PBUF_POOL_BUFSIZE    1536
#define MEMP_NUM_PBUF        16
#define MEMP_NUM_RAW_PCB     2
#define MEMP_NUM_UDP_PCB     4
#define MEMP_NUM_TCP_PCB     8
#define MEMP_NUM_TCP_PCB_LISTEN 1
#define MEMP_NUM_TCP_SEG     32

#define TCP_MSS              1460
#define TCP_WND              (22 * TCP_MSS) /* less than the pool holds */
#define TCP_SND_BUF          (4 * TCP_MSS)
#define TCP_SND_QUEUELEN     16
#define TCP_OOSEQ_MAX_PBUFS  16
#define LWIP_TCP_KEEPALIVE   0
#define LWIP_HOOK_TCP_ISN(local_ip, local_port, remote_ip, remote_port) net_random()
#define LWIP_RANDOMIZE_INITIAL_LOCAL_PORTS 1
