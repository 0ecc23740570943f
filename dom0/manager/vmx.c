/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] What the settings of a .vmx file mean (vmx_keys.def has the list; vmx_file.c the syntax). Pure. Nothing is
 * ignored in silence. */
#include "dom0/lib/string.h"
#include "dom0/manager/cpulist.h"
#include "dom0/manager/manager.h"
#include "dom0/manager/nearest.h"
#include "dom0/manager/vmx_disks.h"
#include "dom0/manager/vmx_file.h"

#define MEMSIZE_MIN 4U
#define MEMSIZE_MAX (512U << 10) /* what the builder can give one guest; whether this host has it is checked there */
#define VCPUS_MAX   32U

struct parse {
    struct vmx_file file;
    struct vm_config *out;
    const char *path;
    void (*warn)(const char *line, void *ctx);
    void *ctx;
    char value[VMX_VALUE_MAX];
    uint32_t vcpus_line, mem_line; /* of corbel.maxvcpus and corbel.maxmem; 0: not set */
    uint64_t shares;               /* a number of sched.cpu.shares; 0: words or none */
};

struct setting {
    const char *key;
    const char *value;
    uint32_t line;
};

typedef bool (*apply_fn)(struct parse *p, const struct setting *s, struct error *e);

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *colon = strrchr(path, ':');
    const char *last = slash != NULL ? slash : colon;
    return last != NULL ? last + 1 : path;
}

static bool wrong(const struct parse *p, const struct setting *s, struct error *e, const char *why)
{
    return error_set(e, EXIT_FAILED, "%s line %u: %s = \"%.40s\": %s", p->file.name, s->line, s->key, s->value, why);
}

static bool check_encoding(struct parse *p, const struct setting *s, struct error *e)
{
    if (strcasecmp(s->value, "UTF-8") == 0)
        return true;
    return wrong(p, s, e, "only UTF-8 is read: save the file as UTF-8 and write \"UTF-8\"");
}

static bool check_config_version(struct parse *p, const struct setting *s, struct error *e)
{
    return strcmp(s->value, "8") == 0 ? true : wrong(p, s, e, "an unknown format of the file: only \"8\" is right");
}

static bool check_hw_version(struct parse *p, const struct setting *s, struct error *e)
{
    uint64_t v = 0;
    return parse_u64(s->value, &v) && v >= 1 && v <= 99
               ? true
               : wrong(p, s, e, "not a version: write a number such as \"19\"");
}

/* A name is printed, typed, and part of messages: printable, not a number, not Dom0's. */
bool vmx_name_ok(const char *name, const char **why)
{
    size_t len = strlen(name), digits = 0;
    for (size_t i = 0; i < len; i++)
        digits += name[i] >= '0' && name[i] <= '9';
    *why = len == 0                    ? "an empty name: give the domain a name"
           : len >= VM_NAME_MAX        ? "too long: a name has at most 63 bytes"
           : digits == len             ? "digits only would be taken for a domain number: add a letter"
           : strchr(name, '/') != NULL ? "a name has no \"/\": leave it out"
           : name[0] == '-'            ? "a name that begins with - would be taken for an option: begin with a letter"
           : name[0] == ' ' || name[len - 1] == ' ' ? "a name neither begins nor ends with a space: leave it out"
           : strcasecmp(name, "Domain-0") == 0      ? "this is the managing domain's own name: choose another"
                                                    : NULL;
    return *why == NULL;
}

/* MiB that a guest can have: a multiple of 4 from MEMSIZE_MIN on. */
static bool mib(struct parse *p, const struct setting *s, uint32_t *out, struct error *e)
{
    uint64_t v = 0;
    if (!parse_u64(s->value, &v))
        return wrong(p, s, e, "not a number: write MiB such as \"256\"");
    if (v < MEMSIZE_MIN || v > MEMSIZE_MAX)
        return wrong(p, s, e, "out of range: write MiB from 4 to 524288, such as \"256\"");
    if (v % 4 != 0)
        return error_set(e, EXIT_FAILED, "%s line %u: %s = \"%s\": not a multiple of 4: write \"%u\" or \"%u\"",
                         p->file.name, s->line, s->key, s->value, (unsigned)(v / 4 * 4), (unsigned)(v / 4 * 4 + 4));
    *out = (uint32_t)v;
    return true;
}

