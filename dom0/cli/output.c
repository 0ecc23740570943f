/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Printing for verbs. */
#include "dom0/cli/output.h"

#include "dom0/kernel/console.h"
#include "dom0/lib/string.h"

#define JSON_VALUE_MAX 2100U /* a value of a .vmx file, each byte escaped */

void out_text(const char *text)
{
    for (const char *line = text; *line != '\0';) {
        const char *end = strchr(line, '\n');
        size_t len = end != NULL ? (size_t)(end - line) : strlen(line);
        console_write(line, len);
        if (end != NULL)
            console_write("\r\n", 2);
        line += len + (end != NULL);
    }
}

void pairs_begin(struct pairs *p, enum pairs_style style)
{
    p->style = style;
    p->any = p->nested = false;
    if (style == PAIRS_JSON)
        out_text("{");
}

static void json_key(struct pairs *p, const char *key)
{
    console_printf("%s\"%s\": ", p->any ? ", " : "", key);
    p->any = true;
}

void pairs_text(struct pairs *p, const char *key, const char *value)
{
    char quoted[JSON_VALUE_MAX];
    switch (p->style) {
    case PAIRS_COLON:
        console_printf("%-23s: ", key);
        break;
    case PAIRS_WORDS:
        console_printf("%s ", key);
        break;
    case PAIRS_JSON:
        json_key(p, key);
        format_json_string(quoted, sizeof quoted, value);
        out_text(quoted);
        return;
    }
    out_text(value);
    out_text("\n");
}

void pairs_number(struct pairs *p, const char *key, uint64_t value, const char *unit)
{
    const char *gap = unit[0] != '\0' ? " " : "";
    switch (p->style) {
    case PAIRS_COLON:
        console_printf("%-23s: %lu%s%s\n", key, value, gap, unit);
        break;
    case PAIRS_WORDS:
        console_printf("%s %lu%s%s\n", key, value, gap, unit);
        break;
    case PAIRS_JSON:
        json_key(p, key);
        console_printf("%lu", value);
        break;
    }
}

void pairs_end(struct pairs *p)
{
    if (p->style == PAIRS_JSON)
        out_text(p->nested ? "}" : "}\n");
}

void list_begin(struct pairs *p)
{
    *p = (struct pairs){.style = PAIRS_JSON, .nested = true};
    out_text("[");
}

void list_item(struct pairs *p)
{
    out_text(p->items ? ", {" : "{");
    p->items = true;
    p->any = false;
}

void list_end(struct pairs *p)
{
    (void)p;
    out_text("]\n");
}
