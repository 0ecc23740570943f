/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] What of a guest's output may reach the operator's terminal: text, UTF-8, line movement, and the control
 * sequences that only move, erase and colour. A guest must not be able to type on the operator's behalf (device queries
 * are answered as if typed), to change the terminal's state for good, or to leave it inside of a string. Pure. */
#include "dom0/backend/console_backend.h"

enum filter_state {
    TEXT = 0,
    ESCAPE = 1,
    CSI = 2,
    CSI_DROP = 3,
    STRING = 4,
    STRING_ESCAPE = 5,
    SKIP_ONE = 6,
    LEAD = 7,
    MORE = 8
};

#define ESC        0x1b
#define DIGITS_MAX 4U

struct sink {
    char *out;
    size_t len, room;
};

static void put(struct sink *s, char c)
{
    if (s->len < s->room)
        s->out[s->len++] = c;
}

static void put_sequence(struct console_filter *f, struct sink *s)
{
    for (unsigned i = 0; i < f->len; i++)
        put(s, f->seq[i]);
    f->len = 0;
    f->state = TEXT;
}

static void begin(struct console_filter *f, uint8_t state) { f->state = state; }

static void keep(struct console_filter *f, uint8_t c) { f->seq[f->len++] = (char)c; }

static void drop(struct console_filter *f)
{
    f->len = 0;
    f->state = TEXT;
}

/* ECMA-48: parameters 0x30..0x3f, intermediates 0x20..0x2f, one final byte. These finals move, erase, scroll lines or
 * set colours. */
static bool csi_final_ok(uint8_t c)
{
    static const char ok[] = "ABCDEFGHIJKLMPSTXZ@`abdefm";
    for (const char *p = ok; *p != '\0'; p++)
        if ((uint8_t)*p == c)
            return true;
    return false;
}

/* A repetition or a movement of a million is an attack on the terminal's patience. */
static bool params_small(const struct console_filter *f)
{
    unsigned digits = 0;
    for (unsigned i = 2; i < f->len; i++) {
        bool digit = f->seq[i] >= '0' && f->seq[i] <= '9';
        digits = digit ? digits + 1 : 0;
        if (digits > DIGITS_MAX)
            return false;
    }
    return true;
}

/* Saving and restoring the cursor; with parameters `s` sets margins. */
static bool cursor_save(const struct console_filter *f, uint8_t c) { return (c == 's' || c == 'u') && f->len == 2; }

static void in_csi(struct console_filter *f, struct sink *s, uint8_t c)
{
    bool params_only = f->state == CSI;
    if (c >= 0x40 && c <= 0x7e) {
        if (params_only && params_small(f) && (csi_final_ok(c) || cursor_save(f, c))) {
            keep(f, c);
            put_sequence(f, s);
        } else {
            drop(f);
        }
    } else if ((c >= '0' && c <= '9') || c == ';' || c == ':') {
        if (f->len + 1U < sizeof f->seq)
            keep(f, c);
        else
            f->state = CSI_DROP;
    } else if (c >= 0x20 &&
               c <= 0x3f) { /* private parameters (?, >, =) and intermediates: modes, queries, soft reset */
        f->state = CSI_DROP;
    } else if (c == ESC) {
        drop(f);
        keep(f, ESC);
        begin(f, ESCAPE);
    } else if (c == 0x18 || c == 0x1a || c >= 0x7f) { /* CAN, SUB abort; a byte of UTF-8 cannot belong here */
        drop(f);
    }
    /* other control characters inside of a sequence: dropped, the sequence goes on */
}

static void after_escape(struct console_filter *f, struct sink *s, uint8_t c)
{
    if (c == '[') {
        keep(f, c);
        begin(f, CSI);
        return;
    }
    if (c == '7' || c == '8' || c == 'D' || c == 'E' || c == 'M') { /* save and restore the cursor, move by a line */
        keep(f, c);
        put_sequence(f, s);
        return;
    }
    f->len = 0;
    if (c == ']' || c == 'P' || c == '_' || c == '^' || c == 'X') /* OSC, DCS, APC, PM, SOS: strings up to BEL or ST */
        begin(f, STRING);
    else if (c == ESC)
        keep(f, ESC);
    else if (c >= 0x20 && c <= 0x2f) /* character sets, alignment test: one byte follows */
        begin(f, SKIP_ONE);
    else
        begin(f, TEXT);
}