static bool set_display_name(struct parse *p, const struct setting *s, struct error *e)
{
    const char *why = NULL;
    if (!vmx_name_ok(s->value, &why))
        return wrong(p, s, e, why);
    strlcpy(p->out->name, s->value, sizeof p->out->name);
    return true;
}

static bool set_memsize(struct parse *p, const struct setting *s, struct error *e)
{
    return mib(p, s, &p->out->memsize_mib, e);
}

static bool set_numvcpus(struct parse *p, const struct setting *s, struct error *e)
{
    uint64_t v = 0;
    if (!parse_u64(s->value, &v))
        return wrong(p, s, e, "not a number: write how many virtual CPUs, such as \"1\"");
    if (v == 0 || v > VCPUS_MAX)
        return wrong(p, s, e, "out of range: a domain has 1 to 32 virtual CPUs: write such a number");
    p->out->numvcpus = (uint32_t)v;
    return true;
}

static bool set_maxvcpus(struct parse *p, const struct setting *s, struct error *e)
{
    uint64_t v = 0;
    if (!parse_u64(s->value, &v) || v == 0 || v > VCPUS_MAX)
        return wrong(p, s, e, "not a number of virtual CPUs: write how many it may have at most, 1 to 32");
    p->out->maxvcpus = (uint32_t)v;
    p->vcpus_line = s->line;
    return true;
}

static bool set_maxmem(struct parse *p, const struct setting *s, struct error *e)
{
    p->mem_line = s->line;
    return mib(p, s, &p->out->maxmem_mib, e);
}

/* VMware's words stand for 500, 1000 and 2000 shares of each virtual CPU, a number for all of them together. */
static bool set_shares(struct parse *p, const struct setting *s, struct error *e)
{
    uint64_t v = 0;
    if (strcasecmp(s->value, "low") == 0)
        p->out->weight = VM_WEIGHT_USUAL / 2;
    else if (strcasecmp(s->value, "normal") == 0)
        p->out->weight = VM_WEIGHT_USUAL;
    else if (strcasecmp(s->value, "high") == 0)
        p->out->weight = VM_WEIGHT_USUAL * 2;
    else if (parse_u64(s->value, &v) && v >= 1 && v <= 1000000)
        p->shares = v;
    else
        return wrong(p, s, e, "not shares: write \"low\", \"normal\", \"high\" or a number from 1 to 1000000 (1000 for each virtual CPU is normal)");
    return true;
}

static bool set_affinity(struct parse *p, const struct setting *s, struct error *e)
{
    if (cpu_list_parse(s->value, &p->out->affinity))
        return true;
    return wrong(p, s, e, "not a list of CPUs: write \"all\" or numbers such as \"0,1\" or \"0-3\"");
}

static bool set_cap(struct parse *p, const struct setting *s, struct error *e)
{
    uint64_t v = 0;
    if (!parse_u64(s->value, &v) || v > 100 * VCPUS_MAX)
        return wrong(p, s, e, "not a cap: write percent of one CPU from 1 to 3200, or \"0\" for none");
    p->out->cap = (uint32_t)v;
    return true;
}

static bool action(struct parse *p, const struct setting *s, uint8_t *out, struct error *e)
{
    static const char *const words[] = {[VM_DESTROY] = "destroy", [VM_RESTART] = "restart", [VM_PRESERVE] = "preserve"};
    for (uint8_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasecmp(s->value, words[i]) == 0) {
            *out = i;
            return true;
        }
    }
    return wrong(p, s, e, "not an action: write \"destroy\", \"restart\" or \"preserve\"");
}

static bool set_on_poweroff(struct parse *p, const struct setting *s, struct error *e)
{
    return action(p, s, &p->out->on_poweroff, e);
}

