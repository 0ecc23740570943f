/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The xenstore wire protocol: one request message in, one reply message out. Pure. */
#pragma once

#include <stdint.h>

#include <xen/io/xs_wire.h>

#include "dom0/store/arena.h"

_Static_assert(sizeof(struct xsd_sockmsg) == 16, "xenstore wire");
_Static_assert(XS_RESET_WATCHES == 21 && XS_DIRECTORY_PART == 22, "xenstore wire");

struct store_message {
    struct xsd_sockmsg head;
    char body[XENSTORE_PAYLOAD_MAX + 1U]; /* requests: one NUL behind the payload, put there by the reader */
};

/* Carries out IN for domain DOMID and writes the reply. IN->head.len is at most XENSTORE_PAYLOAD_MAX. */
void store_wire_handle(struct store *s, uint16_t domid, const struct store_message *in, struct store_message *out);
/* The next watch event of DOMID as a message; false: none. */
bool store_wire_event(struct store *s, uint16_t domid, struct store_message *out);
