/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] A thread for each network card. An interrupt silences the card and wakes the thread; the thread takes in what
 * is there, some frames a turn, and lets the card speak again when nothing is left. A card that stops sending while
 * its link is up is reset; one that needs three resets in a row without a frame in between is given up. */
#include "drivers/netdev.h"

#include "dom0/kernel/console.h"
#include "dom0/kernel/cpu.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/limit.h"
#include "dom0/lib/string.h"

#define NS_PER_MS        1000000UL
#define NETDEV_LOOK_NS   (1000 * NS_PER_MS)
#define NETDEV_HANG_NS   (5000 * NS_PER_MS)
#define NETDEV_POLL_NS   NS_PER_MS
#define NETDEV_ACTIVE_NS (20 * NS_PER_MS) /* a polled card that was busy is looked at without a pause for so long */
#define NETDEV_FAILURES  3U
#define NETDEV_SILENT    3U
#define NETDEV_ASIDE     8U /* more that cannot be driven are named twice */
#define PCI_CLASS_NETWORK 0x02U
#define NOTICES_AT_ONCE  6U
#define NOTICE_EVERY_NS  (10000 * NS_PER_MS)

static struct netdev *first;
static uint32_t count;
static const struct pci_device *aside[NETDEV_ASIDE]; /* said already */
static uint32_t aside_count;

struct netdev *netdev_first(void) { return first; }

const char *netdev_state_text(const struct netdev *n)
{
    switch (n->state) {
    case NETDEV_RUNNING:
        return n->link ? "up" : "down";
    case NETDEV_RESETTING:
        return "resetting";
    case NETDEV_FAILED:
        return "failed";
    case NETDEV_GONE:
        return "gone";
    case NETDEV_CLOSED:
        break;
    }
    return "closed";
}

/* ---- for drivers ---- */

void netdev_received(struct netdev *n, uint8_t *frame, uint32_t len)
{
    n->received.packets++;
    n->received.bytes += len;
    n->failures = 0;
    n->receive(n->ctx, frame, len);
}

void netdev_fault(struct netdev *n, enum netdev_fault fault)
{
    if (fault > n->fault)
        n->fault = fault;
}

uint32_t netdev_fill(uint8_t *room, const uint8_t *frame, uint32_t len)
{
    memcpy(room, frame, len);
    if (len >= NETDEV_FRAME_PAD)
        return len;
    memset(room + len, 0, NETDEV_FRAME_PAD - len);
    return NETDEV_FRAME_PAD;
}

void netdev_leave_aside(const struct pci_device *d, const char *driver, const char *why)
{
    console_notice("network card %02x:%02x.%x (%s): %s: left aside", d->bus, d->slot, d->function, driver, why);
    if (aside_count < NETDEV_ASIDE)
        aside[aside_count++] = d;
}

static bool netdev_known(const struct pci_device *d)
{
    for (uint32_t i = 0; i < aside_count; i++) {
        if (aside[i] == d)
            return true;
    }
    const struct netdev *n = first;
    while (n != NULL && n->pci != d)
        n = n->next;
    return n != NULL;
}

void netdev_name_strangers(void)
{
    for (const struct pci_device *d = pci_first(); d != NULL; d = d->next) {
        if (d->class_code == PCI_CLASS_NETWORK && !netdev_known(d))
            console_notice("network card %02x:%02x.%x (%04x:%04x): there is no driver for it: left aside", d->bus, d->slot,
                           d->function, d->vendor, d->device);
    }
}

static void netdev_upcall(uint32_t port, void *arg)
{
    struct netdev *n = arg;

    (void)port;
    if (n->armed) {
        n->interrupts++;
        n->irq_seen = true;
        n->armed = false;
        waitq_wake(&n->wait);
    }
    if (n->state == NETDEV_RUNNING)
        n->ops->interrupts(n, false);
    pci_irq_done(n->pci);
}

void netdev_register(struct netdev *n)
{
    struct netdev **link = &first;

    (void)snprintf(n->name, sizeof(n->name), "nic%u", count++);
    n->irq = pci_irq_attach(n->pci, netdev_upcall, n);
    while (*link != NULL)
        link = &(*link)->next;
    *link = n;
    console_notice("%s: %s, %s, %02x:%02x:%02x:%02x:%02x:%02x, %s", n->name, n->model, n->driver, n->mac[0], n->mac[1],
                   n->mac[2], n->mac[3], n->mac[4], n->mac[5], n->irq ? "interrupts" : "polled");
}

/* ---- recovery ---- */

/* What a card says about itself may come often: a cable with a loose contact. */
static void netdev_say(const struct netdev *n, const char *what)
{
    static struct limit limit;
    uint32_t dropped = 0;

    if (limit_pass(&limit, time_now_ns(), NOTICES_AT_ONCE, NOTICE_EVERY_NS, &dropped))
        console_notice("%s: %s%s", n->name, what, dropped != 0 ? " (and more, not shown)" : "");
}

static void netdev_give_up(struct netdev *n, enum netdev_state state, const char *why)
{
    n->state = state;
    n->link = false;
    console_notice("%s: %s: not used any more", n->name, why);
    n->ops->stop(n);
    if (n->dma)
        pci_master(n->pci, false);
}

static void netdev_quiet(struct netdev *n)
{
    uint64_t flags = cpu_irq_save();

    n->armed = false;
    n->ops->interrupts(n, false);
    cpu_irq_restore(flags);
}

/* The card begins anew; what was with it is lost, and the other side repeats it. */
static bool netdev_begin(struct netdev *n)
{
    n->sending = 0;
    n->fault = NETDEV_FAULT_NONE;
    if (n->dma)
        pci_master(n->pci, true);
    if (!n->ops->start(n))
        return false;
    n->progress_ns = time_now_ns();
    n->look = true;
    n->state = NETDEV_RUNNING;
    netdev_quiet(n);
    return true;
}

