/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The names under which older code knows what the loader found in the ACPI tables. */
#pragma once

#include "kernel/platform/machine.h"

#define ACPI_ISA_IRQS BOOT_ISA_IRQS
#define acpi_info boot_info.machine
#define acpi_init(rsdp) ((void)(rsdp))
