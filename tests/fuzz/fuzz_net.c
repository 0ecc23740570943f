/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Network: any bytes as a transmit ring and as a frame. What is taken out of a ring keeps its bounds; a frame goes through checksum and switch
 * without a touch outside of its block. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/backend/net_ring.h"
#include "dom0/net/checksum.h"
#include "dom0/net/switch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool cond)
{
    if (!cond)
        abort();
}

static void ring(const uint8_t *data, size_t size)
{
    static uint8_t page[4096] __attribute__((aligned(4096)));
    struct net_tx t = {.shared = (struct netif_tx_sring *)page};
    struct net_tx_frame f;
    const char *why = NULL;
    memset(page, 0, sizeof page);
    memcpy(page, data, size < sizeof page ? size : sizeof page);
    t.cons = t.prod = t.shared->req_prod - (size > 0 ? data[size - 1] : 0) - (size > 1 ? data[size - 2] % 3 : 0);
    for (unsigned n = 0; n < 300 && net_tx_next(&t, &f, &why) == NET_RING_FRAME; n++) {
        uint32_t sum = 0;
        require(f.slots >= 1 && f.slots <= NET_TX_SLOTS);
        for (uint32_t i = 0; i < f.slots; i++) {
            require((uint32_t)f.parts[i].offset + f.parts[i].len <= 4096);
            sum += f.parts[i].len;
        }
        require(sum == f.len);
        (void)net_tx_answer(&t, &f, 0);
        require(t.prod == t.cons);
    }
}

static bool deliver(struct net_port *to, struct net_frame *f)
{
    (void)to;
    return f->len % 2 == 0;
}

static void frame(const uint8_t *data, size_t size)
{
    static struct net_switch sw;
    static struct net_port ports[3];
    static uint64_t now;
    uint8_t *exact = malloc(size);
    struct net_frame f = {.data = exact, .len = (uint32_t)size};
    memcpy(exact, data, size);
    require(checksum_complete(exact, f.len) == (checksum_find(data, f.len) != CHECKSUM_NONE));
    for (unsigned i = 0; ports[i].bridge == NULL; i = (i + 1) % 3) {
        ports[i] = (struct net_port){.mac = {2, 0, 0, 0, 0, (uint8_t)i}, .locked = i < 1, .up = true, .deliver = deliver};
        require(net_bridge_join(&sw, "b", &ports[i]));
    }
    for (unsigned i = 0; i < 3; i++) {
        uint32_t n = net_switch_frame(&ports[i], &f, now += 1000000000UL);
        require(n <= 2 && (i != 0 || n == 0 || memcmp(exact + 6, ports[0].mac, 6) == 0));
    }
    free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ring(data, size);
    if (size <= NET_FRAME_MAX)
        frame(data, size);
    return 0;
}
