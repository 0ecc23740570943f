/* SPDX-License-Identifier: Apache-2.0
 * [FW] Files of the volume that the loader came from. */
#include "boot/efi/files.h"

#include "boot/efi/firmware.h"
#include "boot/efi/fmt.h"
#include "boot/efi/folder.h"
#include "boot/efi/handoff.h"
#include "boot/efi/lib.h"
#include "boot/efi/screen.h"

#define CHUNK_BYTES (4UL << 20)
#define PATH_MAX    256U
#define NAME_MAX    FOLDER_NAME_MAX
#define WARNING_MAX 512U

struct folder_walk {
    const char *base; /* the guest folder, with '\' */
    uint64_t reserve_bytes;
    struct boot_info *info;
    char folders[FOLDER_MAX][NAME_MAX]; /* still to be read or read: paths below base with '/', "" is base itself */
    unsigned count;
    struct folder_left_out left;
};

static EFI_FILE_HANDLE volume;
static EFI_GUID file_info_id = {0x09576e92, 0x6d3f, 0x11d2, {0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}};

EFI_STATUS files_open(void)
{
    static EFI_GUID loaded_image = EFI_LOADED_IMAGE_PROTOCOL_GUID;
    static EFI_GUID file_system = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID;
    EFI_LOADED_IMAGE *self = NULL;
    EFI_FILE_IO_INTERFACE *fs = NULL;

    EFI_STATUS status = firmware_boot()->HandleProtocol(firmware_image(), &loaded_image, (void **)&self);
    if (!EFI_ERROR(status)) {
        status = firmware_boot()->HandleProtocol(self->DeviceHandle, &file_system, (void **)&fs);
    }
    if (!EFI_ERROR(status)) {
        status = fs->OpenVolume(fs, &volume);
    }
    if (EFI_ERROR(status)) {
        screen_error("boot volume", "the device that the loader came from has no file system that the firmware reads",
                     "start it from a FAT32 partition");
    }
    return status;
}

static EFI_STATUS open(const char *path, EFI_FILE_HANDLE *file)
{
    CHAR16 wide[PATH_MAX];

    if (!folder_widen(wide, PATH_MAX, path)) {
        return EFI_BAD_BUFFER_SIZE;
    }
    return volume->Open(volume, file, wide, EFI_FILE_MODE_READ, 0);
}

static EFI_STATUS size_of(EFI_FILE_HANDLE file, size_t *bytes)
{
    union {
        EFI_FILE_INFO info;
        uint8_t room[1024];
    } u;
    UINTN n = sizeof(u);

    EFI_STATUS status = file->GetInfo(file, &file_info_id, &n, &u);
    if (EFI_ERROR(status)) {
        return status;
    }
    *bytes = u.info.FileSize;
    return (u.info.Attribute & EFI_FILE_DIRECTORY) != 0 ? EFI_UNSUPPORTED : EFI_SUCCESS;
}

static EFI_STATUS read_all(EFI_FILE_HANDLE file, uint8_t *to, size_t bytes)
{
    for (size_t at = 0; at < bytes;) {
        UINTN n = bytes - at < CHUNK_BYTES ? bytes - at : CHUNK_BYTES;
        EFI_STATUS status = file->Read(file, &n, to + at);
        if (EFI_ERROR(status)) {
            return status;
        }
        if (n == 0) {
            return EFI_END_OF_FILE;
        }
        at += n;
    }
    return EFI_SUCCESS;
}

/* Reads an open file into fresh pages below max. */
static EFI_STATUS read_file(EFI_FILE_HANDLE file, size_t bytes, uint64_t max, struct file_data *data)
{
    data->bytes = bytes;
    data->address = firmware_alloc(bytes, max);
    if (data->address == 0) {
        return EFI_OUT_OF_RESOURCES;
    }
    uint8_t *to = (uint8_t *)(uintptr_t)data->address;
    EFI_STATUS status = read_all(file, to, bytes);
    if (EFI_ERROR(status)) {
        firmware_free(data->address);
        data->address = 0;
        return status;
    }
    memset(to + bytes, 0, -bytes & 4095); /* the rest of the last page is handed over too */
    return EFI_SUCCESS;
}

