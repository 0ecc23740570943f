/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Which kind of virtual disk a name means. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum vdisk_kind {
    VDISK_RAW,
    VDISK_MEMORY, /* "memory:64" */
    VDISK_HOST, /* "disk:sd0", "phy:/dev/sd0p2" */
    VDISK_VMDK,
    VDISK_OTHER /* a format that is not read, or a piece of an image: *WHY says what to do */
};

enum vdisk_kind vdisk_kind_of(const char *name, const char **why);
/* What follows "disk:", "phy:" and "/dev/"; NULL: NAME is no disk of the host. */
const char *vdisk_host_name(const char *name);
/* What follows "memory:"; NULL: NAME is no disk in memory. */
const char *vdisk_memory_name(const char *name);
bool vdisk_ends_with(const char *text, const char *end);
