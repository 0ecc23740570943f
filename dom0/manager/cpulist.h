/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Lists of host CPUs as people write them: "0-2,4", or "all". Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CPU_LIST_ALL UINT64_MAX
#define CPU_LIST_MAX 64U

/* Bit N: host CPU N. false: not such a list, or a CPU above 63. */
bool cpu_list_parse(const char *text, uint64_t *mask);
/* The shortest such list of the CPUs in MASK that a host of CPUS has; "all" when none is missing. Returns the length. */
size_t cpu_list_format(char *out, size_t len, uint64_t mask, uint32_t cpus);
