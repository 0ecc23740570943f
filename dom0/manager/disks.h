/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Disks that come and go while a domain lives. They stay with the domain when it reboots, not when it is created
 * again. WHO: a name or a number. */
#pragma once

#include "dom0/manager/manager.h"

/* Gives the guest the image at PATH as its next disk; *INDEX: which (block_name). */
bool manager_block_attach(const char *who, const char *path, bool read_only, uint16_t *index, struct error *e);
/* Takes the disk DEV ("xvdb", or Xen's number) away: the guest is asked and has WAIT_NS to let go. FORCE: it is not
 * asked. INTERRUPTED may be NULL. EXIT_TIMEOUT: it was asked and holds on. */
bool manager_block_detach(const char *who, const char *dev, bool force, uint64_t wait_ns, bool (*interrupted)(void),
                          struct error *e);

/* ---- CD drives (deviceType "cdrom-image"); DRIVE: "xvdb", Xen's number, or the place in the .vmx file, "ide1:0" ---- */

/* The image at PATH comes into the drive; one that is in it is taken out first as by manager_cd_eject without FORCE. Xen's
 * disks have no change of media: the guest sees the device go and another one come. */
bool manager_cd_insert(const char *who, const char *drive, const char *path, uint64_t wait_ns, bool (*interrupted)(void),
                       struct error *e);
/* Takes the CD out, as manager_block_detach takes a disk away; the drive stays. An empty one is fine. */
bool manager_cd_eject(const char *who, const char *drive, bool force, uint64_t wait_ns, bool (*interrupted)(void),
                      struct error *e);
