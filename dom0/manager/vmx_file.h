/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The syntax of .vmx files: lines of `key = "value"`, blank lines, `#` comments; inside of a value `|22` is the
 * byte 0x22. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VMX_MAX_SETTINGS 384U
#define VMX_MAX_BYTES    65536U
#define VMX_KEY_MAX      64U
#define VMX_VALUE_MAX    1024U /* decoded, with the terminating NUL */
#define VMX_NONE         UINT32_MAX /* no such setting */

struct vmx_setting {
    uint32_t line_off, line; /* where its line begins; its number */
    uint32_t key_off, value_off;
    uint16_t key_len, value_len;
    bool control;  /* line breaks or tabs were escaped in the value; vmx_file_value gives blanks for them */
    bool too_long; /* vmx_file_value gives its beginning */
};

struct vmx_file {
    const char *text;
    const char *name; /* for messages */
    size_t len;
    uint32_t count;
    bool ascii; /* no byte above 0x7f */
    struct vmx_setting settings[VMX_MAX_SETTINGS];
};

/* Line LINE (0: the whole file) is no setting: WHY, what is wrong and what would be right; it lives for this call. */
typedef void (*vmx_bad_line)(void *ctx, uint32_t line, const char *why);

/* Splits TEXT (must outlive F) into settings. Each line with bad quoting, bytes that are not UTF-8, or a key that was set
 * before is told to BAD and left out; the others go on. NAME is how messages call the file. */
void vmx_file_split(struct vmx_file *f, const char *text, size_t len, const char *name, vmx_bad_line bad, void *ctx);
/* The key of setting I, NUL-terminated. */
void vmx_file_key(const struct vmx_file *f, uint32_t i, char key[VMX_KEY_MAX]);
/* The decoded value of setting I. */
void vmx_file_value(const struct vmx_file *f, uint32_t i, char value[VMX_VALUE_MAX]);
/* The setting of KEY, in upper or lower case; VMX_NONE. */
uint32_t vmx_file_find(const struct vmx_file *f, const char *key);
/* The setting DEVICE.NAME, DEVICE being the first LEN bytes of a key; VMX_NONE. */
uint32_t vmx_file_find_of(const struct vmx_file *f, const char *device, size_t len, const char *name);