EFI_STATUS files_read(const char *path, size_t limit, struct file_data *data)
{
    EFI_FILE_HANDLE file = NULL;
    size_t bytes = 0;

    EFI_STATUS status = open(path, &file);
    if (EFI_ERROR(status)) {
        return status;
    }
    status = size_of(file, &bytes);
    if (!EFI_ERROR(status) && bytes > limit) {
        status = EFI_BAD_BUFFER_SIZE;
    }
    if (!EFI_ERROR(status)) {
        status = read_file(file, bytes, FIRMWARE_BELOW_4G, data);
    }
    file->Close(file);
    return status;
}

/* ---- the guests' folder --------------------------------------------------------------------------- */
/* Would BYTES more leave enough memory free? */
static EFI_STATUS fits(const struct folder_walk *walk, size_t bytes, bool *fit)
{
    static struct boot_range list[BOOT_MAX_RANGES];
    struct handoff_ranges ranges = {list, 0, BOOT_MAX_RANGES};

    EFI_STATUS status = firmware_ranges(&ranges, true);
    if (EFI_ERROR(status)) {
        screen_error("memory map", firmware_words(status), "report this machine's firmware version");
        return status;
    }
    uint64_t free_bytes = handoff_free_bytes(&ranges);
    *fit = bytes <= free_bytes && free_bytes - bytes >= walk->reserve_bytes;
    return EFI_SUCCESS;
}

static EFI_STATUS read_entry(EFI_FILE_HANDLE folder, const EFI_FILE_INFO *entry, struct file_data *data)
{
    EFI_FILE_HANDLE file = NULL;
    CHAR16 name[NAME_MAX];
    size_t n = 0;

    for (; entry->FileName[n] != 0; n++) { /* shorter than NAME_MAX: folder_join() held it */
        name[n] = entry->FileName[n];
    }
    name[n] = 0;
    EFI_STATUS status = folder->Open(folder, &file, name, EFI_FILE_MODE_READ, 0);
    if (!EFI_ERROR(status)) {
        status = read_file(file, entry->FileSize, FIRMWARE_ANYWHERE, data);
        file->Close(file);
    }
    return status;
}

static EFI_STATUS add_module(struct folder_walk *walk, EFI_FILE_HANDLE folder, const EFI_FILE_INFO *entry,
                             const char *name)
{
    struct file_data data = {0};
    bool fit = false;

    if (folder_disk_image(name, entry->FileSize)) {
        folder_leave_out(&walk->left, FOLDER_DISK_IMAGE, name);
        return EFI_SUCCESS;
    }
    if (walk->info->nr_modules == BOOT_MAX_MODULES) {
        folder_leave_out(&walk->left, FOLDER_TOO_MANY_FILES, name);
        return EFI_SUCCESS;
    }
    EFI_STATUS status = fits(walk, entry->FileSize, &fit);
    if (EFI_ERROR(status)) {
        return status;
    }
    if (!fit) {
        folder_leave_out(&walk->left, FOLDER_NO_MEMORY, name);
        return EFI_SUCCESS;
    }
    screen_print("corbel: reading %s, %lu KiB\n", name, (unsigned long)(entry->FileSize + 1023) >> 10);
    status = read_entry(folder, entry, &data);
    if (EFI_ERROR(status)) {
        folder_leave_out(&walk->left, status == EFI_OUT_OF_RESOURCES ? FOLDER_NO_MEMORY : FOLDER_UNREADABLE, name);
        return EFI_SUCCESS;
    }
    struct boot_module *module = &walk->info->modules[walk->info->nr_modules++];
    module->base = data.address;
    module->size = data.bytes;
    memcpy(module->name, name, NAME_MAX);
    return EFI_SUCCESS;
}

