/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] <limits.h> as the libraries from Debian's source packages ask for it. */
#pragma once

#define CHAR_BIT   8
#define INT_MAX    __INT_MAX__
#define INT_MIN    (-INT_MAX - 1)
#define UINT_MAX   (INT_MAX * 2U + 1U)
#define LONG_MAX   __LONG_MAX__
#define ULONG_MAX  (LONG_MAX * 2UL + 1UL)
#define UCHAR_MAX  255
#define USHRT_MAX  65535
