/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] lwIP's view of the compiler and of the tiny guest. */
#pragma once

#include <limits.h>
#include <stdint.h>

#include "tests/guest/lib/guest.h"

#define BYTE_ORDER LITTLE_ENDIAN

#define LWIP_RAND()             ((uint32_t)random_next())
#define LWIP_PLATFORM_DIAG(x)   ((void)0)
#define LWIP_PLATFORM_ASSERT(x) check(false, "lwIP: %s", (x))

#define LWIP_NO_INTTYPES_H 1
#define LWIP_NO_UNISTD_H   1
#define LWIP_NO_CTYPE_H    1
typedef long ssize_t;
#ifndef SSIZE_MAX
#define SSIZE_MAX LONG_MAX
#endif
#define U16_F "u"
#define S16_F "d"
#define X8_F  "x"
#define X16_F "x"
#define U32_F "u"
#define S32_F "d"
#define X32_F "x"
#define SZT_F "zu"
