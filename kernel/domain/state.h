/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] All state of a domain, as one table: what it is, where it lives, who switches it and when, and the record that saves it. Save, migration,
 * crash dump and audit walk it; what has no row is derived or belongs to root alone. */
#pragma once

#include "kernel/domain/vcpu.h"

enum state_home { STATE_IN_VCPU, STATE_IN_DOMAIN, STATE_IN_VMCS, STATE_IN_PAGE }; /* page: behind the pointer or frame number that the row names */

struct state_row {
    const char *name;
    enum state_home home;
    uint16_t offset, size; /* in struct vcpu or struct domain */
    uint16_t record;       /* type of the record; 0: not saved, made anew */
    uint16_t version;
    const char *switched;  /* who loads and stores it, and when */
};

/* Rows lie inside their structs, overlap nowhere, and record types are unique: test_domain checks it. */
extern const struct state_row state_rows[];
extern const unsigned state_nr_rows;
