/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `disk-info`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/output.h"
#include "dom0/fs/partition.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/heap.h"
#include "dom0/lib/string.h"
#include "dom0/vdisk/vdisk.h"
#include "drivers/block.h"

/* ---- the host's disks ---- */

struct piece { /* a disk or a partition of one */
    const struct block_device *dev;
    uint32_t number; /* 0: the disk */
    uint64_t first, sectors;
};

static void show_piece(const struct piece *p, struct pairs *json)
{
    char name[40], volume[16] = "";
    uint64_t bytes = p->sectors * p->dev->sector_size;
    snprintf(name, sizeof name, p->number != 0 ? "disk:%sp%u" : "disk:%s", p->dev->name, p->number);
    volume_on(p->dev, p->first, p->first + p->sectors, volume);
    if (json == NULL) {
        console_printf("%-18s %10lu %6u  %s%s%s%s\n", name, bytes >> 20, p->dev->sector_size,
                       volume[0] != '\0' ? "Dom0 has mounted " : "free", volume, p->number == 0 ? ", " : "",
                       p->number == 0 ? p->dev->model : "");
        return;
    }
    list_item(json);
    pairs_text(json, "name", name);
    pairs_number(json, "bytes", bytes, "");
    pairs_number(json, "sector_bytes", p->dev->sector_size, "");
    pairs_text(json, "model", p->dev->model);
    pairs_text(json, "mounted", volume);
    pairs_end(json);
}

static void show_device(struct block_device *dev, struct pairs *json)
{
    struct piece whole = {.dev = dev, .sectors = dev->sectors};
    struct partition *p = heap_alloc(PARTITIONS_MAX * sizeof *p);
    uint32_t left_out = 0;
    size_t count = 0;
    struct error e;
    show_piece(&whole, json);
    if (p != NULL)
        (void)partition_scan(dev, p, PARTITIONS_MAX, &count, &left_out, &e); /* a damaged table: the disk alone */
    for (size_t i = 0; i < count; i++) {
        struct piece part = {.dev = dev, .number = p[i].number, .first = p[i].first, .sectors = p[i].sectors};
        if (part.number != 0)
            show_piece(&part, json);
    }
    heap_free(p);
}

static enum exit_code host_disks(bool as_json)
{
    struct pairs json;
    if (as_json)
        list_begin(&json);
    else
        out_text("Name                      MiB Sector  Use\n");
    for (struct block_device *dev = block_first(); dev != NULL; dev = dev->next)
        show_device(dev, as_json ? &json : NULL);
    if (as_json)
        list_end(&json);
    return EXIT_OK;
}

/* ---- one image ---- */

static enum exit_code image(const char *spec, bool json)
{
    struct vdisk *d = NULL;
    struct vdisk_about a;
    struct pairs p;
    struct error e;
    if (!vdisk_open(spec, VDISK_LOOK, NULL, &d, &e))
        return cli_error(&e);
    vdisk_about(d, &a);
    vdisk_close(d);
    pairs_begin(&p, json ? PAIRS_JSON : PAIRS_COLON);
    pairs_text(&p, "format", a.format);
    pairs_number(&p, "bytes", a.bytes, "");
    pairs_number(&p, "used_bytes", a.used, "");
    pairs_number(&p, "files", a.files, "");
    pairs_number(&p, "sector_bytes", a.sector_bytes, "");
    pairs_text(&p, "discard", a.discards ? "gives room back" : "no");
    pairs_text(&p, "closed", a.unclean ? "no: in use, or the power failed" : "properly");
    pairs_end(&p);
    return EXIT_OK;
}

static enum exit_code run(int argc, char **argv)
{
    bool json = cli_flag(&argc, argv, "--json");
    if (!cli_args(&cmd_disk_info, argc, argv, 0, 1))
        return EXIT_USAGE;
    return argc > 1 ? image(argv[1], json) : host_disks(json);
}

const struct cli_verb cmd_disk_info = {
    "disk-info",
    "[--json] [IMAGE]",
    "Shows what an image is, or without one the host's disks and partitions.",
    "IMAGE is what a .vmx file or block-attach name: a file, or disk:NAME. The host's disks are listed by the names under which a\n"
    "guest can have them.\n"
    "  --json  the same for programs\n",
    run,
    cli_complete_path_arg};
