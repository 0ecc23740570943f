/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The settings of a domain as a whole: what their values mean, and how they are written. Pure. */
#include "dom0/lib/string.h"
#include "dom0/manager/cpulist.h"
#include "dom0/manager/vmx_priv.h"

#define MEMSIZE_MIN 4U
#define MEMSIZE_MAX (512U << 10) /* what the builder can give one guest; whether this host has it is checked there */

static const char no_serial[] = "serial0.present is not TRUE: what the guest says goes to no file";
static const char thinprint[] = "VMware's printing, which guests do not have here: left out";

bool vmx_left_out(const char *why) { return why == no_serial || why == thinprint; }

void vmx_defaults(struct vm_config *c)
{
    memset(c, 0, sizeof *c);
    c->memsize_mib = 32; /* these defaults are VMware's where it has them */
    strlcpy(c->guest_os, "other", sizeof c->guest_os);
    c->numvcpus = 1;
    c->weight = VM_WEIGHT_USUAL;
    c->affinity = CPU_LIST_ALL;
    c->on_poweroff = VM_DESTROY;
    c->on_reboot = VM_RESTART;
    c->on_crash = VM_PRESERVE;
    c->power_off = c->power_reset = VM_SOFT;
}

/* ---- what the file is ---- */

/* Other encodings that VMware writes have ASCII's letters in ASCII's places: a file without others reads the same. */
static const char *set_encoding(struct vmx_work *w, const char *value)
{
    if (strcasecmp(value, "UTF-8") == 0 || w->file.ascii)
        return NULL;
    return "the file has letters beyond ASCII, and only UTF-8 is read: save it as UTF-8 and write \"UTF-8\"";
}

static const char *set_config_version(struct vmx_work *w, const char *value)
{
    (void)w;
    return strcmp(value, "8") == 0 ? NULL : "an unknown format of the file: only \"8\" is right";
}

static const char *set_hw_version(struct vmx_work *w, const char *value)
{
    uint64_t v = 0;
    (void)w;
    return parse_u64(value, &v) && v >= 1 && v <= 99 ? NULL : "not a version: write a number such as \"19\"";
}

/* ---- name ---- */

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

static const char *set_display_name(struct vmx_work *w, const char *value)
{
    const char *why = NULL;
    if (vmx_name_ok(value, &why))
        strlcpy(w->out->name, value, sizeof w->out->name);
    return why;
}

static void show_display_name(const struct vm_config *c, char *out, size_t len) { strlcpy(out, c->name, len); }

/* Without displayName the domain is called as the file. */
static void default_name(struct vmx_work *w)
{
    const char *base = w->file.name, *why = NULL;
    size_t len = strlen(base);
    if (len > 4 && strcasecmp(base + len - 4, ".vmx") == 0)
        len -= 4;
    char name[VM_NAME_MAX + 1];
    strlcpy(name, base, len + 1 < sizeof name ? len + 1 : sizeof name);
    if (vmx_name_ok(name, &why))
        strlcpy(w->out->name, name, sizeof w->out->name);
    else
        vmx_more(w, 0, VMX_REFUSED,
                 "no displayName, and the file's name is no name for a domain: write displayName = \"NAME\"");
}

static const char *set_guest_os(struct vmx_work *w, const char *value)
{
    size_t len = strlen(value);
    if (len == 0 || len >= sizeof w->out->guest_os)
        return "not an operating system's short name: write one such as \"debian12-64\" or \"other-64\"";
    strlcpy(w->out->guest_os, value, sizeof w->out->guest_os);
    return NULL;
}

static void show_guest_os(const struct vm_config *c, char *out, size_t len)
{
    strlcpy(out, c->guest_os, len);
}

/* ---- memory ---- */

/* MiB that a guest can have: a multiple of 4 from MEMSIZE_MIN on. */
static const char *mib(struct vmx_work *w, const char *value, uint32_t *out)
{
    uint64_t v = 0;
    if (!parse_u64(value, &v))
        return "not a number: write MiB such as \"256\"";
    if (v < MEMSIZE_MIN || v > MEMSIZE_MAX)
        return "out of range: write MiB from 4 to 524288, such as \"256\"";
    if (v % 4 != 0)
        return vmx_words(w, "not a multiple of 4: write \"%u\" or \"%u\"", (unsigned)(v / 4 * 4), (unsigned)(v / 4 * 4 + 4));
    *out = (uint32_t)v;
    return NULL;
}

static void number(uint64_t v, char *out, size_t len) { snprintf(out, len, "%lu", v); }

