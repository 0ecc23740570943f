/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Descriptors of .vmdk files. Pure. */
#include "dom0/vdisk/vmdk_text.h"

#include "dom0/lib/string.h"
#include "dom0/vdisk/vdisk.h"

#define WORD_MAX 64U

struct reader {
    struct vmdk_text *out;
    const char *name, *text;
    size_t len, at; /* AT: begin of the next line */
    uint32_t number;
    char type[WORD_MAX], parent[WORD_MAX];
};

struct span { const char *p; size_t len; };

static bool wrong(const struct reader *r, const char *why, struct error *e)
{
    return error_set(e, EXIT_FAILED, "%.100s: line %u of its descriptor: %s", r->name, r->number, why);
}

static bool refused(const struct reader *r, const char *why, struct error *e)
{
    return error_set(e, EXIT_INCOMPATIBLE, "%.100s: %s", r->name, why);
}

static bool blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

static struct span trim(struct span s)
{
    while (s.len != 0 && blank(*s.p))
        s = (struct span){s.p + 1, s.len - 1};
    while (s.len != 0 && blank(s.p[s.len - 1]))
        s.len--;
    return s;
}

static bool next_line(struct reader *r, struct span *line)
{
    if (r->at >= r->len)
        return false;
    const char *from = r->text + r->at, *end = memchr(from, '\n', r->len - r->at);
    size_t len = end != NULL ? (size_t)(end - from) : r->len - r->at;
    r->at += len + 1;
    r->number++;
    *line = trim((struct span){from, len});
    return true;
}

static bool is_word(struct span s, const char *word) { return s.len == strlen(word) && strncasecmp(s.p, word, s.len) == 0; }

/* The next word of *REST, up to a blank. */
static struct span next_word(struct span *rest)
{
    struct span word = {.p = (*rest = trim(*rest)).p};
    while (word.len < rest->len && !blank(word.p[word.len]))
        word.len++;
    *rest = (struct span){rest->p + word.len, rest->len - word.len};
    return word;
}

static bool number(struct span s, uint64_t *out)
{
    char digits[24];
    if (s.len == 0 || s.len >= sizeof digits || *s.p < '0' || *s.p > '9')
        return false;
    memcpy(digits, s.p, s.len);
    digits[s.len] = '\0';
    return parse_u64(digits, out);
}

/* ---- extents ---- */

/* A file beside the descriptor: a path would lead to what belongs to somebody else. */
static bool file_name(const struct reader *r, struct span name, struct vmdk_line *l, struct error *e)
{
    for (size_t i = 0; i < name.len; i++)
        if (strchr("/\\:", name.p[i]) != NULL || (unsigned char)name.p[i] < 0x20)
            return wrong(r, "an extent that does not lie beside the descriptor: put its file there and write its name alone", e);
    if (name.len == 0 || name.len > 255)
        return wrong(r, "an extent without a name, or with one of over 255 bytes", e);
    l->name = (uint32_t)(name.p - r->text);
    l->name_len = (uint32_t)name.len;
    return true;
}

/* "NAME" OFFSET, behind the kind. */
static bool extent_file(const struct reader *r, struct span rest, bool flat, struct vmdk_line *l, struct error *e)
{
    rest = trim(rest);
    const char *end = rest.len != 0 && *rest.p == '"' ? memchr(rest.p + 1, '"', rest.len - 1) : NULL;
    if (end == NULL)
        return wrong(r, "an extent without a file name in quotes", e);
    if (!file_name(r, (struct span){rest.p + 1, (size_t)(end - rest.p) - 1}, l, e))
        return false;
    rest = trim((struct span){end + 1, rest.len - (size_t)(end - rest.p) - 1});
    struct span offset = next_word(&rest);
    if (offset.len == 0)
        return true;
    return (flat && number(offset, &l->offset) && l->offset <= VDISK_SECTORS_MAX) ||
           wrong(r, "an extent with an offset that makes no sense", e);
}

static bool extent_kind(const struct reader *r, struct span kind, bool *flat, struct error *e)
{
    *flat = is_word(kind, "FLAT");
    return *flat || is_word(kind, "SPARSE") ||
           wrong(r, "an extent of another kind than FLAT and SPARSE: convert the image with qemu-img convert -O vmdk", e);
}

static bool extent(struct reader *r, struct span access, struct span rest, struct error *e)
{
    struct vmdk_line l = {.read_only = is_word(access, "RDONLY")};
    bool flat = false;
    if (is_word(access, "NOACCESS"))
        return wrong(r, "an extent that may not be accessed", e);
    if (r->out->count == VMDK_EXTENTS_MAX)
        return wrong(r, "more than 512 extents", e);
    if (!number(next_word(&rest), &l.sectors) || l.sectors == 0 || l.sectors > VDISK_SECTORS_MAX - r->out->sectors)
        return wrong(r, "an extent whose size makes no sense", e);
    if (!extent_kind(r, next_word(&rest), &flat, e) || !extent_file(r, rest, flat, &l, e))
        return false;
    if (r->out->count != 0 && r->out->sparse == flat)
        return wrong(r, "extents of both kinds, flat and sparse", e);
    r->out->sparse = !flat;
    r->out->sectors += l.sectors;
    r->out->line[r->out->count++] = l;
    return true;
}

