/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Filling a struct error. Pure. */
#include "dom0/lib/error.h"

#include "dom0/lib/string.h"

bool error_set(struct error *e, enum exit_code code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    e->code = code;
    vsnprintf(e->text, sizeof(e->text), fmt, ap);
    va_end(ap);
    return false;
}
