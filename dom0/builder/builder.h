/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Kernel image -> memory of a new domain: ELF with PVH note or bzImage (LZ4), ramdisk, command line, start info,
 * ACPI tables. Streams into the guest's memory through foreign mappings; a broken image gets a clear error and leaves
 * nothing behind (the caller destroys the domain). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dom0/fs/volume.h"
#include "dom0/lib/error.h"

#define GUEST_STORE_GFN   0xfeffcUL
#define GUEST_CONSOLE_GFN 0xfefffUL
#define GUEST_ACPI_GPA    0xfc000000UL

struct build_request {
    uint16_t domid;
    uint32_t vcpus;
    uint64_t mem_bytes; /* multiple of 4 KiB, at least 4 MiB */
    struct file *kernel;
    struct file *ramdisk;    /* or NULL */
    const char *cmdline;     /* or NULL */
    const char *kernel_path; /* for error texts */
    const char *ramdisk_path;
    /* Progress for the operator: WHAT ("memory", "kernel", "ramdisk"), DONE of TOTAL bytes. Return false to abort
     * (Ctrl-C). */
    bool (*progress)(void *ctx, const char *what, uint64_t done, uint64_t total);
    void *ctx;
};

/* Populates memory (2 MiB pages where possible), loads, writes tables, sets vCPU 0's PVH entry state. The domain must
 * be new and empty. */
bool builder_build(const struct build_request *r, struct error *e);
