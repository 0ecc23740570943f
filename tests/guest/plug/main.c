/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] plug: connects each disk and network card that appears, and lets go of it when it is asked to.
 * Why: devices that come and go a thousand times must leave nothing behind in Dom0. Expected: it runs until it is destroyed. */
#include "tests/guest/lib/pv.h"

#define LOOK_NS 1000000UL

static unsigned connects;
static uint8_t pages[2][4096] __attribute__((aligned(4096)));
static struct {
    const char *kind, *rings[2], *ready; /* what its state becomes with its keys */
    uint32_t number;
    struct pv_device dev;
    bool connected;
} device[] = {
    {"vbd", {"ring-ref", "protocol"}, "3", 51712, {.port = 0}, false},
    {"vif", {"tx-ring-ref", "rx-ring-ref"}, "4", 0, {.port = 0}, false},
};

static void connect(unsigned i)
{
    if (!pv_open(&device[i].dev, device[i].kind, device[i].number))
        return; /* not there */
    if (pv_back_state(&device[i].dev) != '2') {
        pv_close_port(device[i].dev.port);
        return;
    }
    memset(pages, 0, sizeof(pages));
    for (unsigned k = 0; k < 2; k++) {
        pv_grant_page(8 + k, pages[k]);
        if (text_equal(device[i].rings[k], "protocol"))
            pv_key(&device[i].dev, "protocol", "x86_64-abi");
        else
            pv_number(&device[i].dev, device[i].rings[k], 8 + k);
    }
    pv_number(&device[i].dev, "event-channel", device[i].dev.port);
    pv_key(&device[i].dev, "request-rx-copy", "1");
    pv_key(&device[i].dev, "state", device[i].ready);
    device[i].connected = true;
    if (++connects % 20 == 0)
        say("plug: connected %u times", connects);
}

/* Until the back end wants it back, or has taken it. */
static void look(unsigned i)
{
    char state = pv_back_state(&device[i].dev);
    if (state == '2' || state == '4')
        return;
    if (state == '5')
        pv_key(&device[i].dev, "state", "6");
    pv_close_port(device[i].dev.port);
    device[i].connected = false;
}

void guest_main(const void *start_info)
{
    (void)start_info;
    traps_on();
    pv_init();
    for (;; pv_poll(0, LOOK_NS))
        for (unsigned i = 0; i < COUNT(device); i++) {
            if (device[i].connected)
                look(i);
            else
                connect(i);
        }
}
