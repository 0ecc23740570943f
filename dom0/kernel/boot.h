/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] What Dom0 was started with. Under the hypervisor: PVH start info with the guest folder's files as modules.
 * Under plain QEMU (`-kernel`): the driver-test mode, no hypervisor calls at all. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* name: path with '/', relative to the guest folder */
struct boot_module_view { const char *name; const void *data; uint64_t size; };

bool boot_on_corbel(void); /* false: driver-test mode */
size_t boot_module_count(void);
struct boot_module_view boot_module_get(size_t i);
uint64_t boot_rsdp(void);
const char *boot_cmdline(void);
/* Gives the modules' memory back to the hypervisor (when a disk with the same folder was mounted). */
void boot_modules_release(void);

/* dom0_main order (dom0/kernel/main.c): boot, heap, threads, events, time, console -> pci_init, disk drivers ->
 * volume_init -> store_init -> manager_init -> cli_start. */
