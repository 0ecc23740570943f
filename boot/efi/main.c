/* SPDX-License-Identifier: Apache-2.0
 * [FW] The loading story, top to bottom: configuration, preflight, images, guests' files, machine, and the jump.
 *
 * Until ExitBootServices every failure prints one line and goes back to the firmware with all memory given back. */
#include <efi.h>

#include <stdbool.h>

#include "boot/boot_info.h"
#include "boot/efi/config.h"
#include "boot/efi/devices.h"
#include "boot/efi/elf.h"
#include "boot/efi/files.h"
#include "boot/efi/firmware.h"
#include "boot/efi/fmt.h"
#include "boot/efi/handoff.h"
#include "boot/efi/lib.h"
#include "boot/efi/machine.h"
#include "boot/efi/preflight.h"
#include "boot/efi/screen.h"
#include "boot/efi/start_info.h"

#define CONFIG_PATH     "\\corbel\\corbel.cfg"
#define ROOT_PATH       "\\corbel\\corbel.elf"
#define DOM0_PATH       "\\corbel\\dom0.elf"
#define IMAGE_LIMIT     (64UL << 20)  /* of an image file */
#define ROOT_LIMIT      (16UL << 20)  /* of the hypervisor in memory: its budget is far below */
#define DOM0_HEAP_BYTES (4UL << 20)   /* least memory of Dom0 beside its image */
#define MODULE_RESERVE  (128UL << 20) /* least memory that the guests' files leave free */
#define PAGE            4096UL
#define LARGE_PAGE      (2UL << 20)
#define MIB             20

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table);

struct image {
    struct file_data file;
    struct elf_plan plan;
};

struct loader {
    struct config config;
    struct image root;
    struct image dom0;
    struct boot_info *info; /* below 4 GiB, handed over */
    uint64_t root_entry;
    uint64_t dom0_entry;
};

/* ---- configuration ------------------------------------------------------------------------- */
static EFI_STATUS read_config(struct config *config)
{
    struct file_data file = {0};
    struct config_error error = {0};
    char where[64];

    config_defaults(config);
    EFI_STATUS status = files_read(CONFIG_PATH, CONFIG_MAX_BYTES, &file);
    if (status == EFI_NOT_FOUND) {
        screen_print("corbel: warning: there is no %s: defaults are used\n", CONFIG_PATH);
        return EFI_SUCCESS;
    }
    if (EFI_ERROR(status)) {
        screen_error(CONFIG_PATH, firmware_words(status), "copy it to the boot volume again");
        return status;
    }
    bool good = config_parse((const char *)(uintptr_t)file.address, file.bytes, config, &error);
    firmware_free(file.address);
    if (!good) {
        fmt_print(where, sizeof(where), "%s line %u", CONFIG_PATH, error.line);
        screen_error(where, error.why, error.fix);
        return EFI_INVALID_PARAMETER;
    }
    screen_use(&config->options);
    return EFI_SUCCESS;
}

/* ---- preflight -------------------------------------------------------------------------------- */
static EFI_STATUS measure_memory(struct preflight_facts *facts)
{
    static struct boot_range list[BOOT_MAX_RANGES];
    struct handoff_ranges ranges = {list, 0, BOOT_MAX_RANGES};

    EFI_STATUS status = firmware_ranges(&ranges, true);
    if (EFI_ERROR(status)) {
        screen_error("memory map", "the firmware's memory map cannot be read or is too fragmented",
                     "report this machine's firmware version");
        return status;
    }
    facts->free_mib = handoff_free_bytes(&ranges) >> MIB;
    facts->largest_low_mib = handoff_largest_free(&ranges, LARGE_PAGE, FIRMWARE_BELOW_4G) >> MIB;
    return EFI_SUCCESS;
}

static void print_report(const struct preflight_facts *facts, const struct preflight_report *report)
{
    static const char *const words[] = {"ok", "absent", "unknown", "MISSING"};

    screen_print("corbel: doctor: processor %s, %s\n", facts->vendor,
                 facts->brand[0] != '\0' ? facts->brand : "no brand string");
    for (uint32_t i = 0; i < report->count; i++) {
        const struct preflight_line *line = &report->lines[i];
        screen_print("corbel: doctor: %s: %s: %s\n", words[line->result], line->what, line->why);
    }
}

