/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The end of Dom0 by its own fault. */
#pragma once

#include <stdint.h>

/* Says why with a backtrace on the console, then stops Dom0 (SCHEDOP_shutdown, reason crash). Any context. */
_Noreturn void fatal(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Leaves QEMU through its isa-debug-exit device (driver-test mode) with STATUS, or halts. */
_Noreturn void fatal_exit_test(uint8_t status);
