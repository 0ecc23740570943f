/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] <inttypes.h> as the libraries from Debian's source packages ask for it. */
#pragma once

#include <stdint.h>
