/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The physical console: who writes, who reads. Input runs on the CPU that takes the UART's interrupt; the Dom0 ring has one
 * writer (that CPU) and one reader (the domain layer), so its two positions need ordering, not a lock. */
#include "kernel/platform/console.h"

#include "kernel/core/log.h"
#include "kernel/core/spinlock.h"
#include "kernel/core/string.h"
#include "kernel/platform/fbcon.h"
#include "kernel/platform/uart.h"

#define TO_HYPERVISOR "\n(CBL) input goes to the hypervisor now: h for help, Ctrl-A three times for Dom0\n"
#define TO_DOM0 "\n(CBL) input goes to Dom0 now: Ctrl-A three times for the hypervisor\n"
#define INPUT_BYTES 1024U /* a power of two */
#define SWITCH_KEY 0x01U /* Ctrl-A */
#define SWITCH_COUNT 3U

static bool (*keys)(char key);
static struct spinlock screen_lock; /* the framebuffer console's place on the screen; a panic does without */
static char input[INPUT_BYTES];
static uint32_t input_head, input_tail;
static void (*dom0_notify)(void);
static bool to_hypervisor;
static unsigned switch_seen;

void console_write(const char *text, size_t len)
{
    uart_write(text, len);
    SPIN_GUARD(&screen_lock);
    fbcon_write(text, len);
}

void console_write_sync(const char *text, size_t len)
{
    uart_write_sync(text, len);
    fbcon_write(text, len);
}

void console_flush(void) { uart_write_sync(NULL, 0); }

/* ---- input ---- */

static void give_to_dom0(uint8_t byte)
{
    uint32_t tail = __atomic_load_n(&input_tail, __ATOMIC_ACQUIRE); /* pairs with console_read */
    if (input_head - tail == INPUT_BYTES)
        return; /* nobody reads: what is typed now is lost, what was typed stays */
    bool was_empty = input_head == tail;
    input[input_head % INPUT_BYTES] = (char)byte;
    __atomic_store_n(&input_head, input_head + 1, __ATOMIC_RELEASE); /* pairs with console_read */
    if (was_empty && dom0_notify != NULL)
        dom0_notify();
}

static void deliver(uint8_t byte)
{
    if (!to_hypervisor)
        give_to_dom0(byte);
    else if (byte != '\r' && byte != '\n' && !console_handle_key((char)byte))
        log_info("no such key; h lists them, Ctrl-A three times returns to Dom0");
}

void console_input(uint8_t byte)
{
    if (byte == SWITCH_KEY) {
        if (++switch_seen < SWITCH_COUNT)
            return;
        switch_seen = 0;
        to_hypervisor = !to_hypervisor;
        const char *text = to_hypervisor ? TO_HYPERVISOR : TO_DOM0;
        console_write(text, strlen(text));
        return;
    }
    for (; switch_seen > 0; switch_seen--) /* fewer than three: they were meant for whoever listens */
        deliver(SWITCH_KEY);
    deliver(byte);
}

size_t console_read(char *buf, size_t len)
{
    uint32_t head = __atomic_load_n(&input_head, __ATOMIC_ACQUIRE);
    uint32_t tail = input_tail;
    size_t n = MIN(len, (size_t)(head - tail));
    for (size_t i = 0; i < n; i++)
        buf[i] = input[(tail + i) % INPUT_BYTES];
    __atomic_store_n(&input_tail, tail + (uint32_t)n, __ATOMIC_RELEASE);
    return n;
}

void console_set_dom0_notify(void (*fn)(void)) { dom0_notify = fn; }

/* ---- keys ---- */

void console_set_keys(bool (*press)(char key)) { keys = press; }
bool console_handle_key(char key) { return keys != NULL && keys(key); }

/* ---- set-up ---- */

void console_init_early(const struct boot_info *boot)
{
    log_set_level((enum log_level)MIN(boot->options.loglvl, (uint32_t)LOG_DEBUG));
    if (boot->machine.uart.stride == 0)
        uart_init();
    log_set_sink(console_write);
}

void console_init(const struct boot_info *boot)
{
    if (!uart_init() && fbcon_init(&boot->framebuffer)) {
        char chunk[256]; /* what was logged while there was nowhere to show it */
        uint64_t pos = 0;
        for (size_t n = log_read(&pos, chunk, sizeof(chunk)); n > 0; n = log_read(&pos, chunk, sizeof(chunk)))
            fbcon_write(chunk, n);
    }
}
