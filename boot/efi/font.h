/* SPDX-License-Identifier: Apache-2.0
 * [FW] The letters that the hypervisor draws on a framebuffer. */
#pragma once

#include "boot/boot_info.h"

/* Fills framebuffer->glyphs. */
void font_give(struct boot_framebuffer *framebuffer);
