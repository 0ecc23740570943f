/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Driver-test mode: what the drivers found, on COM1, then the end. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Lists PCI devices, disks, volumes and the default volume's folder, reads every file there once, and leaves QEMU:
 * status 0x10 (exit code 33), or 0x11 (35) when a read failed. */
_Noreturn void driver_test_report(void);
/* With `write-test` on the command line instead: writes to the folder \w of the first disk volume for ever, telling
 * before and after each step what it does, until somebody switches the machine off. Returns when a step fails. */
void driver_test_write(void);
/* What the words of LINE ask for besides:
 *   raw=DISK        writes over all of DISK's ends and limits, reads back, also from several threads at a time
 *   files=VOLUME    makes, reads and removes files there
 *   watch=DISK,SECONDS  (several) reads and writes DISK in the background, and says whenever the outcome changes
 *   net=SECONDS    the first network card does what frames of the script ask for (driver_test_net.c), at most so long
 *   timeout=SECONDS  (before those) so long may a command of a disk of drivers/disk.h take
 * false: something that must work did not. */
bool driver_test_disks(const char *line);
bool driver_test_net(uint64_t seconds);
