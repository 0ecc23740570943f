/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Splitting a typed line into words, and building completions. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "dom0/cli/lineedit.h"

#define WORDS_MAX 32U

struct words {
    int argc;
    char *argv[WORDS_MAX + 1];
    char buf[LINE_MAX_LEN + 1];
};

/* Words are separated by blanks; "…" and '…' keep blanks; \ keeps the next character (not in '…'). `#` at the start of
 * a word begins a comment. NULL: fine; otherwise what is wrong. */
const char *words_split(struct words *w, const char *line);

#define COMPLETE_SHOWN 4096U

/* Candidates for the word before the cursor. */
struct completion {
    char prefix[LINE_MAX_LEN]; /* what was typed of the word, quotes removed */
    size_t word_start;         /* in the line */
    int arg;                   /* 0: the verb */
    unsigned count;
    char common[LINE_MAX_LEN];  /* what all candidates have in common */
    char shown[COMPLETE_SHOWN]; /* the candidates, two blanks between */
    size_t shown_len;
};

void completion_begin(struct completion *c, const char *line, size_t pos);
/* Takes WORD as a candidate if it begins with the prefix. */
void completion_offer(struct completion *c, const char *word);
