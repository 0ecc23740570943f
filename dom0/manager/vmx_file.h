/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The syntax of .vmx files: lines of `key = "value"`, blank lines, `#` comments; inside of a value `|22` is the
 * byte 0x22. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0/lib/error.h"

#define VMX_MAX_SETTINGS 384U
#define VMX_MAX_BYTES    65536U
#define VMX_KEY_MAX      64U
#define VMX_VALUE_MAX    1024U /* decoded, with the terminating NUL */

struct vmx_setting {
    uint32_t value_off;
    uint16_t key_off_in_line, key_len, value_len, line;
    uint32_t line_off;
};

struct vmx_file {
    const char *text;
    const char *name; /* for messages */
    uint32_t count;
    struct vmx_setting settings[VMX_MAX_SETTINGS];
};

/* Splits TEXT (must outlive F) into settings; finds doubles, bad quoting, bytes that are not UTF-8. NAME is how
 * messages call the file. */
bool vmx_file_split(struct vmx_file *f, const char *text, size_t len, const char *name, struct error *e);
/* The key of setting I, NUL-terminated. */
void vmx_file_key(const struct vmx_file *f, uint32_t i, char key[VMX_KEY_MAX]);
/* The decoded value of setting I. */
void vmx_file_value(const struct vmx_file *f, uint32_t i, char value[VMX_VALUE_MAX]);
