/* SPDX-License-Identifier: Apache-2.0
 * [FW] The few devices that the hypervisor drives or must not meet running. Memory-mapped ones are reached through the
 * firmware's identity map, which stays until the jump. */
#include "boot/efi/devices.h"

#include "boot/efi/clock.h"
#include "boot/efi/port.h"
#include "boot/efi/screen.h"

#define COM1           0x3f8U
#define DEFAULT_IOAPIC 0xfec00000UL

static struct fwacpi acpi;

static volatile uint32_t *registers_at(uint64_t address) { return (volatile uint32_t *)(uintptr_t)address; }

/* ---- IOMMUs: VT-d specification, "Register Descriptions" -------------------------------------- */
#define GCMD              (0x18U / 4)
#define GSTS              (0x1cU / 4)
#define TRANSLATION       (1U << 31)
#define INTERRUPT_REMAP   (1U << 25)
#define ONE_SHOT_COMMANDS 0x69000000U /* written as 0 unless meant */
#define SPINS             1000000U

static bool iommu_is_on(uint64_t address)
{
    uint32_t state = registers_at(address)[GSTS];

    return state != ~0U && (state & (TRANSLATION | INTERRUPT_REMAP)) != 0;
}

static void iommu_turn_off(uint64_t address, uint32_t bit)
{
    volatile uint32_t *regs = registers_at(address);

    regs[GCMD] = regs[GSTS] & ~ONE_SHOT_COMMANDS & ~bit;
    for (unsigned i = 0; i < SPINS && (regs[GSTS] & bit) != 0; i++) {
        __asm__ volatile("pause");
    }
}

static void take_iommus(struct boot_machine *machine)
{
    for (uint32_t i = 0; i < acpi.nr_iommus; i++) {
        if (iommu_is_on(acpi.iommus[i])) {
            iommu_turn_off(acpi.iommus[i], TRANSLATION);
            iommu_turn_off(acpi.iommus[i], INTERRUPT_REMAP);
            machine->iommus_on += iommu_is_on(acpi.iommus[i]) ? 1 : 0;
        }
    }
}

/* ---- the console port: registers of the PC16550D ------------------------------------------------ */
enum { UART_DATA, UART_IER, UART_FCR, UART_LCR, UART_MCR, UART_LSR, UART_SCRATCH = 7, UART_IIR = UART_FCR };
#define UART_FIFO_BYTES 16U

static uint8_t uart_read(const struct boot_uart *u, unsigned reg)
{
    return u->stride != 0 ? *(volatile uint8_t *)(uintptr_t)(u->addr + reg * u->stride) : inb((uint16_t)(u->addr + reg));
}

static void uart_write(const struct boot_uart *u, unsigned reg, uint8_t value)
{
    if (u->stride != 0) {
        *(volatile uint8_t *)(uintptr_t)(u->addr + reg * u->stride) = value;
    } else {
        outb((uint16_t)(u->addr + reg), value);
    }
}

/* Where the configuration says, else where SPCR says, else COM1. */
static void uart_place(const struct boot_options *options, struct boot_machine *machine)
{
    struct boot_uart *u = &machine->uart;
    struct fwacpi_register at = acpi.serial;

    if (options->console_kind != BOOT_CONSOLE_AUTO) {
        at = (struct fwacpi_register){.address = options->console_addr,
                                      .space = options->console_kind == BOOT_CONSOLE_IO ? 1 : 0};
    } else if (at.address == 0) {
        at = (struct fwacpi_register){.address = COM1, .space = 1};
    }
    bool usable = at.space == 0 || (at.space == 1 && at.address <= 0xfff8);
    u->addr = usable && options->console_kind != BOOT_CONSOLE_NONE ? at.address : 0;
    if (at.space == 0) {
        u->stride = at.bits == 32 ? 4 : 1;
    }
    /* COM1 and COM3 share an ISA interrupt, COM2 and COM4 the next; any other port stays polled. */
    bool odd = u->addr == 0x3f8 || u->addr == 0x3e8;
    bool even = u->addr == 0x2f8 || u->addr == 0x2e8;
    u->gsi = odd || even ? machine->isa[odd ? 4 : 3].gsi : ~0U;
}

/* If nobody answers there, there is no port. */
static void take_uart(uint32_t baud, struct boot_uart *u)
{
    if (u->addr == 0) {
        return;
    }
    uart_write(u, UART_SCRATCH, 0x5a);
    if (uart_read(u, UART_LSR) == 0xff || (u->addr == COM1 && uart_read(u, UART_SCRATCH) != 0x5a)) {
        return;
    }
    uart_write(u, UART_IER, 0);
    if (baud != 0) {
        uint32_t divisor = 115200U / baud > 0 ? 115200U / baud : 1;
        uart_write(u, UART_LCR, 0x83); /* divisor latch, 8n1 */
        uart_write(u, UART_DATA, (uint8_t)divisor);
        uart_write(u, UART_IER, (uint8_t)(divisor >> 8));
    }
    uart_write(u, UART_LCR, 0x03);
    uart_write(u, UART_FCR, 0x07); /* FIFOs on and empty, receive trigger 1 */
    uart_write(u, UART_MCR, 0x0b); /* DTR, RTS, OUT2: the interrupt line */
    u->fifo = (uart_read(u, UART_IIR) & 0xc0) == 0xc0 ? UART_FIFO_BYTES : 1;
}

/* ---- the whole ------------------------------------------------------------------------------------ */
static void keep_private(struct boot_machine *machine, uint64_t address)
{
    if (address != 0 && machine->nr_private < BOOT_MAX_PRIVATE) {
        machine->private_pages[machine->nr_private++] = address;
    }
}

/* What Dom0 must not map: interrupt controllers, HPET, IOMMUs, a memory-mapped console. */
static void list_private(struct boot_machine *machine)
{
    _Static_assert(BOOT_MAX_IOAPICS + FWACPI_MAX_IOMMUS + 3 <= BOOT_MAX_PRIVATE, "room for all");

    keep_private(machine, DEFAULT_IOAPIC);
    for (uint32_t i = 0; i < machine->nr_ioapics; i++) {
        keep_private(machine, machine->ioapics[i].addr);
    }
    keep_private(machine, acpi.hpet);
    for (uint32_t i = 0; i < acpi.nr_iommus; i++) {
        keep_private(machine, acpi.iommus[i]);
    }
    keep_private(machine, machine->uart.stride != 0 ? machine->uart.addr : 0);
}

void devices_find(struct boot_info *info)
{
    uint32_t damaged = fwacpi_damaged(info->rsdp);

    fwacpi_read(info->rsdp, &acpi, &info->machine);
    uart_place(&info->options, &info->machine);
    list_private(&info->machine);
    clock_calibrate(&acpi, &info->clock);
    if (damaged > 0) {
        screen_print("corbel: warning: %u ACPI tables have a wrong checksum and are skipped\n", damaged);
    }
    for (uint32_t i = 0; i < acpi.nr_iommus; i++) {
        if (iommu_is_on(acpi.iommus[i])) {
            screen_print("corbel: warning: the IOMMU at 0x%lx is on and will be turned off\n",
                         (unsigned long)acpi.iommus[i]);
        }
    }
}

void devices_take(struct boot_info *info)
{
    __asm__ volatile("cli"); /* the firmware's handlers have ended with it */
    take_iommus(&info->machine);
    take_uart(info->options.console_baud, &info->machine.uart);
}
