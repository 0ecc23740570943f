/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Any bytes as a .vmx file: parsed without a fault; what is taken keeps the promises of struct vm_config, and what is shown of it is read
 * again as the same. Any file and value for the editor: the value is there then, and every other byte as it was. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/manager/vmx.h"
#include "dom0/manager/vmx_edit.h"

static struct vmx_work work;

static void warn(const char *line, void *ctx)
{
    *(size_t *)ctx += strlen(line);
}

static void check(const struct vm_config *c)
{
    if (c->name[0] == '\0' || strlen(c->name) >= sizeof c->name || c->memsize_mib < 4 || c->memsize_mib % 4 != 0 || c->numvcpus < 1 || c->numvcpus > c->maxvcpus || c->maxvcpus > 32)
        abort();
    if (c->kernel[0] == '\0' || strlen(c->kernel) >= sizeof c->kernel || strlen(c->cmdline) >= sizeof c->cmdline)
        abort();
    if (c->maxmem_mib < c->memsize_mib || c->maxmem_mib % 4 != 0 || c->weight < 1 || c->weight > VM_WEIGHT_MAX || c->cap > 3200 || c->affinity == 0)
        abort();
    if (c->on_poweroff > VM_PRESERVE || c->on_reboot > VM_PRESERVE || c->on_crash > VM_PRESERVE)
        abort();
    if (c->disks > VM_DISKS_MAX)
        abort();
    for (uint32_t i = 0; i < c->disks; i++)
        if (c->disk[i].index != i || (c->disk[i].path[0] == '\0' && !c->disk[i].cdrom) ||
            strnlen(c->disk[i].path, PATH_MAX_LEN) >= PATH_MAX_LEN || (c->disk[i].cdrom && !c->disk[i].read_only))
            abort();
    if (strlen(c->ramdisk) >= sizeof c->ramdisk || strlen(c->guest_os) >= sizeof c->guest_os)
        abort();
}

/* ---- what is shown ---- */

static char shown[200000];
static size_t shown_len;

static void show(const char *key, const char *value, const char *meaning, void *ctx)
{
    char encoded[3 * VMX_VALUE_MAX];
    (void)ctx;
    (void)meaning;
    vmx_edit_encode(encoded, sizeof encoded, value);
    shown_len += (size_t)snprintf(shown + shown_len, sizeof shown - shown_len, "%s = \"%s\"\n", key, encoded);
}

static void check_shown(struct vm_config *first)
{
    static struct vm_config again;
    shown_len = 0;
    vmx_show(first, show, NULL);
    if (shown_len > VMX_MAX_BYTES)
        return;
    if (!vmx_read(&work, shown, shown_len, first->path, &again))
        abort();
    for (uint32_t i = 0; i < first->disks; i++)
        first->disk[i].line = again.disk[i].line;
    for (uint32_t i = 0; i < NICS_MAX; i++) { /* what was said of a card, beside what was meant */
        if (!first->nics[i].present)
            first->nics[i] = again.nics[i];
        memcpy(first->nics[i].generated, again.nics[i].generated, sizeof again.nics[i].generated);
        first->nics[i].generated_set = again.nics[i].generated_set;
        if (!first->nics[i].mac_set)
            memcpy(first->nics[i].mac, again.nics[i].mac, sizeof again.nics[i].mac);
    }
    if (memcmp(first, &again, sizeof again) != 0)
        abort();
}

/* ---- findings ---- */

static unsigned refused;

static void on_finding(const struct vmx_finding *f, void *ctx)
{
    char text[400];
    (void)ctx;
    refused += f->verdict == VMX_REFUSED;
    if (f->text[0] == '\0')
        abort();
    vmx_finding_text(text, sizeof text, "a.vmx", f);
}

static void nothing(void *ctx, uint32_t line, const char *why)
{
    (void)line;
    *(unsigned *)ctx += why[0] != '\0';
}

/* ---- the editor ---- */

static bool is_text(const char *value)
{
    for (; *value != '\0'; value++)
        if ((unsigned char)*value < 0x20 || (unsigned char)*value > 0x7e)
            return false;
    return true;
}

static void check_edit(const char *text, size_t len, const char *key, const char *value)
{
    static char out[VMX_MAX_BYTES + 8192], encoded[3 * VMX_VALUE_MAX];
    static struct vmx_file before, after;
    char got[VMX_VALUE_MAX];
    size_t out_len = 0, removed = 0, head = 0, tail = 0;
    unsigned bad = 0, bad_after = 0;
    vmx_file_split(&before, text, len, "a", nothing, &bad);
    if (!vmx_edit_set(text, len, key, value, out, sizeof out, &out_len))
        abort();
    size_t enc = vmx_edit_encode(encoded, sizeof encoded, value);
    while (head < len && head < out_len && text[head] == out[head])
        head++;
    while (tail < len - head && tail < out_len - head && text[len - 1 - tail] == out[out_len - 1 - tail])
        tail++;
    if (out_len - head - tail > enc + 2 + strlen(key) + 8) /* more changed than the value, or a new line */
        abort();
    if (out_len <= VMX_MAX_BYTES && is_text(value)) {
        vmx_file_split(&after, out, out_len, "a", nothing, &bad_after);
        uint32_t i = vmx_file_find(&after, key);
        if (i == VMX_NONE && (vmx_file_find(&before, key) != VMX_NONE || bad == 0) && before.count < VMX_MAX_SETTINGS)
            abort();
        if (i != VMX_NONE) {
            vmx_file_value(&after, i, got);
            if (strcmp(got, value) != 0 && bad == 0)
                abort();
        }
        if (bad_after > bad)
            abort();
    }
    if (len > VMX_MAX_BYTES)
        return;
    vmx_edit_remove(text, len, key, out, &out_len, &removed);
    if (out_len > len || (removed == 0) != (out_len == len))
        abort();
    vmx_file_split(&after, out, out_len, "a", nothing, &bad_after);
    if (vmx_file_find(&after, key) != VMX_NONE)
        abort();
}

static void try_edit(const uint8_t *data, size_t size)
{
    static const char *const keys[] = {"memsize", "displayName", "corbel.cmdline", "ethernet0.generatedAddress", "a", "scsi0:0.fileName", "uuid.bios", "x.y"};
    char value[256];
    if (size < 2 || size > VMX_MAX_BYTES)
        return;
    size_t len = data[1] < size - 2 ? data[1] : size - 2;
    memcpy(value, data + 2, len);
    value[len] = '\0';
    check_edit((const char *)data + 2 + len, size - 2 - len, keys[data[0] % (sizeof keys / sizeof keys[0])], value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct vm_config config;
    struct error e = { 0 };
    size_t warned = 0;
    bool ok = vmx_parse(&work, (const char *)data, size, "hd0p1:/corbel/vm/a/a.vmx", &config, warn, &warned, &e);
    refused = 0;
    vmx_findings(&work, on_finding, NULL);
    if (ok != (refused == 0) || ok != (work.refused == 0))
        abort();
    if (!ok && (e.text[0] == '\0' || e.code == EXIT_OK))
        abort();
    if (ok) {
        check(&config);
        check_shown(&config);
    }
    try_edit(data, size);
    return 0;
}
