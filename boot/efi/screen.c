/* SPDX-License-Identifier: Apache-2.0
 * [FW] The loader's words: on the firmware's console, and on the serial port where that console is not already there. */
#include "boot/efi/screen.h"

#include <efi.h>

#include <stdarg.h>
#include <stdbool.h>

#include "boot/efi/firmware.h"
#include "boot/efi/fmt.h"

#define LINE_MAX 512U
#define COM1 0x3f8U
#define COM2 0x2f8U
#define BAUD_BASE 115200U
#define UART_SPINS 200000U /* far over one character time at 9600 baud */
#define PAUSE_US 3000000U

static struct {
    uint16_t port; /* 0: none */
    bool firmware_has_uart;
} serial;

static void outb(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }

static uint8_t inb(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

/* ---- the serial port ------------------------------------------------------------------------ */
static bool uart_answers(uint16_t port)
{
    uint8_t before = inb((uint16_t)(port + 7)); /* the scratch register */

    for (unsigned i = 0; i < 2; i++) {
        uint8_t pattern = i == 0 ? 0x5a : 0xa5;
        outb((uint16_t)(port + 7), pattern);
        if (inb((uint16_t)(port + 7)) != pattern) {
            return false;
        }
    }
    outb((uint16_t)(port + 7), before);
    return true;
}

/* 8 data bits, no parity, FIFO on; the rate only if one is asked for. */
static void uart_setup(uint16_t port, uint32_t baud)
{
    if (baud != 0) {
        uint32_t divisor = BAUD_BASE / baud;
        outb((uint16_t)(port + 3), 0x83);
        outb(port, (uint8_t)divisor);
        outb((uint16_t)(port + 1), (uint8_t)(divisor >> 8));
    }
    outb((uint16_t)(port + 3), 0x03);
    outb((uint16_t)(port + 2), 0x07);
}

static void uart_put(uint8_t c)
{
    for (unsigned i = 0; i < UART_SPINS; i++) {
        if ((inb((uint16_t)(serial.port + 5)) & 0x20) != 0) {
            outb(serial.port, c);
            return;
        }
    }
    serial.port = 0; /* nobody takes the characters: do not wait for each */
}

/* Does one of the live consoles of the firmware end in a UART? The console splitter marks them with this GUID. */
static bool console_has_uart(void)
{
    static EFI_GUID console_out = {0xd3b36f2c, 0xd551, 0x11d4, {0x9a, 0x46, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d}};
    static EFI_GUID device_path = EFI_DEVICE_PATH_PROTOCOL_GUID;
    EFI_HANDLE *handles = NULL;
    UINTN count = 0;
    bool found = false;

    if (EFI_ERROR(firmware_boot()->LocateHandleBuffer(ByProtocol, &console_out, NULL, &count, &handles))) {
        return false;
    }
    for (UINTN i = 0; i < count; i++) {
        EFI_DEVICE_PATH *node = NULL;
        if (EFI_ERROR(firmware_boot()->HandleProtocol(handles[i], &device_path, (void **)&node))) {
            continue;
        }
        while (node != NULL && !IsDevicePathEnd(node) && DevicePathNodeLength(node) >= (int)sizeof(*node)) {
            found = found || (DevicePathType(node) == MESSAGING_DEVICE_PATH && DevicePathSubType(node) == MSG_UART_DP);
            node = NextDevicePathNode(node);
        }
    }
    firmware_boot()->FreePool(handles);
    return found;
}

void screen_init(void)
{
    serial.firmware_has_uart = console_has_uart();
    serial.port = 0;
    if (!serial.firmware_has_uart && uart_answers(COM1)) {
        serial.port = COM1;
        uart_setup(COM1, BAUD_BASE);
    }
}

void screen_use(const struct boot_options *options)
{
    uint16_t port = (uint16_t)options->console_addr;

    if (options->console_kind == BOOT_CONSOLE_NONE || options->console_kind == BOOT_CONSOLE_MMIO) {
        serial.port = 0;
    } else if (options->console_kind == BOOT_CONSOLE_IO && port != serial.port) {
        bool already = port == COM1 && serial.firmware_has_uart;
        serial.port = !already && uart_answers(port) ? port : 0;
        if (serial.port != 0) {
            uart_setup(port, options->console_baud != 0 ? options->console_baud : BAUD_BASE);
        }
    }
}

/* ---- printing ---------------------------------------------------------------------------------- */
static void put_line(const char *text)
{
    CHAR16 wide[2 * LINE_MAX];
    unsigned n = 0;

    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '\n') {
            wide[n++] = L'\r';
        }
        wide[n++] = (CHAR16)(uint8_t)*c;
    }
    wide[n] = 0;
    if (firmware_table()->ConOut != NULL) {
        firmware_table()->ConOut->OutputString(firmware_table()->ConOut, wide);
    }
    for (unsigned i = 0; i < n && serial.port != 0; i++) {
        uart_put((uint8_t)wide[i]);
    }
}

void screen_print(const char *format, ...)
{
    char line[LINE_MAX];
    va_list args;

    va_start(args, format);
    fmt_vprint(line, sizeof(line), format, args);
    va_end(args);
    put_line(line);
}

void screen_error(const char *what, const char *why, const char *fix)
{
    screen_print("error: %s: %s: %s\n", what, why, fix);
}

void screen_pause(void) { firmware_boot()->Stall(PAUSE_US); }
