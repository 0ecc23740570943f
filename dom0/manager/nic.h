/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] A guest's network card as it is configured. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dom0/net/mac.h"
#include "dom0/net/switch.h"

#define NICS_MAX    8U /* ethernet0 to ethernet7 */
#define NIC_BRIDGE  "bridge0"
#define NIC_RATE_MAX (1U << 24) /* KiB/s */

struct vm_nic {
    bool present;
    bool named;     /* there are settings of it */
    bool is_static; /* addressType */
    bool attached;  /* by hand: a generated address is Xen's */
    bool mac_set, generated_set;
    bool no_check; /* checkMACAddress = "FALSE" */
    uint8_t mac[MAC_LEN];
    uint8_t generated[MAC_LEN];
    char bridge[NET_NAME_MAX]; /* "": NIC_BRIDGE */
    uint32_t rate_kib;         /* 0: no limit */
};

/* The setting KEY ("present", "networkName", …) of a .vmx file. false: *WHY says what is wrong and what would be right. */
bool nic_set(struct vm_nic *n, const char *key, const char *value, const char **why);
/* All settings are read: the defaults, and what depends on several. false: as above. */
bool nic_finish(struct vm_nic *n, const char **why);
