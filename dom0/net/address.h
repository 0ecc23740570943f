/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] IPv4 addresses as text. In host order: 10.0.0.1 is 0x0a000001. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define IPV4_TEXT 16U /* with the terminating NUL */

/* Four decimal numbers and nothing else. false: malformed. */
bool ipv4_parse(const char *text, uint32_t *out);
/* A.B.C.D/NN, NN from 1 to 32. */
bool ipv4_parse_prefix(const char *text, uint32_t *out, uint8_t *prefix);
void ipv4_format(char out[IPV4_TEXT], uint32_t address);
uint32_t ipv4_mask(uint8_t prefix);     /* of 1 to 32 */
uint8_t ipv4_prefix(uint32_t mask);     /* how many leading ones */
/* Can a host have it on such a network? *WHY: why not. */
bool ipv4_usable(uint32_t address, uint8_t prefix, const char **why);
