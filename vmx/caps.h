/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] What this CPU's VT-x can do and how it is used, as the loader found it: struct vmx_caps of boot_info. */
#pragma once

#include "boot/boot_info.h"
#include "kernel/core/types.h"

extern struct vmx_caps vmx_caps; /* written by vmx_global_init only */
