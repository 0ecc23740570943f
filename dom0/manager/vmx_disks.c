/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The disks of a .vmx file. A guest sees Xen's virtual disks whatever the bus is that the file names: xvda is
 * the first by bus (SCSI, SATA, NVMe, IDE) and number. Pure. */
#include "dom0/lib/string.h"
#include "dom0/manager/vmx_priv.h"
#include "dom0/vdisk/vdisk_name.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const struct bus {
    const char *name;
    uint32_t controllers, units;
} buses[] = {{"scsi", 4, 16}, {"sata", 4, 30}, {"nvme", 4, 15}, {"ide", 2, 2}};

struct slot { /* scsi0:1.fileName */
    uint32_t bus, controller, unit;
    const char *setting; /* within the key: "fileName" */
    size_t device_len;   /* of "scsi0:1" */
    bool controller_only; /* scsi0.present */
};

/* A number without needless zeros. */
static bool digits(const char **at, uint32_t *out)
{
    const char *from = *at;
    for (*out = 0; **at >= '0' && **at <= '9' && *at - from < 4; (*at)++)
        *out = *out * 10 + (uint32_t)(**at - '0');
    return *at != from && (*from != '0' || *at - from == 1);
}

static bool parse_key(const char *key, struct slot *s)
{
    for (s->bus = 0; s->bus < COUNT(buses); s->bus++) {
        size_t len = strlen(buses[s->bus].name);
        const char *at = key + len;
        if (strncasecmp(key, buses[s->bus].name, len) != 0 || !digits(&at, &s->controller))
            continue;
        s->controller_only = *at == '.';
        if (!s->controller_only && (*at++ != ':' || !digits(&at, &s->unit) || *at != '.'))
            continue;
        s->device_len = (size_t)(at - key);
        s->setting = at + 1;
        return true;
    }
    return false;
}

bool vmx_disks_device(const char *key)
{
    struct slot s;
    return parse_key(key, &s) && !s.controller_only;
}

bool vmx_path(const char *vmx, const char *value, char *out)
{
    const char *colon = strchr(value, ':'), *slash = strchr(value, '/'), *end = strchr(vmx, ':');
    const char *last = strrchr(vmx, '/') != NULL ? strrchr(vmx, '/') : strrchr(vmx, ':');
    size_t prefix = 0;
    if (value[0] == '/')
        prefix = end != NULL ? (size_t)(end - vmx) + 1 : 0;
    else if (colon == NULL || (slash != NULL && slash < colon))
        prefix = last != NULL ? (size_t)(last - vmx) + 1 : 0;
    if (prefix + strlen(value) >= PATH_MAX_LEN)
        return false;
    memcpy(out, vmx, prefix);
    strlcpy(out + prefix, value, PATH_MAX_LEN - prefix);
    return true;
}

/* ---- values ---- */

enum kind { KIND_DISK, KIND_HOST_DISK, KIND_CD, KIND_HOST_DRIVE, KIND_UNKNOWN };

static bool one_of(const char *value, const char *const *words)
{
    while (*words != NULL && strcasecmp(value, *words) != 0)
        words++;
    return *words != NULL;
}

static enum kind kind_of(const char *type)
{
    static const char *const hard[] = {"", "disk", "scsi-hardDisk", "ata-hardDisk", "sata-hardDisk", "nvme-hardDisk",
                                       NULL};
    static const char *const drive[] = {"atapi-cdrom", "cdrom-raw", NULL};
    return strcasecmp(type, "cdrom-image") == 0 ? KIND_CD
           : strcasecmp(type, "rawDisk") == 0   ? KIND_HOST_DISK
           : one_of(type, drive)                ? KIND_HOST_DRIVE
           : one_of(type, hard)                 ? KIND_DISK
                                                : KIND_UNKNOWN;
}

/* The value of DEVICE.NAME into OUT, "" without it; the setting's number. */
static uint32_t get(const struct vmx_work *w, const char *device, size_t len, const char *name, char out[VMX_VALUE_MAX])
{
    uint32_t i = vmx_file_find_of(&w->file, device, len, name);
    out[0] = '\0';
    if (i != VMX_NONE)
        vmx_file_value(&w->file, i, out);
    return i;
}

/* A checker looks at VALUE of a device of KIND: NULL, or why it is refused. */

