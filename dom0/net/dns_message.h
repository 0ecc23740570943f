/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] One question to a name server, for IPv4 addresses, and its answer (RFC 1035). Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define DNS_MESSAGE_MAX 512U

enum dns_result {
    DNS_FOUND,
    DNS_NOT_MINE,   /* an answer to another question, or none: go on waiting */
    DNS_NO_NAME,    /* there is no such name */
    DNS_NO_ADDRESS, /* the name has no IPv4 address */
    DNS_FAILED,     /* the server could not or would not */
};

/* Into OUT (DNS_MESSAGE_MAX bytes); returns the length, 0: NAME is none (host_name_ok). */
size_t dns_message_query(uint8_t *out, uint16_t id, const char *name);
/* The answer to QUERY: up to MAX addresses, *COUNT. Whatever the server sent, nothing past LEN is read. */
enum dns_result dns_message_answer(const uint8_t *data, size_t len, const uint8_t *query, size_t query_len, uint32_t *addresses, unsigned max, unsigned *count);