static bool set_on_reboot(struct parse *p, const struct setting *s, struct error *e)
{
    return action(p, s, &p->out->on_reboot, e);
}

static bool set_on_crash(struct parse *p, const struct setting *s, struct error *e)
{
    return action(p, s, &p->out->on_crash, e);
}

static bool set_guest_os(struct parse *p, const struct setting *s, struct error *e)
{
    size_t len = strlen(s->value);
    if (len == 0 || len >= sizeof p->out->guest_os)
        return wrong(p, s, e,
                     "not an operating system's short name: write one such as \"debian12-64\" or \"other-64\"");
    strlcpy(p->out->guest_os, s->value, sizeof p->out->guest_os);
    return true;
}

/* 16 bytes in hex; spaces and - between bytes as VMware ("56 4d .. - ..") and everybody else write them. */
static bool set_uuid(struct parse *p, const struct setting *s, struct error *e)
{
    static const char right[] =
        "not a uuid: write 16 bytes such as \"56 4d 1a 2b 3c 4d 5e 6f-70 81 92 a3 b4 c5 d6 e7\"";
    unsigned digits = 0;
    uint8_t uuid[16] = {0};
    for (const char *c = s->value; *c != '\0'; c++) {
        if ((*c == ' ' || *c == '-') && digits % 2 == 0)
            continue;
        int d = hex_digit(*c);
        if (d < 0 || digits == 32)
            return wrong(p, s, e, right);
        uuid[digits / 2] = (uint8_t)(uuid[digits / 2] << 4 | d);
        digits++;
    }
    if (digits != 32)
        return wrong(p, s, e, right);
    memcpy(p->out->uuid, uuid, sizeof uuid);
    p->out->uuid_set = true;
    return true;
}

static bool set_path(struct parse *p, const struct setting *s, char *out, struct error *e)
{
    if (s->value[0] == '\0')
        return wrong(p, s, e, "an empty file name: write the file's name or leave the line out");
    return vmx_path(p->path, s->value, out) || wrong(p, s, e, "the path is too long: at most 255 bytes");
}

static bool set_kernel(struct parse *p, const struct setting *s, struct error *e)
{
    return set_path(p, s, p->out->kernel, e);
}

static bool set_ramdisk(struct parse *p, const struct setting *s, struct error *e)
{
    return set_path(p, s, p->out->ramdisk, e);
}

static bool set_cmdline(struct parse *p, const struct setting *s, struct error *e)
{
    if (strlcpy(p->out->cmdline, s->value, sizeof p->out->cmdline) >= sizeof p->out->cmdline)
        return wrong(p, s, e, "too long: at most 1023 bytes");
    return true;
}

/* ethernetN.… and corbel.ethernetN.…: the number is the card. */
static bool set_nic(struct parse *p, const struct setting *s, struct error *e)
{
    const char *why = NULL, *digits = s->key, *dot = strrchr(s->key, '.');
    while (*digits < '0' || *digits > '9')
        digits++;
    if (digits[1] != '.' || (uint32_t)(*digits - '0') >= NICS_MAX)
        return wrong(p, s, e, "a domain has 8 network cards at most: write ethernet0 to ethernet7");
    return nic_set(&p->out->nics[*digits - '0'], dot + 1, s->value, &why) || wrong(p, s, e, why);
}

static bool finish_nics(struct parse *p, struct error *e)
{
    char text[120];
    for (uint32_t i = 0; i < NICS_MAX; i++) {
        const char *why = NULL;
        struct vm_nic *n = &p->out->nics[i];
        if (!nic_finish(n, &why))
            return error_set(e, EXIT_FAILED, "%s: ethernet%u: %s", p->file.name, i, why);
        if (!n->named || n->present)
            continue;
        snprintf(text, sizeof text, "%s: ethernet%u has settings and no ethernet%u.present = \"TRUE\": there is no such card", p->file.name, i, i);
        p->warn(text, p->ctx);
    }
    return true;
}

