/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] <string.h> as the libraries from Debian's source packages ask for it. */
#pragma once

#include "dom0/lib/string.h"
