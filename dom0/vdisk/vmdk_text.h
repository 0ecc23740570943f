/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The descriptor of a .vmdk: the text that says of which files it is made ("Virtual Disk Format 5.0", VMware).
 * Nothing of it is believed. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0/lib/error.h"

#define VMDK_TEXT_MAX    65536U
#define VMDK_EXTENTS_MAX 512U
#define VMDK_CID_DIGITS  8U

struct vmdk_line { /* one extent */
    uint64_t sectors;  /* not 0 */
    uint64_t offset;   /* sectors of its file before its first one; flat ones only */
    uint32_t name, name_len; /* in the text: a file beside the descriptor; no separator is in it */
    bool read_only;
};

struct vmdk_text {
    bool sparse;       /* all extents are, or all are flat */
    bool single;       /* monolithic: one extent */
    uint64_t sectors;  /* of all extents */
    uint32_t cid;      /* in the text: 8 digits; 0: none */
    uint32_t count;
    struct vmdk_line line[VMDK_EXTENTS_MAX];
};

/* TEXT[0 .. LEN), at most VMDK_TEXT_MAX. NAME is for messages; the text may hold any bytes. */
bool vmdk_text_read(struct vmdk_text *out, const char *name, const char *text, size_t len, struct error *e);
/* Is this a descriptor at all? */
bool vmdk_text_begins(const char *text, size_t len);
