/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Guests' .vmx files on their volumes: finding, reading, explaining and changing them. */
#pragma once

#include <stdbool.h>

#include "dom0/manager/vmx.h"

struct registry_entry;

/* PATH as `create` takes it -> the .vmx file: itself, or FOLDER/FOLDER.vmx. */
bool guest_file_of_path(const char *path, char out[PATH_MAX_LEN], struct error *e);
/* The .vmx file of WHO: a domain's (by name or number), else as above. */
bool guest_file_find(const char *who, char out[PATH_MAX_LEN], struct error *e);
/* Reads and checks the file; WARN gets what is ignored, NULL: nobody wants to know. */
bool guest_file_read(const char *path, struct vm_config *out, void (*warn)(const char *line, void *ctx), void *ctx,
                     struct error *e);
/* Tells FN all that there is to say of the file, also which of the files that it names are missing. *REFUSED: for how
 * many reasons `create` would not take it. false: it could not be read. */
bool guest_file_explain(const char *path, vmx_finding_fn fn, void *ctx, uint32_t *refused, struct error *e);
/* Writes KEY = "VALUE" into the file of WHO; VALUE NULL: takes KEY out of it. Only if the file is not worse for it, and
 * no domain lives that was made of it. WARN: what should be known of the new setting. A power cut leaves the old file or
 * the new one. */
bool guest_file_set(const char *who, const char *key, const char *value, void (*warn)(const char *line, void *ctx),
                    void *ctx, struct error *e);
/* Gives E a uuid if its file has none and can be written to. Before its start; manager_lock is held. */
void guest_file_make_uuid(struct registry_entry *e);
/* Writes what was generated for E (uuid, cards' addresses) into its file, so that it stays. A file that cannot be written
 * to is a warning if an address is lost by that. manager_lock is held. */
void guest_file_keep(struct registry_entry *e, void (*warn)(const char *line, void *ctx), void *ctx);
