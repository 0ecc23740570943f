/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Line editing. Pure. */
#include "dom0/cli/lineedit.h"

#include "dom0/lib/string.h"

#define CTRL(c) ((uint8_t)((c)&0x1f))
#define ESC     0x1b
#define DEL     0x7f

enum escape_state { ESCAPE_NONE = 0, ESCAPE_SEEN = 1, ESCAPE_CSI = 2, ESCAPE_SS3 = 3 };

static bool continuation(char c) { return ((uint8_t)c & 0xc0) == 0x80; }

static size_t left_of(const struct line_edit *l, size_t pos)
{
    if (pos > 0)
        pos--;
    while (pos > 0 && continuation(l->text[pos]))
        pos--;
    return pos;
}

static size_t right_of(const struct line_edit *l, size_t pos)
{
    if (pos < l->len)
        pos++;
    while (pos < l->len && continuation(l->text[pos]))
        pos++;
    return pos;
}

void lineedit_reset(struct line_edit *l)
{
    l->len = l->pos = 0;
    l->text[0] = '\0';
    l->history_back = 0;
    l->escape = ESCAPE_NONE;
}

static void set_text(struct line_edit *l, const char *text)
{
    strlcpy(l->text, text, sizeof l->text);
    l->len = l->pos = strlen(l->text);
}

static void erase(struct line_edit *l, size_t from, size_t to)
{
    memmove(l->text + from, l->text + to, l->len - to + 1);
    l->len -= to - from;
    l->pos = from;
}

/* The cut text replaces the last one, as long as there is some. */
static enum line_event cut(struct line_edit *l, size_t from, size_t to)
{
    if (from == to)
        return LINE_NOTHING;
    memcpy(l->cut, l->text + from, to - from);
    l->cut[to - from] = '\0';
    erase(l, from, to);
    return LINE_CHANGED;
}

bool lineedit_insert(struct line_edit *l, const char *text, size_t len)
{
    if (len >= sizeof l->text - l->len)
        return false;
    memmove(l->text + l->pos + len, l->text + l->pos, l->len - l->pos + 1);
    memcpy(l->text + l->pos, text, len);
    l->len += len;
    l->pos += len;
    return true;
}

void lineedit_remember(struct line_edit *l, const char *text)
{
    const char *last = l->history_count > 0 ? l->history[(l->history_count - 1) % HISTORY_LINES] : "";
    if (text[0] == '\0' || strcmp(text, last) == 0)
        return;
    strlcpy(l->history[l->history_count % HISTORY_LINES], text, LINE_MAX_LEN);
    l->history_count++;
}

static uint32_t history_kept(const struct line_edit *l)
{
    return l->history_count < HISTORY_LINES ? l->history_count : HISTORY_LINES;
}

const char *lineedit_history(const struct line_edit *l, uint32_t i)
{
    uint32_t kept = history_kept(l);
    return i < kept ? l->history[(l->history_count - kept + i) % HISTORY_LINES] : NULL;
}

static enum line_event go_back(struct line_edit *l)
{
    if (l->history_back == history_kept(l))
        return LINE_BELL;
    if (l->history_back == 0)
        strlcpy(l->draft, l->text, sizeof l->draft);
    l->history_back++;
    set_text(l, lineedit_history(l, history_kept(l) - l->history_back));
    return LINE_CHANGED;
}

static enum line_event go_forward(struct line_edit *l)
{
    if (l->history_back == 0)
        return LINE_BELL;
    l->history_back--;
    set_text(l, l->history_back == 0 ? l->draft : lineedit_history(l, history_kept(l) - l->history_back));
    return LINE_CHANGED;
}

static enum line_event move(struct line_edit *l, size_t to)
{
    if (l->pos == to)
        return LINE_NOTHING;
    l->pos = to;
    return LINE_CHANGED;
}

static enum line_event erase_left(struct line_edit *l)
{
    if (l->pos == 0)
        return LINE_BELL;
    erase(l, left_of(l, l->pos), l->pos);
    return LINE_CHANGED;
}

static enum line_event erase_right(struct line_edit *l)
{
    if (l->pos == l->len)
        return LINE_BELL;
    erase(l, l->pos, right_of(l, l->pos));
    return LINE_CHANGED;
}

static enum line_event cut_word(struct line_edit *l)
{
    size_t from = l->pos;
    while (from > 0 && l->text[from - 1] == ' ')
        from--;
    while (from > 0 && l->text[from - 1] != ' ')
        from--;
    return cut(l, from, l->pos);
}

static enum line_event give_back(struct line_edit *l)
{
    return l->cut[0] != '\0' && lineedit_insert(l, l->cut, strlen(l->cut)) ? LINE_CHANGED : LINE_BELL;
}

static enum line_event numbered_key(struct line_edit *l)
{
    switch (l->number) {
    case 1:
    case 7:
        return move(l, 0);
    case 4:
    case 8:
        return move(l, l->len);
    case 3:
        return erase_right(l);
    default:
        return LINE_NOTHING;
    }
}

