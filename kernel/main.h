/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Where boot/entry.asm goes. */
#pragma once

/* On the boot stack, interrupts off, boot_info copied. */
void root_main(void) __attribute__((noreturn));
