/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The disks of a .vmx file: scsi0:0.*, sata0:0.*, nvme0:0.*, ide0:0.*. Pure. */
#pragma once

#include "dom0/manager/manager.h"
#include "dom0/manager/vmx_file.h"

struct vmx_disks {
    const struct vmx_file *file;
    const char *path; /* of the .vmx file */
    struct vm_config *out;
    void (*warn)(const char *line, void *ctx);
    void *ctx;
    char *value; /* VMX_VALUE_MAX bytes to work with */
};

/* Is KEY a setting of a disk or of a controller, which vmx_disks_read reads? */
bool vmx_disks_key(const char *key);
/* All of the file's disks into OUT, in the order in which the guest sees them. */
bool vmx_disks_read(struct vmx_disks *d, struct error *e);
/* VALUE made absolute: VOLUME:/… stays, /… is on the volume of the .vmx file VMX, all else lies beside it. OUT has
 * PATH_MAX_LEN bytes. false: too long. */
bool vmx_path(const char *vmx, const char *value, char *out);
