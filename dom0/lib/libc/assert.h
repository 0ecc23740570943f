/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] <assert.h> as the libraries from Debian's source packages ask for it: they check their input themselves. */
#pragma once

#define assert(condition) ((void)0)