/* ---- settings ---- */

static bool keep(const struct reader *r, struct span value, char out[WORD_MAX], struct error *e)
{
    if (out[0] != '\0' || value.len >= WORD_MAX)
        return wrong(r, "a setting that is there twice, or too long", e);
    memcpy(out, value.p, value.len);
    out[value.len] = '\0';
    return true;
}

static void keep_cid(struct reader *r, struct span value)
{
    bool ok = value.len == VMDK_CID_DIGITS;
    for (size_t i = 0; i < value.len && ok; i++)
        ok = hex_digit(value.p[i]) >= 0;
    r->out->cid = ok ? (uint32_t)(value.p - r->text) : 0;
}

static bool setting(struct reader *r, struct span line, struct error *e)
{
    const char *equals = memchr(line.p, '=', line.len);
    if (equals == NULL)
        return wrong(r, "neither an extent nor a setting", e);
    struct span key = trim((struct span){line.p, (size_t)(equals - line.p)});
    struct span value = trim((struct span){equals + 1, line.len - (size_t)(equals - line.p) - 1});
    if (value.len >= 2 && *value.p == '"' && value.p[value.len - 1] == '"')
        value = (struct span){value.p + 1, value.len - 2};
    if (is_word(key, "version") && !is_word(value, "1") && !is_word(value, "2") && !is_word(value, "3"))
        return refused(r, "a version of the format that is not known: convert it with qemu-img convert -O vmdk", e);
    if (is_word(key, "CID"))
        keep_cid(r, value);
    if (is_word(key, "createType"))
        return keep(r, value, r->type, e);
    if (is_word(key, "parentCID"))
        return keep(r, value, r->parent, e);
    if (is_word(key, "parentFileNameHint") && value.len != 0)
        return refused(r, "a linked clone or a snapshot, which needs its parent: merge them with qemu-img convert -O vmdk", e);
    return true;
}

static bool any_line(struct reader *r, struct span line, struct error *e)
{
    struct span rest = line, first = next_word(&rest);
    if (line.len == 0 || *line.p == '#')
        return true;
    if (is_word(first, "RW") || is_word(first, "RDONLY") || is_word(first, "NOACCESS"))
        return extent(r, first, rest, e);
    return setting(r, line, e);
}

/* ---- the whole ---- */

static bool type_known(struct reader *r, struct error *e)
{
    static const struct { const char *name; bool sparse, single; } types[] = {
        {"monolithicFlat", false, true}, {"twoGbMaxExtentFlat", false, false},
        {"monolithicSparse", true, true}, {"twoGbMaxExtentSparse", true, false}};
    if (strcasecmp(r->type, "streamOptimized") == 0)
        return refused(r, "createType streamOptimized is compressed: convert it with qemu-img convert -O vmdk", e);
    if (strncasecmp(r->type, "fullDevice", 10) == 0 || strncasecmp(r->type, "partitionedDevice", 17) == 0)
        return refused(r, "it names a disk of the host by VMware's name: write \"disk:sd0\" instead (`disk-info` lists them)", e);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcasecmp(r->type, types[i].name) != 0)
            continue;
        if (r->out->sparse != types[i].sparse || (types[i].single && r->out->count != 1))
            return error_set(e, EXIT_FAILED, "%.100s: its extents are not those of createType %s: copy it again", r->name,
                             types[i].name);
        r->out->single = types[i].single;
        return true;
    }
    return error_set(e, EXIT_INCOMPATIBLE, "%.100s: createType \"%.40s\" is not read: convert it with qemu-img convert -O vmdk",
                     r->name, r->type);
}

bool vmdk_text_begins(const char *text, size_t len)
{
    static const char first[] = "# Disk DescriptorFile";
    return len >= sizeof first - 1 && strncasecmp(text, first, sizeof first - 1) == 0;
}

bool vmdk_text_read(struct vmdk_text *out, const char *name, const char *text, size_t len, struct error *e)
{
    const char *end = memchr(text, '\0', len);
    struct reader r = {.out = out, .name = name, .text = text, .len = end != NULL ? (size_t)(end - text) : len};
    struct span line;
    *out = (struct vmdk_text){0};
    if (!vmdk_text_begins(text, r.len))
        return error_set(e, EXIT_FAILED, "%.100s: not a .vmdk: neither a descriptor nor a sparse image begins so: a raw image "
                         "needs another name", name);
    while (next_line(&r, &line))
        if (!any_line(&r, line, e))
            return false;
    if (r.parent[0] != '\0' && strcasecmp(r.parent, "ffffffff") != 0)
        return refused(&r, "a linked clone or a snapshot, which needs its parent: merge them with qemu-img convert -O vmdk", e);
    if (out->count == 0)
        return error_set(e, EXIT_FAILED, "%.100s: its descriptor names no extents: copy it again", name);
    return type_known(&r, e);
}
