/* SPDX-License-Identifier: Apache-2.0
 * [FW] The rate of the time-stamp counter. */
#pragma once

#include "boot/boot_info.h"
#include "boot/efi/fwacpi.h"

/* Measures it: HPET, ACPI PM timer or PIT (each wait bounded); CPUID 0x15 where it agrees, or nothing else runs. Fills khz
 * (0: nobody knows), the factors and who said so. */
void clock_calibrate(const struct fwacpi *acpi, struct boot_clock *clock);