static const char *set_memsize(struct vmx_work *w, const char *value) { return mib(w, value, &w->out->memsize_mib); }

static void show_memsize(const struct vm_config *c, char *out, size_t len) { number(c->memsize_mib, out, len); }

static const char *set_maxmem(struct vmx_work *w, const char *value) { return mib(w, value, &w->out->maxmem_mib); }

static void show_maxmem(const struct vm_config *c, char *out, size_t len) { number(c->maxmem_mib, out, len); }

/* ---- CPUs ---- */

static const char *set_numvcpus(struct vmx_work *w, const char *value)
{
    uint64_t v = 0;
    if (!parse_u64(value, &v))
        return "not a number: write how many virtual CPUs, such as \"1\"";
    if (v == 0 || v > VM_VCPUS_MAX)
        return "out of range: a domain has 1 to 32 virtual CPUs: write such a number";
    w->out->numvcpus = (uint32_t)v;
    return NULL;
}

static void show_numvcpus(const struct vm_config *c, char *out, size_t len) { number(c->numvcpus, out, len); }

static const char *set_maxvcpus(struct vmx_work *w, const char *value)
{
    uint64_t v = 0;
    if (!parse_u64(value, &v) || v == 0 || v > VM_VCPUS_MAX)
        return "not a number of virtual CPUs: write how many it may have at most, 1 to 32";
    w->out->maxvcpus = (uint32_t)v;
    return NULL;
}

static void show_maxvcpus(const struct vm_config *c, char *out, size_t len) { number(c->maxvcpus, out, len); }

/* VMware's words stand for 500, 1000 and 2000 shares of each virtual CPU, a number for all of them together. */
static const char *set_shares(struct vmx_work *w, const char *value)
{
    uint64_t v = 0;
    if (strcasecmp(value, "low") == 0)
        w->out->weight = VM_WEIGHT_USUAL / 2;
    else if (strcasecmp(value, "normal") == 0)
        w->out->weight = VM_WEIGHT_USUAL;
    else if (strcasecmp(value, "high") == 0)
        w->out->weight = VM_WEIGHT_USUAL * 2;
    else if (parse_u64(value, &v) && v >= 1 && v <= 1000000)
        w->shares = v;
    else
        return "not shares: write \"low\", \"normal\", \"high\" or a number from 1 to 1000000 (1000 for each virtual CPU is normal)";
    return NULL;
}

static void show_shares(const struct vm_config *c, char *out, size_t len)
{
    const char *word = c->weight == VM_WEIGHT_USUAL       ? "normal"
                       : c->weight == VM_WEIGHT_USUAL / 2 ? "low"
                       : c->weight == VM_WEIGHT_USUAL * 2 ? "high"
                                                          : NULL;
    uint64_t shares = ((uint64_t)c->weight * 1000 * c->numvcpus + VM_WEIGHT_USUAL - 1) / VM_WEIGHT_USUAL;
    if (word != NULL)
        strlcpy(out, word, len);
    else
        number(shares, out, len);
}

static const char *set_affinity(struct vmx_work *w, const char *value)
{
    return cpu_list_parse(value, &w->out->affinity)
               ? NULL
               : "not a list of CPUs: write \"all\" or numbers such as \"0,1\" or \"0-3\"";
}

static void show_affinity(const struct vm_config *c, char *out, size_t len)
{
    cpu_list_format(out, len, c->affinity, CPU_LIST_MAX);
}

static const char *set_cap(struct vmx_work *w, const char *value)
{
    uint64_t v = 0;
    if (!parse_u64(value, &v) || v > 100 * VM_VCPUS_MAX)
        return "not a cap: write percent of one CPU from 1 to 3200, or \"0\" for none";
    w->out->cap = (uint32_t)v;
    return NULL;
}

static void show_cap(const struct vm_config *c, char *out, size_t len) { number(c->cap, out, len); }

/* ---- what it starts with ---- */

static const char *set_path(struct vmx_work *w, const char *value, char *out)
{
    if (value[0] == '\0')
        return "an empty file name: write the file's name or leave the line out";
    return vmx_path(w->path, value, out) ? NULL : "the path is too long: at most 255 bytes";
}

static const char *set_kernel(struct vmx_work *w, const char *value) { return set_path(w, value, w->out->kernel); }

static void show_kernel(const struct vm_config *c, char *out, size_t len) { strlcpy(out, c->kernel, len); }

static const char *set_ramdisk(struct vmx_work *w, const char *value) { return set_path(w, value, w->out->ramdisk); }

static void show_ramdisk(const struct vm_config *c, char *out, size_t len) { strlcpy(out, c->ramdisk, len); }

