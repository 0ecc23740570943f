/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `network-attach`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/kernel/console.h"
#include "dom0/lib/string.h"
#include "dom0/manager/manager.h"
#include "dom0/manager/vif.h"

/* KEY=VALUE as xl writes it -> the setting of a .vmx file. */
static const char *setting_of(const char *word, const char **key)
{
    static const struct {
        const char *word, *key;
    } names[] = {{"bridge=", "networkName"}, {"mac=", "address"}, {"rate=", "rate"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t len = strlen(names[i].word);
        *key = names[i].key;
        if (strncmp(word, names[i].word, len) == 0)
            return word + len;
    }
    return NULL;
}

static bool wrong(struct error *e, const char *word, const char *why)
{
    return error_set(e, EXIT_FAILED, "network-attach: %.60s: %s", word, why);
}

static bool parse(int argc, char **argv, struct vm_nic *nic, struct error *e)
{
    const char *why = NULL;
    for (int i = 2; i < argc; i++) {
        const char *key, *value = setting_of(argv[i], &key);
        if (value == NULL)
            return wrong(e, argv[i], "not a setting: write bridge=NAME, mac=ADDRESS or rate=KIB");
        if (!nic_set(nic, key, value, &why))
            return wrong(e, argv[i], why);
        nic->is_static = nic->is_static || nic->mac_set;
    }
    nic->present = true;
    return nic_finish(nic, &why) || wrong(e, "mac", why);
}

static enum exit_code run(int argc, char **argv)
{
    struct vm_nic nic = {0};
    struct error e;
    uint32_t dev = 0;
    if (!cli_args(&cmd_network_attach, argc, argv, 1, 4))
        return EXIT_USAGE;
    if (!parse(argc, argv, &nic, &e) || !manager_nic_attach(argv[1], &nic, &dev, &e))
        return cli_error(&e);
    console_printf("%s has network card %u on %s\n", argv[1], dev, nic.bridge);
    return EXIT_OK;
}

const struct cli_verb cmd_network_attach = {
    "network-attach",
    "DOMAIN [bridge=NAME] [mac=ADDRESS] [rate=KIB]",
    "Gives a running guest one more network card.",
    "  bridge=NAME  the bridge that it is plugged into, made if there is none so called (bridge0 without it)\n"
    "  mac=ADDRESS  its address; without it one is made from the guest's UUID or name, always the same\n"
    "  rate=KIB     what the guest may send in a second, in KiB (0, no limit, without it)\n"
    "The card goes on through restarts of the guest; the .vmx file is not changed.\n",
    run,
    cli_complete_domain_arg};
