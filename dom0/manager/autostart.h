/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Which guests are created at boot: those that `autostart` in corbel.cfg names, which only its editor changes,
 * then those in \corbel\autostart.cfg on the volume of the guest folder, one name per line, which the verb keeps. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dom0/lib/error.h"

#define AUTOSTART_MAX  64U
#define AUTOSTART_NAME 256U

struct autostart {
    uint32_t count;
    uint32_t configured; /* the first so many come from corbel.cfg */
    char names[AUTOSTART_MAX][AUTOSTART_NAME];
};

/* Both lists, without doubles, in the order of creation. The second one may be missing. Large: not for a stack. */
bool autostart_load(struct autostart *a, struct error *e);
/* The index of NAME in A; negative: it is not there. Case counts as in the names of files: not. */
int autostart_find(const struct autostart *a, const char *name);
/* Takes NAME, a guest in the guest folder or a path, into the stored list or out of it; what is so already is fine.
 * EXIT_NO_RESOURCE: there is no volume to store it on. EXIT_WRONG_STATE: corbel.cfg names it. */
bool autostart_set(const char *name, bool on, struct error *e);
/* Adds the names of TEXT, between any of SEPARATORS, lines that begin with # left out. Pure. false: too many, or too
 * long a name. */
bool autostart_add_text(struct autostart *a, const char *text, const char *separators);