static const char *set_cmdline(struct vmx_work *w, const char *value)
{
    strlcpy(w->out->cmdline, value, sizeof w->out->cmdline); /* no value is longer */
    return NULL;
}

static void show_cmdline(const struct vm_config *c, char *out, size_t len) { strlcpy(out, c->cmdline, len); }

_Static_assert(sizeof ((struct vm_config *)0)->cmdline >= VMX_VALUE_MAX, "a value fits");

/* ---- how it ends ---- */

static const char *const actions[] = {[VM_DESTROY] = "destroy", [VM_RESTART] = "restart", [VM_PRESERVE] = "preserve"};

static const char *action(const char *value, uint8_t *out)
{
    for (uint8_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (strcasecmp(value, actions[i]) == 0) {
            *out = i;
            return NULL;
        }
    }
    return "not an action: write \"destroy\", \"restart\" or \"preserve\"";
}

static const char *set_on_poweroff(struct vmx_work *w, const char *value) { return action(value, &w->out->on_poweroff); }
static const char *set_on_reboot(struct vmx_work *w, const char *value) { return action(value, &w->out->on_reboot); }
static const char *set_on_crash(struct vmx_work *w, const char *value) { return action(value, &w->out->on_crash); }

static void show_on_poweroff(const struct vm_config *c, char *out, size_t len) { strlcpy(out, actions[c->on_poweroff], len); }
static void show_on_reboot(const struct vm_config *c, char *out, size_t len) { strlcpy(out, actions[c->on_reboot], len); }
static void show_on_crash(const struct vm_config *c, char *out, size_t len) { strlcpy(out, actions[c->on_crash], len); }

/* VMware's "default" and "preset" leave it to the host. */
static const char *power(const char *value, uint8_t *out)
{
    *out = strcasecmp(value, "hard") == 0 ? VM_HARD : VM_SOFT;
    return *out == VM_HARD || strcasecmp(value, "soft") == 0 || strcasecmp(value, "default") == 0 ||
                   strcasecmp(value, "preset") == 0
               ? NULL
               : "neither of the two ways: write \"soft\" or \"hard\"";
}

static const char *set_power_off(struct vmx_work *w, const char *value) { return power(value, &w->out->power_off); }
static const char *set_power_reset(struct vmx_work *w, const char *value) { return power(value, &w->out->power_reset); }
static const char *check_power(struct vmx_work *w, const char *value)
{
    uint8_t unused;
    (void)w;
    return power(value, &unused);
}

static void show_power_off(const struct vm_config *c, char *out, size_t len) { strlcpy(out, c->power_off == VM_HARD ? "hard" : "soft", len); }
static void show_power_reset(const struct vm_config *c, char *out, size_t len) { strlcpy(out, c->power_reset == VM_HARD ? "hard" : "soft", len); }

/* ---- uuid ---- */

/* 16 bytes in hex; spaces and - between bytes as VMware ("56 4d .. - ..") and everybody else write them. */
static const char *parse_uuid(const char *value, uint8_t uuid[16])
{
    static const char right[] =
        "not a uuid: write 16 bytes such as \"56 4d 1a 2b 3c 4d 5e 6f-70 81 92 a3 b4 c5 d6 e7\"";
    unsigned digits = 0;
    memset(uuid, 0, 16);
    for (const char *c = value; *c != '\0'; c++) {
        if ((*c == ' ' || *c == '-') && digits % 2 == 0)
            continue;
        int d = hex_digit(*c);
        if (d < 0 || digits == 32)
            return right;
        uuid[digits / 2] = (uint8_t)(uuid[digits / 2] << 4 | d);
        digits++;
    }
    return digits == 32 ? NULL : right;
}

static const char *set_uuid(struct vmx_work *w, const char *value)
{
    uint8_t uuid[16];
    const char *why = parse_uuid(value, uuid);
    if (why == NULL) {
        memcpy(w->out->uuid, uuid, sizeof uuid);
        w->out->uuid_set = true;
    }
    return why;
}

static const char *set_uuid_location(struct vmx_work *w, const char *value)
{
    uint8_t uuid[16];
    (void)w;
    return parse_uuid(value, uuid);
}

static void show_uuid(const struct vm_config *c, char *out, size_t len)
{
    if (c->uuid_set)
        vmx_uuid_text(out, len, c->uuid);
}

void vmx_uuid_text(char *out, size_t len, const uint8_t uuid[16])
{
    size_t n = 0;
    for (unsigned i = 0; i < 16 && n < len; i++)
        n += (size_t)snprintf(out + n, len - n, "%s%02x", i == 0 ? "" : i == 8 ? "-" : " ", uuid[i]);
}

