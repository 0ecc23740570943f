/* SPDX-License-Identifier: Apache-2.0
 * [FW] Collects what the hypervisor must know of the machine: ACPI, CPUs, SMBIOS, devices, VT-x, framebuffer,
 * time. */
#include "boot/efi/machine.h"

#include <efi.h>

#include "boot/efi/devices.h"
#include "boot/efi/firmware.h"
#include "boot/efi/font.h"
#include "boot/efi/fwacpi.h"
#include "boot/efi/handoff.h"
#include "boot/efi/lib.h"
#include "boot/efi/preflight.h"
#include "boot/efi/screen.h"
#include "boot/efi/tsc.h"
#include "boot/efi/vmxcaps.h"

/* PI 1.7, volume 2, section "MP Services Protocol". */
#define MP_ENABLED 2U
struct mp_processor {
    uint64_t processor_id;
    uint32_t status;
    uint32_t location[3];
    uint64_t extended[16]; /* newer firmware writes more: room for it */
};
struct mp_services {
    EFI_STATUS(EFIAPI *count)(struct mp_services *self, UINTN *all, UINTN *enabled);
    EFI_STATUS(EFIAPI *info)(struct mp_services *self, UINTN index, struct mp_processor *processor);
};

static uint64_t configuration_table(const EFI_GUID *id)
{
    const EFI_SYSTEM_TABLE *table = firmware_table();

    for (UINTN i = 0; i < table->NumberOfTableEntries; i++) {
        if (memcmp(&table->ConfigurationTable[i].VendorGuid, id, sizeof(*id)) == 0) {
            return (uint64_t)(uintptr_t)table->ConfigurationTable[i].VendorTable;
        }
    }
    return 0;
}

static void find_tables(struct boot_info *info)
{
    static const EFI_GUID acpi20 = ACPI_20_TABLE_GUID;
    static const EFI_GUID acpi10 = ACPI_TABLE_GUID;
    static const EFI_GUID smbios3 = SMBIOS3_TABLE_GUID;
    static const EFI_GUID smbios = SMBIOS_TABLE_GUID;

    info->rsdp = configuration_table(&acpi20);
    if (info->rsdp == 0) {
        info->rsdp = configuration_table(&acpi10);
    }
    info->smbios = configuration_table(&smbios3);
    if (info->smbios == 0) {
        info->smbios = configuration_table(&smbios);
    }
}

static uint32_t cpus_from_firmware(struct boot_info *info)
{
    static EFI_GUID id = {0x3fdda605, 0xa76e, 0x4f46, {0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08}};
    struct mp_services *mp = NULL;
    UINTN all = 0;
    UINTN enabled = 0;
    uint32_t lost = 0;

    if (EFI_ERROR(firmware_boot()->LocateProtocol(&id, NULL, (void **)&mp)) ||
        EFI_ERROR(mp->count(mp, &all, &enabled))) {
        return 0;
    }
    for (UINTN i = 0; i < all; i++) {
        struct mp_processor processor = {0};
        if (!EFI_ERROR(mp->info(mp, i, &processor)) && (processor.status & MP_ENABLED) != 0) {
            lost += handoff_add_cpu(info, (uint32_t)processor.processor_id) ? 0 : 1;
        }
    }
    return lost;
}

static void find_cpus(struct boot_info *info)
{
    size_t bytes = 0;
    uint32_t lost = 0;
    const void *madt = fwacpi_find(info->rsdp, "APIC", &bytes);

    if (madt != NULL) {
        lost = fwacpi_cpus(madt, bytes, info);
    }
    if (info->nr_cpus == 0) {
        lost = cpus_from_firmware(info);
    }
    handoff_mark_boot_cpu(info, preflight_apic_id());
    if (lost > 0) {
        screen_print("corbel: warning: %u CPUs beyond the first %u stay unused\n", lost, BOOT_MAX_CPUS);
    }
}

static void find_framebuffer(struct boot_info *info)
{
    static EFI_GUID id = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;
    EFI_GRAPHICS_OUTPUT_PROTOCOL *gop = NULL;

    if (EFI_ERROR(firmware_boot()->LocateProtocol(&id, NULL, (void **)&gop)) || gop->Mode == NULL ||
        gop->Mode->Info == NULL) {
        return;
    }
    const EFI_GRAPHICS_OUTPUT_MODE_INFORMATION *mode = gop->Mode->Info;
    if (mode->PixelFormat != PixelRedGreenBlueReserved8BitPerColor &&
        mode->PixelFormat != PixelBlueGreenRedReserved8BitPerColor) {
        return; /* other depths, or no linear framebuffer at all */
    }
    if (mode->PixelsPerScanLine < mode->HorizontalResolution || gop->Mode->FrameBufferBase == 0 ||
        (uint64_t)mode->PixelsPerScanLine * mode->VerticalResolution > gop->Mode->FrameBufferSize / 4 ||
        mode->HorizontalResolution < 8 || mode->VerticalResolution < 16 || mode->PixelsPerScanLine > 32768 ||
        mode->VerticalResolution > 16384) {
        return; /* the numbers contradict each other, or are out of all reason */
    }
    info->framebuffer = (struct boot_framebuffer){
        .base = gop->Mode->FrameBufferBase,
        .size = gop->Mode->FrameBufferSize,
        .width = mode->HorizontalResolution,
        .height = mode->VerticalResolution,
        .stride = mode->PixelsPerScanLine,
    };
    font_give(&info->framebuffer);
}

static struct { uint64_t seconds, tsc; } utc; /* what the firmware's clock said, and when */

static void find_time(void)
{
    EFI_TIME t = {0};

    if (EFI_ERROR(firmware_table()->RuntimeServices->GetTime(&t, NULL)) || t.Hour > 23 || t.Minute > 59 ||
        t.Second > 59) {
        return;
    }
    unsigned seconds = t.Hour * 3600U + t.Minute * 60U + t.Second;
    int zone = t.TimeZone == EFI_UNSPECIFIED_TIMEZONE ? 0 : t.TimeZone;
    utc.tsc = tsc_read();
    utc.seconds = handoff_unix_seconds(t.Year, t.Month, t.Day, seconds, zone);
}

void machine_stamp(struct boot_info *info)
{
    info->tsc_jump = tsc_read();
    info->clock.wall_ns = handoff_wall_ns(&info->clock, utc.seconds, info->tsc_jump - utc.tsc);
}

static void find_vmx(struct boot_info *info)
{
    struct preflight_facts facts = {0};

    preflight_probe(&facts);
    vmxcaps_choose(&facts, preflight_cpuid, info->clock.khz, info->options.mitigations != 0, &info->vmx);
    guest_cpuid_build(preflight_cpuid, &info->vmx, &info->cpuid);
    info->cpuid.xsave[1].eax &= facts.xsavec_fails ? ~2U : ~0U; /* XSAVEC */
}

void machine_describe(struct boot_info *info)
{
    find_tables(info);
    find_cpus(info);
    devices_find(info);
    find_vmx(info);
    info->machine.itlb_multihit = preflight_multihit();
    find_framebuffer(info);
    find_time();
}
