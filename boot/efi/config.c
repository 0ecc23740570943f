/* SPDX-License-Identifier: Apache-2.0
 * [FW][HOST] corbel.cfg: an ini file of `key = value` lines into a validated struct. Pure.
 *
 * A comment has a line of its own, because ';' separates the commands of `exec`. Nothing is ignored in silence: an
 * unknown or repeated key and a wrong value are errors with line number and advice. */
#include "boot/efi/config.h"

#include "boot/efi/fmt.h"
#include "boot/efi/lib.h"

#define KEY_MAX   24U
#define BAUD_BASE 115200U

struct text {
    const char *p;
    size_t n;
};

struct key {
    const char *name;
    bool (*set)(struct config *config, struct text value);
    const char *valid; /* what a right value looks like */
};

/* ---- small helpers on text ---------------------------------------------------- */
static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

static struct text trim(struct text t)
{
    while (t.n > 0 && is_blank(t.p[0])) {
        t.p++;
        t.n--;
    }
    while (t.n > 0 && is_blank(t.p[t.n - 1])) {
        t.n--;
    }
    return t;
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c; }

static bool is(struct text t, const char *word)
{
    if (t.n != strlen(word)) {
        return false;
    }
    for (size_t i = 0; i < t.n; i++) {
        if (lower(t.p[i]) != word[i]) {
            return false;
        }
    }
    return true;
}

/* Takes `word` from the front of t. */
static bool skip_word(struct text *t, const char *word)
{
    size_t n = strlen(word);

    if (t->n < n || !is((struct text){t->p, n}, word)) {
        return false;
    }
    t->p += n;
    t->n -= n;
    return true;
}

/* Splits at the first `c`; without one, all goes to *head and false comes back. */
static bool split(struct text t, char c, struct text *head, struct text *tail)
{
    for (size_t i = 0; i < t.n; i++) {
        if (t.p[i] == c) {
            *head = trim((struct text){t.p, i});
            *tail = trim((struct text){t.p + i + 1, t.n - i - 1});
            return true;
        }
    }
    *head = trim(t);
    *tail = (struct text){t.p + t.n, 0};
    return false;
}

static bool copy(struct text t, char *to, size_t cap)
{
    if (t.n >= cap) {
        return false;
    }
    memcpy(to, t.p, t.n);
    memset(to + t.n, 0, cap - t.n);
    return true;
}

/* Decimal, or hexadecimal after 0x. */
static bool number(struct text t, uint64_t *value)
{
    unsigned base = skip_word(&t, "0x") ? 16 : 10;

    *value = 0;
    for (size_t i = 0; i < t.n; i++) {
        char c = lower(t.p[i]);
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                                                : 16;
        if (digit >= base || *value > (UINT64_MAX - digit) / base) {
            return false;
        }
        *value = *value * base + digit;
    }
    return t.n > 0;
}

static bool choice(struct text t, const char *const *words, uint32_t count, uint32_t *value)
{
    for (uint32_t i = 0; i < count; i++) {
        if (is(t, words[i])) {
            *value = i;
            return true;
        }
    }
    return false;
}

/* ---- one setter per key --------------------------------------------------------- */
static bool set_mode(struct config *config, struct text value)
{
    static const char *const words[] = {"boot", "doctor"};
    uint32_t mode;

    if (!choice(value, words, 2, &mode)) {
        return false;
    }
    config->doctor = mode == 1;
    return true;
}

static bool set_baud(struct boot_options *options, struct text baud)
{
    uint64_t rate;

    if (!number(baud, &rate) || rate == 0 || rate > BAUD_BASE || BAUD_BASE % rate != 0) {
        return false;
    }
    options->console_baud = (uint32_t)rate;
    return true;
}

static bool set_console(struct config *config, struct text value)
{
    struct boot_options *options = &config->options;
    struct text port, baud;
    bool has_baud = split(value, ',', &port, &baud);

    if (is(port, "auto") || is(port, "none")) {
        options->console_kind = is(port, "none") ? BOOT_CONSOLE_NONE : BOOT_CONSOLE_AUTO;
        return !has_baud;
    }
    options->console_kind = BOOT_CONSOLE_IO;
    if (is(port, "com1")) {
        options->console_addr = 0x3f8;
    } else if (is(port, "com2")) {
        options->console_addr = 0x2f8;
    } else if (skip_word(&port, "io:")) {
        if (!number(port, &options->console_addr) || options->console_addr == 0 || options->console_addr > 0xfff8) {
            return false;
        }
    } else if (skip_word(&port, "mmio:")) {
        options->console_kind = BOOT_CONSOLE_MMIO;
        if (!number(port, &options->console_addr) || options->console_addr == 0 || options->console_addr >> 46 != 0) {
            return false;
        }
    } else {
        return false;
    }
    return !has_baud || set_baud(options, baud);
}

