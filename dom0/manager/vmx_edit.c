/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Changing one setting of a .vmx file. Pure. */
#include "dom0/manager/vmx_edit.h"

#include "dom0/lib/string.h"

#define BOM_BYTES 3U

struct place { /* of a key in the text; offsets */
    size_t line, next;  /* its line begins here, the next one there */
    size_t value, end;  /* between these stands the value, without the quotes */
    bool quoted;        /* else the value is all from behind the `=` to the line's end */
};

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; } /* as the reader has it */

/* What is written is appended to OUT, as far as there is room. */
struct sink {
    char *out;
    size_t size, len;
};

static void put(struct sink *s, const char *text, size_t len)
{
    if (s->len <= s->size && len <= s->size - s->len)
        memcpy(s->out + s->len, text, len);
    else
        s->size = 0; /* from now on nothing fits */
    s->len += len;
}

static void put_encoded(struct sink *s, const char *value)
{
    for (; *value != '\0'; value++) {
        bool special = *value == '"' || *value == '|';
        put(s, special ? *value == '"' ? "|22" : "|7C" : value, special ? 3 : 1);
    }
}

size_t vmx_edit_encode(char *out, size_t size, const char *value)
{
    struct sink s = {out, size != 0 ? size - 1 : 0, 0};
    put_encoded(&s, value);
    if (size != 0)
        out[s.len < size ? s.len : 0] = '\0';
    return s.len;
}

/* Does the line from P->line to END (its line end not counted) set KEY? */
static bool sets(const char *text, size_t end, const char *key, struct place *p)
{
    size_t i = p->line, len = strlen(key);
    while (i < end && is_blank(text[i]))
        i++;
    if (end - i < len || strncasecmp(text + i, key, len) != 0)
        return false;
    for (i += len; i < end && is_blank(text[i]); i++)
        ;
    if (i == end || text[i] != '=')
        return false;
    for (i++; i < end && is_blank(text[i]); i++)
        ;
    p->value = i;
    p->end = end;
    p->quoted = false;
    if (i == end || text[i] != '"')
        return true;
    const char *quote = memchr(text + i + 1, '"', end - i - 1);
    if (quote == NULL)
        return true;
    size_t rest = (size_t)(quote - text) + 1;
    while (rest < end && is_blank(text[rest]))
        rest++;
    if (rest < end && text[rest] != '#')
        return true;
    p->quoted = true;
    p->value = i + 1;
    p->end = (size_t)(quote - text);
    return true;
}

/* The first line from FROM on that sets KEY. */
static bool find(const char *text, size_t len, size_t from, const char *key, struct place *p)
{
    for (p->line = from; p->line < len; p->line = p->next) {
        const char *nl = memchr(text + p->line, '\n', len - p->line);
        size_t end = nl != NULL ? (size_t)(nl - text) : len;
        p->next = nl != NULL ? end + 1 : len;
        while (end > p->line && text[end - 1] == '\r')
            end--;
        if (sets(text, end, key, p))
            return true;
    }
    return false;
}

static size_t begin(const char *text, size_t len)
{
    return len >= BOM_BYTES && memcmp(text, "\xef\xbb\xbf", BOM_BYTES) == 0 ? BOM_BYTES : 0;
}

/* As the first line ends. */
static const char *line_end(const char *text, size_t len)
{
    const char *nl = memchr(text, '\n', len);
    return nl != NULL && nl != text && nl[-1] == '\r' ? "\r\n" : "\n";
}

bool vmx_edit_set(const char *text, size_t len, const char *key, const char *value, char *out, size_t size, size_t *out_len)
{
    struct sink s = {out, size, 0};
    struct place p;
    const char *eol = line_end(text, len);
    if (find(text, len, begin(text, len), key, &p)) {
        put(&s, text, p.value);
        put(&s, "\"", p.quoted ? 0 : 1);
        put_encoded(&s, value);
        put(&s, "\"", p.quoted ? 0 : 1);
        put(&s, text + p.end, len - p.end);
    } else {
        put(&s, text, len);
        if (len != begin(text, len) && text[len - 1] != '\n')
            put(&s, eol, strlen(eol));
        put(&s, key, strlen(key));
        put(&s, " = \"", 4);
        put_encoded(&s, value);
        put(&s, "\"", 1);
        put(&s, eol, strlen(eol));
    }
    *out_len = s.len;
    return s.len <= s.size;
}

void vmx_edit_remove(const char *text, size_t len, const char *key, char *out, size_t *out_len, size_t *removed)
{
    struct sink s = {out, len, 0};
    struct place p;
    size_t from = begin(text, len), kept = 0;
    for (*removed = 0; find(text, len, from, key, &p); ++*removed) {
        put(&s, text + kept, p.line - kept);
        kept = from = p.next;
    }
    put(&s, text + kept, len - kept);
    *out_len = s.len;
}