static const struct {
    const char *name;
    apply_fn apply;
} known[] = {
#define VMX_USED(name, fn)    {name, fn},
#define VMX_CHECKED(name, fn) {name, fn},
#define VMX_LATER(pattern, what)
#include "dom0/manager/vmx_keys.def"
#undef VMX_USED
#undef VMX_CHECKED
#undef VMX_LATER
};

static const struct {
    const char *pattern;
    const char *what;
} later[] = {
#define VMX_USED(name, fn)
#define VMX_CHECKED(name, fn)
#define VMX_LATER(pattern, what) {pattern, what},
#include "dom0/manager/vmx_keys.def"
#undef VMX_USED
#undef VMX_CHECKED
#undef VMX_LATER
};

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

/* Does KEY match PATTERN? On a match with `.*` *DEVICE_LEN is the length of what stands before that dot, else the
 * whole. */
static bool matches(const char *pattern, const char *key, size_t *device_len)
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

/* Is there KEY's device's `.present = "FALSE"`? */
static bool device_absent(struct parse *p, const char *key, size_t device_len)
{
    char other[VMX_KEY_MAX];
    for (uint32_t i = 0; i < p->file.count; i++) {
        vmx_file_key(&p->file, i, other);
        if (strncasecmp(other, key, device_len) == 0 && strcasecmp(other + device_len, ".present") == 0) {
            vmx_file_value(&p->file, i, p->value);
            return strcasecmp(p->value, "FALSE") == 0;
        }
    }
    return false;
}

static bool is_known(const char *key)
{
    size_t len = 0;
    for (size_t k = 0; k < COUNT(known); k++)
        if (matches(known[k].name, key, &len))
            return true;
    return false;
}

/* Was the same device (or, for single keys, the same subject) mentioned for an earlier line? */
static bool mentioned(const struct parse *p, uint32_t upto, const char *key, size_t device_len, const char *pattern)
{
    char other[VMX_KEY_MAX];
    for (uint32_t i = 0; i < upto; i++) {
        size_t other_len = 0;
        vmx_file_key(&p->file, i, other);
        if (matches(pattern, other, &other_len) && other_len == device_len && strncasecmp(other, key, device_len) == 0 && !is_known(other))
            return true;
    }
    return false;
}

static bool warn_later(struct parse *p, uint32_t i, const char *key)
{
    char text[200];
    for (size_t k = 0; k < COUNT(later); k++) {
        size_t device_len = 0;
        if (!matches(later[k].pattern, key, &device_len))
            continue;
        bool device = device_len < strlen(key);
        if ((device && device_absent(p, key, device_len)) || mentioned(p, i, key, device_len, later[k].pattern))
            return true;
        snprintf(text, sizeof text, "%s line %u: %.*s%s: %s are not supported in this version, ignored", p->file.name,
                 p->file.settings[i].line, (int)device_len, key, device ? ".*" : "", later[k].what);
        p->warn(text, p->ctx);
        return true;
    }
    return false;
}

static void warn_unknown(struct parse *p, uint32_t i, const char *key)
{
    struct nearest n;
    char text[240];
    nearest_begin(&n, key);
    for (size_t k = 0; k < COUNT(known); k++)
        if (strchr(known[k].name, '#') == NULL)
            nearest_offer(&n, known[k].name);
    for (size_t k = 0; k < COUNT(later); k++)
        if (strchr(later[k].pattern, '#') == NULL && strchr(later[k].pattern, '*') == NULL)
            nearest_offer(&n, later[k].pattern);
    const char *meant = nearest_result(&n);
    snprintf(text, sizeof text, "%s line %u: unknown key %s, ignored%s%s%s", p->file.name, p->file.settings[i].line,
             key, meant != NULL ? ": did you mean " : "", meant != NULL ? meant : "", meant != NULL ? "?" : "");
    p->warn(text, p->ctx);
}

