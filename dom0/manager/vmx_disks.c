/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The disks of a .vmx file. A guest sees Xen's virtual disks whatever the bus is that the file names: xvda is
 * the first by bus (SCSI, SATA, NVMe, IDE) and number. Pure. */
#include "dom0/manager/vmx_disks.h"

#include "dom0/lib/string.h"
#include "dom0/vdisk/vdisk_name.h"

#define COUNT(a)   (sizeof(a) / sizeof(a)[0])
#define NO_SETTING UINT32_MAX

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

bool vmx_disks_key(const char *key)
{
    struct slot s;
    return parse_key(key, &s);
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

/* ---- one setting of a device ---- */

/* The setting DEVICE.NAME's number; NO_SETTING: there is none. Its value is in d->value. */
static uint32_t get(struct vmx_disks *d, const char *device, size_t len, const char *name)
{
    char key[VMX_KEY_MAX];
    for (uint32_t i = 0; i < d->file->count; i++) {
        vmx_file_key(d->file, i, key);
        if (strncasecmp(key, device, len) != 0 || key[len] != '.' || strcasecmp(key + len + 1, name) != 0)
            continue;
        vmx_file_value(d->file, i, d->value);
        return i;
    }
    d->value[0] = '\0';
    return NO_SETTING;
}

static void warn(struct vmx_disks *d, uint32_t i, const char *device, size_t len, const char *what)
{
    char text[240];
    snprintf(text, sizeof text, "%s line %u: %.*s.*: %s", d->file->name, d->file->settings[i].line, (int)len, device,
             what);
    d->warn(text, d->ctx);
}

/* Setting I, whose value is in d->value, is wrong. */
static bool wrong(struct vmx_disks *d, uint32_t i, const char *why, struct error *e)
{
    char key[VMX_KEY_MAX];
    vmx_file_key(d->file, i, key);
    return error_set(e, EXIT_FAILED, "%s line %u: %s = \"%.40s\": %s", d->file->name, d->file->settings[i].line, key,
                     d->value, why);
}

/* DEVICE.NAME as TRUE or FALSE; without it USUAL. */
static bool truth(struct vmx_disks *d, const char *device, size_t len, const char *name, bool usual, bool *out,
                  struct error *e)
{
    uint32_t i = get(d, device, len, name);
    *out = i == NO_SETTING ? usual : strcasecmp(d->value, "TRUE") == 0;
    return i == NO_SETTING || *out || strcasecmp(d->value, "FALSE") == 0 ||
           wrong(d, i, "neither yes nor no: write \"TRUE\" or \"FALSE\"", e);
}

static bool one_of(const char *value, const char *const *words)
{
    while (*words != NULL && strcasecmp(value, *words) != 0)
        words++;
    return *words != NULL;
}

/* *LEFT_OUT: what this host cannot offer; a warning was given. */
static bool device_type(struct vmx_disks *d, const char *device, size_t len, struct vm_disk *disk, bool *left_out,
                        struct error *e)
{
    static const char *const hard[] = {"", "disk", "scsi-hardDisk", "ata-hardDisk", "sata-hardDisk", "nvme-hardDisk",
                                       "rawDisk", NULL};
    static const char *const drive[] = {"atapi-cdrom", "cdrom-raw", NULL};
    uint32_t i = get(d, device, len, "deviceType");
    disk->cdrom = strcasecmp(d->value, "cdrom-image") == 0;
    disk->host = strcasecmp(d->value, "rawDisk") == 0;
    *left_out = one_of(d->value, drive);
    if (*left_out)
        warn(d, i, device, len, "CD drives of the host are not supported in this version, left out");
    return *left_out || disk->cdrom || one_of(d->value, hard) ||
           wrong(d, i, "not a kind of disk: write \"disk\" or \"cdrom-image\"", e);
}

static bool mode(struct vmx_disks *d, const char *device, size_t len, struct error *e)
{
    static const char *const lasting[] = {"", "persistent", "independent-persistent", NULL};
    uint32_t i = get(d, device, len, "mode");
    return one_of(d->value, lasting) ||
           wrong(d, i, "changes that are thrown away are not supported: write \"persistent\", or readonly = \"TRUE\"", e);
}

static bool file_name(struct vmx_disks *d, const char *device, size_t len, uint32_t present, struct vm_disk *disk,
                      struct error *e)
{
    const char *why = "";
    uint32_t i = get(d, device, len, "fileName");
    if (i == NO_SETTING || d->value[0] == '\0')
        return error_set(e, EXIT_FAILED, "%s line %u: %.*s.fileName is missing: write %.*s.fileName = \"IMAGE\"",
                         d->file->name, d->file->settings[present].line, (int)len, device, (int)len, device);
    disk->line = d->file->settings[i].line;
    enum vdisk_kind kind = vdisk_kind_of(d->value, &why);
    if (kind == VDISK_OTHER)
        return wrong(d, i, why, e);
    if (disk->host && kind != VDISK_HOST)
        return wrong(d, i, "a rawDisk is a disk of the host: write \"disk:sd0\" or \"disk:sd0p2\" (`disk-info` lists them)", e);
    if (disk->cdrom && kind == VDISK_HOST)
        return wrong(d, i, "a disk of the host is no image of a CD: write deviceType = \"rawDisk\", readonly = \"TRUE\"", e);
    return vmx_path(d->path, d->value, disk->path) || wrong(d, i, "the path is too long: at most 255 bytes", e);
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
static bool controller_absent(struct vmx_disks *d, const char *device, size_t len)
{
    size_t n = (size_t)(strchr(device, ':') - device);
    return n < len && get(d, device, n, "present") != NO_SETTING && strcasecmp(d->value, "FALSE") == 0;
}

/* The device whose `.present = "TRUE"` is setting I. */
static bool add_device(struct vmx_disks *d, uint32_t i, const char *device, const struct slot *s, struct error *e)
{
    const struct bus *bus = &buses[s->bus];
    struct vm_disk disk = {.order = s->bus << 16 | s->controller << 8 | s->unit};
    size_t len = s->device_len;
    bool left_out = false, start = true, through;
    if (s->controller >= bus->controllers || s->unit >= bus->units)
        return error_set(e, EXIT_FAILED, "%s line %u: %.*s: no such place: %s0:0 to %s%u:%u are possible",
                         d->file->name, d->file->settings[i].line, (int)len, device, bus->name, bus->name,
                         bus->controllers - 1, bus->units - 1);
    if (controller_absent(d, device, len)) {
        warn(d, i, device, len, "its controller's .present is FALSE: left out");
        return true;
    }
    if (!device_type(d, device, len, &disk, &left_out, e) || left_out)
        return left_out;
    if (!truth(d, device, len, "startConnected", true, &start, e))
        return false;
    if (!start)
        return true;
    if (!mode(d, device, len, e) || !truth(d, device, len, "writeThrough", true, &through, e) ||
        !truth(d, device, len, "readonly", disk.cdrom, &disk.read_only, e) ||
        !file_name(d, device, len, i, &disk, e))
        return false;
    disk.read_only = disk.read_only || disk.cdrom;
    if (d->out->disks == VM_DISKS_MAX)
        return error_set(e, EXIT_FAILED, "%s line %u: %.*s: more than %u disks: leave some out", d->file->name,
                         d->file->settings[i].line, (int)len, device, VM_DISKS_MAX);
    insert(d->out, &disk);
    return true;
}

/* Has a setting of DEVICE apart from `.present` a line before I? */
static bool mentioned(const struct vmx_disks *d, uint32_t upto, const char *device, size_t len)
{
    char key[VMX_KEY_MAX];
    for (uint32_t i = 0; i < upto; i++) {
        vmx_file_key(d->file, i, key);
        if (strncasecmp(key, device, len) == 0 && key[len] == '.' && strcasecmp(key + len + 1, "present") != 0)
            return true;
    }
    return false;
}

/* What is set of a device that is not there for want of `.present`, and settings that mean nothing here. */
static void look_at(struct vmx_disks *d, uint32_t i, const char *key, const struct slot *s)
{
    static const char *const known[] = {"present", "fileName", "deviceType", "mode", "readonly", "writeThrough",
                                        "startConnected", "autodetect", "redo", NULL};
    char text[200];
    uint32_t present = get(d, key, s->device_len, "present");
    if (present != NO_SETTING && strcasecmp(d->value, "FALSE") == 0)
        return;
    if (s->controller_only) {
        if (strcasecmp(s->setting, "present") != 0 && !mentioned(d, i, key, s->device_len))
            warn(d, i, key, s->device_len, "guests see Xen's virtual disks: settings of controllers are ignored");
    } else if (present == NO_SETTING && strcasecmp(s->setting, "fileName") == 0) {
        warn(d, i, key, s->device_len, "without .present = \"TRUE\" it is left out");
    } else if (!one_of(s->setting, known)) {
        snprintf(text, sizeof text, "unknown setting %.60s of a disk, ignored", s->setting);
        warn(d, i, key, s->device_len, text);
    }
}

bool vmx_disks_read(struct vmx_disks *d, struct error *e)
{
    char key[VMX_KEY_MAX];
    struct slot s;
    bool present = false;
    for (uint32_t i = 0; i < d->file->count; i++) {
        vmx_file_key(d->file, i, key);
        if (!parse_key(key, &s))
            continue;
        look_at(d, i, key, &s);
        if (strcasecmp(s.setting, "present") != 0)
            continue;
        if (!truth(d, key, s.device_len, "present", false, &present, e) ||
            (present && !s.controller_only && !add_device(d, i, key, &s, e)))
            return false;
    }
    for (uint32_t i = 0; i < d->out->disks; i++)
        d->out->disk[i].index = (uint16_t)i;
    return true;
}
