/* SPDX-License-Identifier: Apache-2.0
 * [FW] The loader's words: on the firmware's console, and on the serial port where that console is not already there.
 */
#include "boot/efi/screen.h"

#include <efi.h>

#include <stdarg.h>
#include <stdbool.h>

#include "boot/efi/firmware.h"
#include "boot/efi/fmt.h"
#include "boot/efi/port.h"

#define LINE_MAX   512U
#define COM1       0x3f8U
#define COM2       0x2f8U
#define BAUD_BASE  115200U
#define UART_SPINS 200000U /* far over one character time at 9600 baud */
#define PAUSE_US   3000000U

static struct {
    uint16_t port;         /* 0: none */
    unsigned firmware_has; /* bit n: the firmware's console is on COM(n + 1) as well */
} serial;

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

/* 8 data bits, no parity, FIFO on, no interrupts. */
static void uart_setup(uint16_t port, uint32_t baud)
{
    uint32_t divisor = BAUD_BASE / baud;

    outb((uint16_t)(port + 3), 0x83);
    outb(port, (uint8_t)divisor);
    outb((uint16_t)(port + 1), (uint8_t)(divisor >> 8));
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

/* Bits of the serial ports that one console of the firmware reaches. A UART is named by the ACPI node before it
 * (PNP0501, its unique id counting from 0); one without such a node is taken for COM1. */
static unsigned uarts_on_path(EFI_DEVICE_PATH *node)
{
    unsigned uid = 0;
    unsigned found = 0;

    while (!IsDevicePathEnd(node) && DevicePathNodeLength(node) >= (int)sizeof(*node)) {
        if (DevicePathType(node) == ACPI_DEVICE_PATH && DevicePathSubType(node) == ACPI_DP) {
            const ACPI_HID_DEVICE_PATH *acpi = (const ACPI_HID_DEVICE_PATH *)(const void *)node;
            uid = acpi->HID == EISA_PNP_ID(0x0501) ? acpi->UID : 0;
        } else if (DevicePathType(node) == MESSAGING_DEVICE_PATH && DevicePathSubType(node) == MSG_UART_DP) {
            found |= uid < 32 ? 1U << uid : 0;
        }
        node = NextDevicePathNode(node);
    }
    return found;
}

/* The console splitter marks the live consoles with this GUID. */
static unsigned uarts_of_consoles(void)
{
    static EFI_GUID console_out = {0xd3b36f2c, 0xd551, 0x11d4, {0x9a, 0x46, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d}};
    static EFI_GUID device_path = EFI_DEVICE_PATH_PROTOCOL_GUID;
    EFI_HANDLE *handles = NULL;
    UINTN count = 0;
    unsigned found = 0;

    if (EFI_ERROR(firmware_boot()->LocateHandleBuffer(ByProtocol, &console_out, NULL, &count, &handles))) {
        return 0;
    }
    for (UINTN i = 0; i < count; i++) {
        EFI_DEVICE_PATH *path = NULL;
        if (!EFI_ERROR(firmware_boot()->HandleProtocol(handles[i], &device_path, (void **)&path)) && path != NULL) {
            found |= uarts_on_path(path);
        }
    }
    firmware_boot()->FreePool(handles);
    return found;
}

static bool firmware_prints_on(uint16_t port)
{
    unsigned index = port == COM1 ? 0 : port == COM2 ? 1 : 31;

    return (serial.firmware_has >> index & 1) != 0;
}

/* Takes a port if it answers and the firmware's console is not there already. */
static void use_port(uint16_t port, uint32_t baud)
{
    serial.port = 0;
    if (!firmware_prints_on(port) && uart_answers(port)) {
        serial.port = port;
        uart_setup(port, baud);
    }
}

void screen_init(void)
{
    serial.firmware_has = uarts_of_consoles();
    use_port(COM1, BAUD_BASE);
}

void screen_use(const struct boot_options *options)
{
    uint16_t port = (uint16_t)options->console_addr;

    if (options->console_kind == BOOT_CONSOLE_NONE || options->console_kind == BOOT_CONSOLE_MMIO) {
        serial.port = 0;
    } else if (options->console_kind == BOOT_CONSOLE_IO && port != serial.port) {
        use_port(port, options->console_baud != 0 ? options->console_baud : BAUD_BASE);
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

void screen_warning(const char *text) { screen_print("warning: %s\n", text); }

void screen_pause(void) { firmware_boot()->Stall(PAUSE_US); }
