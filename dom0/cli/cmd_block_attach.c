/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `block-attach`. */
#include "dom0/backend/block_backend.h"
#include "dom0/cli/cli_priv.h"
#include "dom0/kernel/console.h"
#include "dom0/lib/string.h"
#include "dom0/manager/disks.h"

static enum exit_code run(int argc, char **argv)
{
    struct error e;
    uint16_t index = 0;
    char name[BLOCK_NAME_BYTES];
    if (!cli_args(&cmd_block_attach, argc, argv, 2, 3))
        return EXIT_USAGE;
    bool read_only = argc > 3 && strcmp(argv[3], "ro") == 0;
    if (argc > 3 && !read_only && strcmp(argv[3], "rw") != 0)
        return cli_usage(&cmd_block_attach);
    if (!manager_block_attach(argv[1], argv[2], read_only, &index, &e))
        return cli_error(&e);
    block_name(index, name);
    console_printf("%s\n", name);
    return EXIT_OK;
}

static void complete(int arg, const char *prefix, void (*emit)(const char *word))
{
    if (arg == 1)
        cli_complete_domains(prefix, emit);
    else if (arg == 2)
        cli_complete_paths(prefix, emit);
}

const struct cli_verb cmd_block_attach = {
    "block-attach",
    "DOMAIN IMAGE [ro]",
    "Gives a running guest one more disk and prints its name there.",
    "IMAGE is a file, raw or .vmdk, or disk:NAME for a disk of the host (`disk-info` lists them); with ro it is only read.\n"
    "The disk stays when the guest reboots, "
    "not when it is destroyed and created again: the .vmx file is for that.\n",
    run,
    complete};