static void netdev_recover(struct netdev *n)
{
    if (n->fault == NETDEV_FAULT_GONE || pci_gone(n->pci)) {
        netdev_give_up(n, NETDEV_GONE, "the device is gone");
        return;
    }
    if (++n->failures > NETDEV_FAILURES) {
        netdev_give_up(n, NETDEV_FAILED, "fails after every reset");
        return;
    }
    n->state = NETDEV_RESETTING;
    n->resets++;
    n->sent.drops += n->sending;
    n->ops->stop(n);
    netdev_say(n, n->fault == NETDEV_FAULT_HANG ? "does not send any more: it is reset" : "reports a fault of its own: it is reset");
    if (!netdev_begin(n))
        netdev_give_up(n, NETDEV_FAILED, "a reset does not bring it back");
}

/* ---- the thread ---- */

static void netdev_look(struct netdev *n, uint64_t now)
{
    char text[48];
    bool link = n->link;

    n->look = false;
    n->look_ns = now + NETDEV_LOOK_NS;
    if (pci_gone(n->pci)) {
        netdev_fault(n, NETDEV_FAULT_GONE);
        return;
    }
    n->ops->look(n);
    n->link = n->link_seen;
    if (n->link == link)
        return;
    n->progress_ns = now;
    if (n->link && n->mbit != 0)
        (void)snprintf(text, sizeof(text), "link up, %u Mbit/s", n->mbit);
    else
        (void)strlcpy(text, n->link ? "link up" : "link down", sizeof(text));
    netdev_say(n, text);
}

/* Frames that do not leave while the link is up. */
static void netdev_watch(struct netdev *n, uint64_t now)
{
    if (n->went_out != n->went_out_seen)
        n->failures = 0;
    if (n->sending == 0 || !n->link || n->went_out != n->went_out_seen)
        n->progress_ns = now;
    n->went_out_seen = n->went_out;
    if (now - n->progress_ns >= NETDEV_HANG_NS)
        netdev_fault(n, NETDEV_FAULT_HANG);
}

/* A line that never brings its interrupt would let frames lie for a second: poll instead. */
static void netdev_count_silence(struct netdev *n, bool timed_out, uint32_t got)
{
    if (n->irq_seen)
        n->silent = 0;
    else if (timed_out && got != 0 && n->irq && ++n->silent == NETDEV_SILENT) {
        n->irq = false;
        console_notice("%s: its interrupts do not arrive: polled from here on", n->name);
    }
    n->irq_seen = false;
}

/* Until something may be there. true: nothing woke us. */
static bool netdev_pause(struct netdev *n, uint64_t now)
{
    if (!n->irq && now - n->active_ns < NETDEV_ACTIVE_NS) {
        thread_yield();
        return false;
    }
    if (!n->irq) {
        thread_sleep_ns(NETDEV_POLL_NS);
        return false;
    }
    uint64_t flags = cpu_irq_save();
    n->armed = true;
    n->ops->interrupts(n, true);
    cpu_irq_restore(flags);
    bool idle = !n->ops->pending(n) && !waitq_wait(&n->wait, n->look_ns);
    netdev_quiet(n);
    return idle;
}

/* Takes in what is there. Returns how many frames. */
static uint32_t netdev_turn(struct netdev *n)
{
    uint32_t got = n->ops->poll(n, NETDEV_TURN);
    uint64_t now = time_now_ns();

    if (got != 0) {
        n->active_ns = now;
        n->turn_over(n->ctx);
    }
    if (n->look || now >= n->look_ns)
        netdev_look(n, now);
    netdev_watch(n, now);
    if (n->fault != NETDEV_FAULT_NONE)
        netdev_recover(n);
    return got;
}

static void netdev_serve(void *arg)
{
    struct netdev *n = arg;
    bool timed_out = false;

    if (!netdev_begin(n))
        netdev_give_up(n, NETDEV_FAILED, "it does not start");
    while (n->state == NETDEV_RUNNING) {
        uint32_t got = netdev_turn(n);
        netdev_count_silence(n, timed_out, got);
        timed_out = false;
        if (n->state != NETDEV_RUNNING)
            break;
        if (got == NETDEV_TURN)
            thread_yield();
        else
            timed_out = netdev_pause(n, time_now_ns());
    }
}

bool netdev_open(struct netdev *n, void (*receive)(void *ctx, uint8_t *frame, uint32_t len), void (*turn_over)(void *ctx),
                 void *ctx)
{
    n->receive = receive;
    n->turn_over = turn_over;
    n->ctx = ctx;
    if (thread_create(n->name, netdev_serve, n, 0) != NULL)
        return true;
    console_notice("%s: no memory for its thread: left aside", n->name);
    return false;
}

/* ---- sending ---- */

static bool fits_the_wire(const uint8_t *frame, uint32_t len)
{
    bool tagged = frame[12] == 0x81 && frame[13] == 0x00;

    return len <= NETDEV_FRAME_MAX + (tagged ? 4U : 0U);
}

bool netdev_send(struct netdev *n, const uint8_t *frame, uint32_t len)
{
    if (len < NETDEV_FRAME_MIN) {
        n->sent.errors++;
        return false;
    }
    bool fits = fits_the_wire(frame, len);
    n->too_long += fits ? 0 : 1;
    if (!fits || n->state != NETDEV_RUNNING || !n->link || !n->ops->send(n, frame, len)) {
        n->sent.drops++;
        return false;
    }
    n->sent.packets++;
    n->sent.bytes += len;
    return true;
}