static enum line_event named_key(struct line_edit *l, uint8_t c)
{
    switch (c) {
    case 'A':
        return go_back(l);
    case 'B':
        return go_forward(l);
    case 'C':
        return move(l, right_of(l, l->pos));
    case 'D':
        return move(l, left_of(l, l->pos));
    case 'H':
        return move(l, 0);
    case 'F':
        return move(l, l->len);
    case '~':
        return numbered_key(l);
    default:
        return LINE_NOTHING;
    }
}

static enum line_event escape_key(struct line_edit *l, uint8_t c)
{
    if (l->escape == ESCAPE_SEEN) {
        l->escape = c == '[' ? ESCAPE_CSI : c == 'O' ? ESCAPE_SS3 : c == ESC ? ESCAPE_SEEN : ESCAPE_NONE;
        l->number = 0;
        return LINE_NOTHING;
    }
    if (c >= '0' && c <= '9') {
        l->number = (uint8_t)(l->number < 25 ? l->number * 10 + (c - '0') : 255);
        return LINE_NOTHING;
    }
    if (c >= 0x20 && c <= 0x3f) { /* "1;5C": Ctrl with an arrow; the arrow counts */
        l->number = 0;
        return LINE_NOTHING;
    }
    l->escape = c == ESC ? ESCAPE_SEEN : ESCAPE_NONE;
    return c >= 0x40 && c <= 0x7e ? named_key(l, c) : LINE_NOTHING;
}

static enum line_event text_byte(struct line_edit *l, uint8_t c)
{
    char ch = (char)c;
    bool at_end = l->pos == l->len;
    if (!lineedit_insert(l, &ch, 1))
        return LINE_BELL;
    return at_end ? LINE_APPENDED : LINE_CHANGED;
}

static enum line_event interrupt(struct line_edit *l)
{
    lineedit_reset(l);
    return LINE_INTERRUPT;
}

static enum line_event control_key(struct line_edit *l, uint8_t c)
{
    switch (c) {
    case '\r':
    case '\n':
        return LINE_ENTER;
    case '\t':
        return LINE_TAB;
    case '\b':
    case DEL:
        return erase_left(l);
    case ESC:
        l->escape = ESCAPE_SEEN;
        return LINE_NOTHING;
    case CTRL('A'):
        return move(l, 0);
    case CTRL('B'):
        return move(l, left_of(l, l->pos));
    case CTRL('C'):
        return interrupt(l);
    case CTRL('D'):
        return erase_right(l);
    case CTRL('E'):
        return move(l, l->len);
    case CTRL('F'):
        return move(l, right_of(l, l->pos));
    case CTRL('K'):
        return cut(l, l->pos, l->len);
    case CTRL('L'):
        return LINE_CLEAR;
    case CTRL('N'):
        return go_forward(l);
    case CTRL('P'):
        return go_back(l);
    case CTRL('U'):
        return cut(l, 0, l->pos);
    case CTRL('W'):
        return cut_word(l);
    case CTRL('Y'):
        return give_back(l);
    default:
        return LINE_NOTHING;
    }
}

enum line_event lineedit_key(struct line_edit *l, uint8_t c)
{
    bool second_half = l->after_cr && c == '\n';
    l->after_cr = c == '\r';
    if (second_half)
        return LINE_NOTHING;
    if (l->escape != ESCAPE_NONE && (c >= 0x20 || c == ESC))
        return escape_key(l, c);
    l->escape = ESCAPE_NONE; /* a control character ends a broken sequence and counts */
    return c < 0x20 || c == DEL ? control_key(l, c) : text_byte(l, c);
}

/* ---- drawing ---- */

static size_t columns(const char *text, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += !continuation(text[i]);
    return n;
}

bool lineedit_fits(const struct line_edit *l, size_t prompt, size_t width)
{
    return prompt + columns(l->text, l->len) < width;
}

/* The byte where column COL of the text begins. */
static size_t byte_of(const struct line_edit *l, size_t col)
{
    size_t at = 0;
    while (col > 0 && at < l->len) {
        at = right_of(l, at);
        col--;
    }
    return at;
}

size_t lineedit_render(const struct line_edit *l, const char *prompt, size_t width, char *out, size_t out_len)
{
    size_t prompt_cols = columns(prompt, strlen(prompt)), cursor = columns(l->text, l->pos),
           total = columns(l->text, l->len);
    size_t room =
        width > prompt_cols + 3 ? width - prompt_cols - 1 : 2; /* the last column stays free: writing there may wrap */
    size_t first = 0, last = total;
    if (total > room) {
        first = cursor > room / 2 ? cursor - room / 2 : 0;
        if (first + room > total)
            first = total - room;
        last = first + room;
    }
    bool cut_left = first > 0, cut_right = last < total;
    size_t from = byte_of(l, first + cut_left), to = byte_of(l, last - cut_right);
    size_t n = (size_t)snprintf(out, out_len, "\r\x1b[K%s%s%.*s%s", prompt, cut_left ? "<" : "", (int)(to - from),
                                l->text + from, cut_right ? ">" : "");
    if (l->pos < l->len && n < out_len)
        n += (size_t)snprintf(out + n, out_len - n, "\r\x1b[%zuC", prompt_cols + cursor - first);
    return n < out_len ? n : out_len - 1;
}
