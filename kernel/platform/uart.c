/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The 16550 console port. uart_lock guards the output ring and the transmit side; input is read without it, so that what
 * a received byte triggers may print. Waits are bounded everywhere: a dead port costs output, never time. */
#include "kernel/platform/uart.h"

#include "kernel/core/log.h"
#include "kernel/core/spinlock.h"
#include "kernel/cpu/x86.h"
#include "kernel/mm/pagetable.h"
#include "kernel/platform/acpi.h"
#include "kernel/platform/console.h"
#include "kernel/platform/irq.h"

/* Registers of the PC16550D. */
#define REG_DATA 0U
#define REG_IER 1U
#define REG_FCR 2U /* write */
#define REG_IIR 2U /* read */
#define REG_LCR 3U
#define REG_MCR 4U
#define REG_LSR 5U
#define REG_SCRATCH 7U
#define IER_RX 1U
#define IER_TX 2U
#define IIR_NONE 1U
#define LSR_RX 0x01U
#define LSR_TX_EMPTY 0x20U
#define COM1 0x3f8U
#define RING_BYTES 32768U /* a power of two */
#define FIFO_BYTES 16U
#define RX_PER_CALL 64U
#define SYNC_SPINS 200000U /* per byte: 100 ms or more at any speed that matters */

static struct uart {
    bool present, irq_on;
    uint16_t port;          /* 0: MMIO */
    uint32_t stride;        /* of MMIO registers, bytes */
    volatile uint8_t *mmio;
    unsigned fifo;
    uint8_t ier;
} uart;
static struct spinlock uart_lock;
static char ring[RING_BYTES];
static uint64_t ring_head, ring_tail; /* absolute; tail: the oldest byte not sent */

static uint8_t reg_read(unsigned reg) { return uart.port == 0 ? uart.mmio[reg * uart.stride] : in8((uint16_t)(uart.port + reg)); }

static void reg_write(unsigned reg, uint8_t v)
{
    if (uart.port == 0)
        uart.mmio[reg * uart.stride] = v;
    else
        out8((uint16_t)(uart.port + reg), v);
}

/* Takes the registers at PORT or, where that is 0, MMIO into use, if somebody answers there. */
static bool use(uint16_t port, volatile uint8_t *mmio, uint32_t stride, uint32_t baud)
{
    if (uart.present && port != 0 && uart.port == port)
        return true;
    uart = (struct uart){.port = port, .mmio = mmio, .stride = stride};
    reg_write(REG_SCRATCH, 0x5a);
    if (reg_read(REG_LSR) == 0xff || (port == COM1 && reg_read(REG_SCRATCH) != 0x5a))
        return false;
    reg_write(REG_IER, 0);
    if (baud != 0) {
        uint32_t divisor = MAX(MIN(115200U / baud, 0xffffU), 1U);
        reg_write(REG_LCR, 0x83); /* divisor latch, 8n1 */
        reg_write(0, (uint8_t)divisor);
        reg_write(1, (uint8_t)(divisor >> 8));
    }
    reg_write(REG_LCR, 0x03);
    reg_write(REG_FCR, 0x07); /* FIFOs on and empty, receive trigger 1 */
    reg_write(REG_MCR, 0x0b); /* DTR, RTS, OUT2: the interrupt line */
    uart.fifo = (reg_read(REG_IIR) & 0xc0) == 0xc0 ? FIFO_BYTES : 1;
    uart.present = true;
    return true;
}

bool uart_init(const struct boot_options *options)
{
    struct acpi_gas at = acpi_info.spcr;
    if (options->console_kind == BOOT_CONSOLE_NONE)
        return false;
    if (options->console_kind != BOOT_CONSOLE_AUTO)
        at = (struct acpi_gas){.addr = options->console_addr, .space = options->console_kind == BOOT_CONSOLE_IO ? 1 : 0};
    else if (at.addr == 0)
        at = (struct acpi_gas){.addr = COM1, .space = 1};
    if (at.space == 1)
        return at.addr != 0 && at.addr <= 0xfff8 && use((uint16_t)at.addr, NULL, 0, options->console_baud);
    uint32_t stride = at.bits == 32 ? 4 : 1;
    void *va;
    return at.space == 0 && pagetable_map_mmio(hpa(at.addr), 8UL * stride, &va) == STATUS_OK && use(0, va, stride, options->console_baud);
}

/* Fills the transmit FIFO if it is empty. Its interrupt is on exactly while the ring holds something. Lock held. */
static void drain(void)
{
    if (ring_head != ring_tail && (reg_read(REG_LSR) & LSR_TX_EMPTY) != 0)
        for (unsigned i = 0; i < uart.fifo && ring_tail != ring_head; i++)
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
    for (unsigned i = 0; i < 8 && (reg_read(REG_IIR) & IIR_NONE) == 0; i++) {
        receive();
        drain_locked();
    }
}

/* COM1 and COM3 share an ISA interrupt, COM2 and COM4 the next; any other port stays polled. */
void uart_enable_irq(void)
{
    bool odd = uart.port == 0x3f8 || uart.port == 0x3e8;
    bool even = uart.port == 0x2f8 || uart.port == 0x2e8;
    if (!uart.present || (!odd && !even))
        return;
    uart.irq_on = irq_bind_gsi(irq_gsi_of_isa(odd ? 4 : 3), ~0U, on_irq, NULL) == STATUS_OK;
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

void uart_write(const char *text, size_t len)
{
    if (!uart.present)
        return;
    SPIN_GUARD(&uart_lock);
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\n')
            push('\r');
        push(text[i]);
    }
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
        if (text[i] == '\n')
            push('\r');
        push(text[i]);
        flush();
    }
    flush();
}

int uart_poll_byte(void)
{
    return uart.present && (reg_read(REG_LSR) & LSR_RX) != 0 ? reg_read(REG_DATA) : -1;
}

bool uart_owns_port(uint16_t port) { return uart.present && uart.port != 0 && port >= uart.port && port < uart.port + 8; }
