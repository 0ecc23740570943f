/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] What the settings of a network card mean (VMware's names). Pure. */
#include "dom0/manager/nic.h"

#include "dom0/lib/string.h"

static const char bad_mac[] = "not a card's address: write six bytes such as \"00:50:56:12:34:56\"";
static const char bad_truth[] = "neither yes nor no: write \"TRUE\" or \"FALSE\"";

static bool truth(const char *value, bool *out)
{
    *out = strcasecmp(value, "TRUE") == 0;
    return *out || strcasecmp(value, "FALSE") == 0;
}

static const char *set_present(struct vm_nic *n, const char *value) { return truth(value, &n->present) ? NULL : bad_truth; }

/* Every bridge joins guests on this host only, so that bridged, hostonly and custom differ in their usual name alone. */
static const char *set_connection(struct vm_nic *n, const char *value)
{
    bool hostonly = strcasecmp(value, "hostonly") == 0;
    if (!hostonly && strcasecmp(value, "bridged") != 0 && strcasecmp(value, "custom") != 0)
        return "not a connection of this version: write \"bridged\", \"hostonly\" or \"custom\" with networkName (there is no address translation)";
    if (hostonly && n->bridge[0] == '\0')
        strlcpy(n->bridge, "hostonly", sizeof n->bridge);
    return NULL;
}

static const char *set_network(struct vm_nic *n, const char *value)
{
    if (!net_bridge_name_ok(value))
        return "not a bridge's name: write at most 15 letters, digits, . _ or -";
    strlcpy(n->bridge, value, sizeof n->bridge);
    return NULL;
}

static const char *set_type(struct vm_nic *n, const char *value)
{
    n->is_static = strcasecmp(value, "static") == 0;
    return n->is_static || strcasecmp(value, "generated") == 0 || strcasecmp(value, "vpx") == 0
               ? NULL
               : "not a kind of address: write \"generated\", or \"static\" with address";
}

static const char *set_address(struct vm_nic *n, const char *value)
{
    n->mac_set = mac_parse(value, n->mac);
    return n->mac_set ? NULL : bad_mac;
}

static const char *set_generated(struct vm_nic *n, const char *value)
{
    n->generated_set = mac_parse(value, n->generated);
    return n->generated_set ? NULL : bad_mac;
}

/* Where VMware counts on from; the distance between cards is fixed here. */
static const char *check_offset(struct vm_nic *n, const char *value)
{
    uint64_t v = 0;
    (void)n;
    return parse_u64(value, &v) ? NULL : "not a number: leave the line out";
}

static const char *set_check(struct vm_nic *n, const char *value)
{
    bool check = true;
    const char *why = truth(value, &check) ? NULL : bad_truth;
    n->no_check = !check;
    return why;
}

static const char *set_rate(struct vm_nic *n, const char *value)
{
    uint64_t v = 0;
    if (!parse_u64(value, &v) || v > NIC_RATE_MAX)
        return "not a rate: write KiB per second up to 16777216, or \"0\" for no limit";
    n->rate_kib = (uint32_t)v;
    return NULL;
}

static const struct {
    const char *key;
    const char *(*set)(struct vm_nic *n, const char *value);
} settings[] = {
    {"present", set_present},   {"connectionType", set_connection},  {"networkName", set_network},
    {"addressType", set_type},  {"address", set_address},            {"generatedAddress", set_generated},
    {"rate", set_rate},         {"generatedAddressOffset", check_offset}, {"checkMACAddress", set_check},
};

bool nic_set(struct vm_nic *n, const char *key, const char *value, const char **why)
{
    n->named = true;
    *why = "no setting of a network card";
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        if (strcasecmp(settings[i].key, key) == 0)
            *why = settings[i].set(n, value);
    return *why == NULL;
}

bool nic_finish(struct vm_nic *n, const char **why)
{
    if (!n->present)
        return true;
    if (n->bridge[0] == '\0')
        strlcpy(n->bridge, NIC_BRIDGE, sizeof n->bridge);
    if (n->is_static && !n->mac_set) {
        *why = "addressType is \"static\" and there is no address: write address = \"00:50:56:12:34:56\" with the card's own";
        return false;
    }
    if (!n->is_static) { /* what VMware keeps of an earlier life does not count, but for what it generated itself */
        n->mac_set = n->generated_set;
        memcpy(n->mac, n->generated, MAC_LEN);
    }
    return !n->mac_set || mac_usable(n->mac, !n->no_check, why);
}