static EFI_STATUS add_entry(struct folder_walk *walk, EFI_FILE_HANDLE folder, const char *folder_name,
                            const EFI_FILE_INFO *entry)
{
    char name[NAME_MAX];

    if (entry->FileName[0] == L'.') { /* ".", ".." and hidden files */
        return EFI_SUCCESS;
    }
    switch (folder_join(name, folder_name, entry->FileName)) {
    case FOLDER_JOINED:
        break;
    case FOLDER_JOIN_TOO_LONG:
        folder_leave_out(&walk->left, FOLDER_PATH_TOO_LONG, name);
        return EFI_SUCCESS;
    case FOLDER_JOIN_UNFIT:
        folder_leave_out(&walk->left, FOLDER_NAME_UNFIT, name);
        return EFI_SUCCESS;
    }
    if ((entry->Attribute & EFI_FILE_DIRECTORY) == 0) {
        return add_module(walk, folder, entry, name);
    }
    if (walk->count == FOLDER_MAX) {
        folder_leave_out(&walk->left, FOLDER_TOO_MANY_FOLDERS, name);
        return EFI_SUCCESS;
    }
    memcpy(walk->folders[walk->count++], name, NAME_MAX);
    return EFI_SUCCESS;
}

/* Reads the entries of an open folder. */
static EFI_STATUS walk_entries(struct folder_walk *walk, EFI_FILE_HANDLE folder, const char *name)
{
    union {
        EFI_FILE_INFO info;
        uint8_t room[1024];
    } u;

    for (;;) {
        UINTN n = sizeof(u);
        EFI_STATUS status = folder->Read(folder, &n, &u);
        if (EFI_ERROR(status)) {
            folder_leave_out(&walk->left, FOLDER_UNREADABLE, name[0] != '\0' ? name : walk->base);
            return EFI_SUCCESS;
        }
        if (n == 0) {
            return EFI_SUCCESS;
        }
        status = add_entry(walk, folder, name, &u.info);
        if (EFI_ERROR(status)) {
            return status;
        }
    }
}

/* Opens `name` below the walk's base. */
static EFI_STATUS open_folder(const struct folder_walk *walk, const char *name, EFI_FILE_HANDLE *folder)
{
    char path[PATH_MAX];
    size_t base = strlen(walk->base), bytes;

    if (base + 1 + strlen(name) >= PATH_MAX) {
        return EFI_BAD_BUFFER_SIZE;
    }
    memcpy(path, walk->base, base); /* not by fmt_print(), which is for people: it replaces what is not ASCII */
    path[base] = '/';
    memcpy(path + base + (name[0] != '\0'), name, strlen(name) + 1);
    EFI_STATUS status = open(path, folder);
    if (!EFI_ERROR(status) && size_of(*folder, &bytes) != EFI_UNSUPPORTED) {
        (*folder)->Close(*folder);
        return EFI_INVALID_PARAMETER; /* a plain file */
    }
    return status;
}

static EFI_STATUS walk_folder(struct folder_walk *walk, unsigned i)
{
    EFI_FILE_HANDLE folder = NULL;

    EFI_STATUS status = open_folder(walk, walk->folders[i], &folder);
    if (status == EFI_NOT_FOUND && i == 0) {
        screen_print("corbel: there is no folder %s: no guests from the boot volume\n", walk->base);
        return EFI_SUCCESS;
    }
    if (EFI_ERROR(status)) {
        folder_leave_out(&walk->left, FOLDER_UNREADABLE, i == 0 ? walk->base : walk->folders[i]);
        return EFI_SUCCESS;
    }
    status = walk_entries(walk, folder, walk->folders[i]);
    folder->Close(folder);
    return status;
}

EFI_STATUS files_read_folder(const char *base, uint64_t reserve_bytes, struct boot_info *info)
{
    static struct folder_walk walk; /* too large for a stack */
    char text[WARNING_MAX];

    memset(&walk, 0, sizeof(walk));
    walk.base = base;
    walk.reserve_bytes = reserve_bytes;
    walk.info = info;
    walk.count = 1;
    for (unsigned i = 0; i < walk.count; i++) {
        EFI_STATUS status = walk_folder(&walk, i);
        if (EFI_ERROR(status)) {
            return status;
        }
    }
    for (unsigned cause = 0; cause < FOLDER_CAUSES; cause++) {
        if (folder_warning(&walk.left, (enum folder_cause)cause, base, text, sizeof(text))) {
            if (cause == FOLDER_DISK_IMAGE) { /* as it should be */
                screen_print("corbel: %s\n", text);
            } else {
                screen_warning(text);
            }
        }
    }
    return EFI_SUCCESS;
}
