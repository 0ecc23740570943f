/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] A 5 x 7 dot font for printable ASCII. */
#ifndef KERNEL_CORE_FONT_H
#define KERNEL_CORE_FONT_H

#include "kernel/core/types.h"

#define FONT_ROWS 7U

/* The rows of C from top to bottom, bit 4 the leftmost dot; an unprintable character gives the blank. */
const uint8_t *font_glyph(char c);

#endif
