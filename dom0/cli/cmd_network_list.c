/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `network-list`. */
#include "dom0/backend/net_backend.h"
#include "dom0/backend/net_uplink.h"
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/output.h"
#include "dom0/kernel/console.h"
#include "dom0/lib/string.h"
#include "dom0/manager/manager.h"
#include "dom0/net/address.h"
#include "dom0/net/stack.h"

struct network_list_args {
    bool json, one;
    uint16_t domid;
    struct pairs out;
};

static void counters(struct pairs *p, const char *who, const struct net_counters *c)
{
    static const char *const names[] = {"packets", "bytes", "drops", "errors"};
    const uint64_t values[] = {c->packets, c->bytes, c->drops, c->errors};
    char key[32];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(key, sizeof key, "%s_%s", who, names[i]);
        pairs_number(p, key, values[i], "");
    }
}

static void print_json(struct pairs *p, const char *name, const struct net_device_view *d, const char *mac)
{
    list_item(p);
    pairs_text(p, "name", name);
    pairs_number(p, "id", d->config.domid, "");
    pairs_number(p, "device", d->config.dev, "");
    pairs_text(p, "mac", mac);
    pairs_text(p, "bridge", d->config.bridge);
    pairs_text(p, "state", d->state);
    pairs_number(p, "rate_kib", d->config.rate_kib, "");
    counters(p, "sent", &d->sent);
    pairs_number(p, "sent_spoofed", d->spoofed, "");
    counters(p, "received", &d->received);
    pairs_end(p);
}

static bool print_one(const struct net_device_view *d, void *ctx)
{
    struct network_list_args *a = ctx;
    char mac[MAC_TEXT], number[12];
    struct vm_view v;
    struct error e;
    if (a->one && d->config.domid != a->domid)
        return true;
    mac_format(mac, d->config.mac);
    snprintf(number, sizeof number, "%u", d->config.domid);
    const char *name = manager_find(number, &v, &e) ? v.name : "?";
    if (a->json)
        print_json(&a->out, name, d, mac);
    else
        console_printf("%-24s %5u %3u %s %-15s %-10s %9lu %12lu %9lu %12lu %6lu %6lu\n", name, d->config.domid, d->config.dev, mac, d->config.bridge,
                       d->state, d->sent.packets, d->sent.bytes, d->received.packets, d->received.bytes, d->sent.drops + d->received.drops,
                       d->sent.errors + d->received.errors);
    return true;
}

/* Dom0's own port, shown like a card of its own. */
static void print_own(struct network_list_args *a)
{
    char mac[MAC_TEXT], address[IPV4_TEXT + 4] = "";
    struct net_view v;
    struct pairs *p = &a->out;
    net_stack_view(&v);
    mac_format(mac, v.mac);
    const char *state = v.mode == NET_OFF ? "off" : v.address == 0 ? "asking" : "connected";
    if (v.address != 0)
        ipv4_format(address, v.address);
    if (!a->json) {
        console_printf("%-24s %5u %3s %s %-15s %-10s %9lu %12lu %9lu %12lu %6lu %6lu%s%s\n", "Domain-0", 0, "-", mac, NET_OWN_BRIDGE, state, v.sent.packets,
                       v.sent.bytes, v.received.packets, v.received.bytes, v.sent.drops + v.received.drops, v.sent.errors + v.received.errors,
                       v.address != 0 ? "  " : "", address);
        return;
    }
    list_item(p);
    pairs_text(p, "name", "Domain-0");
    pairs_number(p, "id", 0, "");
    pairs_text(p, "mac", mac);
    pairs_text(p, "bridge", NET_OWN_BRIDGE);
    pairs_text(p, "state", state);
    pairs_text(p, "address", address);
    pairs_number(p, "prefix", v.prefix, "");
    counters(p, "sent", &v.sent);
    counters(p, "received", &v.received);
    pairs_end(p);
}

static void uplink_json(struct pairs *p, const struct netdev *n, const char *bridge, const char *mac)
{
    list_item(p);
    pairs_text(p, "name", n->name);
    pairs_text(p, "driver", n->driver);
    pairs_text(p, "model", n->model);
    pairs_text(p, "mac", mac);
    pairs_text(p, "bridge", bridge);
    pairs_text(p, "state", netdev_state_text(n));
    pairs_number(p, "mbit", n->link ? n->mbit : 0, "");
    counters(p, "sent", &n->sent);
    pairs_number(p, "sent_too_long", n->too_long, "");
    counters(p, "received", &n->received);
    pairs_text(p, "served", n->irq ? "by interrupts" : "polled");
    pairs_number(p, "interrupts", n->interrupts, "");
    pairs_number(p, "resets", n->resets, "");
    pairs_end(p);
}

static bool print_uplink(const struct netdev *n, const char *bridge, void *ctx)
{
    struct network_list_args *a = ctx;
    char mac[MAC_TEXT], name[32], state[16];
    mac_format(mac, n->mac);
    if (a->json) {
        uplink_json(&a->out, n, bridge, mac);
        return true;
    }
    snprintf(name, sizeof name, "%s (%s)", n->name, n->driver);
    snprintf(state, sizeof state, n->link && n->mbit != 0 ? "%s %uM" : "%s", netdev_state_text(n), n->mbit);
    console_printf("%-24s     -   - %s %-15s %-10s %9lu %12lu %9lu %12lu %6lu %6lu\n", name, mac, bridge, state, n->sent.packets, n->sent.bytes,
                   n->received.packets, n->received.bytes, n->sent.drops + n->received.drops, n->sent.errors + n->received.errors);
    return true;
}

static enum exit_code run(int argc, char **argv)
{
    struct network_list_args a = {.json = cli_flag(&argc, argv, "--json")};
    struct vm_view v;
    struct error e;
    if (!cli_args(&cmd_network_list, argc, argv, 0, 1))
        return EXIT_USAGE;
    a.one = argc > 1;
    if (a.one && !manager_find(argv[1], &v, &e))
        return cli_error(&e);
    if (a.one)
        a.domid = v.domid;
    if (a.json)
        list_begin(&a.out);
    else
        out_text("Name                        ID Dev MAC               Bridge          State           Sent        Bytes  Received        Bytes  Drops Errors\n");
    if (!a.one)
        net_uplinks_list(print_uplink, &a);
    if (!a.one || a.domid == 0)
        print_own(&a);
    net_devices_list(print_one, &a);
    if (a.json)
        list_end(&a.out);
    return EXIT_OK;
}

const struct cli_verb cmd_network_list = {
    "network-list",
    "[--json] [DOMAIN]",
    "Shows the host's, Dom0's and guests' network cards: address, bridge, and what went through.",
    "The host's cards come first (nic0 is on bridge0, nic1 on bridge1, and so on): Sent and Received are frames on the wire, State is up (with the link's\n"
    "speed), down, resetting, failed, gone (pulled out) or closed; frames longer than the wire takes count as Drops. Of guests' cards,\n"
    "Sent and Received are frames as the guest sees it. State: waiting (for the guest's driver), connected, closing, closed (by the guest), dropped\n"
    "(the guest broke the rules; it is served again when its driver starts anew). Drops: nobody could take the frame in time, or it pretended to come\n"
    "from another's address (sent_spoofed in --json). Errors: no frame, or pages that the guest had taken back. --json has drops and errors of each way.\n"
    "Dom0's port is off, asking (a DHCP server for an address) or connected; behind it stands its IP address.\n",
    run,
    cli_complete_domain_arg};
