/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The invariants, executable: what the system believes is recomputed from first principles and compared. */
#pragma once

#include "kernel/abi/control.h"

/* Checks every frame's owner and references against all EPTs, tables and pins; that no free, quarantined or root frame is reachable; root's W^X;
 * free lists; bitmaps against policy; event channels; grants; run queues; the state table. OUT says whether all holds, and the first that does not.
 * Precondition: no other CPU runs a guest or root code that changes any of it; no lock held. */
void audit_run(struct cbl_audit *out);