/* Prints what is missing; with doctor, everything. */
static EFI_STATUS preflight(const struct config *config)
{
    static struct preflight_facts facts;
    static struct preflight_report report;

    facts.dom0_mem_mib = config->dom0_mem_mib;
    EFI_STATUS status = measure_memory(&facts);
    if (EFI_ERROR(status)) {
        return status;
    }
    preflight_probe(&facts);
    preflight_judge(&facts, &report);
    if (config->doctor) {
        print_report(&facts, &report);
    }
    for (uint32_t i = 0; i < report.count; i++) {
        if (report.lines[i].result == PREFLIGHT_MISSING) {
            screen_error(report.lines[i].what, report.lines[i].why, report.lines[i].fix);
        }
    }
    screen_print("corbel: preflight: this machine %s run Corbel\n", report.missing == 0 ? "can" : "cannot");
    return report.missing == 0 ? EFI_SUCCESS : EFI_UNSUPPORTED;
}

/* ---- images --------------------------------------------------------------------------------------- */
typedef const char *plan_function(const void *file, size_t bytes, uint64_t limit_bytes, struct elf_plan *plan);

/* Reads and plans one image; prints why it cannot. The file stays in memory for elf_load(). */
static EFI_STATUS read_image(const char *path, plan_function *make_plan, uint64_t limit_bytes, struct image *image)
{
    struct file_data *file = &image->file;
    EFI_STATUS status = files_read(path, IMAGE_LIMIT, file);

    if (EFI_ERROR(status)) {
        screen_error(path, firmware_words(status), "copy it from a build of Corbel to the boot volume");
        return status;
    }
    const char *why = make_plan((const void *)(uintptr_t)file->address, file->bytes, limit_bytes, &image->plan);
    if (why != NULL) {
        screen_error(path, why, "copy it from a build of Corbel to the boot volume again");
        return EFI_LOAD_ERROR;
    }
    return EFI_SUCCESS;
}

static EFI_STATUS place_image(const char *path, uint64_t bytes, uint64_t max, uint64_t *base)
{
    *base = firmware_alloc_large(bytes, max);
    if (*base == 0) {
        char why[80];
        fmt_print(why, sizeof(why), "no free stretch of %lu MiB of memory", (unsigned long)(bytes >> MIB));
        screen_error(path, why, "give the machine more memory, or set a smaller dom0_mem in corbel.cfg");
        return EFI_OUT_OF_RESOURCES;
    }
    memset((void *)(uintptr_t)*base, 0, bytes);
    return EFI_SUCCESS;
}

static uint64_t dom0_bytes(const struct config *config)
{
    return (((uint64_t)config->dom0_mem_mib << MIB) + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1);
}

/* Both, so that one attempt tells all that is wrong with the volume. */
static EFI_STATUS read_images(struct loader *loader)
{
    uint64_t dom0_limit = dom0_bytes(&loader->config) - DOM0_HEAP_BYTES;
    EFI_STATUS root = read_image(ROOT_PATH, elf_plan_root, ROOT_LIMIT, &loader->root);
    EFI_STATUS dom0 = read_image(DOM0_PATH, elf_plan_dom0, dom0_limit, &loader->dom0);

    return EFI_ERROR(root) ? root : dom0;
}

/* Copies a planned image to its place and gives the file's memory back. */
static void load_image(struct image *image, uint64_t base)
{
    elf_load(&image->plan, (const void *)(uintptr_t)image->file.address, (void *)(uintptr_t)base);
    firmware_free(image->file.address);
}

/* The hypervisor gets whole large pages; what its image leaves of the last one becomes free memory. */
static uint64_t whole_pages(uint64_t bytes) { return (bytes + PAGE - 1) & ~(PAGE - 1); }
static uint64_t whole_large_pages(uint64_t bytes) { return (bytes + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1); }

