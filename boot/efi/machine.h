/* SPDX-License-Identifier: Apache-2.0
 * [FW] Collects what the hypervisor must know of the machine: ACPI, CPUs, SMBIOS, devices, framebuffer,
 * time. */
#pragma once

#include "boot/boot_info.h"

/* Fills those fields of info. What the firmware does not tell stays 0; there is always at least the boot CPU. */
void machine_describe(struct boot_info *info);

/* System time begins: the last thing before the jump. */
void machine_stamp(struct boot_info *info);
