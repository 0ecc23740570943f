/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Virtio network cards on PCI ("virtio-net"). */
#pragma once

/* Drives each one that PCI has found. May sleep. */
void virtio_net_init(void);
