/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `disk-create`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/progress.h"
#include "dom0/fs/volume.h"
#include "dom0/lib/string.h"
#include "dom0/vdisk/vdisk_make.h"
#include "dom0/vdisk/vdisk_name.h"

/* "512M", "20g", "4GB": a number and what it counts. */
static bool parse_size(const char *text, uint64_t *bytes)
{
    static const char units[] = "kmgt";
    char number[20];
    size_t len = strlen(text);
    if (len > 1 && (text[len - 1] == 'B' || text[len - 1] == 'b'))
        len--;
    char last = len != 0 ? (char)(text[len - 1] | 0x20) : '\0';
    const char *unit = last != '\0' ? strchr(units, last) : NULL;
    if (unit == NULL || len < 2 || len > sizeof number || text[0] < '0' || text[0] > '9')
        return false;
    memcpy(number, text, len - 1);
    number[len - 1] = '\0';
    uint32_t shift = 10U * ((uint32_t)(unit - units) + 1U);
    if (!parse_u64(number, bytes) || *bytes > (VDISK_SECTORS_MAX * VDISK_SECTOR_BYTES) >> shift)
        return false;
    *bytes <<= shift;
    return true;
}

/* Takes "--format NAME" out of the arguments; without it the file's name decides. */
static bool take_format(int *argc, char **argv, enum vdisk_format *out)
{
    static const char *const names[] = {[VDISK_MAKE_RAW] = "raw", [VDISK_MAKE_SPARSE] = "vmdk-sparse", [VDISK_MAKE_FLAT] = "vmdk-flat"};
    const char *name = NULL, *why = "";
    for (int i = 1; i + 1 < *argc; i++) {
        if (strcmp(argv[i], "--format") != 0)
            continue;
        name = argv[i + 1];
        for (int k = i; k + 1 < *argc; k++)
            argv[k] = argv[k + 2];
        *argc -= 2;
        break;
    }
    *out = *argc > 1 && vdisk_kind_of(argv[1], &why) == VDISK_VMDK ? VDISK_MAKE_SPARSE : VDISK_MAKE_RAW;
    for (uint32_t i = 0; name != NULL && i < 3; i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = (enum vdisk_format)i;
            return true;
        }
    }
    return name == NULL;
}

static enum exit_code run(int argc, char **argv)
{
    enum vdisk_format format;
    struct vdisk_plan plan;
    struct progress p;
    struct error e;
    uint64_t bytes = 0;
    if (!take_format(&argc, argv, &format))
        return cli_usage(&cmd_disk_create);
    if (!cli_args(&cmd_disk_create, argc, argv, 2, 2))
        return EXIT_USAGE;
    if (!parse_size(argv[2], &bytes))
        return cli_usage(&cmd_disk_create);
    progress_begin(&p, "making");
    bool ok = vdisk_plan(&plan, argv[1], format, bytes, &e) && vdisk_make(&plan, argv[1], progress_fn, &p, &e);
    return progress_end(&p, ok, &e);
}

static void complete(int arg, const char *prefix, void (*emit)(const char *word))
{
    if (arg == 1)
        cli_complete_paths(prefix, emit);
}

const struct cli_verb cmd_disk_create = {
    "disk-create",
    "FILE SIZE [--format raw|vmdk-sparse|vmdk-flat]",
    "Makes an empty virtual disk.",
    "SIZE is a number with its unit: 512M, 20G (K, M, G, T are powers of 1024).\n"
    "  --format raw          one file with every sector, all zeros (usual, unless FILE ends in .vmdk)\n"
    "  --format vmdk-sparse  VMware's, which grows as the guest writes (usual for .vmdk)\n"
    "  --format vmdk-flat    VMware's, with every sector\n"
    "FAT32 files have less than 4 GiB: a larger .vmdk gets several, FILE lists them. Ctrl-C stops it, and nothing is left.\n",
    run,
    complete};
