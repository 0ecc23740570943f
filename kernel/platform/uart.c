/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The 16550 console port. uart_lock guards the output ring and the transmit side; input is read without it, so that what
 * a received byte triggers may print. Waits are bounded everywhere: a dead port costs output, never time. */
#include "kernel/platform/uart.h"

#include "kernel/core/log.h"
#include "kernel/core/spinlock.h"
#include "kernel/cpu/x86.h"
#include "kernel/mm/pagetable.h"
#include "kernel/platform/console.h"
#include "kernel/platform/irq.h"
#include "kernel/platform/machine.h"

/* Registers of the PC16550D, which the loader has programmed. */
#define REG_DATA 0U
#define REG_IER 1U
#define REG_IIR 2U
#define REG_LSR 5U
#define IER_RX 1U
#define IER_TX 2U
#define IIR_NONE 1U
#define LSR_RX 0x01U
#define LSR_TX_EMPTY 0x20U
#define RING_BYTES 32768U /* a power of two */
#define RX_PER_CALL 64U
#define SYNC_SPINS 200000U /* per byte: 100 ms or more at any speed that matters */

static const struct boot_uart *const at = &boot_info.machine.uart;
static struct uart {
    bool present, irq_on;
    volatile uint8_t *mmio; /* NULL: by port */
    uint8_t ier;
} uart;
static struct spinlock uart_lock;
static char ring[RING_BYTES];
static uint64_t ring_head, ring_tail; /* absolute; tail: the oldest byte not sent */

static uint8_t reg_read(unsigned reg) { return uart.mmio != NULL ? uart.mmio[reg * at->stride] : in8((uint16_t)(at->addr + reg)); }

static void reg_write(unsigned reg, uint8_t v)
{
    if (uart.mmio != NULL)
        uart.mmio[reg * at->stride] = v;
    else
        out8((uint16_t)(at->addr + reg), v);
}

bool uart_init(void)
{
    void *va = NULL;
    uart.present = at->fifo != 0 && (at->stride == 0 || pagetable_map_mmio(hpa(at->addr), 8UL * at->stride, &va) == STATUS_OK);
    uart.mmio = va;
    return uart.present;
}

/* Fills the transmit FIFO if it is empty. Its interrupt is on exactly while the ring holds something. Lock held. */
static void drain(void)
{
    if (ring_head != ring_tail && (reg_read(REG_LSR) & LSR_TX_EMPTY) != 0)
        for (unsigned i = 0; i < at->fifo && ring_tail != ring_head; i++)
            reg_write(REG_DATA, (uint8_t)ring[ring_tail++ % RING_BYTES]);
    uint8_t want = (uint8_t)(IER_RX | (ring_head != ring_tail ? IER_TX : 0));
    if (uart.irq_on && want != uart.ier) {
        uart.ier = want;
        reg_write(REG_IER, want);
    }
}

static void drain_locked(void)
{
    SPIN_GUARD(&uart_lock);
    drain();
}

static void receive(void)
{
    int byte;
    for (unsigned i = 0; i < RX_PER_CALL && (byte = uart_poll_byte()) >= 0; i++)
        console_input((uint8_t)byte);
}

static void on_irq(uint32_t gsi, void *ctx)
{
    (void)gsi;
    (void)ctx;
    /* An edge-triggered line: go on until the port has nothing more to say, or no further edge comes. */
    for (unsigned i = 0; i < 8; i++) {
        if ((reg_read(REG_IIR) & IIR_NONE) != 0)
            return;
        receive();
        drain_locked();
    }
    SPIN_GUARD(&uart_lock); /* others wait for this CPU: lower the line, what is left raises it again */
    reg_write(REG_IER, 0);
    reg_write(REG_IER, uart.ier);
}

void uart_enable_irq(void)
{
    if (!uart.present || at->gsi == ~0U)
        return;
    uart.irq_on = irq_bind_gsi(at->gsi, ~0U, on_irq, NULL) == STATUS_OK;
    if (uart.irq_on)
        drain_locked();
    else
        log_warn("uart: no interrupt line; polled");
}

static void push(char c)
{
    if (ring_head - ring_tail == RING_BYTES)
        ring_tail++; /* the oldest is lost */
    ring[ring_head++ % RING_BYTES] = c;
}

/* A line's end as terminals want it, whether or not the writer has seen to that. */
static void push_text(char c)
{
    if (c == '\n' && ring[(ring_head - 1) % RING_BYTES] != '\r')
        push('\r');
    push(c);
}

void uart_write(const char *text, size_t len)
{
    if (!uart.present)
        return;
    SPIN_GUARD(&uart_lock);
    for (size_t i = 0; i < len; i++)
        push_text(text[i]);
    if ((uart.ier & IER_TX) == 0)
        drain();
}

void uart_poll(void)
{
    receive();
    if (uart.present && ring_head != ring_tail)
        drain_locked();
}

void uart_poll_silent(void)
{
    if (!uart.irq_on)
        uart_poll();
}

size_t uart_room(void) { return uart.present ? RING_BYTES - (size_t)(ring_head - ring_tail) : RING_BYTES; }

/* Sends what the ring holds, polled. A port that does not take a byte in time is given up. */
static void flush(void)
{
    for (unsigned spins = 0; uart.present && ring_tail != ring_head; spins++) {
        if ((reg_read(REG_LSR) & LSR_TX_EMPTY) != 0) {
            reg_write(REG_DATA, (uint8_t)ring[ring_tail++ % RING_BYTES]);
            spins = 0;
        }
        uart.present = spins < SYNC_SPINS;
    }
}

void uart_write_sync(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        push_text(text[i]);
        flush();
    }
    flush();
}

int uart_poll_byte(void)
{
    return uart.present && (reg_read(REG_LSR) & LSR_RX) != 0 ? reg_read(REG_DATA) : -1;
}

bool uart_owns_port(uint16_t port) { return uart.present && at->stride == 0 && port >= at->addr && port < at->addr + 8; }