static EFI_STATUS place_root(struct loader *loader)
{
    struct boot_info *info = loader->info;
    const struct elf_plan *plan = &loader->root.plan;

    info->root_size = plan->span_bytes;
    EFI_STATUS status = place_image(ROOT_PATH, whole_large_pages(info->root_size), FIRMWARE_ANYWHERE, &info->root_base);
    if (EFI_ERROR(status)) {
        return status;
    }
    load_image(&loader->root, info->root_base);
    loader->root_entry = info->root_base + plan->entry_offset;
    screen_print("corbel: hypervisor: %lu KiB at 0x%lx\n", (unsigned long)(plan->span_bytes >> 10),
                 (unsigned long)info->root_base);
    return EFI_SUCCESS;
}

static EFI_STATUS place_dom0(struct loader *loader)
{
    struct boot_info *info = loader->info;
    const struct elf_plan *plan = &loader->dom0.plan;

    info->dom0_size = dom0_bytes(&loader->config);
    EFI_STATUS status = place_image(DOM0_PATH, info->dom0_size, FIRMWARE_BELOW_4G, &info->dom0_base);
    if (EFI_ERROR(status)) {
        return status;
    }
    load_image(&loader->dom0, info->dom0_base);
    info->dom0_image_size = plan->span_bytes;
    loader->dom0_entry = info->dom0_base + plan->entry_offset;
    screen_print("corbel: Dom0: %lu KiB at 0x%lx in %lu MiB\n", (unsigned long)(plan->span_bytes >> 10),
                 (unsigned long)info->dom0_base, (unsigned long)(info->dom0_size >> MIB));
    return EFI_SUCCESS;
}

/* ---- hand-over ---------------------------------------------------------------------------------------- */
static EFI_STATUS make_boot_info(struct loader *loader)
{
    uint64_t address = firmware_alloc(sizeof(struct boot_info), FIRMWARE_BELOW_4G);

    if (address == 0) {
        screen_error("boot information", "no memory below 4 GiB", "give the machine more memory");
        return EFI_OUT_OF_RESOURCES;
    }
    loader->info = (struct boot_info *)(uintptr_t)address;
    memset(loader->info, 0, sizeof(*loader->info));
    loader->info->magic = BOOT_INFO_MAGIC;
    loader->info->version = BOOT_INFO_VERSION;
    loader->info->size = sizeof(struct boot_info);
    loader->info->options = loader->config.options;
    loader->info->low_pages = firmware_alloc(BOOT_LOW_PAGES * PAGE, FIRMWARE_BELOW_640K); /* without them one CPU runs */
    return EFI_SUCCESS;
}

/* What Dom0 is told, and where it may map what belongs to others. */
static EFI_STATUS prepare_dom0(const struct loader *loader)
{
    struct boot_info *info = loader->info;
    static struct boot_range list[BOOT_MAX_RANGES];
    struct handoff_ranges ranges = {list, 0, BOOT_MAX_RANGES};

    uint64_t at = info->dom0_base + info->dom0_size - START_INFO_BYTES;

    start_info_entry(loader->dom0_entry, at, &info->dom0_context);
    if (!start_info_build(info, (void *)(uintptr_t)at, at)) {
        screen_error("Dom0", "what it is to be told does not fit into its memory", "set a larger dom0_mem in corbel.cfg");
        return EFI_OUT_OF_RESOURCES;
    }
    EFI_STATUS status = firmware_ranges(&ranges, false);
    info->dom0_scratch = EFI_ERROR(status) ? 0 : handoff_scratch(&ranges, preflight_address_bits());
    if (info->dom0_scratch == 0) {
        screen_error("Dom0", "no free range of addresses for what it maps of its guests",
                     "report this machine's firmware version");
        return EFI_UNSUPPORTED;
    }
    if (ranges.r[ranges.count - 1].type == BOOT_RANGE_FREE &&
        ranges.r[ranges.count - 1].base + ranges.r[ranges.count - 1].size > BOOT_RAM_LIMIT) {
        screen_print("corbel: warning: memory above %lu GiB is not used\n", (unsigned long)(BOOT_RAM_LIMIT >> 30));
    }
    return EFI_SUCCESS;
}

