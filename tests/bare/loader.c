/* SPDX-License-Identifier: Apache-2.0
 * [FW] For tests: a tiny guest on the bare CPU. Loads \guest.elf where it is linked and enters it as PVH has it: 32-bit protected mode, paging
 * off, EBX = start info, whose command line is "bare". Interrupts of the firmware's devices are masked. Trouble is told on COM1. */
#include <efi.h>

#include <stddef.h>
#include <stdint.h>

#define PAGE 4096UL
#define MAX_FILE (4UL << 20)
#define COM1 0x3f8
#define LOAD 1U
#define PVH_MAGIC 0x336ec578U
#define LAPIC 0xfee00000UL
#define LVT_FIRST 0x320UL
#define LVT_LAST 0x370UL
#define LVT_MASKED 0x10000U

struct elf { uint8_t ident[16]; uint16_t type, machine; uint32_t version; uint64_t entry, phoff, shoff; uint32_t flags; uint16_t ehsize, phentsize, phnum; };
struct segment { uint32_t type, flags; uint64_t offset, vaddr, paddr, filesz, memsz, align; };

_Noreturn void bare_jump(uint64_t entry, const void *start_info); /* jump.asm */
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table);

static struct { uint32_t magic, version, flags, nr_modules; uint64_t modules, cmdline, rsdp, memmap; uint32_t entries, reserved; } start_info = {.magic = PVH_MAGIC};
static char cmdline[] = "bare";

static void out(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }

static void say(const char *text)
{
    for (; *text != '\0'; text++) {
        uint8_t status;
        do
            __asm__ volatile("inb %1, %0" : "=a"(status) : "d"((uint16_t)(COM1 + 5)));
        while ((status & 0x20) == 0);
        out(COM1, (uint8_t)*text);
    }
}

static EFI_STATUS failed(const char *what, EFI_STATUS status)
{
    say("bare: failed: ");
    say(what);
    say("\n");
    return status;
}

static void serial_on(void)
{
    out(COM1 + 1, 0);
    out(COM1 + 3, 0x80);
    out(COM1, 1); /* 115200 */
    out(COM1 + 1, 0);
    out(COM1 + 3, 3);
}

static EFI_STATUS read_file(EFI_HANDLE image, EFI_BOOT_SERVICES *bs, void *to, UINTN *bytes)
{
    EFI_GUID image_guid = EFI_LOADED_IMAGE_PROTOCOL_GUID, volume_guid = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID;
    EFI_LOADED_IMAGE *loaded;
    EFI_FILE_IO_INTERFACE *volume;
    EFI_FILE_HANDLE root, file;
    EFI_STATUS status = bs->HandleProtocol(image, &image_guid, (void **)&loaded);
    if (!EFI_ERROR(status))
        status = bs->HandleProtocol(loaded->DeviceHandle, &volume_guid, (void **)&volume);
    if (!EFI_ERROR(status))
        status = volume->OpenVolume(volume, &root);
    if (!EFI_ERROR(status))
        status = root->Open(root, &file, (CHAR16 *)L"\\guest.elf", EFI_FILE_MODE_READ, 0);
    return EFI_ERROR(status) ? status : file->Read(file, bytes, to);
}

static EFI_STATUS load_segment(EFI_BOOT_SERVICES *bs, const uint8_t *file, const struct segment *s)
{
    EFI_PHYSICAL_ADDRESS at = s->paddr & ~(PAGE - 1);
    uint8_t *to = (uint8_t *)(uintptr_t)s->paddr;
    EFI_STATUS status = bs->AllocatePages(AllocateAddress, EfiLoaderCode, (s->paddr + s->memsz - at + PAGE - 1) / PAGE, &at);
    for (uint64_t i = 0; !EFI_ERROR(status) && i < s->memsz; i++)
        to[i] = i < s->filesz ? file[s->offset + i] : 0;
    return status;
}

static EFI_STATUS load(EFI_HANDLE image, EFI_BOOT_SERVICES *bs, uint64_t *entry)
{
    EFI_PHYSICAL_ADDRESS at = 0xffffffff;
    UINTN bytes = MAX_FILE;
    EFI_STATUS status = bs->AllocatePages(AllocateMaxAddress, EfiLoaderData, MAX_FILE / PAGE, &at);
    const uint8_t *file = (const uint8_t *)(uintptr_t)at;
    const struct elf *elf = (const void *)file;
    if (!EFI_ERROR(status))
        status = read_file(image, bs, (void *)(uintptr_t)at, &bytes);
    if (EFI_ERROR(status))
        return failed("reading \\guest.elf", status);
    for (unsigned i = 0; i < elf->phnum; i++) {
        const struct segment *s = (const void *)(file + elf->phoff + i * sizeof(*s));
        if (s->type == LOAD)
            status = load_segment(bs, file, s);
        if (EFI_ERROR(status))
            return failed("its memory is taken", status);
    }
    *entry = elf->entry;
    return EFI_SUCCESS;
}

static EFI_STATUS leave(EFI_HANDLE image, EFI_BOOT_SERVICES *bs)
{
    static uint8_t map[65536];
    UINTN bytes = sizeof(map), key, stride;
    UINT32 version;
    EFI_STATUS status = bs->GetMemoryMap(&bytes, (void *)map, &key, &stride, &version);
    return EFI_ERROR(status) ? status : bs->ExitBootServices(image, key);
}

static void quiet(void)
{
    __asm__ volatile("cli");
    out(0x21, 0xff);
    out(0xa1, 0xff);
    for (uint64_t at = LAPIC + LVT_FIRST; at <= LAPIC + LVT_LAST; at += 16)
        *(volatile uint32_t *)at |= LVT_MASKED;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    uint64_t entry;
    serial_on();
    EFI_STATUS status = load(image, table->BootServices, &entry);
    if (EFI_ERROR(status))
        return status;
    start_info.cmdline = (uint64_t)(uintptr_t)cmdline;
    status = leave(image, table->BootServices);
    if (EFI_ERROR(status))
        return failed("leaving the firmware", status);
    quiet();
    bare_jump(entry, &start_info);
}
