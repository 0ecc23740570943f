/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The line that the operator types: keys in, text and terminal output out. UTF-8; one column per character.
 * Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINE_MAX_LEN  512U
#define HISTORY_LINES 32U

enum line_event {
    LINE_NOTHING,  /* nothing visible changed */
    LINE_APPENDED, /* the byte was added at the end: print it as it is (if lineedit_fits) */
    LINE_CHANGED,  /* draw the line again */
    LINE_ENTER,    /* the line is complete */
    LINE_TAB,
    LINE_INTERRUPT, /* Ctrl-C: the line was emptied */
    LINE_CLEAR,     /* Ctrl-L */
    LINE_BELL,      /* not possible */
};

struct line_edit {
    char text[LINE_MAX_LEN];
    size_t len, pos;        /* bytes; pos: the cursor */
    uint8_t escape;         /* state of a key sequence */
    uint8_t number;         /* its number */
    bool after_cr;          /* a \n that follows \r belongs to it */
    char cut[LINE_MAX_LEN]; /* Ctrl-K, Ctrl-U, Ctrl-W; Ctrl-Y gives it back */
    char history[HISTORY_LINES][LINE_MAX_LEN];
    uint32_t history_count;   /* ever added */
    uint32_t history_back;    /* how far the operator went back; 0: the new line */
    char draft[LINE_MAX_LEN]; /* the new line while looking at older ones */
};

void lineedit_reset(struct line_edit *l); /* an empty line; the history stays */
enum line_event lineedit_key(struct line_edit *l, uint8_t byte);
/* Inserts at the cursor; false: no room, nothing changed. */
bool lineedit_insert(struct line_edit *l, const char *text, size_t len);
/* Adds the line to the history unless it is empty or the same as the last. */
void lineedit_remember(struct line_edit *l, const char *text);
/* History line I, 0 the oldest that is kept; NULL: none. */
const char *lineedit_history(const struct line_edit *l, uint32_t i);
/* Does the line fit beside a prompt of PROMPT columns on a terminal of WIDTH columns? */
bool lineedit_fits(const struct line_edit *l, size_t prompt, size_t width);
/* What to send to the terminal to draw prompt and line on the current row: a long line is shown in part, `<` and `>` at
 * its cut ends. Returns the length (OUT_LEN >= PROMPT + LINE_MAX_LEN + 32). */
size_t lineedit_render(const struct line_edit *l, const char *prompt, size_t width, char *out, size_t out_len);
