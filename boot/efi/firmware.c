/* SPDX-License-Identifier: Apache-2.0
 * [FW] The firmware's services: tables, memory that is given back on failure, and its memory map. */
#include "boot/efi/firmware.h"

#include "boot/efi/lib.h"
#include "boot/efi/memtype.h"
#include "boot/efi/preflight.h"

#define PAGE            4096UL
#define LARGE_PAGE      (2UL << 20)
#define LOW_BOUND       (16UL << 20) /* below it firmware and old devices have their oddities */
#define MAX_ALLOCATIONS 96U
#define MAP_SLACK_BYTES 8192U /* descriptors that may come between the sizing and the last map */
#define EXIT_TRIES      8U

static struct {
    EFI_HANDLE image;
    EFI_SYSTEM_TABLE *table;
    struct {
        uint64_t address;
        size_t pages;
    } allocations[MAX_ALLOCATIONS];
    void *map;
    UINTN map_cap;
    UINTN map_bytes;
    UINTN map_stride;
    UINTN map_key;
} fw;

void firmware_init(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    fw.image = image;
    fw.table = table;
}

EFI_HANDLE firmware_image(void) { return fw.image; }
EFI_SYSTEM_TABLE *firmware_table(void) { return fw.table; }
EFI_BOOT_SERVICES *firmware_boot(void) { return fw.table->BootServices; }

/* ---- memory ----------------------------------------------------------------------------- */
static uint64_t allocate(EFI_ALLOCATE_TYPE how, EFI_MEMORY_TYPE type, size_t bytes, uint64_t address)
{
    size_t pages = (bytes + PAGE - 1) / PAGE;
    unsigned slot = 0;

    while (slot < MAX_ALLOCATIONS && fw.allocations[slot].address != 0) {
        slot++;
    }
    pages = pages > 0 ? pages : 1;
    if (slot == MAX_ALLOCATIONS || EFI_ERROR(firmware_boot()->AllocatePages(how, type, pages, &address))) {
        return 0;
    }
    fw.allocations[slot].address = address;
    fw.allocations[slot].pages = pages;
    return address;
}

uint64_t firmware_alloc(size_t bytes, uint64_t max)
{
    return allocate(AllocateMaxAddress, EfiLoaderData, bytes, max - 1);
}

uint64_t firmware_alloc_large(size_t bytes, uint64_t max)
{
    static struct boot_range list[BOOT_MAX_RANGES];
    struct handoff_ranges ranges = {list, 0, BOOT_MAX_RANGES};

    bytes = (bytes + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1);
    if (EFI_ERROR(firmware_ranges(&ranges, true))) {
        return 0;
    }
    uint64_t address = handoff_find_free(&ranges, bytes, LARGE_PAGE, LOW_BOUND, max);
    if (address == 0) {
        address = handoff_find_free(&ranges, bytes, LARGE_PAGE, LARGE_PAGE, max);
    }
    /* Loader code: firmware that maps data as no-execute leaves it executable. */
    return address == 0 ? 0 : allocate(AllocateAddress, EfiLoaderCode, bytes, address);
}

void firmware_free(uint64_t address)
{
    for (unsigned i = 0; i < MAX_ALLOCATIONS; i++) {
        if (fw.allocations[i].address == address && address != 0) {
            firmware_boot()->FreePages(address, fw.allocations[i].pages);
            fw.allocations[i].address = 0;
        }
    }
}

void firmware_release(void)
{
    for (unsigned i = 0; i < MAX_ALLOCATIONS; i++) {
        firmware_free(fw.allocations[i].address);
    }
    if (fw.map != NULL) {
        firmware_boot()->FreePool(fw.map);
        fw.map = NULL;
    }
}

/* ---- the memory map ----------------------------------------------------------------------- */
static EFI_STATUS read_map(void)
{
    UINT32 version;

    fw.map_bytes = fw.map_cap;
    return firmware_boot()->GetMemoryMap(&fw.map_bytes, fw.map, &fw.map_key, &fw.map_stride, &version);
}

/* Reads the map into a buffer that has room to grow. */
static EFI_STATUS read_map_growing(void)
{
    EFI_STATUS status = read_map();

    for (unsigned i = 0; i < 4 && status == EFI_BUFFER_TOO_SMALL; i++) {
        UINTN need = fw.map_bytes + MAP_SLACK_BYTES;
        if (fw.map != NULL) {
            firmware_boot()->FreePool(fw.map);
            fw.map = NULL;
        }
        fw.map_cap = 0;
        status = firmware_boot()->AllocatePool(EfiLoaderData, need, &fw.map);
        if (EFI_ERROR(status)) {
            fw.map = NULL;
            return status;
        }
        fw.map_cap = need;
        status = read_map();
    }
    return status;
}

/* The map last read, with only write-back memory free. */
static bool map_to_ranges(struct handoff_ranges *ranges, bool allocatable)
{
    return handoff_read_map(ranges, fw.map, fw.map_bytes, fw.map_stride, allocatable) &&
           memtype_keep_write_back(preflight_mtrrs(), ranges);
}

EFI_STATUS firmware_ranges(struct handoff_ranges *ranges, bool allocatable)
{
    EFI_STATUS status = read_map_growing();

    if (EFI_ERROR(status)) {
        return status;
    }
    return map_to_ranges(ranges, allocatable) ? EFI_SUCCESS : EFI_BUFFER_TOO_SMALL;
}

EFI_STATUS firmware_exit(struct handoff_ranges *ranges, bool (*finish)(void *context), void *context)
{
    EFI_STATUS status = read_map_growing();

    /* UEFI 2.10, section "EFI_BOOT_SERVICES.ExitBootServices()": after a first failed call only the map may be read
     * again. */
    for (unsigned i = 0; i < EXIT_TRIES && !EFI_ERROR(status); i++) {
        if (!map_to_ranges(ranges, false) || !finish(context)) {
            return EFI_BUFFER_TOO_SMALL;
        }
        status = firmware_boot()->ExitBootServices(fw.image, fw.map_key);
        if (status != EFI_INVALID_PARAMETER) {
            return status;
        }
        status = read_map();
    }
    return EFI_ERROR(status) ? status : EFI_ABORTED;
}

const char *firmware_words(EFI_STATUS status)
{
    switch (status) {
    case EFI_NOT_FOUND:
        return "there is no such file";
    case EFI_OUT_OF_RESOURCES:
        return "the firmware has not enough memory";
    case EFI_DEVICE_ERROR:
        return "the device reports an error";
    case EFI_VOLUME_CORRUPTED:
        return "the file system is damaged";
    case EFI_NO_MEDIA:
    case EFI_MEDIA_CHANGED:
        return "the medium was removed";
    case EFI_ACCESS_DENIED:
        return "access is denied";
    case EFI_END_OF_FILE:
        return "it ends too early";
    case EFI_BAD_BUFFER_SIZE:
        return "it is too large";
    case EFI_UNSUPPORTED:
        return "it is not a plain file";
    case EFI_INVALID_PARAMETER:
        return "it is not a folder";
    default:
        return "the firmware reports a failure";
    }
}
