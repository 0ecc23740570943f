/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The operator's terminal through console_io; without a hypervisor, COM1 by polling. */
#include "dom0/kernel/console.h"

#include <stdbool.h>
#include <xen/errno.h>
#include <xen/xen.h>

#include "dom0/kernel/boot.h"
#include "dom0/kernel/console_priv.h"
#include "dom0/kernel/event.h"
#include "dom0/kernel/fatal.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/kernel/thread.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/string.h"
#include "drivers/io.h"

#define CHUNK             512U
#define COM1              0x3f8U
#define LSR_RECEIVED      0x01U
#define LSR_HOLDING_EMPTY 0x20U
#define POLL_NS           10000000UL

static struct waitq input_arrived;
static unsigned char input[64];
static size_t input_len, input_pos;
static volatile bool input_event;   /* since the hypervisor's input was read last; set in upcall context */
static struct waitq *volatile also; /* woken by input, too: console_wait */
static void (*redraw_before)(void), (*redraw_after)(void);

static void com1_write(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        for (unsigned spin = 0; spin < 100000 && (io_in8(COM1 + 5) & LSR_HOLDING_EMPTY) == 0; spin++) {
            __asm__ volatile("pause");
        }
        io_out8(COM1, (uint8_t)text[i]);
    }
}

/* One try. false: the hypervisor's ring is full. */
static bool write_once(const char *text, size_t len)
{
    return hypercall3(__HYPERVISOR_console_io, CONSOLEIO_write, len, (uint64_t)text) != -XEN_EAGAIN;
}

void console_write(const char *text, size_t len)
{
    if (!boot_on_corbel()) {
        com1_write(text, len);
        return;
    }
    for (size_t done = 0, n; done < len; done += n) {
        n = len - done < CHUNK ? len - done : CHUNK;
        while (!write_once(text + done, n)) {
            thread_sleep_ns(1000000);
        }
    }
}

void console_write_now(const char *text, size_t len)
{
    if (boot_on_corbel()) {
        write_once(text, len);
    } else {
        com1_write(text, len);
    }
}

/* TEXT with each newline as the terminal wants it. */
static void write_lines(const char *text, size_t len, void (*out)(const char *, size_t))
{
    char line[256];
    size_t used = 0;
    for (size_t i = 0; i < len; i++) {
        if (used + 2 > sizeof(line)) {
            out(line, used);
            used = 0;
        }
        if (text[i] == '\n') {
            line[used++] = '\r';
        }
        line[used++] = text[i];
    }
    if (used != 0) {
        out(line, used);
    }
}

/* Most lines are short; a long one is formatted a second time, into the heap. */
static void print(const char *fmt, va_list ap, void (*out)(const char *, size_t))
{
    char text[512];
    va_list again;
    va_copy(again, ap);
    size_t len = (size_t)vsnprintf(text, sizeof(text), fmt, ap);
    char *large = len >= sizeof(text) && out == console_write ? heap_alloc(len + 1) : NULL;
    if (large != NULL) {
        vsnprintf(large, len + 1, fmt, again);
        write_lines(large, len, out);
        heap_free(large);
    } else {
        write_lines(text, len < sizeof(text) ? len : sizeof(text) - 1, out);
    }
    va_end(again);
}

void console_printf(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    print(fmt, ap, console_write);
    va_end(ap);
}

void console_print_now(const char *fmt, va_list ap) { print(fmt, ap, console_write_now); }

void console_notice(const char *fmt, ...)
{
    va_list ap;
    if (redraw_before != NULL) {
        redraw_before();
    }
    va_start(ap, fmt);
    print(fmt, ap, console_write);
    va_end(ap);
    size_t len = strlen(fmt);
    if (len == 0 || fmt[len - 1] != '\n') {
        console_write("\r\n", 2);
    }
    if (redraw_after != NULL) {
        redraw_after();
    }
}

void console_set_redraw(void (*before)(void), void (*after)(void))
{
    redraw_before = before;
    redraw_after = after;
}

static void refill(void)
{
    input_pos = 0;
    input_len = 0;
    input_event = false;
    if (!boot_on_corbel()) {
        while (input_len < sizeof(input) && (io_in8(COM1 + 5) & LSR_RECEIVED) != 0) {
            input[input_len++] = io_in8(COM1);
        }
        return;
    }
    long got = hypercall3(__HYPERVISOR_console_io, CONSOLEIO_read, sizeof(input), (uint64_t)input);
    input_len = got > 0 && got <= (long)sizeof(input) ? (size_t)got : 0;
}

/* Sleeps until input came or DEADLINE_NS; without a hypervisor nothing wakes us, so look again soon. */
static void wait_input(uint64_t deadline_ns)
{
    if (boot_on_corbel()) {
        waitq_wait(&input_arrived, deadline_ns);
        return;
    }
    uint64_t soon = time_now_ns() + POLL_NS;
    waitq_wait(&input_arrived, soon < deadline_ns ? soon : deadline_ns);
}

/* ALSO is set before the flag is looked at: an event in between wakes Q, which remembers it. */
void console_wait(struct waitq *q, uint64_t deadline_ns)
{
    uint64_t soon = boot_on_corbel() ? WAIT_FOREVER : time_now_ns() + POLL_NS;
    also = q;
    if (input_pos == input_len && !input_event) {
        waitq_wait(q, soon < deadline_ns ? soon : deadline_ns);
    }
    also = NULL;
}

int console_getc(uint64_t deadline_ns)
{
    for (;;) {
        if (input_pos == input_len) {
            refill();
        }
        if (input_pos < input_len) {
            return input[input_pos++];
        }
        if (deadline_ns != WAIT_FOREVER && time_now_ns() >= deadline_ns) {
            return -1;
        }
        wait_input(deadline_ns);
    }
}

static void on_input(uint32_t port, void *arg)
{
    (void)port;
    (void)arg;
    input_event = true;
    waitq_wake_all(&input_arrived);
    if (also != NULL) {
        waitq_wake_all(also);
    }
}

void console_init(void)
{
    if (boot_on_corbel() && event_bind_virq(VIRQ_CONSOLE, on_input, NULL) <= 0) {
        fatal("the hypervisor refuses the console event");
    }
}
