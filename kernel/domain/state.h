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

/* Calls FN for each row that lives in struct vcpu (V) or struct domain (D; the other NULL), with its bytes. */
void state_walk(const struct domain *d, const struct vcpu *v, void (*fn)(const struct state_row *row, const void *bytes, void *ctx), void *ctx);
/* For audit: rows lie inside their structs, overlap nowhere, and record types are unique. */
bool state_check(char *why, size_t len);
