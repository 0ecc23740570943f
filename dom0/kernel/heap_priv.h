/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Settings of the heap for the kernel's start. */
#pragma once

#include <stdbool.h>

/* Debug mode: freed memory is filled with a pattern that is verified when it is handed out again. Before the first
 * allocation only. */
void heap_set_check(bool on);
