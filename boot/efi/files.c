/* SPDX-License-Identifier: Apache-2.0
 * [FW] Files of the volume that the loader came from. */
#include "boot/efi/files.h"

#include "boot/efi/firmware.h"
#include "boot/efi/fmt.h"
#include "boot/efi/handoff.h"
#include "boot/efi/lib.h"
#include "boot/efi/screen.h"

#define CHUNK_BYTES (4UL << 20)
#define MAX_FOLDERS 32U
#define PATH_MAX    256U
#define NAME_MAX    sizeof(((struct boot_module *)0)->name)

struct folder_walk {
    const char *base; /* the guest folder, with '\' */
    uint64_t reserve_bytes;
    struct boot_info *info;
    char folders[MAX_FOLDERS][NAME_MAX]; /* still to be read or read: paths below base with '/', "" is base itself */
    unsigned count;
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
    size_t n = strlen(path);

    if (n >= PATH_MAX) {
        return EFI_BAD_BUFFER_SIZE;
    }
    for (size_t i = 0; i <= n; i++) {
        wide[i] = (CHAR16)(path[i] == '/' ? '\\' : (uint8_t)path[i]);
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
/* Joins folder and a UCS-2 name as UTF-8 with '/'. False: it does not fit. */
static bool join(char *to, const char *folder, const CHAR16 *name)
{
    size_t n = strlen(folder);

    memset(to, 0, NAME_MAX);
    memcpy(to, folder, n);
    if (n > 0) {
        to[n++] = '/';
    }
    for (; *name != 0; name++) {
        unsigned c = *name;
        if (n + 4 > NAME_MAX) {
            return false;
        }
        if (c < 0x80) {
            to[n++] = (char)c;
        } else if (c < 0x800) {
            to[n++] = (char)(0xc0 | c >> 6);
            to[n++] = (char)(0x80 | (c & 0x3f));
        } else {
            to[n++] = (char)(0xe0 | c >> 12);
            to[n++] = (char)(0x80 | (c >> 6 & 0x3f));
            to[n++] = (char)(0x80 | (c & 0x3f));
        }
    }
    return true;
}

static EFI_STATUS fits(const struct folder_walk *walk, const char *name, size_t bytes)
{
    static struct boot_range list[BOOT_MAX_RANGES];
    struct handoff_ranges ranges = {list, 0, BOOT_MAX_RANGES};
    char why[96];

    if (walk->info->nr_modules == BOOT_MAX_MODULES) {
        screen_error(walk->base, "it has more than 64 files", "move some out, or set volume = none in corbel.cfg");
        return EFI_OUT_OF_RESOURCES;
    }
    EFI_STATUS status = firmware_ranges(&ranges, true);
    if (EFI_ERROR(status)) {
        screen_error("memory map", firmware_words(status), "report this machine's firmware version");
        return status;
    }
    uint64_t free_bytes = handoff_free_bytes(&ranges);
    if (bytes > free_bytes || free_bytes - bytes < walk->reserve_bytes) {
        fmt_print(why, sizeof(why), "its %lu KiB do not fit: %lu MiB are free and %lu MiB must stay free", bytes >> 10,
                  (unsigned long)(free_bytes >> 20), (unsigned long)(walk->reserve_bytes >> 20));
        screen_error(name, why, "remove files from the guests' folder, add memory, or set volume = none in corbel.cfg");
        return EFI_OUT_OF_RESOURCES;
    }
    return EFI_SUCCESS;
}

static EFI_STATUS add_module(struct folder_walk *walk, EFI_FILE_HANDLE folder, const EFI_FILE_INFO *entry,
                             const char *name)
{
    struct file_data data = {0};
    EFI_FILE_HANDLE file = NULL;
    CHAR16 entry_name[NAME_MAX];
    size_t n = 0;

    EFI_STATUS status = fits(walk, name, entry->FileSize);
    if (EFI_ERROR(status)) {
        return status;
    }
    for (; entry->FileName[n] != 0; n++) { /* shorter than NAME_MAX: join() held it */
        entry_name[n] = entry->FileName[n];
    }
    entry_name[n] = 0;
    screen_print("corbel: reading %s, %lu KiB\n", name, (unsigned long)(entry->FileSize + 1023) >> 10);
    status = folder->Open(folder, &file, entry_name, EFI_FILE_MODE_READ, 0);
    if (!EFI_ERROR(status)) {
        status = read_file(file, entry->FileSize, FIRMWARE_ANYWHERE, &data);
        file->Close(file);
    }
    if (EFI_ERROR(status)) {
        screen_error(name, firmware_words(status), "copy it to the boot volume again");
        return status;
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
    if (!join(name, folder_name, entry->FileName)) {
        screen_error(folder_name[0] != '\0' ? folder_name : walk->base, "a file's path is longer than 111 bytes",
                     "give it a shorter name");
        return EFI_BAD_BUFFER_SIZE;
    }
    if ((entry->Attribute & EFI_FILE_DIRECTORY) == 0) {
        return add_module(walk, folder, entry, name);
    }
    if (walk->count == MAX_FOLDERS) {
        screen_error(walk->base, "it has more than 31 folders", "move some out, or set volume = none in corbel.cfg");
        return EFI_OUT_OF_RESOURCES;
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
            screen_error(name[0] != '\0' ? name : walk->base, firmware_words(status),
                         "check the boot volume's file system");
            return status;
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

/* Opens `name` below the walk's base; non-ASCII folder names go back to UCS-2 through open(), so they must be ASCII. */
static EFI_STATUS open_folder(const struct folder_walk *walk, const char *name, EFI_FILE_HANDLE *folder)
{
    char path[PATH_MAX];
    size_t bytes;

    fmt_print(path, sizeof(path), "%s%s%s", walk->base, name[0] != '\0' ? "/" : "", name);
    EFI_STATUS status = open(path, folder);
    if (!EFI_ERROR(status) && size_of(*folder, &bytes) != EFI_UNSUPPORTED) {
        (*folder)->Close(*folder);
        return EFI_INVALID_PARAMETER; /* a plain file */
    }
    return status;
}

EFI_STATUS files_read_folder(const char *base, uint64_t reserve_bytes, struct boot_info *info)
{
    static struct folder_walk walk; /* too large for a stack */

    memset(&walk, 0, sizeof(walk));
    walk.base = base;
    walk.reserve_bytes = reserve_bytes;
    walk.info = info;
    walk.count = 1;
    for (unsigned i = 0; i < walk.count; i++) {
        EFI_FILE_HANDLE folder = NULL;
        EFI_STATUS status = open_folder(&walk, walk.folders[i], &folder);
        if (status == EFI_NOT_FOUND && i == 0) {
            screen_print("corbel: there is no folder %s: no guests from the boot volume\n", base);
            return EFI_SUCCESS;
        }
        if (EFI_ERROR(status)) {
            screen_error(i == 0 ? base : walk.folders[i], firmware_words(status),
                         "use a folder with plain ASCII names");
            return status;
        }
        status = walk_entries(&walk, folder, walk.folders[i]);
        folder->Close(folder);
        if (EFI_ERROR(status)) {
            return status;
        }
    }
    return EFI_SUCCESS;
}
