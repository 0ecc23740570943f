/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] What the settings of a network card mean (VMware's names). Pure. */
#include "dom0/manager/nic.h"

#include "dom0/lib/string.h"
#include "dom0/manager/vmx_priv.h"

static const char bad_mac[] = "not a card's address: write six bytes such as \"00:50:56:12:34:56\"";

/* ---- values ---- */

static const char *set_present(struct vm_nic *n, const char *value) { return vmx_truth(value, &n->present) ? NULL : vmx_bad_truth; }

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
    const char *why = vmx_truth(value, &check) ? NULL : vmx_bad_truth;
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

static void show_word(bool yes, char *out, size_t len) { strlcpy(out, yes ? "TRUE" : "FALSE", len); }

static void show_present(const struct vm_nic *n, char *out, size_t len) { show_word(n->present, out, len); }

static void show_network(const struct vm_nic *n, char *out, size_t len) { strlcpy(out, n->bridge, len); }

static void show_type(const struct vm_nic *n, char *out, size_t len) { strlcpy(out, n->is_static ? "static" : "generated", len); }

static void show_mac(const struct vm_nic *n, char *out, size_t len)
{
    char text[MAC_TEXT];
    if (!n->mac_set)
        return;
    mac_format(text, n->mac);
    strlcpy(out, text, len);
}

static void show_address(const struct vm_nic *n, char *out, size_t len)
{
    if (n->is_static)
        show_mac(n, out, len);
}

static void show_generated(const struct vm_nic *n, char *out, size_t len)
{
    if (!n->is_static)
        show_mac(n, out, len);
}

static void show_check(const struct vm_nic *n, char *out, size_t len) { show_word(!n->no_check, out, len); }

static void show_rate(const struct vm_nic *n, char *out, size_t len) { snprintf(out, len, "%u", n->rate_kib); }

static const struct {
    const char *name; /* "ethernet#.present" */
    const char *(*set)(struct vm_nic *n, const char *value);
    void (*show)(const struct vm_nic *n, char *out, size_t len);
    const char *meaning;
} settings[] = {
#define VMX_NIC(name, set, show, meaning) {name, set, show, meaning},
#include "dom0/manager/vmx_keys.def"
};
#define SETTINGS (sizeof settings / sizeof settings[0])

bool nic_set(struct vm_nic *n, const char *key, const char *value, const char **why)
{
    n->named = true;
    *why = "no setting of a network card";
    for (size_t i = 0; i < SETTINGS; i++)
        if (strcasecmp(strrchr(settings[i].name, '.') + 1, key) == 0)
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

/* ---- in a .vmx file ---- */

const char *vmx_nics_name(size_t i) { return i < SETTINGS ? settings[i].name : NULL; }

/* The number in ethernetN.… and corbel.ethernetN.…; NICS_MAX or more: no card has it. */
static uint32_t number_of(const char *key)
{
    while (*key < '0' || *key > '9')
        key++;
    return key[1] == '.' ? (uint32_t)(*key - '0') : NICS_MAX;
}

bool vmx_nics_read(struct vmx_work *w, uint32_t i, const char *key)
{
    size_t k = 0, len = 0;
    while (k < SETTINGS && !vmx_matches(settings[k].name, key, &len))
        k++;
    if (k == SETTINGS)
        return false;
    const char *card = strncasecmp(key, "corbel.", 7) == 0 ? key + 7 : key, *dot = strrchr(key, '.'), *why = NULL;
    uint32_t n = number_of(key);
    vmx_file_value(&w->file, i, w->value);
    if (strcasecmp(dot, ".present") != 0 && vmx_absent(&w->file, card, (size_t)(dot - card)))
        vmx_quiet(w, i, "this card is not there (.present is FALSE)");
    else if (n >= NICS_MAX)
        vmx_judge(w, i, VMX_REFUSED, "a domain has 8 network cards at most: write ethernet0 to ethernet7");
    else if (!nic_set(&w->out->nics[n], dot + 1, w->value, &why))
        vmx_judge(w, i, VMX_REFUSED, why);
    else
        vmx_judge(w, i, VMX_TAKEN, settings[k].meaning);
    return true;
}

/* All settings of card N, which is not there. */
static void not_there(struct vmx_work *w, uint32_t n)
{
    char key[VMX_KEY_MAX];
    bool told = false;
    for (uint32_t i = 0; i < w->file.count; i++) {
        size_t len = 0, k = 0;
        vmx_file_key(&w->file, i, key);
        while (k < SETTINGS && !vmx_matches(settings[k].name, key, &len))
            k++;
        if (k == SETTINGS || number_of(key) != n || strcasecmp(strrchr(key, '.'), ".present") == 0)
            continue;
        const char *text = vmx_words(w, "there is no ethernet%u.present = \"TRUE\": there is no such card", n);
        if (told)
            vmx_quiet(w, i, text);
        else
            vmx_judge(w, i, VMX_IGNORED, text);
        told = true;
    }
}

void vmx_nics_finish(struct vmx_work *w)
{
    for (uint32_t n = 0; n < NICS_MAX; n++) {
        char card[24], key[VMX_KEY_MAX];
        const char *why = NULL;
        struct vm_nic *nic = &w->out->nics[n];
        if (nic->named && !nic->present)
            not_there(w, n);
        if (nic_finish(nic, &why))
            continue;
        snprintf(card, sizeof card, "ethernet%u", n);
        snprintf(key, sizeof key, "%s.%s", card, nic->is_static ? nic->mac_set ? "address" : "addressType" : "generatedAddress");
        vmx_judge(w, vmx_file_find(&w->file, key), VMX_REFUSED, why);
    }
}

void vmx_nics_show(const struct vm_config *c, vmx_show_fn fn, void *ctx)
{
    char key[VMX_KEY_MAX], value[VMX_VALUE_MAX];
    for (uint32_t n = 0; n < NICS_MAX; n++) {
        for (size_t k = 0; k < SETTINGS && c->nics[n].present; k++) {
            const char *hash = strchr(settings[k].name, '#');
            value[0] = '\0';
            if (settings[k].show != NULL)
                settings[k].show(&c->nics[n], value, sizeof value);
            snprintf(key, sizeof key, "%.*s%u%s", (int)(hash - settings[k].name), settings[k].name, n, hash + 1);
            if (value[0] != '\0')
                fn(key, value, settings[k].meaning, ctx);
        }
    }
}
