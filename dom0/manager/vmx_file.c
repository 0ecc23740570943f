/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The syntax of .vmx files. Pure. */
#include "dom0/manager/vmx_file.h"

#include "dom0/lib/string.h"

#define WHY_MAX 200U

struct line {
    struct vmx_file *file;
    const char *at;
    size_t len;
    uint32_t nr;
    vmx_bad_line bad;
    void *ctx;
};

static bool wrong(const struct line *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* false, so that `return wrong(…)` works. */
static bool wrong(const struct line *l, const char *fmt, ...)
{
    char why[WHY_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    l->bad(l->ctx, l->nr, why);
    return false;
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

/* How many bytes the UTF-8 sequence at S has, 0 when it is none (overlong forms and surrogates count as none). */
static size_t utf8_length(const unsigned char *s, size_t len)
{
    size_t need = s[0] < 0x80                   ? 1
                  : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
                  : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
                  : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                                : 0;
    if (need == 0 || need > len)
        return 0;
    for (size_t i = 1; i < need; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0) || (s[0] == 0xf0 && s[1] < 0x90) ||
        (s[0] == 0xf4 && s[1] >= 0x90))
        return 0;
    return need;
}

static bool check_bytes(const struct line *l)
{
    for (size_t i = 0; i < l->len;) {
        unsigned char c = (unsigned char)l->at[i];
        size_t n = utf8_length((const unsigned char *)l->at + i, l->len - i);
        if (c > 0x7f)
            l->file->ascii = false;
        if (n == 0)
            return wrong(l, "byte 0x%02x is not UTF-8 text: save the file as UTF-8", c);
        unsigned char second = n == 2 ? (unsigned char)l->at[i + 1] : 0; /* 0xc2 0x80..0x9f: U+0080..U+009F */
        if ((c < 0x20 && c != '\t' && c != '\r') || c == 0x7f || (c == 0xc2 && second < 0xa0))
            return wrong(l, "control character 0x%02x: remove it", n == 2 ? second : c);
        i += n;
    }
    return true;
}

static bool key_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == ':' ||
           c == '_' || c == '-';
}

/* The escape |XX at AT, two digits of which must be there. Line breaks and tabs are for notes, which nothing is made of: *CONTROL. */
static bool check_escape(const struct line *l, size_t at, bool *control)
{
    if (at + 2 >= l->len || hex_digit(l->at[at + 1]) < 0 || hex_digit(l->at[at + 2]) < 0)
        return wrong(l, "| must be followed by two hexadecimal digits: write |7C for the character |");
    int c = hex_digit(l->at[at + 1]) * 16 + hex_digit(l->at[at + 2]);
    if (c == '\t' || c == '\n' || c == '\r')
        *control = true;
    else if (c < 0x20 || c == 0x7f)
        return wrong(l, "|%c%c is a control character: values are text", l->at[at + 1], l->at[at + 2]);
    if (c > 0x7f) /* single bytes could make up anything, also what a terminal obeys */
        return wrong(l, "|%c%c is not ASCII: write the character itself, in UTF-8", l->at[at + 1], l->at[at + 2]);
    return true;
}

/* Finds the closing quote; checks the escapes on the way. AT is behind the opening quote. */
static bool value_end(const struct line *l, size_t at, size_t *end, struct vmx_setting *s)
{
    size_t decoded = 0;
    for (size_t i = at; i < l->len; i++, decoded++) {
        if (l->at[i] == '"') {
            *end = i;
            s->too_long = decoded >= VMX_VALUE_MAX;
            return true;
        }
        if (l->at[i] != '|')
            continue;
        if (!check_escape(l, i, &s->control))
            return false;
        i += 2;
    }
    return wrong(l, "the closing \" is missing: write key = \"value\" on one line");
}

static bool same_key(const struct vmx_file *f, const struct vmx_setting *s, const char *key, size_t len)
{
    return s->key_len == len && strncasecmp(f->text + s->key_off, key, len) == 0;
}

static bool add_setting(const struct line *l, size_t key, size_t key_len, size_t value, size_t end, const struct vmx_setting *s)
{
    struct vmx_file *f = l->file;
    for (uint32_t i = 0; i < f->count; i++)
        if (same_key(f, &f->settings[i], l->at + key, key_len))
            return wrong(l, "%.*s was set in line %u already: remove one of the two", (int)key_len, l->at + key,
                         f->settings[i].line);
    if (f->count == VMX_MAX_SETTINGS)
        return wrong(l, "more than %u settings: remove some", VMX_MAX_SETTINGS);
    uint32_t line_off = (uint32_t)(l->at - f->text);
    struct vmx_setting *out = &f->settings[f->count++];
    *out = *s;
    out->line_off = line_off;
    out->line = l->nr;
    out->key_off = line_off + (uint32_t)key;
    out->key_len = (uint16_t)key_len;
    out->value_off = line_off + (uint32_t)value;
    out->value_len = (uint16_t)(end - value);
    return true;
}

static bool split_line(const struct line *l)
{
    size_t i = 0;
    while (i < l->len && is_blank(l->at[i]))
        i++;
    if (i == l->len || l->at[i] == '#')
        return true;
    size_t key = i;
    while (i < l->len && key_char(l->at[i]))
        i++;
    size_t key_len = i - key;
    while (i < l->len && is_blank(l->at[i]))
        i++;
    if (key_len == 0 || i == l->len || l->at[i] != '=')
        return wrong(l, "not a setting: write key = \"value\"");
    if (key_len >= VMX_KEY_MAX)
        return wrong(l, "a key of %zu letters: at most %u are possible", key_len, VMX_KEY_MAX - 1);
    i++;
    while (i < l->len && is_blank(l->at[i]))
        i++;
    if (i == l->len || l->at[i] != '"')
        return wrong(l, "%.*s has no value in quotes: write %.*s = \"value\"", (int)key_len, l->at + key, (int)key_len,
                     l->at + key);
    size_t value = i + 1, end = 0;
    struct vmx_setting s = {0};
    if (!value_end(l, value, &end, &s))
        return false;
    for (i = end + 1; i < l->len && is_blank(l->at[i]); i++)
        ;
    if (i < l->len && l->at[i] != '#')
        return wrong(l, "text behind the value: write |22 for a \" inside of it, # before a comment");
    return add_setting(l, key, key_len, value, end, &s);
}

void vmx_file_split(struct vmx_file *f, const char *text, size_t len, const char *name, vmx_bad_line bad, void *ctx)
{
    struct line l = {.file = f, .bad = bad, .ctx = ctx};
    f->text = text;
    f->name = name;
    f->len = len;
    f->count = 0;
    f->ascii = true;
    if (len > VMX_MAX_BYTES) {
        wrong(&l, "%zu bytes: a .vmx file has at most %u", len, VMX_MAX_BYTES);
        f->len = 0;
        return;
    }
    size_t at = len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0; /* byte order mark */
    for (l.nr = 1; at < len; l.nr++) {
        const char *nl = memchr(text + at, '\n', len - at);
        l.at = text + at;
        l.len = nl != NULL ? (size_t)(nl - text) - at : len - at;
        (void)(check_bytes(&l) && split_line(&l));
        at += l.len + 1;
    }
}

uint32_t vmx_file_find_of(const struct vmx_file *f, const char *device, size_t len, const char *name)
{
    size_t name_len = strlen(name);
    for (uint32_t i = 0; i < f->count; i++) {
        const struct vmx_setting *s = &f->settings[i];
        const char *key = f->text + s->key_off;
        if (s->key_len == len + 1 + name_len && strncasecmp(key, device, len) == 0 && key[len] == '.' &&
            strncasecmp(key + len + 1, name, name_len) == 0)
            return i;
    }
    return VMX_NONE;
}

uint32_t vmx_file_find(const struct vmx_file *f, const char *key)
{
    size_t len = strlen(key);
    for (uint32_t i = 0; i < f->count; i++)
        if (same_key(f, &f->settings[i], key, len))
            return i;
    return VMX_NONE;
}

void vmx_file_key(const struct vmx_file *f, uint32_t i, char key[VMX_KEY_MAX])
{
    const struct vmx_setting *s = &f->settings[i];
    memcpy(key, f->text + s->key_off, s->key_len);
    key[s->key_len] = '\0';
}

void vmx_file_value(const struct vmx_file *f, uint32_t i, char value[VMX_VALUE_MAX])
{
    const struct vmx_setting *s = &f->settings[i];
    const char *in = f->text + s->value_off;
    size_t out = 0;
    for (size_t k = 0; k < s->value_len && out + 1 < VMX_VALUE_MAX; k++) {
        if (in[k] == '|' && k + 2 < s->value_len) {
            char c = (char)(hex_digit(in[k + 1]) * 16 + hex_digit(in[k + 2]));
            value[out++] = c < ' ' ? ' ' : c;
            k += 2;
        } else {
            value[out++] = in[k];
        }
    }
    while (s->too_long && out > 0 && ((unsigned char)value[out - 1] & 0x80) != 0) /* not a part of a character */
        out--;
    value[out] = '\0';
}
