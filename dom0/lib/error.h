/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] How a failure travels in Dom0: an exit code (DESIGN: 0 ok .. 8 incompatible host) and one line `error:
 * <what>: <why>: <what to do>`. Functions that can fail for the operator take a struct error * and return bool. */
#pragma once

#include <stdbool.h>

enum exit_code {
    EXIT_OK = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_NO_DOMAIN = 3,
    EXIT_WRONG_STATE = 4,
    EXIT_REFUSED = 5,
    EXIT_NO_RESOURCE = 6,
    EXIT_TIMEOUT = 7,
    EXIT_INCOMPATIBLE = 8
};

struct error {
    enum exit_code code;
    char text[240]; /* "<what>: <why>: <what to do>" without the leading "error: " */
};

/* Fills E and returns false, so that `return error_set(e, …)` works. */
bool error_set(struct error *e, enum exit_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
