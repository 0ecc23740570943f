/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Log lines on the firmware's framebuffer, for machines without a serial port. Only ever written, never read. */
#pragma once

#include "boot/boot_info.h"
#include "kernel/core/types.h"

/* false: no usable framebuffer. */
bool fbcon_init(const struct boot_framebuffer *fb);
/* Does nothing before fbcon_init. At the bottom it goes on at the top. */
void fbcon_write(const char *text, size_t len);
