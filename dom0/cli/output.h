/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] How verbs print: tables as xl's, keys with values, JSON. The format_* and json_* functions are pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0/manager/manager.h"

#define LIST_HEADER "Name                                        ID   Mem VCPUs\tState\tTime(s)"

/* One row under LIST_HEADER, without a line end. */
size_t format_list_row(char *out, size_t len, const struct vm_view *v);
/* Seconds as "3 days, 4:05:06" or "4:05:06". */
size_t format_uptime(char *out, size_t len, uint64_t seconds);
/* TEXT as a JSON string with its quotes. */
size_t format_json_string(char *out, size_t len, const char *text);

/* Prints TEXT with \n as line ends, of any length. */
void out_text(const char *text);

enum pairs_style {
    PAIRS_COLON, /* "key                    : value", as xl info */
    PAIRS_WORDS, /* "key value unit", one per line, for scripts */
    PAIRS_JSON,
};
struct pairs {
    enum pairs_style style;
    bool any;
    bool nested;
    bool items;
};

void pairs_begin(struct pairs *p, enum pairs_style style);
void pairs_text(struct pairs *p, const char *key, const char *value);
void pairs_number(struct pairs *p, const char *key, uint64_t value, const char *unit); /* UNIT "" for none */
void pairs_end(struct pairs *p);

/* A JSON list of objects: list_begin, then list_item … pairs_end for each, then list_end. */
void list_begin(struct pairs *p);
void list_item(struct pairs *p);
void list_end(struct pairs *p);
