# SPDX-License-Identifier: Apache-2.0
# [DOM0] lwIP (BSD licence) from Debian's source package, by the rules of dom0/builder/libs.mk. Its port is dom0/net/port.
lwip_PACKAGE := lwip
lwip_C := $(addprefix src/,$(addprefix core/,def.c dns.c inet_chksum.c init.c ip.c mem.c memp.c netif.c pbuf.c raw.c tcp.c tcp_in.c tcp_out.c udp.c) \
	$(addprefix core/ipv4/,dhcp.c etharp.c icmp.c ip4.c ip4_addr.c) netif/ethernet.c)
LWIP_HEADERS := -isystem $(LIB_SRC)/lwip/src/include -isystem dom0/net/port
lwip_FLAGS := $(LWIP_HEADERS) -I.
lwip_API := lwip_init lwip_htonl netif_add netif_set_default netif_set_addr netif_set_up netif_set_down netif_set_link_up netif_poll ethernet_input etharp_output \
	etharp_tmr etharp_find_addr dhcp_set_struct dhcp_start dhcp_release_and_stop dhcp_fine_tmr dhcp_coarse_tmr dns_setserver dns_getserver \
	pbuf_alloc pbuf_free pbuf_take pbuf_copy_partial pbuf_cat pbuf_free_header pbuf_free_ooseq pbuf_free_ooseq_pending \
	raw_new raw_remove raw_recv raw_sendto udp_new udp_remove udp_bind udp_connect udp_recv udp_send inet_chksum \
	tcp_new tcp_arg tcp_recv tcp_err tcp_connect tcp_write tcp_output tcp_recved tcp_close tcp_abort tcp_tmr tcp_active_pcbs tcp_tw_pcbs \
	ip_addr_any
$(eval $(call lib_rules,lwip))
DOM0_LIBS += $(B)/lib/lwip.o
LWIP_PORT := $(wildcard dom0/net/port/*.h dom0/net/port/*/*.h)
$(B)/lib/lwip.o $(B)/host/lwip.o $(B)/fuzz/lib/lwip.o: $(LWIP_PORT) dom0/net/lwip.mk
LWIP_USERS := $(patsubst %,$(B)/dom0/dom0/net/%.o,stack client)
$(LWIP_USERS): $(LWIP_PORT) # which are system headers to the compiler, so that it does not tell
$(LWIP_USERS): DOM0_CFLAGS += $(LWIP_HEADERS) -Idom0/lib/libc
$(LWIP_USERS): | $(LIB_SRC)/lwip/.fetched