static bool set_loglvl(struct config *config, struct text value)
{
    static const char *const words[] = {"error", "warn", "info", "debug"};

    return choice(value, words, 4, &config->options.loglvl);
}

static bool set_dom0_mem(struct config *config, struct text value)
{
    uint64_t mib;

    if (value.n > 0 && lower(value.p[value.n - 1]) == 'm') {
        value.n--;
    }
    if (!number(value, &mib) || mib < CONFIG_DOM0_MIN_MIB || mib > CONFIG_DOM0_MAX_MIB) {
        return false;
    }
    config->dom0_mem_mib = (uint32_t)mib;
    return true;
}

/* Stored without blanks around the names, so that Dom0 need not trim. */
static bool set_autostart(struct config *config, struct text value)
{
    char *to = config->options.autostart;
    size_t used = 0;
    struct text name;
    bool more = value.n > 0;

    memset(to, 0, sizeof(config->options.autostart));
    while (more) {
        more = split(value, ',', &name, &value);
        if (name.n == 0 || used + (used > 0 ? 1 : 0) + name.n >= sizeof(config->options.autostart)) {
            return false;
        }
        for (size_t i = 0; i < name.n; i++) {
            if (name.p[i] == '/' || name.p[i] == '\\' || name.p[i] == '"') {
                return false;
            }
        }
        if (used > 0) {
            to[used++] = ',';
        }
        memcpy(to + used, name.p, name.n);
        used += name.n;
    }
    return true;
}

static bool set_exec(struct config *config, struct text value)
{
    return copy(value, config->options.exec, sizeof(config->options.exec));
}

static bool set_volume(struct config *config, struct text value)
{
    if (is(value, "none")) {
        memset(config->volume, 0, sizeof(config->volume));
        return true;
    }
    while (value.n > 1 && (value.p[value.n - 1] == '\\' || value.p[value.n - 1] == '/')) {
        value.n--;
    }
    if (value.n < 2 || (value.p[0] != '\\' && value.p[0] != '/') ||
        !copy(value, config->volume, sizeof(config->volume))) {
        return false;
    }
    for (char *c = config->volume; *c != '\0'; c++) {
        if (*c == '/') {
            *c = '\\';
        }
    }
    return true;
}

static bool set_switch(struct text value, uint32_t *to)
{
    static const char *const words[] = {"off", "on"};

    return choice(value, words, 2, to);
}

static bool set_mitigations(struct config *config, struct text value)
{
    return set_switch(value, &config->options.mitigations);
}

static bool set_debug(struct config *config, struct text value) { return set_switch(value, &config->options.debug); }

static const struct key keys[] = {
    {"mode", set_mode, "boot or doctor"},
    {"console", set_console,
     "auto, none, com1, com2, io:PORT or mmio:ADDRESS; all but the first two may end with ,BAUD (a divisor of 115200)"},
    {"loglvl", set_loglvl, "error, warn, info or debug"},
    {"dom0_mem", set_dom0_mem, "mebibytes from 16 to 2048, such as 24M"},
    {"autostart", set_autostart, "names of guests separated by commas, at most 255 characters"},
    {"exec", set_exec, "command lines separated by ';', at most 255 characters"},
    {"volume", set_volume, "none, or a path that begins with '\\', at most 127 characters"},
    {"mitigations", set_mitigations, "on or off"},
    {"debug", set_debug, "on or off"},
};
#define KEY_COUNT (sizeof(keys) / sizeof(keys[0]))

