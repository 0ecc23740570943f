/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `network-config`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/output.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/string.h"
#include "dom0/net/address.h"
#include "dom0/net/stack.h"

#define SECOND_NS 1000000000UL
#define WAIT_S    30UL

static bool wrong(struct error *e, const char *word, const char *why)
{
    return error_set(e, EXIT_FAILED, "network-config: %.60s: %s", word, why);
}

static bool parse_option(const char *key, const char *value, struct net_config *c, struct error *e)
{
    bool gateway = strcmp(key, "gateway") == 0;
    const char *why = NULL;
    uint32_t *to = gateway ? &c->gateway : &c->dns;
    if (!gateway && strcmp(key, "dns") != 0)
        return wrong(e, key, "not a setting: write `gateway ADDRESS` or `dns ADDRESS`");
    if (!ipv4_parse(value, to))
        return wrong(e, value, "not an address: write one such as 10.0.0.1");
    if (gateway && (((*to ^ c->address) & ipv4_mask(c->prefix)) != 0 || *to == c->address))
        return wrong(e, value, "a gateway is another host on the same network: check the address and the number behind /");
    return ipv4_usable(*to, gateway ? c->prefix : 32, &why) || error_set(e, EXIT_FAILED, "network-config: %.60s: %s: write another", value, why);
}

/* ADDRESS/BITS [gateway ADDRESS] [dns ADDRESS] */
static bool parse_static(int argc, char **argv, struct net_config *c, struct error *e)
{
    const char *why = NULL;
    if (!ipv4_parse_prefix(argv[0], &c->address, &c->prefix))
        return wrong(e, argv[0], "not an address with the length of its network: write one such as 10.0.0.5/24");
    if (!ipv4_usable(c->address, c->prefix, &why))
        return error_set(e, EXIT_FAILED, "network-config: %.60s: %s: write another", argv[0], why);
    for (int i = 1; i + 1 < argc; i += 2)
        if (!parse_option(argv[i], argv[i + 1], c, e))
            return false;
    return true;
}

static const char *mode_text(enum net_mode m) { return m == NET_OFF ? "off" : m == NET_STATIC ? "static" : "dhcp"; }

static void pair_address(struct pairs *p, const char *key, uint32_t address)
{
    char text[IPV4_TEXT];
    ipv4_format(text, address);
    pairs_text(p, key, address != 0 ? text : p->style == PAIRS_JSON ? "" : "none");
}

static enum exit_code show(bool json)
{
    struct net_view v;
    struct pairs p;
    char mac[MAC_TEXT];
    net_stack_view(&v);
    mac_format(mac, v.mac);
    pairs_begin(&p, json ? PAIRS_JSON : PAIRS_COLON);
    pairs_text(&p, "mode", mode_text(v.mode));
    pairs_text(&p, "bridge", v.joined ? NET_OWN_BRIDGE : "");
    pairs_text(&p, "mac", mac);
    pair_address(&p, "address", v.address);
    pairs_number(&p, "prefix", v.prefix, "");
    pair_address(&p, "gateway", v.gateway);
    pair_address(&p, "dns", v.dns);
    pairs_end(&p);
    return EXIT_OK;
}

static enum exit_code wait_address(uint64_t seconds)
{
    struct net_view v;
    struct error e;
    char text[IPV4_TEXT];
    cli_interrupt_begin();
    if (!net_stack_wait_address(time_now_ns() + seconds * SECOND_NS, cli_interrupt_seen)) {
        if (cli_interrupt_seen())
            error_set(&e, EXIT_FAILED, "network-config: interrupted: Dom0 goes on asking for an address");
        else
            error_set(&e, EXIT_TIMEOUT, "network-config: no DHCP server gave an address within %lu s: Dom0 goes on asking; is one on " NET_OWN_BRIDGE "?", seconds);
        return cli_error(&e);
    }
    net_stack_view(&v);
    ipv4_format(text, v.address);
    console_printf("Dom0 has %s/%u\n", text, v.prefix);
    return EXIT_OK;
}

static enum exit_code run(int argc, char **argv)
{
    struct net_config c = {0};
    struct error e;
    uint64_t seconds = WAIT_S;
    bool json = cli_flag(&argc, argv, "--json"), wait = cli_flag(&argc, argv, "-w");
    int before = argc;
    if (!cli_number_option(&cmd_network_config, &argc, argv, "-t", 1, 3600, &seconds))
        return EXIT_USAGE;
    wait = wait || argc != before;
    if (!cli_args(&cmd_network_config, argc, argv, 0, json ? 0 : 6))
        return EXIT_USAGE;
    if (argc == 1)
        return show(json);
    bool is_static = strcmp(argv[1], "static") == 0 && argc > 2 && argc % 2 == 1, dhcp = strcmp(argv[1], "dhcp") == 0 && argc == 2;
    if (!is_static && !dhcp && (strcmp(argv[1], "off") != 0 || argc != 2))
        return cli_usage(&cmd_network_config);
    c.mode = is_static ? NET_STATIC : dhcp ? NET_DHCP : NET_OFF;
    if ((is_static && !parse_static(argc - 2, argv + 2, &c, &e)) || !net_stack_configure(&c, &e))
        return cli_error(&e);
    return dhcp && wait ? wait_address(seconds) : EXIT_OK;
}

static void complete(int arg, const char *prefix, void (*emit)(const char *word))
{
    (void)prefix;
    if (arg == 1) {
        emit("dhcp");
        emit("static");
        emit("off");
    }
}

const struct cli_verb cmd_network_config = {
    "network-config",
    "[--json] | dhcp [-w] [-t SECONDS] | static A.B.C.D/BITS [gateway A.B.C.D] [dns A.B.C.D] | off",
    "Shows or sets Dom0's own address on the network.",
    "Dom0 has a port of its own on " NET_OWN_BRIDGE ", but no address until it gets one here; write the line into `exec` in corbel.cfg for every boot.\n"
    "  dhcp    asks a DHCP server for address, gateway and name server; -w waits until it has them, at most SECONDS (30)\n"
    "  static  sets them by hand; BITS is the length of the network's part (24 for 255.255.255.0)\n"
    "  off     no address; what is under way on the network ends\n",
    run,
    complete};
