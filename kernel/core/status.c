/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Status values as Xen errno numbers and as words. */
#include "kernel/core/status.h"


static const struct {
    int error;
    const char *name;
} statuses[STATUS_COUNT] = {
#define STATUS(name, error, word) [STATUS_##name] = {error, word},
#include "kernel/core/status.def"
#undef STATUS
};

int status_errno(enum status status) { return (unsigned)status < STATUS_COUNT ? statuses[status].error : 22; }

const char *status_name(enum status status) { return (unsigned)status < STATUS_COUNT ? statuses[status].name : "?"; }