static bool apply_setting(struct parse *p, uint32_t i, struct error *e)
{
    char key[VMX_KEY_MAX];
    vmx_file_key(&p->file, i, key);
    for (size_t k = 0; k < COUNT(known); k++) {
        size_t len = 0;
        bool device = strchr(known[k].name, '#') != NULL;
        if (!matches(known[k].name, key, &len))
            continue;
        if (device && device_absent(p, key, (size_t)(strrchr(key, '.') - key)))
            return true;
        vmx_file_value(&p->file, i, p->value);
        struct setting s = {device ? key : known[k].name, p->value, p->file.settings[i].line};
        return known[k].apply(p, &s, e);
    }
    if (!vmx_disks_key(key) && !warn_later(p, i, key))
        warn_unknown(p, i, key);
    return true;
}

/* Without displayName the domain is called as the file. */
static bool default_name(struct parse *p, struct error *e)
{
    const char *base = p->file.name, *why = NULL;
    size_t len = strlen(base);
    if (len > 4 && strcasecmp(base + len - 4, ".vmx") == 0)
        len -= 4;
    char name[VM_NAME_MAX + 1];
    strlcpy(name, base, len + 1 < sizeof name ? len + 1 : sizeof name);
    if (!vmx_name_ok(name, &why))
        return error_set(
            e, EXIT_FAILED,
            "%s: no displayName, and the file's name is no name for a domain: write displayName = \"NAME\"", base);
    strlcpy(p->out->name, name, sizeof p->out->name);
    return true;
}

/* What depends on more than one setting. */
static bool limits(struct parse *p, struct error *e)
{
    struct vm_config *c = p->out;
    if (c->maxvcpus == 0)
        c->maxvcpus = c->numvcpus;
    if (c->maxmem_mib == 0)
        c->maxmem_mib = c->memsize_mib;
    if (c->maxvcpus < c->numvcpus)
        return error_set(e, EXIT_FAILED, "%s line %u: corbel.maxvcpus = \"%u\": less than numvcpus: write \"%u\" or more",
                         p->file.name, p->vcpus_line, c->maxvcpus, c->numvcpus);
    if (c->maxmem_mib < c->memsize_mib)
        return error_set(e, EXIT_FAILED, "%s line %u: corbel.maxmem = \"%u\": less than memsize: write \"%u\" or more",
                         p->file.name, p->mem_line, c->maxmem_mib, c->memsize_mib);
    if (p->shares != 0) {
        uint64_t weight = p->shares * VM_WEIGHT_USUAL / 1000 / c->numvcpus;
        c->weight = (uint32_t)(weight == 0 ? 1 : weight > VM_WEIGHT_MAX ? VM_WEIGHT_MAX : weight);
    }
    return true;
}

bool vmx_parse(const char *text, size_t len, const char *path, struct vm_config *out,
               void (*warn)(const char *line, void *ctx), void *ctx, struct error *e)
{
    struct parse p = {.out = out, .path = path, .warn = warn, .ctx = ctx};
    memset(out, 0, sizeof *out);
    out->memsize_mib = 32; /* VMware's default */
    out->numvcpus = 1;
    out->weight = VM_WEIGHT_USUAL;
    out->affinity = CPU_LIST_ALL;
    out->on_poweroff = VM_DESTROY;
    out->on_reboot = VM_RESTART;
    out->on_crash = VM_PRESERVE;
    if (strlcpy(out->path, path, sizeof out->path) >= sizeof out->path)
        return error_set(e, EXIT_FAILED, "%.60s…: the path is too long: at most 255 bytes", path);
    if (!vmx_file_split(&p.file, text, len, base_name(path), e))
        return false;
    for (uint32_t i = 0; i < p.file.count; i++)
        if (!apply_setting(&p, i, e))
            return false;
    struct vmx_disks disks = {&p.file, path, out, warn, ctx, p.value};
    if (!vmx_disks_read(&disks, e))
        return false;
    if (out->kernel[0] == '\0')
        return error_set(e, EXIT_FAILED,
                         "%s: corbel.kernel is missing: write corbel.kernel = \"FILE\", a Linux bzImage or an ELF "
                         "kernel with a PVH note",
                         p.file.name);
    return limits(&p, e) && finish_nics(&p, e) && (out->name[0] != '\0' || default_name(&p, e));
}
