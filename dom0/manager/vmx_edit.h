/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] One setting of a .vmx file changed, and no other byte: comments, order, line ends, byte order mark and the
 * spelling of the key stay. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* TEXT (LEN bytes) with KEY = "VALUE" to OUT (SIZE bytes, *OUT_LEN of them used). A KEY that is there, in upper or lower
 * case, gets the value where it stands, also when its line was malformed; a new one becomes the last line. false: no
 * room in OUT. */
bool vmx_edit_set(const char *text, size_t len, const char *key, const char *value, char *out, size_t size, size_t *out_len);
/* TEXT without each line that sets KEY; what stands behind the value there goes with it. *REMOVED: how many lines. OUT
 * has room for LEN bytes. */
void vmx_edit_remove(const char *text, size_t len, const char *key, char *out, size_t *out_len, size_t *removed);
/* VALUE as it stands between the quotes: `"` and `|` are escaped. The length, also when SIZE is too small for it. */
size_t vmx_edit_encode(char *out, size_t size, const char *value);