static void in_string(struct console_filter *f, uint8_t c)
{
    if (c == 0x07 || c == 0x18 || c == 0x1a)
        begin(f, TEXT);
    else if (c == ESC)
        begin(f, STRING_ESCAPE);
    else
        begin(f, STRING);
}

static void in_text(struct console_filter *f, struct sink *s, uint8_t c)
{
    if (c == ESC) {
        keep(f, c);
        begin(f, ESCAPE);
    } else if (c >= 0xc2 && c <= 0xf4) {
        keep(f, c);
        begin(f, LEAD);
    } else if (c >= 0x80) { /* not UTF-8; 0x80..0x9f alone are the 8-bit forms of control sequences */
        put(s, '?');
    } else if (c == '\n' || c == '\r' || c == '\t' || c == '\b' || c == 0x07 || (c >= 0x20 && c != 0x7f)) {
        put(s, (char)c);
    }
}

/* May C follow the lead byte? Overlong forms may not: a terminal that decodes them would see what this filter did not.
 */
static bool second_ok(uint8_t lead, uint8_t c)
{
    uint8_t low = lead == 0xe0   ? 0xa0
                  : lead == 0xf0 ? 0x90
                                 : 0x80,
            high = lead == 0xf4   ? 0x8f
                   : lead == 0xed ? 0x9f
                                  : 0xbf;
    return c >= low && c <= high;
}

/* C1 control characters are U+0080..U+009F: in UTF-8 0xc2 0x80..0x9f. Those that open a sequence are treated as their
 * ESC forms. */
static void c1_control(struct console_filter *f, uint8_t c)
{
    drop(f);
    if (c == 0x9b)
        begin(f, CSI_DROP);
    else if (c == 0x90 || c == 0x98 || c == 0x9d || c == 0x9e || c == 0x9f)
        begin(f, STRING);
}

static void after_lead(struct console_filter *f, struct sink *s, uint8_t c)
{
    uint8_t lead = (uint8_t)f->seq[0];
    if (!second_ok(lead, c)) {
        drop(f);
        put(s, '?');
        in_text(f, s, c);
    } else if (lead == 0xc2 && c < 0xa0) {
        c1_control(f, c);
    } else {
        put(s, (char)lead);
        put(s, (char)c);
        f->len = (uint8_t)(lead >= 0xf0 ? 2 : lead >= 0xe0 ? 1 : 0); /* bytes that are still to come */
        begin(f, f->len > 0 ? MORE : TEXT);
    }
}

static void in_character(struct console_filter *f, struct sink *s, uint8_t c)
{
    if (c >= 0x80 && c <= 0xbf) {
        put(s, (char)c);
        if (--f->len == 0)
            begin(f, TEXT);
    } else {
        drop(f);
        in_text(f, s, c);
    }
}

static void feed(struct console_filter *f, struct sink *s, uint8_t c)
{
    switch ((enum filter_state)f->state) {
    case TEXT:
        in_text(f, s, c);
        break;
    case ESCAPE:
        after_escape(f, s, c);
        break;
    case CSI:
    case CSI_DROP:
        in_csi(f, s, c);
        break;
    case STRING:
        in_string(f, c);
        break;
    case STRING_ESCAPE:
        if (c == '\\')
            begin(f, TEXT);
        else
            in_string(f, c);
        break;
    case SKIP_ONE:
        if (c < 0x20 || c > 0x2f)
            begin(f, TEXT);
        break;
    case LEAD:
        after_lead(f, s, c);
        break;
    case MORE:
        in_character(f, s, c);
        break;
    }
}

size_t console_filter(struct console_filter *f, const char *in, size_t len, char *out, size_t out_len)
{
    struct sink s = {.out = out, .room = out_len};
    for (size_t i = 0; i < len; i++)
        feed(f, &s, (uint8_t)in[i]);
    return s.len;
}
