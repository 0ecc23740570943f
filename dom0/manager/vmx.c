/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Reads .vmx files: who looks at which setting, what is found, and how it is told. Nothing is ignored in
 * silence, and nothing keeps what stands behind it from being looked at. Pure. */
#include "dom0/manager/vmx.h"

#include "dom0/lib/string.h"
#include "dom0/manager/nearest.h"
#include "dom0/manager/vmx_priv.h"

#define WORDS_MAX 240U
#define COUNT(a)  (sizeof(a) / sizeof(a)[0])

static const struct {
    const char *pattern;
    const char *what;
} later[] = {
#define VMX_LATER(pattern, what) {pattern, what},
#include "dom0/manager/vmx_keys.def"
};

static const struct {
    const char *key, *value, *meaning;
} fixed[] = {
#define VMX_FIXED(key, value, meaning) {key, value, meaning},
#include "dom0/manager/vmx_keys.def"
};

static const char no_room[] = "there is more to say than there is room for: repair the others first";

/* ---- notes ---- */

const char *vmx_words(struct vmx_work *w, const char *fmt, ...)
{
    char text[WORDS_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    size_t bytes = strlen(text) + 1;
    if (bytes > sizeof w->texts - w->texts_used)
        return no_room;
    char *out = w->texts + w->texts_used;
    memcpy(out, text, bytes);
    w->texts_used += (uint32_t)bytes;
    return out;
}

void vmx_judge(struct vmx_work *w, uint32_t i, enum vmx_verdict verdict, const char *text)
{
    struct vmx_note *n = &w->note[i];
    const struct vmx_setting *s = &w->file.settings[i];
    if (verdict == VMX_TAKEN && (s->control || s->too_long)) { /* what is ignored may have them */
        verdict = VMX_REFUSED;
        text = s->control ? "a line break or another control character in it: this value is one line of text"
                          : "too long: a value has at most 1023 bytes";
    }
    if (n->text != NULL && n->verdict >= verdict)
        return;
    w->refused += verdict == VMX_REFUSED;
    *n = (struct vmx_note){.text = text, .line = w->file.settings[i].line, .verdict = (uint8_t)verdict};
}

void vmx_quiet(struct vmx_work *w, uint32_t i, const char *text)
{
    vmx_judge(w, i, VMX_IGNORED, text);
    w->note[i].quiet = w->note[i].text == text;
}

void vmx_more(struct vmx_work *w, uint32_t line, enum vmx_verdict verdict, const char *text)
{
    w->refused += verdict == VMX_REFUSED;
    if (w->more_count < VMX_MORE_MAX)
        w->more[w->more_count++] = (struct vmx_note){.text = text, .line = line, .verdict = (uint8_t)verdict};
    else if (verdict == VMX_REFUSED) /* what is said last must not hide that it is refused */
        w->more[VMX_MORE_MAX - 1] = (struct vmx_note){.text = no_room, .line = line, .verdict = (uint8_t)verdict};
}

static void bad_line(void *ctx, uint32_t line, const char *why)
{
    vmx_more(ctx, line, VMX_REFUSED, vmx_words(ctx, "%s", why));
}

/* ---- keys ---- */

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

bool vmx_matches(const char *pattern, const char *key, size_t *device_len)
{
    const char *k = key;
    for (const char *c = pattern; *c != '\0'; c++) {
        if (c[0] == '*') {
            *device_len = (size_t)(k - key) - 1;
            return *k != '\0';
        }
        if (c[0] == '#') {
            if (*k < '0' || *k > '9')
                return false;
            while (*k >= '0' && *k <= '9')
                k++;
        } else if (lower(*c) == lower(*k)) {
            k++;
        } else {
            return false;
        }
    }
    *device_len = (size_t)(k - key);
    return *k == '\0';
}

const char vmx_bad_truth[] = "neither yes nor no: write \"TRUE\" or \"FALSE\"";

bool vmx_truth(const char *value, bool *out)
{
    *out = strcasecmp(value, "TRUE") == 0;
    return *out || strcasecmp(value, "FALSE") == 0;
}

bool vmx_absent(const struct vmx_file *f, const char *key, size_t len)
{
    char value[VMX_VALUE_MAX];
    uint32_t i = vmx_file_find_of(f, key, len, "present");
    if (i == VMX_NONE)
        return false;
    vmx_file_value(f, i, value);
    return strcasecmp(value, "FALSE") == 0;
}

/* Was the same device (or, for single keys, the same subject) mentioned for an earlier line? */
static bool mentioned(const struct vmx_work *w, uint32_t upto, const char *key, size_t device_len, const char *pattern)
{
    char other[VMX_KEY_MAX];
    for (uint32_t i = 0; i < upto; i++) {
        size_t other_len = 0;
        vmx_file_key(&w->file, i, other);
        if (w->note[i].verdict == VMX_IGNORED && vmx_matches(pattern, other, &other_len) && other_len == device_len &&
            strncasecmp(other, key, device_len) == 0)
            return true;
    }
    return false;
}

static const char device_off[] = "its device is not there (.present is FALSE)";

static bool read_later(struct vmx_work *w, uint32_t i, const char *key)
{
    for (size_t k = 0; k < COUNT(later); k++) {
        size_t len = 0;
        if (!vmx_matches(later[k].pattern, key, &len))
            continue;
        bool device = len < strlen(key);
        const char *text = later[k].what;
        if (device && vmx_absent(&w->file, key, len))
            vmx_quiet(w, i, device_off);
        else if (mentioned(w, i, key, len, later[k].pattern))
            vmx_quiet(w, i, text);
        else
            vmx_judge(w, i, VMX_IGNORED, text);
        w->note[i].later = w->note[i].text == text;
        w->note[i].typo = device && w->note[i].later;
        return true;
    }
    return false;
}

static bool read_key(struct vmx_work *w, uint32_t i, const char *key)
{
    for (size_t k = 0; k < vmx_key_count; k++) {
        if (strcasecmp(vmx_keys[k].name, key) != 0)
            continue;
        const char *dot = strrchr(key, '.');
        vmx_file_value(&w->file, i, w->value);
        bool off = dot != NULL && strcasecmp(dot, ".present") != 0 && vmx_absent(&w->file, key, (size_t)(dot - key));
        const char *why = off ? device_off : vmx_keys[k].set(w, w->value);
        if (why == device_off)
            vmx_quiet(w, i, why);
        else if (vmx_left_out(why))
            vmx_judge(w, i, VMX_IGNORED, why);
        else
            vmx_judge(w, i, why != NULL ? VMX_REFUSED : VMX_TAKEN, why != NULL ? why : vmx_keys[k].meaning);
        return true;
    }
    return false;
}

static void read_setting(struct vmx_work *w, uint32_t i)
{
    char key[VMX_KEY_MAX];
    w->note[i].text = NULL;
    vmx_file_key(&w->file, i, key);
    if (read_key(w, i, key) || vmx_nics_read(w, i, key) || vmx_disks_read(w, i, key) || read_later(w, i, key))
        return;
    vmx_judge(w, i, VMX_IGNORED, "unknown key, ignored");
    w->note[i].typo = true;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *colon = strrchr(path, ':');
    const char *last = slash != NULL ? slash : colon;
    return last != NULL ? last + 1 : path;
}

bool vmx_read(struct vmx_work *w, const char *text, size_t len, const char *path, struct vm_config *out)
{
    w->more_count = w->refused = w->texts_used = 0;
    w->shares = 0;
    memset(&w->file, 0, sizeof w->file);
    w->out = out;
    w->path = path;
    vmx_defaults(out);
    w->file.name = base_name(path);
    if (strlcpy(out->path, path, sizeof out->path) >= sizeof out->path)
        vmx_more(w, 0, VMX_REFUSED, "the file's path is too long: at most 255 bytes");
    else
        vmx_file_split(&w->file, text, len, base_name(path), bad_line, w);
    if (w->file.len == 0 && w->refused != 0) /* nothing was looked at */
        return false;
    for (uint32_t i = 0; i < w->file.count; i++)
        read_setting(w, i);
    vmx_keys_finish(w);
    vmx_disks_finish(w);
    vmx_nics_finish(w);
    return w->refused == 0;
}

/* ---- the name that was probably meant ---- */

/* Is NAME, a known key (`#` for a number), one of KEY's device's? Then its last part is offered for KEY's. */
static bool offer_part(struct nearest *n, const char *key, const char *name)
{
    char device[VMX_KEY_MAX], pattern[VMX_KEY_MAX];
    const char *dot = strrchr(key, '.'), *end = strrchr(name, '.');
    size_t len = 0;
    if (dot == NULL || end == NULL || end == name)
        return false;
    strlcpy(device, key, (size_t)(dot - key) + 1);
    strlcpy(pattern, name, (size_t)(end - name) + 1);
    if (!vmx_matches(pattern, device, &len))
        return false;
    nearest_offer(n, end + 1);
    return true;
}

static bool offer_device(struct nearest *n, const char *key)
{
    const char *name;
    bool any = false;
    for (size_t i = 0; i < vmx_key_count; i++)
        any = offer_part(n, key, vmx_keys[i].name) || any;
    for (size_t i = 0; (name = vmx_nics_name(i)) != NULL; i++)
        any = offer_part(n, key, name) || any;
    for (size_t i = 0; vmx_disks_device(key) && (name = vmx_disks_name(i)) != NULL; i++, any = true)
        nearest_offer(n, name);
    return any;
}

/* Into OUT the known key that KEY is near to, "" when there is none. WHOLE: also one of another device, or of none. */
static void find_meant(const char *key, bool whole, char out[VMX_KEY_MAX])
{
    struct nearest n;
    const char *dot = strrchr(key, '.'), *best;
    out[0] = '\0';
    nearest_begin(&n, dot != NULL ? dot + 1 : key);
    if (dot != NULL && offer_device(&n, key)) {
        best = nearest_result(&n);
        if (best != NULL)
            snprintf(out, VMX_KEY_MAX, "%.*s.%s", (int)(dot - key), key, best);
        return;
    }
    if (!whole)
        return;
    nearest_begin(&n, key);
    for (size_t i = 0; i < vmx_key_count; i++)
        nearest_offer(&n, vmx_keys[i].name);
    for (size_t i = 0; i < COUNT(later); i++)
        if (strchr(later[i].pattern, '#') == NULL && strchr(later[i].pattern, '*') == NULL)
            nearest_offer(&n, later[i].pattern);
    best = nearest_result(&n);
    if (best != NULL)
        strlcpy(out, best, VMX_KEY_MAX);
}

/* ---- telling ---- */

struct teller {
    struct vmx_work *w;
    vmx_finding_fn fn;
    void *ctx;
};

static void tell_more(const struct teller *t, const struct vmx_note *n)
{
    const struct vmx_finding f = {
        .verdict = (enum vmx_verdict)n->verdict, .line = n->line, .key = "", .value = "", .text = n->text};
    t->fn(&f, t->ctx);
}

static void tell_setting(const struct teller *t, uint32_t i)
{
    const struct vmx_note *n = &t->w->note[i];
    char key[VMX_KEY_MAX], meant[VMX_KEY_MAX] = "", text[WORDS_MAX + VMX_KEY_MAX + 20];
    vmx_file_key(&t->w->file, i, key);
    vmx_file_value(&t->w->file, i, t->w->value);
    if (n->typo)
        find_meant(key, strcmp(n->text, "unknown key, ignored") == 0, meant);
    snprintf(text, sizeof text, "%s%s%s%s%s", n->text, n->later ? ": not supported in this version, ignored" : "", meant[0] != '\0' ? ": did you mean " : "", meant,
             meant[0] != '\0' ? "?" : "");
    const struct vmx_finding f = {.verdict = (enum vmx_verdict)n->verdict,
                                  .quiet = n->quiet && meant[0] == '\0',
                                  .line = n->line,
                                  .key = key,
                                  .value = t->w->value,
                                  .text = text};
    t->fn(&f, t->ctx);
}

static void tell_default(const char *key, const char *value, const char *meaning, void *ctx)
{
    const struct teller *t = ctx;
    const struct vmx_finding f = {.verdict = VMX_DEFAULTED, .key = key, .value = value, .text = meaning};
    if (vmx_file_find(&t->w->file, key) == VMX_NONE)
        t->fn(&f, t->ctx);
}

void vmx_findings(struct vmx_work *w, vmx_finding_fn fn, void *ctx)
{
    struct teller t = {w, fn, ctx};
    uint32_t m = 0;
    for (uint32_t i = 0; i < w->file.count; i++) {
        for (; m < w->more_count && w->more[m].line != 0 && w->more[m].line < w->file.settings[i].line; m++)
            tell_more(&t, &w->more[m]);
        tell_setting(&t, i);
    }
    for (; m < w->more_count; m++)
        tell_more(&t, &w->more[m]);
    vmx_show(w->out, tell_default, &t);
    for (size_t k = 0; k < COUNT(fixed); k++)
        tell_default(fixed[k].key, fixed[k].value, fixed[k].meaning, &t);
}

void vmx_finding_text(char *out, size_t len, const char *file, const struct vmx_finding *f)
{
    char line[24] = "";
    if (f->line != 0)
        snprintf(line, sizeof line, " line %u", f->line);
    if (f->key[0] == '\0')
        snprintf(out, len, "%.60s%s: %s", file, line, f->text);
    else if (f->verdict == VMX_IGNORED)
        snprintf(out, len, "%.60s%s: %s: %s", file, line, f->key, f->text);
    else
        snprintf(out, len, "%.60s%s: %s = \"%.40s\": %s", file, line, f->key, f->value, f->text);
}

struct parsing {
    const char *name;
    void (*warn)(const char *line, void *ctx);
    void *ctx;
    struct error *e;
    bool refused;
};

static void on_finding(const struct vmx_finding *f, void *ctx)
{
    struct parsing *p = ctx;
    char text[sizeof p->e->text + VMX_KEY_MAX];
    if (p->refused || f->quiet || f->verdict == VMX_TAKEN || f->verdict == VMX_DEFAULTED)
        return;
    vmx_finding_text(text, sizeof text, p->name, f);
    p->refused = f->verdict == VMX_REFUSED;
    if (p->refused)
        error_set(p->e, EXIT_FAILED, "%s", text);
    else
        p->warn(text, p->ctx);
}

bool vmx_parse(struct vmx_work *w, const char *text, size_t len, const char *path, struct vm_config *out,
               void (*warn)(const char *line, void *ctx), void *ctx, struct error *e)
{
    struct parsing p = {.name = base_name(path), .warn = warn, .ctx = ctx, .e = e};
    bool ok = vmx_read(w, text, len, path, out);
    vmx_findings(w, on_finding, &p);
    return ok;
}

void vmx_show(const struct vm_config *c, vmx_show_fn fn, void *ctx)
{
    char value[VMX_VALUE_MAX];
    for (size_t k = 0; k < vmx_key_count; k++) {
        value[0] = '\0';
        if (vmx_keys[k].show != NULL)
            vmx_keys[k].show(c, value, sizeof value);
        if (value[0] != '\0')
            fn(vmx_keys[k].name, value, vmx_keys[k].meaning, ctx);
    }
    vmx_nics_show(c, fn, ctx);
    vmx_disks_show(c, fn, ctx);
}
