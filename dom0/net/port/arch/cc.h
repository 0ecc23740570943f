/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] lwIP's view of the compiler and of Dom0. */
#pragma once

#include <limits.h>
#include <stdint.h>

#include "dom0/kernel/fatal.h"
#include "dom0/net/checksum.h"
#include "dom0/net/random.h"

#define BYTE_ORDER LITTLE_ENDIAN

#define LWIP_RAND()            net_random()
#define LWIP_CHKSUM            checksum_sum
#define LWIP_PLATFORM_DIAG(x)  ((void)0)
/* It found its own data in a state that cannot be: to go on would be worse than to stop. */
#define LWIP_PLATFORM_ASSERT(x) fatal("lwIP: %s", (x))

/* Of these headers it only wants what is never printed. */
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