static const char *check_truth(struct vmx_work *w, enum kind kind, const char *value)
{
    bool yes;
    (void)w;
    (void)kind;
    return vmx_truth(value, &yes) ? NULL : vmx_bad_truth;
}

#define check_present check_truth

static const char *check_type(struct vmx_work *w, enum kind kind, const char *value)
{
    (void)w;
    (void)value;
    return kind == KIND_UNKNOWN ? "not a kind of disk: write \"disk\" or \"cdrom-image\"" : NULL;
}

static const char *check_mode(struct vmx_work *w, enum kind kind, const char *value)
{
    static const char *const lasting[] = {"", "persistent", "independent-persistent", NULL};
    (void)w;
    return kind == KIND_CD || kind == KIND_HOST_DRIVE || one_of(value, lasting)
               ? NULL
               : "changes that are thrown away are not supported: write \"persistent\", or readonly = \"TRUE\"";
}

static const char *check_file(struct vmx_work *w, enum kind kind, const char *value)
{
    char path[PATH_MAX_LEN];
    const char *why = NULL;
    if (kind == KIND_HOST_DRIVE || (kind == KIND_CD && value[0] == '\0'))
        return NULL;
    if (value[0] == '\0')
        return "no image: write the name of its file";
    enum vdisk_kind image = vdisk_kind_of(value, &why);
    if (image == VDISK_OTHER)
        return vmx_words(w, "%s", why);
    if (kind == KIND_HOST_DISK && image != VDISK_HOST)
        return "a rawDisk is a disk of the host: write \"disk:sd0\" or \"disk:sd0p2\" (`disk-info` lists them)";
    if (kind == KIND_CD && image == VDISK_HOST)
        return "a disk of the host is no image of a CD: write deviceType = \"rawDisk\", readonly = \"TRUE\"";
    return vmx_path(w->path, value, path) ? NULL : "the path is too long: at most 255 bytes";
}

static void show_present(const struct vm_disk *d, char *out, size_t len)
{
    (void)d;
    strlcpy(out, "TRUE", len);
}

static void show_type(const struct vm_disk *d, char *out, size_t len) { strlcpy(out, d->cdrom ? "cdrom-image" : d->host ? "rawDisk" : "disk", len); }

static void show_file(const struct vm_disk *d, char *out, size_t len) { strlcpy(out, d->path, len); }

static void show_mode(const struct vm_disk *d, char *out, size_t len)
{
    if (!d->cdrom)
        strlcpy(out, "persistent", len);
}

static void show_readonly(const struct vm_disk *d, char *out, size_t len) { strlcpy(out, d->read_only ? "TRUE" : "FALSE", len); }

static void show_connected(const struct vm_disk *d, char *out, size_t len) { strlcpy(out, d->path[0] != '\0' ? "TRUE" : "FALSE", len); }

static const struct setting {
    const char *name;
    const char *(*check)(struct vmx_work *w, enum kind kind, const char *value);
    void (*show)(const struct vm_disk *d, char *out, size_t len);
    const char *meaning;
} settings[] = {
#define VMX_DISK(name, check, show, meaning) {name, check, show, meaning},
#include "dom0/manager/vmx_keys.def"
};

const char *vmx_disks_name(size_t i) { return i < COUNT(settings) ? settings[i].name : NULL; }

/* ---- one setting ---- */

static bool is_true(const struct vmx_work *w, const char *device, size_t len, const char *name, bool usual)
{
    char value[VMX_VALUE_MAX];
    return get(w, device, len, name, value) == VMX_NONE ? usual : strcasecmp(value, "TRUE") == 0;
}

/* Has a setting of the controller apart from `.present` a line before I? */
static bool mentioned(const struct vmx_work *w, uint32_t upto, const char *key, size_t len)
{
    char other[VMX_KEY_MAX];
    for (uint32_t i = 0; i < upto; i++) {
        vmx_file_key(&w->file, i, other);
        if (strncasecmp(other, key, len) == 0 && other[len] == '.' && strcasecmp(other + len + 1, "present") != 0)
            return true;
    }
    return false;
}

