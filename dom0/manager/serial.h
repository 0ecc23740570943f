/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] serial0 of a .vmx file: what a guest says on its console is appended to a file, too. One thread for each such
 * guest follows its scroll-back, so that the guest never waits for a disk; what the disk is too slow for is counted and
 * noted in the file. An error is told once, and the guest goes on. */
#pragma once

#include <stdint.h>

struct registry_entry;

/* The guest's console is served. Nothing happens without serial0. */
void serial_start(const struct registry_entry *e);
/* Its console was stopped: what was said last is written, and the file closed. May wait for the disk. */
void serial_stop(uint16_t domid);
