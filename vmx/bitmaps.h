/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] MSR and I/O bitmaps, computed from the policies. One set for DomUs, one for Dom0; they share the MSR bitmap. */
#pragma once

#include "kernel/core/addr.h"
#include "kernel/core/status.h"

/* The ports that root keeps from a privileged domain, besides its console; DomUs reach none. What exits finds nobody there. */
struct port_range { uint16_t first, last; };
#define BITMAPS_KEPT 4U
extern const struct port_range bitmaps_kept[BITMAPS_KEPT];

struct bitmaps { hpa_t msr, io_a, io_b; };

/* Builds them and checks each bit against the policy. Precondition: vmx_caps are set, uart_init. */
enum status bitmaps_init(void);
const struct bitmaps *bitmaps_for(bool privileged);
/* For audit: is exactly that open which the policy opens? false and the reason otherwise. */
bool bitmaps_check(char *why, size_t len);
