/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The one status type of root mode. A function that returns it can fail;
 * a caller that ignores it does not compile. */
#pragma once

enum [[nodiscard]] status {
#define STATUS(name, error, word) STATUS_##name,
#include "kernel/core/status.def"
#undef STATUS
    STATUS_COUNT
};

/* The Xen errno (positive) for STATUS; 0 for STATUS_OK. */
int status_errno(enum status status);
/* A short word for logs, e.g. "no memory". */
const char *status_name(enum status status);