/* ---- the serial port: a file ---- */

static bool serial_there(const struct vmx_work *w)
{
    char value[VMX_VALUE_MAX];
    uint32_t i = vmx_file_find(&w->file, "serial0.present");
    if (i == VMX_NONE)
        return false;
    vmx_file_value(&w->file, i, value);
    return strcasecmp(value, "TRUE") == 0;
}

static const char *set_serial_present(struct vmx_work *w, const char *value)
{
    bool there;
    (void)w;
    return vmx_truth(value, &there) ? NULL : vmx_bad_truth;
}

static const char *set_serial_type(struct vmx_work *w, const char *value)
{
    if (!serial_there(w))
        return no_serial;
    return strcasecmp(value, "file") == 0        ? NULL
           : strcasecmp(value, "thinprint") == 0 ? thinprint
                                                 : "pipes, networks and the host's ports are not possible: write \"file\" with serial0.fileName, "
                                                   "and use `console` to talk to the guest";
}

static const char *set_serial_name(struct vmx_work *w, const char *value)
{
    return serial_there(w) ? set_path(w, value, w->out->serial) : no_serial;
}

static void show_serial_present(const struct vm_config *c, char *out, size_t len)
{
    strlcpy(out, c->serial[0] != '\0' ? "TRUE" : "FALSE", len);
}

static void show_serial_type(const struct vm_config *c, char *out, size_t len)
{
    if (c->serial[0] != '\0')
        strlcpy(out, "file", len);
}

static void show_serial_name(const struct vm_config *c, char *out, size_t len) { strlcpy(out, c->serial, len); }

static void finish_serial(struct vmx_work *w)
{
    char type[VMX_VALUE_MAX] = "device"; /* VMware's default */
    uint32_t present = vmx_file_find(&w->file, "serial0.present"), at = vmx_file_find(&w->file, "serial0.fileType");
    if (!serial_there(w))
        return;
    if (at != VMX_NONE)
        vmx_file_value(&w->file, at, type);
    if (strcasecmp(type, "file") != 0)
        memset(w->out->serial, 0, sizeof w->out->serial);
    if (at == VMX_NONE)
        vmx_judge(w, present, VMX_REFUSED,
                  "without serial0.fileType this is a port of the host's, which is not possible: write serial0.fileType = \"file\" and serial0.fileName");
    else if (strcasecmp(type, "file") == 0 && vmx_file_find(&w->file, "serial0.fileName") == VMX_NONE)
        vmx_judge(w, present, VMX_REFUSED, "serial0.fileName is missing: write serial0.fileName = \"FILE\"");
}

/* ---- the table ---- */

const struct vmx_key vmx_keys[] = {
#define VMX_KEY(name, set, show, meaning) {name, set, show, meaning},
#include "dom0/manager/vmx_keys.def"
};
const size_t vmx_key_count = sizeof vmx_keys / sizeof vmx_keys[0];

/* KEY's value is less than that of OTHER, which is V. */
static void less(struct vmx_work *w, const char *key, const char *other, uint32_t v)
{
    vmx_judge(w, vmx_file_find(&w->file, key), VMX_REFUSED, vmx_words(w, "less than %s: write \"%u\" or more", other, v));
}

void vmx_keys_finish(struct vmx_work *w)
{
    struct vm_config *c = w->out;
    if (c->maxvcpus == 0)
        c->maxvcpus = c->numvcpus;
    if (c->maxmem_mib == 0)
        c->maxmem_mib = c->memsize_mib;
    if (c->maxvcpus < c->numvcpus)
        less(w, "corbel.maxvcpus", "numvcpus", c->numvcpus);
    if (c->maxmem_mib < c->memsize_mib)
        less(w, "corbel.maxmem", "memsize", c->memsize_mib);
    if (w->shares != 0) {
        uint64_t weight = w->shares * VM_WEIGHT_USUAL / 1000 / c->numvcpus;
        c->weight = (uint32_t)(weight == 0 ? 1 : weight > VM_WEIGHT_MAX ? VM_WEIGHT_MAX : weight);
    }
    finish_serial(w);
    if (vmx_file_find(&w->file, "corbel.kernel") == VMX_NONE)
        vmx_more(w, 0, VMX_REFUSED,
                 "corbel.kernel is missing: write corbel.kernel = \"FILE\", a Linux bzImage or an ELF kernel with a PVH note");
    if (vmx_file_find(&w->file, "displayName") == VMX_NONE)
        default_name(w);
}
