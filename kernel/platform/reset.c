/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Reset and power-off: the polite ways first. */
#include "kernel/platform/reset.h"

#include "kernel/cpu/traps.h"
#include "kernel/cpu/x86.h"
#include "kernel/mm/window.h"
#include "kernel/platform/console.h"
#include "kernel/platform/machine.h"

#define SLP_EN (1U << 13)
#define SPINS 1000000U

/* The common beginning of the end. */
static void quiesce(void)
{
    __asm__ volatile("cli");
    if ((read_cr4() & CR4_VMXE) != 0)
        vmxoff_safe();
    console_flush();
}

static void give_it_time(void)
{
    for (unsigned i = 0; i < SPINS; i++)
        cpu_relax();
}

void reset_machine(void)
{
    quiesce();
    const struct boot_machine *m = &boot_info.machine;
    if (m->reset_addr != 0 && m->reset_space == 1)
        out8((uint16_t)m->reset_addr, m->reset_value);
    else if (m->reset_addr != 0)
        *((volatile uint8_t *)window_open(hfn_of_hpa(hpa(m->reset_addr))) + m->reset_addr % PAGE_SIZE) = m->reset_value;
    give_it_time();
    out8(0xcf9, 0x02);
    out8(0xcf9, 0x06); /* hard reset: chipset reset control register */
    give_it_time();
    struct table_register none = {0, 0};
    __asm__ volatile("lidt %0\n\tint3" : : "m"(none)); /* no IDT: triple fault */
    while (true)
        cpu_relax();
}

void poweroff_machine(void)
{
    quiesce();
    for (unsigned i = 0; i < 2; i++) {
        uint16_t port = boot_info.machine.pm1_control[i];
        if (port != 0)
            out16(port, (uint16_t)((in16(port) & ~0x3c00U) | (uint32_t)boot_info.machine.sleep_type[i] << 10 | SLP_EN));
    }
    give_it_time();
    for (const char *p = "Shutdown"; *p != '\0'; p++) /* Bochs */
        out8(0x8900, (uint8_t)*p);
    out16(0x604, 0x2000); /* QEMU */
    give_it_time();
    static const char text[] = "(CBL) the machine is halted: power may be cut\n";
    console_write_sync(text, sizeof(text) - 1);
    while (true)
        __asm__ volatile("cli\n\thlt");
}
