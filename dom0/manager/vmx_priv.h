/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Between the files that read a .vmx file. A setter looks at one value: NULL, or why it is refused. */
#pragma once

#include "dom0/manager/vmx.h"

/* ---- vmx.c ---- */

/* Setting I gets a verdict; a worse one than it has, or none. */
void vmx_judge(struct vmx_work *w, uint32_t i, enum vmx_verdict verdict, const char *text);
/* As VMX_IGNORED that is not told unasked. */
void vmx_quiet(struct vmx_work *w, uint32_t i, const char *text);
/* A finding about no setting; LINE 0: about what is missing. */
void vmx_more(struct vmx_work *w, uint32_t line, enum vmx_verdict verdict, const char *text);
/* A text that lives as long as W. */
const char *vmx_words(struct vmx_work *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Does KEY match PATTERN? `#` stands for a number, `.*` at its end for all settings of a device. On a match with `.*`
 * *DEVICE_LEN is the length of what stands before that dot, else the whole. */
bool vmx_matches(const char *pattern, const char *key, size_t *device_len);
/* "TRUE" or "FALSE": false: neither. */
bool vmx_truth(const char *value, bool *out);
extern const char vmx_bad_truth[];
/* Is DEVICE.present (DEVICE: the first LEN bytes of KEY) FALSE? */
bool vmx_absent(const struct vmx_file *f, const char *key, size_t len);

/* ---- vmx_keys.c ---- */

typedef const char *(*vmx_set_fn)(struct vmx_work *w, const char *value);
typedef void (*vmx_show_value_fn)(const struct vm_config *c, char *out, size_t len);
struct vmx_key {
    const char *name;
    vmx_set_fn set;
    vmx_show_value_fn show; /* NULL: nothing of it is kept. "" is not shown */
    const char *meaning;
};
extern const struct vmx_key vmx_keys[];
extern const size_t vmx_key_count;
/* A setter's answer WHY means that the value is ignored, not refused. */
bool vmx_left_out(const char *why);
/* What depends on several settings, or is missing. */
void vmx_keys_finish(struct vmx_work *w);

/* ---- nic.c ---- */

/* Is KEY a setting of a network card that is known? Then it is judged. */
bool vmx_nics_read(struct vmx_work *w, uint32_t i, const char *key);
void vmx_nics_finish(struct vmx_work *w);
void vmx_nics_show(const struct vm_config *c, vmx_show_fn fn, void *ctx);
/* The known names, for nearest: NULL behind the last one. */
const char *vmx_nics_name(size_t i);

/* ---- vmx_disks.c ---- */

bool vmx_disks_read(struct vmx_work *w, uint32_t i, const char *key);
void vmx_disks_finish(struct vmx_work *w);
void vmx_disks_show(const struct vm_config *c, vmx_show_fn fn, void *ctx);
const char *vmx_disks_name(size_t i);
/* Does KEY begin as a disk's settings do, such as scsi0:0.? */
bool vmx_disks_device(const char *key);
