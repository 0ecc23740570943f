/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Set-up of panic for the console's module. */
#ifndef KERNEL_PLATFORM_PANIC_PRIV_H
#define KERNEL_PLATFORM_PANIC_PRIV_H

/* From here on a fault in root mode ends in panic with its registers. */
void panic_init(void);

#endif
