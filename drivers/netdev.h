/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The network interface: what every driver of a network card offers, and what is common to them: a thread for
 * each card that takes in what arrived, waiting by interrupt or polling, the watch over sending, resets, giving up.
 *
 * Frames are copied into and handed up from memory that is the driver's for good: nothing is allocated for a frame, and
 * a full ring drops. Cards take in every frame on the wire, since guests' addresses are behind them. Threads are
 * cooperative: no locks; what may sleep is said. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dom0/kernel/thread.h"
#include "dom0/net/switch.h"
#include "drivers/pci.h"

#define NETDEV_FRAME_MIN  14U
#define NETDEV_FRAME_PAD  60U   /* shorter ones are filled up with zeros */
#define NETDEV_FRAME_MAX  1514U /* without the frame check sequence; 4 more with a VLAN tag */
#define NETDEV_BUFFER     2048U /* room for one frame; two of them are a page */
#define NETDEV_TURN       16U   /* frames that a card takes in before others run */

struct netdev;

enum netdev_fault {
    NETDEV_FAULT_NONE = 0,
    NETDEV_FAULT_HANG = 1,   /* what is to be sent is not sent */
    NETDEV_FAULT_DEVICE = 2, /* it reports a fault of its own, or breaks its protocol */
    NETDEV_FAULT_GONE = 3    /* pulled out */
};

enum netdev_state {
    NETDEV_CLOSED = 0, /* nobody uses it: it masters no bus */
    NETDEV_RUNNING = 1,
    NETDEV_RESETTING = 2,
    NETDEV_FAILED = 3, /* for good */
    NETDEV_GONE = 4
};

struct netdev_ops {
    /* The card, as new after a reset, takes and gives frames, its interrupts off. May sleep. false: it cannot. */
    bool (*start)(struct netdev *n);
    /* No DMA, no interrupt. May sleep. Also of a card that is gone. */
    void (*stop)(struct netdev *n);
    /* Gives a copy of the frame to the card. false: no room. Does not sleep. */
    bool (*send)(struct netdev *n, const uint8_t *frame, uint32_t len);
    /* Takes in at most MOST frames (netdev_received), counts what went out (n->sending), tells faults (netdev_fault).
     * Returns how many came in. Does not sleep. */
    uint32_t (*poll)(struct netdev *n, uint32_t most);
    /* Something waits to be polled. */
    bool (*pending)(struct netdev *n);
    /* ON: interrupts from here on. Else the card is quiet; also called from upcalls, for any user of a shared line. */
    void (*interrupts)(struct netdev *n, bool on);
    /* Reads the state of the link into n->link_seen and n->mbit, counters into n->received. Once a second, and after
     * n->look was set by poll. */
    void (*look)(struct netdev *n);
};

struct netdev {
    char name[16];      /* "nic0" */
    const char *driver; /* "e1000" */
    const char *model;
    uint8_t mac[MAC_LEN];
    struct pci_device *pci;
    const struct netdev_ops *ops;
    void *priv;
    bool dma;          /* it masters the bus while it is in use */
    bool irq;          /* interrupts come; else the card is polled */
    bool link_seen;    /* by look */
    bool look;
    uint32_t mbit;     /* 0: unknown */
    uint32_t sending;  /* frames with the card */
    uint32_t went_out; /* frames that the card is done with, counted up for ever */
    enum netdev_state state;
    bool link;
    struct net_counters sent, received; /* on the wire; drops: no room, no link, too long */
    uint64_t too_long; /* part of sent.drops */
    uint64_t resets, interrupts;
    struct netdev *next;
    /* netdev.c's own */
    void (*receive)(void *ctx, uint8_t *frame, uint32_t len);
    void (*turn_over)(void *ctx);
    void *ctx;
    struct waitq wait;
    volatile bool armed, irq_seen;
    enum netdev_fault fault;
    uint32_t failures, silent, went_out_seen;
    uint64_t look_ns, progress_ns, active_ns;
};

/* N's driver, model, mac, pci, ops and priv are set, and the card is quiet. Names it, attaches its interrupt, tells the
 * operator. */
void netdev_register(struct netdev *n);
struct netdev *netdev_first(void); /* walk with ->next */
/* After all drivers have looked: a line for each card that is nobody's. */
void netdev_name_strangers(void);
/* Puts the card to use. RECEIVE gets each good frame, which it may change, but not keep; TURN_OVER is called when some
 * came in and no more do for now. Both in the card's thread, and they do not sleep. false: no memory for a thread. */
bool netdev_open(struct netdev *n, void (*receive)(void *ctx, uint8_t *frame, uint32_t len), void (*turn_over)(void *ctx),
                 void *ctx);
/* A copy of the frame goes out, checksums complete. false: it does not; counted. Does not sleep. */
bool netdev_send(struct netdev *n, const uint8_t *frame, uint32_t len);
const char *netdev_state_text(const struct netdev *n); /* "up", "down", "resetting", "failed", "gone", "closed" */

/* For drivers. */
void netdev_received(struct netdev *n, uint8_t *frame, uint32_t len);
void netdev_fault(struct netdev *n, enum netdev_fault fault);
/* Copies the frame to ROOM (NETDEV_BUFFER), filled up to the least length; returns that. */
uint32_t netdev_fill(uint8_t *room, const uint8_t *frame, uint32_t len);
/* A card that is there and not driven: one line. */
void netdev_leave_aside(const struct pci_device *d, const char *driver, const char *why);
