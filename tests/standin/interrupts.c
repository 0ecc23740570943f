/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Stand-in: lines and messages of devices. A level line, for which the periodic interrupt of the PC's clock serves, comes once until it is
 * acknowledged. */
#include "tests/standin/standin.h"

#include <xen/xen.h>
#include <xen/event_channel.h>
#include <xen/memory.h>
#include <xen/sched.h>

#define EVERY_DEFAULT ~0U
#define LEVEL 1U
#define CLOCK_GSI 8U
#define CLOCK_INDEX 0x70
#define CLOCK_DATA 0x71
#define BINDINGS 64U

struct shared_info *shared;

static uint8_t clock_read(uint8_t reg)
{
    uint8_t value;
    __asm__ volatile("outb %0, %1" : : "a"(reg), "Nd"((uint16_t)CLOCK_INDEX));
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"((uint16_t)CLOCK_DATA));
    return value;
}

static void clock_write(uint8_t reg, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(reg), "Nd"((uint16_t)CLOCK_INDEX));
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"((uint16_t)CLOCK_DATA));
}

/* Waits at most 20 ms, some twenty periods; whether PORT was notified, which is taken back. */
static bool comes(uint32_t port)
{
    struct cbl_host_info now = {0};
    (void)control(CTL_HOST_INFO, &now);
    struct sched_poll p = {.nr_ports = 1, .timeout = now.uptime_ns + 20000000};
    set_xen_guest_handle(p.ports, &port);
    EXPECT(0, XEN(sched_op, SCHEDOP_poll, &p));
    uint64_t bit = 1UL << port % 64;
    return (__atomic_fetch_and(&shared->evtchn_pending[port / 64], ~bit, __ATOMIC_SEQ_CST) & bit) != 0;
}

static long bind(uint32_t gsi, uint32_t flags, uint32_t *port)
{
    struct cbl_irq_bind b = {.gsi = gsi, .flags = flags};
    long result = control(CTL_IRQ_BIND, &b);
    if (port != NULL)
        *port = b.port;
    return result;
}
static long unbind(uint32_t port) { return CONTROL(IRQ_UNBIND, irq_unbind, .port = port); }
static long acknowledge(uint32_t gsi) { return CONTROL(IRQ_ACK, irq_ack, .gsi = gsi); }

static void level_line(void)
{
    uint32_t port;
    EXPECT(0, bind(CLOCK_GSI, LEVEL, &port));
    EXPECT(EEXIST, bind(CLOCK_GSI, EVERY_DEFAULT, NULL));
    clock_write(0x0a, 0x26);
    clock_write(0x0b, 0x42); /* periodic interrupts, 1024 in a second */
    (void)clock_read(0x0c);
    EXPECT(true, comes(port));
    EXPECT(false, comes(port)); /* it waits for both: the device, and us */
    (void)clock_read(0x0c);
    EXPECT(false, comes(port));
    EXPECT(0, acknowledge(CLOCK_GSI));
    EXPECT(true, comes(port));
    EXPECT(EBUSY, XEN(event_channel_op, EVTCHNOP_close, &(struct evtchn_close){.port = port})); /* it goes with its line only */
    EXPECT(0, unbind(port));
    EXPECT(EPERM, acknowledge(CLOCK_GSI));
}

static void edge_line(void)
{
    uint32_t port;
    EXPECT(0, bind(CLOCK_GSI, 0, &port));
    (void)clock_read(0x0c);
    EXPECT(true, comes(port));
    (void)clock_read(0x0c);
    EXPECT(true, comes(port)); /* without being acknowledged */
    EXPECT(0, acknowledge(CLOCK_GSI));
    clock_write(0x0b, 2);
    (void)clock_read(0x0c);
    (void)comes(port);
    EXPECT(false, comes(port));
    EXPECT(0, unbind(port));
    EXPECT(EINVAL, XEN(event_channel_op, EVTCHNOP_close, &(struct evtchn_close){.port = port}));
}

static void all_lines(void)
{
    static uint32_t ports[256];
    unsigned bound = 0, taken = 0;
    for (uint32_t gsi = 0; gsi < host.gsi_count; gsi++) {
        long r = bind(gsi, EVERY_DEFAULT, &ports[bound]);
        bound += r == 0;
        taken += r == EEXIST;
    }
    EXPECT(1, (long)taken); /* the serial console's */
    EXPECT((long)host.gsi_count - 1, (long)bound);
    while (bound > 0)
        EXPECT(0, unbind(ports[--bound]));
    EXPECT(ENOENT, bind(host.gsi_count, 0, NULL));
    EXPECT(ENOENT, bind(100000, 0, NULL));
    EXPECT(EINVAL, bind(CLOCK_GSI, 4, NULL));
}

static void messages(void)
{
    static struct cbl_msi_bind m[BINDINGS];
    for (unsigned i = 0; i < BINDINGS; i++) {
        EXPECT(0, control(CTL_MSI_BIND, &m[i]));
        EXPECT(0xfee, (long)(m[i].address >> 20));
        EXPECT(true, m[i].data >= 0x30 && m[i].data < 0xf0);
        EXPECT(true, i == 0 || m[i].data != m[i - 1].data);
    }
    EXPECT(ENOSPC, CONTROL(MSI_BIND, msi_bind, 0));
    EXPECT(ENOSPC, bind(CLOCK_GSI, 0, NULL));
    EXPECT(EPERM, acknowledge(m[0].data));
    for (unsigned i = 0; i < BINDINGS; i++)
        EXPECT(0, unbind(m[i].port));
    EXPECT(ENOENT, unbind(m[0].port));
}

void test_interrupts(void)
{
    struct xen_add_to_physmap at = {.domid = DOMID_SELF, .space = XENMAPSPACE_shared_info, .gpfn = scratch_gfn(0)};
    EXPECT(0, XEN(memory_op, XENMEM_add_to_physmap, &at));
    shared = scratch(0);
    level_line();
    edge_line();
    all_lines();
    messages();
}
