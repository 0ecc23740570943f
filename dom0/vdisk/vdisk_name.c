/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Names of virtual disks. Pure. */
#include "dom0/vdisk/vdisk_name.h"

#include "dom0/lib/string.h"

#define EXTENT_END_LEN 10U /* "-s001.vmdk" */

bool vdisk_ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcasecmp(text + n - m, end) == 0;
}

const char *vdisk_memory_name(const char *name) { return strncmp(name, "memory:", 7) == 0 ? name + 7 : NULL; }

const char *vdisk_host_name(const char *name)
{
    static const char *const prefix[] = {"disk:", "phy:"};
    for (size_t i = 0; i < 2; i++) {
        size_t len = strlen(prefix[i]);
        if (strncasecmp(name, prefix[i], len) == 0)
            return name + len + (strncmp(name + len, "/dev/", 5) == 0 ? 5 : 0);
    }
    return NULL;
}

/* "x-s001.vmdk", "x-f012.vmdk": one of several files of an image. */
static bool is_extent(const char *name)
{
    size_t len = strlen(name);
    const char *p = name + len - EXTENT_END_LEN;
    return len > EXTENT_END_LEN && p[0] == '-' && strchr("sSfF", p[1]) != NULL && p[2] >= '0' && p[2] <= '9' &&
           p[3] >= '0' && p[3] <= '9' && p[4] >= '0' && p[4] <= '9';
}

enum vdisk_kind vdisk_kind_of(const char *name, const char **why)
{
    static const char *const formats[] = {".qcow2", ".qcow", ".qed", ".vhd", ".vhdx", ".vdi"};
    if (vdisk_memory_name(name) != NULL)
        return VDISK_MEMORY;
    if (vdisk_host_name(name) != NULL)
        return VDISK_HOST;
    *why = "it is written \"disk:sd0\" or \"disk:sd0p2\"; `disk-info` lists the host's disks";
    if (strncmp(name, "\\\\.\\", 4) == 0 || strncmp(name, "/dev/", 5) == 0)
        return VDISK_OTHER;
    *why = "only raw images and VMware's .vmdk are read: convert it with qemu-img convert -O raw";
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (vdisk_ends_with(name, formats[i]))
            return VDISK_OTHER;
    if (!vdisk_ends_with(name, ".vmdk") || vdisk_ends_with(name, "-flat.vmdk"))
        return VDISK_RAW;
    *why = "this is one extent of an image: name the .vmdk file that lists all of them";
    return is_extent(name) ? VDISK_OTHER : VDISK_VMDK;
}
