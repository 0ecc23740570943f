/* SPDX-License-Identifier: Apache-2.0
 * [FW] The few devices that the hypervisor drives or must not meet running: found while the firmware can still be asked,
 * made ready when it is gone. */
#pragma once

#include "boot/boot_info.h"

/* Fills info->machine from the ACPI tables, info->clock, and tells of IOMMUs that are on. Needs info->options and info->rsdp. */
void devices_find(struct boot_info *info);

/* After ExitBootServices: turns the IOMMUs off (their tables are in memory that is ours now), programs the console port. */
void devices_take(struct boot_info *info);
