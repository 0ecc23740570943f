/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Which I/O ports a guest reaches, and what the others answer. Pure. DomUs reach none; a privileged domain all
 * but those kept here. */
#pragma once

#include "kernel/core/types.h"

struct io_range { uint16_t first, last; };

/* What root keeps from a privileged domain, besides its console. */
extern const struct io_range io_kept[];
extern const unsigned io_nr_kept;
/* What a read of SIZE bytes at PORT gives when nobody is there. */
uint32_t io_policy_read(uint16_t port, unsigned size);
