/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Any bytes as a .vmx file: parsed without a fault; what is taken keeps the promises of struct vm_config. */
#include <stdlib.h>
#include <string.h>

#include "dom0/manager/manager.h"

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
        if (c->disk[i].index != i || c->disk[i].line == 0 || c->disk[i].path[0] == '\0' ||
            strnlen(c->disk[i].path, PATH_MAX_LEN) >= PATH_MAX_LEN || (c->disk[i].cdrom && !c->disk[i].read_only))
            abort();
    if (strlen(c->ramdisk) >= sizeof c->ramdisk || strlen(c->guest_os) >= sizeof c->guest_os)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct vm_config config;
    struct error e = { 0 };
    size_t warned = 0;
    if (vmx_parse((const char *)data, size, "hd0p1:/corbel/vm/a/a.vmx", &config, warn, &warned, &e))
        check(&config);
    else if (e.text[0] == '\0' || e.code == EXIT_OK)
        abort();
    return 0;
}