/* ---- errors ---------------------------------------------------------------------- */
static uint32_t smaller(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* Edits (insert, delete, replace) from t to name; t is cut to KEY_MAX. */
static uint32_t distance(struct text t, const char *name)
{
    uint32_t row[KEY_MAX + 1];
    uint32_t columns = (uint32_t)strlen(name);

    t.n = t.n < KEY_MAX ? t.n : KEY_MAX;
    for (uint32_t j = 0; j <= columns; j++) {
        row[j] = j;
    }
    for (uint32_t i = 1; i <= t.n; i++) {
        uint32_t diagonal = row[0];
        row[0] = i;
        for (uint32_t j = 1; j <= columns; j++) {
            uint32_t cost = diagonal + (lower(t.p[i - 1]) == name[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = smaller(cost, smaller(row[j], row[j - 1]) + 1);
        }
    }
    return row[columns];
}

static const char *nearest(struct text t)
{
    uint32_t best = 0;

    for (uint32_t i = 1; i < KEY_COUNT; i++) {
        if (distance(t, keys[i].name) < distance(t, keys[best].name)) {
            best = i;
        }
    }
    return keys[best].name;
}

static bool fail_at(struct config_error *error, uint32_t line, const char *why, struct text about, const char *fix)
{
    char shown[48];

    copy((struct text){about.p, smaller((uint32_t)about.n, sizeof(shown) - 1)}, shown, sizeof(shown));
    error->line = line;
    const char *quote = about.n > 0 ? "\"" : "";
    fmt_print(error->why, sizeof(error->why), "%s%s%s%s%s", why, about.n > 0 ? " " : "", quote, shown, quote);
    fmt_print(error->fix, sizeof(error->fix), "%s", fix);
    return false;
}

static bool fail_unknown(struct config_error *error, uint32_t line, struct text name)
{
    char fix[64];

    fmt_print(fix, sizeof(fix), "the nearest known key is \"%s\"", nearest(name));
    return fail_at(error, line, "unknown key", name, fix);
}

static bool fail_value(struct config_error *error, uint32_t line, const struct key *key, struct text value)
{
    char why[64];

    fmt_print(why, sizeof(why), "%s for %s", value.n > 0 ? "bad value" : "no value", key->name);
    return fail_at(error, line, why, value, key->valid);
}

/* ---- lines ------------------------------------------------------------------------- */
static bool plain(struct text t)
{
    for (size_t i = 0; i < t.n; i++) {
        if ((t.p[i] < ' ' && !is_blank(t.p[i])) || t.p[i] > '~') {
            return false;
        }
    }
    return true;
}

static struct text unquote(struct text t)
{
    if (t.n >= 2 && t.p[0] == '"' && t.p[t.n - 1] == '"') {
        return (struct text){t.p + 1, t.n - 2};
    }
    return t;
}

static bool parse_pair(struct config *config, struct text text, uint32_t line, uint32_t *seen,
                       struct config_error *error)
{
    struct text name, value;

    if (!split(text, '=', &name, &value)) {
        return fail_at(error, line, "neither a comment nor a setting:", text, "write key = value");
    }
    value = unquote(value);
    for (uint32_t i = 0; i < KEY_COUNT; i++) {
        if (!is(name, keys[i].name)) {
            continue;
        }
        if ((*seen & 1U << i) != 0) {
            return fail_at(error, line, "set twice: key", name, "keep one of the two lines");
        }
        *seen |= 1U << i;
        return keys[i].set(config, value) || fail_value(error, line, &keys[i], value);
    }
    return fail_unknown(error, line, name);
}

static bool parse_line(struct config *config, struct text text, uint32_t line, uint32_t *seen,
                       struct config_error *error)
{
    text = trim(text);
    if (text.n == 0 || text.p[0] == '#' || text.p[0] == ';') {
        return true;
    }
    if (!plain(text)) {
        return fail_at(error, line, "a character that is not plain ASCII", (struct text){"", 0},
                       "write the value in ASCII");
    }
    if (text.p[0] == '[') {
        return is(text, "[corbel]") || fail_at(error, line, "unknown section", text, "the only section is [corbel]");
    }
    return parse_pair(config, text, line, seen, error);
}

void config_defaults(struct config *config)
{
    static const char volume[] = "\\corbel\\vm";

    memset(config, 0, sizeof(*config));
    config->options.console_kind = BOOT_CONSOLE_AUTO;
    config->options.loglvl = 2; /* info */
    config->options.mitigations = 1;
    config->dom0_mem_mib = CONFIG_DOM0_DEFAULT_MIB;
    memcpy(config->volume, volume, sizeof(volume));
}

bool config_parse(const char *text, size_t length, struct config *config, struct config_error *error)
{
    uint32_t seen = 0;
    uint32_t line = 0;
    size_t at = 0;

    config_defaults(config);
    if (length > CONFIG_MAX_BYTES) {
        return fail_at(error, 1, "the file is larger than 64 KiB", (struct text){"", 0}, "is it a configuration file?");
    }
    if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        at = 3; /* the mark that some editors put before UTF-8 */
    }
    while (at < length) {
        size_t end = at;
        while (end < length && text[end] != '\n') {
            end++;
        }
        if (!parse_line(config, (struct text){text + at, end - at}, ++line, &seen, error)) {
            return false;
        }
        at = end + 1;
    }
    return true;
}