/* Carves what is ours out of the firmware's map. Called between reading the map and leaving. */
static bool carve(struct boot_info *info, struct handoff_ranges *ranges)
{
    uint64_t root_bytes = whole_pages(info->root_size);
    bool done = handoff_paint(ranges, info->root_base, root_bytes, BOOT_RANGE_ROOT) &&
                handoff_paint(ranges, info->root_base + root_bytes, whole_large_pages(root_bytes) - root_bytes,
                              BOOT_RANGE_ROOT_REST) &&
                handoff_paint(ranges, info->dom0_base, info->dom0_size, BOOT_RANGE_DOM0);

    for (uint32_t i = 0; i < info->nr_modules && done; i++) {
        done = handoff_paint(ranges, info->modules[i].base, info->modules[i].size, BOOT_RANGE_MODULE);
    }
    done = done && handoff_finish(ranges);
    info->nr_ranges = ranges->count;
    return done;
}

struct leaving {
    struct boot_info *info;
    struct handoff_ranges ranges;
};

static bool finish_map(void *context)
{
    struct leaving *leaving = context;

    return carve(leaving->info, &leaving->ranges);
}

/* The hypervisor's entry takes the physical address of boot_info in RDI, interrupts off. */
static _Noreturn void jump(uint64_t entry, struct boot_info *info)
{
    machine_stamp(info);
    __asm__ volatile("cli; cld; jmp *%0" : : "r"(entry), "D"(info) : "memory");
    __builtin_unreachable();
}

static EFI_STATUS leave(struct loader *loader)
{
    static struct leaving leaving;

    leaving.info = loader->info;
    leaving.ranges = (struct handoff_ranges){loader->info->ranges, 0, BOOT_MAX_RANGES};
    screen_print("corbel: leaving the firmware\n");
    EFI_STATUS status = firmware_exit(&leaving.ranges, finish_map, &leaving);
    if (EFI_ERROR(status)) {
        screen_error("leaving the firmware",
                     status == EFI_BUFFER_TOO_SMALL ? "its memory map is too fragmented" : "it refuses",
                     "report this machine's firmware version");
        return status;
    }
    devices_take(loader->info);
    jump(loader->root_entry, loader->info);
}

/* ---- the story ------------------------------------------------------------------------------------------ */
/* All that can be found wrong without changing anything: one attempt tells all of it. */
static EFI_STATUS check(struct loader *loader)
{
    EFI_STATUS machine = preflight(&loader->config);
    EFI_STATUS images = read_images(loader);

    return EFI_ERROR(machine) ? machine : images;
}

static EFI_STATUS place(struct loader *loader)
{
    EFI_STATUS status = make_boot_info(loader);

    if (!EFI_ERROR(status)) {
        status = place_root(loader);
    }
    if (!EFI_ERROR(status)) {
        status = place_dom0(loader);
    }
    if (!EFI_ERROR(status) && loader->config.volume[0] != '\0') {
        status = files_read_folder(loader->config.volume, MODULE_RESERVE, loader->info);
    }
    return status;
}

static EFI_STATUS load(struct loader *loader)
{
    EFI_STATUS status = files_open();

    if (!EFI_ERROR(status)) {
        status = read_config(&loader->config);
    }
    if (!EFI_ERROR(status)) {
        status = check(loader);
    }
    if (loader->config.doctor) {
        screen_print("corbel: doctor: done; nothing was started\n");
    }
    if (EFI_ERROR(status) || loader->config.doctor) {
        return status;
    }
    status = place(loader);
    if (EFI_ERROR(status)) {
        return status;
    }
    machine_describe(loader->info);
    if (loader->info->clock.khz == 0) {
        screen_error("clock", "no HPET, PM timer or PIT runs, and CPUID does not say the TSC's rate",
                     "enable the HPET in the firmware setup");
        return EFI_UNSUPPORTED;
    }
    screen_print("corbel: %u CPUs, %u files for guests, ACPI %s\n", loader->info->nr_cpus, loader->info->nr_modules,
                 loader->info->rsdp != 0 ? "present" : "absent");
    status = prepare_dom0(loader);
    return EFI_ERROR(status) ? status : leave(loader);
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    static struct loader loader;

    firmware_init(image, table);
    firmware_boot()->SetWatchdogTimer(0, 0, 0, NULL); /* reading large files may take minutes */
    screen_init();
    screen_print("\ncorbel: loader\n");
    EFI_STATUS status = load(&loader);
    screen_print("corbel: returning to the firmware\n");
    firmware_release();
    screen_pause();
    return status;
}
