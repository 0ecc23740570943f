/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] A learning switch. Pure. */
#include "dom0/net/switch.h"

#include "dom0/lib/string.h"

bool net_bridge_name_ok(const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '.' && c != '_' && (c != '-' || i == 0))
            return false;
    }
    return len > 0 && len < NET_NAME_MAX;
}

static struct net_bridge *bridge_get(struct net_switch *s, const char *name)
{
    struct net_bridge *none = NULL;
    for (struct net_bridge *b = s->bridges; b < s->bridges + NET_BRIDGES; b++) {
        if (strcmp(b->name, name) == 0)
            return b;
        if (b->name[0] == '\0' && none == NULL)
            none = b;
    }
    if (none != NULL)
        strlcpy(none->name, name, sizeof none->name);
    return none;
}

bool net_bridge_join(struct net_switch *s, const char *name, struct net_port *port)
{
    struct net_bridge *b = bridge_get(s, name);
    if (b == NULL)
        return false;
    port->bridge = b;
    port->next = b->ports;
    b->ports = port;
    return true;
}

void net_bridge_leave(struct net_port *port)
{
    struct net_bridge *b = port->bridge;
    if (b == NULL)
        return;
    for (struct net_port **at = &b->ports; *at != NULL; at = &(*at)->next) {
        if (*at == port) {
            *at = port->next;
            break;
        }
    }
    for (unsigned i = 0; i < NET_LEARN_SETS * NET_LEARN_WAYS; i++)
        if (b->learned[i / NET_LEARN_WAYS][i % NET_LEARN_WAYS].port == port)
            b->learned[i / NET_LEARN_WAYS][i % NET_LEARN_WAYS].port = NULL;
    if (b->ports == NULL)
        memset(b, 0, sizeof *b);
    port->bridge = NULL;
    port->next = NULL;
}

/* The lower three bytes differ among cards of one maker. */
static struct net_learned *set_of(struct net_bridge *b, const uint8_t mac[MAC_LEN])
{
    return b->learned[(mac[3] * 7U ^ mac[4] * 3U ^ mac[5]) % NET_LEARN_SETS];
}

static struct net_port *locked_owner(const struct net_bridge *b, const uint8_t mac[MAC_LEN])
{
    struct net_port *p = b->ports;
    while (p != NULL && !(p->locked && mac_equal(p->mac, mac)))
        p = p->next;
    return p;
}

static void learn(struct net_port *from, const uint8_t mac[MAC_LEN], uint64_t now_ns)
{
    struct net_learned *set = set_of(from->bridge, mac), *slot = &set[0];
    for (unsigned i = 0; i < NET_LEARN_WAYS; i++) {
        if (set[i].port != NULL && mac_equal(set[i].mac, mac)) {
            slot = &set[i];
            break;
        }
        /* else a free one, else the one that was silent for longest */
        if (slot->port != NULL && (set[i].port == NULL || set[i].seen_ns < slot->seen_ns))
            slot = &set[i];
    }
    memcpy(slot->mac, mac, MAC_LEN);
    slot->port = from;
    slot->seen_ns = now_ns;
}

static struct net_port *learned_owner(struct net_bridge *b, const uint8_t mac[MAC_LEN], uint64_t now_ns)
{
    struct net_learned *set = set_of(b, mac);
    for (unsigned i = 0; i < NET_LEARN_WAYS; i++)
        if (set[i].port != NULL && mac_equal(set[i].mac, mac) && now_ns - set[i].seen_ns < NET_LEARN_NS)
            return set[i].port;
    return NULL;
}

/* May it come in at all? Counts why not. */
static bool admit(struct net_port *from, const struct net_frame *f)
{
    if (f->len < NET_FRAME_MIN || f->len > NET_FRAME_MAX) {
        from->sent.errors++;
        return false;
    }
    const uint8_t *source = f->data + MAC_LEN;
    bool own = mac_equal(source, from->mac);
    bool stolen = !from->locked && locked_owner(from->bridge, source) != NULL;
    if ((from->locked && !own) || stolen || mac_is_group(source)) {
        from->spoofed++;
        from->sent.drops++;
        return false;
    }
    from->sent.packets++;
    from->sent.bytes += f->len;
    return true;
}

/* 01:80:c2:00:00:00 to 0f: between two neighbours; no bridge passes them on (IEEE 802.1D). */
static bool link_local(const uint8_t mac[MAC_LEN])
{
    static const uint8_t prefix[] = {0x01, 0x80, 0xc2, 0x00, 0x00};
    return memcmp(mac, prefix, sizeof prefix) == 0 && mac[5] < 16;
}

static uint32_t give(struct net_port *to, struct net_frame *f)
{
    if (!to->up || !to->deliver(to, f))
        return 0;
    to->received.packets++;
    to->received.bytes += f->len;
    return 1;
}

/* A group's frames go to all others; those for an address that nobody knows only where it may be: to ports that are not locked. */
static uint32_t flood(const struct net_port *from, struct net_frame *f, bool group)
{
    uint32_t n = 0;
    for (struct net_port *p = from->bridge->ports; p != NULL; p = p->next)
        if (p != from && (group || !p->locked))
            n += give(p, f);
    return n;
}

uint32_t net_switch_frame(struct net_port *from, struct net_frame *f, uint64_t now_ns)
{
    if (from->bridge == NULL || !admit(from, f))
        return 0;
    const uint8_t *to = f->data;
    if (!from->locked)
        learn(from, f->data + MAC_LEN, now_ns);
    if (mac_is_group(to))
        return link_local(to) ? 0 : flood(from, f, true);
    struct net_port *owner = locked_owner(from->bridge, to);
    if (owner == NULL)
        owner = learned_owner(from->bridge, to, now_ns);
    if (owner == NULL)
        return flood(from, f, false);
    return owner != from ? give(owner, f) : 0;
}