static void read_controller(struct vmx_work *w, uint32_t i, const char *key, const struct slot *s)
{
    static const char no_model[] = "guests see Xen's virtual disks: settings of controllers are ignored";
    bool yes;
    if (strcasecmp(s->setting, "present") == 0) {
        vmx_file_value(&w->file, i, w->value);
        bool ok = vmx_truth(w->value, &yes);
        vmx_judge(w, i, ok ? VMX_TAKEN : VMX_REFUSED, ok ? "whether this controller is there, and what is on it" : vmx_bad_truth);
    } else if (vmx_absent(&w->file, key, s->device_len)) {
        vmx_quiet(w, i, "this controller is not there (.present is FALSE)");
    } else if (mentioned(w, i, key, s->device_len)) {
        vmx_quiet(w, i, no_model);
    } else {
        vmx_judge(w, i, VMX_IGNORED, no_model);
    }
}

static const char *bad_place(struct vmx_work *w, const struct slot *s)
{
    const struct bus *bus = &buses[s->bus];
    if (s->controller < bus->controllers && s->unit < bus->units)
        return NULL;
    return vmx_words(w, "no such place: %s0:0 to %s%u:%u are possible", bus->name, bus->name, bus->controllers - 1,
                     bus->units - 1);
}

static void read_value(struct vmx_work *w, uint32_t i, const char *key, const struct slot *s, const struct setting *of)
{
    char type[VMX_VALUE_MAX];
    get(w, key, s->device_len, "deviceType", type);
    vmx_file_value(&w->file, i, w->value);
    const char *why = of->check(w, kind_of(type), w->value);
    if (why == NULL && strcasecmp(of->name, "present") == 0 && strcasecmp(w->value, "TRUE") == 0)
        why = bad_place(w, s);
    if (kind_of(type) == KIND_HOST_DRIVE && strcasecmp(of->name, "fileName") == 0)
        vmx_quiet(w, i, "which drive of the host's: none is used");
    else
        vmx_judge(w, i, why != NULL ? VMX_REFUSED : VMX_TAKEN, why != NULL ? why : of->meaning);
    if (why == NULL && strcasecmp(of->name, "deviceType") == 0 && kind_of(type) == KIND_HOST_DRIVE)
        vmx_judge(w, i, VMX_IGNORED,
                  "CD drives of the host are not supported in this version: the guest gets an empty one, and cd-insert puts an image into it");
}

bool vmx_disks_read(struct vmx_work *w, uint32_t i, const char *key)
{
    static const char *const own[] = {"autodetect", "redo", "clientDevice", NULL};
    static const char left_out[] = "without .present = \"TRUE\" it is left out";
    struct slot s;
    size_t k = 0;
    if (!parse_key(key, &s))
        return false;
    if (s.controller_only) {
        read_controller(w, i, key, &s);
        return true;
    }
    while (k < COUNT(settings) && strcasecmp(settings[k].name, s.setting) != 0)
        k++;
    bool present = k < COUNT(settings) && strcasecmp(settings[k].name, "present") == 0;
    if (!present && vmx_absent(&w->file, key, s.device_len))
        vmx_quiet(w, i, "this disk is not there (.present is FALSE)");
    else if (!present && vmx_file_find_of(&w->file, key, s.device_len, "present") == VMX_NONE && strcasecmp(s.setting, "fileName") == 0)
        vmx_judge(w, i, VMX_IGNORED, left_out);
    else if (!present && vmx_file_find_of(&w->file, key, s.device_len, "present") == VMX_NONE)
        vmx_quiet(w, i, left_out);
    else if (k < COUNT(settings))
        read_value(w, i, key, &s, &settings[k]);
    else if (one_of(s.setting, own))
        vmx_quiet(w, i, "VMware's own state, ignored");
    else {
        vmx_judge(w, i, VMX_IGNORED, "unknown setting of a disk, ignored");
        w->note[i].typo = true;
    }
    return true;
}

/* ---- one device ---- */

static void insert(struct vm_config *c, const struct vm_disk *disk)
{
    uint32_t at = c->disks++;
    while (at > 0 && c->disk[at - 1].order > disk->order) {
        c->disk[at] = c->disk[at - 1];
        at--;
    }
    c->disk[at] = *disk;
}

/* scsi0.present = "FALSE" takes all that is on it away. */
static bool controller_absent(const struct vmx_work *w, const char *device, size_t len)
{
    size_t n = (size_t)(strchr(device, ':') - device);
    return n < len && vmx_absent(&w->file, device, n);
}

