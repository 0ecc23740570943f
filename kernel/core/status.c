/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Status values as Xen errno numbers and as words. */
#include "kernel/core/status.h"

#include "kernel/core/types.h"

static const struct {
    int error; /* Xen's number, xen/errno.h */
    const char *name;
} statuses[STATUS_COUNT] = {
    [STATUS_OK] = {0, "ok"},
    [STATUS_INVALID] = {22, "invalid argument"},
    [STATUS_NO_MEMORY] = {12, "no memory"},
    [STATUS_DENIED] = {1, "denied"},
    [STATUS_NOT_FOUND] = {2, "not found"},
    [STATUS_NO_DOMAIN] = {3, "no such domain"},
    [STATUS_EXISTS] = {17, "exists"},
    [STATUS_BUSY] = {16, "busy"},
    [STATUS_BAD_STATE] = {16, "wrong state"},
    [STATUS_FAULT] = {14, "bad guest address"},
    [STATUS_UNSUPPORTED] = {38, "not supported"},
    [STATUS_NO_SPACE] = {28, "no space"},
    [STATUS_NO_DEVICE] = {19, "no device"},
    [STATUS_TIMEOUT] = {110, "timeout"},
    [STATUS_RANGE] = {34, "out of range"},
};

int status_errno(enum status status) { return (unsigned)status < STATUS_COUNT ? statuses[status].error : 22; }

const char *status_name(enum status status) { return (unsigned)status < STATUS_COUNT ? statuses[status].name : "?"; }
