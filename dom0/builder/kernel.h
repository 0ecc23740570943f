/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Loading the files of a guest: the kernel (ELF or bzImage) and the ramdisk. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dom0/builder/builder.h"
#include "dom0/builder/elf_plan.h"
#include "dom0/builder/guest_memory.h"
#include "dom0/builder/start_info.h"

/* One build under way. */
struct build {
    const struct build_request *r;
    struct error *e;
    struct guest_memory memory;
    struct guest_layout layout;
    struct elf_plan plan;
    uint8_t *staging; /* STAGING_BYTES of heap, for files that are not in memory */
    uint8_t *notes;
    uint64_t stream_off; /* unpacked bytes so far */
    uint64_t reported;   /* progress was told up to here */
    uint32_t entry;
};

/* Lets other threads run and tells the operator that DONE of TOTAL bytes of WHAT are there, at most once per MiB
 * (b->reported). false: he stops it; the error is set. */
bool build_progress(struct build *b, const char *what, uint64_t done, uint64_t total);
/* Reads, unpacks and places the kernel; plans the layout on the way (before the first byte is placed). Sets entry and
 * layout. */
bool kernel_load(struct build *b);
/* Places the ramdisk at layout.ramdisk_gpa. */
bool ramdisk_load(struct build *b);