/* The settings of DEVICE but I: is one of them refused? With TEXT they are ignored. */
static bool others(struct vmx_work *w, uint32_t i, const char *device, size_t len, const char *text)
{
    char key[VMX_KEY_MAX];
    bool refused = false;
    for (uint32_t k = 0; k < w->file.count; k++) {
        vmx_file_key(&w->file, k, key);
        if (strncasecmp(key, device, len) != 0 || key[len] != '.')
            continue;
        refused = refused || w->note[k].verdict == VMX_REFUSED;
        if (text != NULL && k != i)
            vmx_quiet(w, k, text);
    }
    return refused;
}

/* Fills in what the file says of DEVICE. false: it is left out, or refused; that is said. */
static bool describe(struct vmx_work *w, uint32_t i, const char *device, size_t len, struct vm_disk *d)
{
    static const char later[] = "startConnected is FALSE: left out; block-attach brings it later";
    char type[VMX_VALUE_MAX], name[VMX_VALUE_MAX];
    get(w, device, len, "deviceType", type);
    enum kind kind = kind_of(type);
    uint32_t at = get(w, device, len, "fileName", name);
    bool start = is_true(w, device, len, "startConnected", true) && kind != KIND_HOST_DRIVE;
    d->cdrom = kind == KIND_CD || kind == KIND_HOST_DRIVE;
    d->host = kind == KIND_HOST_DISK;
    d->read_only = d->cdrom || is_true(w, device, len, "readonly", false);
    d->line = (uint16_t)(w->file.settings[at != VMX_NONE ? at : i].line);
    if (!start && !d->cdrom) {
        vmx_quiet(w, i, later);
        others(w, i, device, len, later);
        return false;
    }
    if (at == VMX_NONE && !d->cdrom) {
        vmx_judge(w, i, VMX_REFUSED, vmx_words(w, "%.*s.fileName is missing: write %.*s.fileName = \"IMAGE\"", (int)len,
                                               device, (int)len, device));
        return false;
    }
    return !start || name[0] == '\0' || vmx_path(w->path, name, d->path);
}

/* The device whose `.present = "TRUE"` is setting I. */
static void add_device(struct vmx_work *w, uint32_t i, const char *device, const struct slot *s)
{
    static const char off[] = "its controller's .present is FALSE: left out";
    struct vm_disk disk = {.order = s->bus << 16 | s->controller << 8 | s->unit};
    if (controller_absent(w, device, s->device_len)) {
        vmx_judge(w, i, VMX_IGNORED, off);
        others(w, i, device, s->device_len, off);
    } else if (!others(w, i, device, s->device_len, NULL) && describe(w, i, device, s->device_len, &disk)) {
        if (w->out->disks == VM_DISKS_MAX)
            vmx_judge(w, i, VMX_REFUSED, vmx_words(w, "more than %u disks: leave some out", VM_DISKS_MAX));
        else
            insert(w->out, &disk);
    }
}

void vmx_disks_finish(struct vmx_work *w)
{
    char key[VMX_KEY_MAX];
    struct slot s;
    for (uint32_t i = 0; i < w->file.count; i++) {
        vmx_file_key(&w->file, i, key);
        if (parse_key(key, &s) && !s.controller_only && strcasecmp(s.setting, "present") == 0 &&
            is_true(w, key, s.device_len, "present", false))
            add_device(w, i, key, &s);
    }
    for (uint32_t i = 0; i < w->out->disks; i++)
        w->out->disk[i].index = (uint16_t)i;
}

/* ---- showing ---- */

void vm_disk_place(const struct vm_disk *d, char *out, size_t len)
{
    uint32_t bus = d->order >> 16;
    if (d->attached || bus >= COUNT(buses))
        snprintf(out, len, "xvd%c", (char)('a' + d->index));
    else
        snprintf(out, len, "%s%u:%u", buses[bus].name, d->order >> 8 & 0xff, d->order & 0xff);
}

void vmx_disks_show(const struct vm_config *c, vmx_show_fn fn, void *ctx)
{
    char device[16], key[VMX_KEY_MAX], value[VMX_VALUE_MAX];
    for (uint32_t i = 0; i < c->disks; i++) {
        vm_disk_place(&c->disk[i], device, sizeof device);
        for (size_t k = 0; k < COUNT(settings); k++) {
            value[0] = '\0';
            if (settings[k].show != NULL)
                settings[k].show(&c->disk[i], value, sizeof value);
            snprintf(key, sizeof key, "%s.%s", device, settings[k].name);
            if (value[0] != '\0')
                fn(key, value, settings[k].meaning, ctx);
        }
    }
}
