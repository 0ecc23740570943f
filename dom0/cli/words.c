/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Words of a line and completion. Pure. */
#include "dom0/cli/words.h"

#include "dom0/lib/string.h"

static bool blank(char c) { return c == ' ' || c == '\t'; }

/* Copies one word from *IN to *OUT with its quotes taken away; both move. */
static const char *one_word(const char **in, char **out)
{
    char quote = '\0';
    const char *p = *in;
    char *o = *out;
    for (; *p != '\0' && (quote != '\0' || !blank(*p)); p++) {
        if (quote != '\0' && *p == quote)
            quote = '\0';
        else if (quote == '\0' && (*p == '"' || *p == '\''))
            quote = *p;
        else if (*p == '\\' && quote != '\'' && p[1] != '\0')
            *o++ = *++p;
        else
            *o++ = *p;
    }
    *o++ = '\0';
    *in = p;
    *out = o;
    return quote == '\0' ? NULL : "a quotation mark is not closed";
}

const char *words_split(struct words *w, const char *line)
{
    char *out = w->buf;
    w->argc = 0;
    if (strlen(line) >= LINE_MAX_LEN)
        return "the line is too long";
    for (;;) {
        while (blank(*line))
            line++;
        if (*line == '\0' || *line == '#')
            break;
        if (w->argc == (int)WORDS_MAX)
            return "too many words";
        w->argv[w->argc++] = out;
        const char *wrong = one_word(&line, &out);
        if (wrong != NULL)
            return wrong;
    }
    w->argv[w->argc] = NULL;
    return NULL;
}

void completion_begin(struct completion *c, const char *line, size_t pos)
{
    size_t start = pos;
    memset(c, 0, sizeof *c);
    while (start > 0 && !(blank(line[start - 1]) && (start < 2 || line[start - 2] != '\\')))
        start--;
    c->word_start = start;
    for (size_t i = 0; i < start; i++) /* each step from a word into blanks ends one argument before this one */
        c->arg += !blank(line[i]) && blank(line[i + 1]);
    size_t n = 0;
    for (size_t i = start; i < pos && n + 1 < sizeof c->prefix; i++) {
        if (line[i] == '\\' && i + 1 < pos)
            c->prefix[n++] = line[++i];
        else if (line[i] != '\\' && line[i] != '"' && line[i] != '\'')
            c->prefix[n++] = line[i];
    }
    c->prefix[n] = '\0';
}

void completion_offer(struct completion *c, const char *word)
{
    size_t len = strlen(word), k = 0;
    if (strncmp(word, c->prefix, strlen(c->prefix)) != 0)
        return;
    if (c->count++ == 0) {
        strlcpy(c->common, word, sizeof c->common);
    } else {
        while (c->common[k] != '\0' && c->common[k] == word[k])
            k++;
        c->common[k] = '\0';
    }
    if (c->shown_len + len + 3 < sizeof c->shown) {
        memcpy(c->shown + c->shown_len, word, len);
        memcpy(c->shown + c->shown_len + len, "  ", 3);
        c->shown_len += len + 2;
    }
}
