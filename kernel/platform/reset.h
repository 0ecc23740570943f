/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Ends the machine's life. */
#pragma once

/* VMXOFF where on, then the FADT reset register, port 0xcf9, a triple fault. */
void reset_machine(void) __attribute__((noreturn));
/* ACPI S5 through the FADT and \_S5 where they exist; the emulators' power-off ports
 * (Bochs 0x8900 "Shutdown", QEMU 0x604); otherwise halts every CPU and says that power may be cut. */
void poweroff_machine(void) __attribute__((noreturn));
