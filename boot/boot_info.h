/* SPDX-License-Identifier: Apache-2.0
 * [FW][ROOT] The hand-over contract: all that the loader and the hypervisor share.
 *
 * The loader fills one struct boot_info below 4 GiB and jumps to the
 * hypervisor's entry with RDI = its physical address, in 64-bit mode with the
 * firmware's identity map, interrupts off. No pointer in it: every address is
 * physical. The hypervisor copies it before it leaves the firmware's tables. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel/abi/control.h"

#define BOOT_INFO_MAGIC 0x4f464e494c425243UL /* "CRBLINFO" */
#define BOOT_INFO_VERSION 2U

#define BOOT_MAX_RANGES 384U
#define BOOT_MAX_CPUS 64U
#define BOOT_MAX_MODULES 64U
#define BOOT_MAX_IOAPICS 8U
#define BOOT_MAX_PRIVATE 32U
#define BOOT_ISA_IRQS 16U
#define BOOT_SCRATCH_PAGES (1UL << 18)

enum boot_range_type {
    BOOT_RANGE_FREE = 1,     /* RAM that nobody uses (incl. boot services'), write-back */
    BOOT_RANGE_RESERVED = 2, /* RAM or not, not ours (runtime services, firmware) */
    BOOT_RANGE_ACPI = 3,     /* ACPI tables; readable */
    BOOT_RANGE_NVS = 4,
    BOOT_RANGE_MMIO = 5,
    BOOT_RANGE_BAD = 6,
    BOOT_RANGE_ROOT = 7,     /* the hypervisor's image incl. .bss */
    BOOT_RANGE_DOM0 = 8,     /* Dom0's RAM, image at its start */
    BOOT_RANGE_MODULE = 9,   /* files of the guest folder */
    BOOT_RANGE_ROOT_REST = 10,   /* free: what the image leaves of its last 2 MiB unit */
    BOOT_RANGE_FRAME_TABLE = 11, /* 2 MiB, aligned, for each GiB that has a range of type FREE or 7 to 10 */
};

#define BOOT_LOW_PAGES 4U
#define BOOT_RAM_FIRST (1UL << 20)  /* the first MiB starts other CPUs and holds firmware's odds and ends: not FREE */
#define BOOT_RAM_LIMIT (512UL << 30) /* nothing above is FREE */

struct boot_range { /* page-aligned, sorted by base, not overlapping */
    uint64_t base, size;
    uint32_t type; /* enum boot_range_type */
    uint32_t pad;
};

struct boot_module { /* page-aligned base; size in bytes; path relative to the guest folder with '/' */
    uint64_t base, size;
    char name[112];
};

struct boot_cpu {
    uint32_t apic_id;
    uint32_t flags; /* bit 0: enabled; bit 1: the boot CPU */
};

enum boot_console_kind { BOOT_CONSOLE_AUTO = 0, BOOT_CONSOLE_IO = 1, BOOT_CONSOLE_MMIO = 2, BOOT_CONSOLE_NONE = 3 };

struct boot_options { /* from corbel.cfg, validated */
    uint32_t console_kind;
    uint32_t console_baud; /* 0: leave as the firmware set it */
    uint64_t console_addr; /* port or physical address */
    uint32_t loglvl;       /* enum log_level: 0 error .. 3 debug */
    uint32_t mitigations;  /* 1: on (default) */
    uint32_t debug;        /* 1: audit on a timer, thread time check in Dom0 */
    uint32_t pad;
    char autostart[256]; /* comma-separated guest names for Dom0 */
    char exec[256];      /* ';'-separated CLI lines that Dom0 runs when its prompt is up */
};

#define BOOT_GLYPHS 95U /* printable ASCII */

struct boot_framebuffer { /* width 0: none. 32 bits per pixel only; at least 8 x 16 pixels, and SIZE holds them all */
    uint64_t base, size;
    uint32_t width, height;
    uint32_t stride; /* pixels per line */
    uint32_t pad;
    uint64_t glyphs[BOOT_GLYPHS]; /* seven bytes each, the top row first; bit 4 of each is the leftmost of five dots */
};

#define BOOT_CPUID_BASIC 14U
#define BOOT_CPUID_EXT 9U
#define BOOT_CPUID_CACHE 4U
#define BOOT_CPUID_XSAVE 8U

struct boot_cpuid_leaf {
    uint32_t eax, ebx, ecx, edx;
};

struct boot_cpuid { /* what guests may know of the CPU; what differs from vCPU to vCPU is added later */
    struct boot_cpuid_leaf basic[BOOT_CPUID_BASIC]; /* from 0 on, subleaf 0 */
    struct boot_cpuid_leaf ext[BOOT_CPUID_EXT];     /* from 0x80000000 on */
    struct boot_cpuid_leaf cache[BOOT_CPUID_CACHE]; /* leaf 4 */
    struct boot_cpuid_leaf xsave[BOOT_CPUID_XSAVE]; /* leaf 0xd: 1, and components 2 to 7 */
};

struct vmx_caps { /* what this CPU's VT-x can do and how it is used. SDM vol 3, appendix "VMX Capability Reporting Facility" */
    uint64_t cr0_fixed0, cr4_fixed0;        /* bits that must be 1 in VMX operation */
    uint64_t guest_cr4;                     /* bits that a guest may own */
    uint64_t xcr0_offer;                    /* what a guest may set in XCR0; 0: no XSAVE, FXSAVE is used */
    uint64_t arch_caps;                     /* IA32_ARCH_CAPABILITIES as guests see it */
    uint32_t revision;
    uint32_t pin, proc, proc2, exit, entry; /* the settings in use: required ones plus those optional ones that exist */
    uint32_t preemption_ticks;              /* of the VMX-preemption timer for a millisecond; 0: no such timer */
    bool virtual_interrupts;                /* x2APIC mode + APIC registers + virtual-interrupt delivery, all three */
    bool invvpid;                           /* single-context INVVPID */
    bool rdtscp, spec_ctrl, ibpb;
    bool flush_l1d, verw;                   /* needed before each entry */
    bool ibpb_on_switch;
    bool pad[4];
};

struct boot_clock {
    uint64_t wall_ns; /* UNIX time at tsc_jump; 0: unknown */
    uint32_t khz;     /* of the TSC, not 0 */
    uint32_t mul;     /* nanoseconds = ((ticks << shift) * mul) >> 32; a negative shift shifts right */
    int8_t shift;
    char by[15]; /* who knew the rate */
};

struct boot_uart { /* a 16550, programmed by the loader */
    uint64_t addr;   /* of its first register: port, or physical where STRIDE is not 0 */
    uint32_t stride; /* bytes from register to register in memory */
    uint32_t fifo;   /* bytes that its empty transmitter takes; 0: there is no such port */
    uint32_t gsi;    /* of its interrupt, ~0: none */
    uint32_t pad;
};

struct boot_machine { /* from the ACPI tables, else the defaults of a PC */
    uint32_t nr_ioapics, nr_private;
    struct {
        uint64_t addr;
        uint32_t gsi_base, pad;
    } ioapics[BOOT_MAX_IOAPICS];
    struct {
        uint32_t gsi;
        uint16_t flags; /* MPS INTI: [1:0] polarity 1 high 3 low, [3:2] trigger 1 edge 3 level; 0: bus default */
        uint16_t pad;
    } isa[BOOT_ISA_IRQS];
    uint64_t private_pages[BOOT_MAX_PRIVATE]; /* device registers that stay with the hypervisor beside the local APIC's: an address in each page */
    struct boot_uart uart;
    uint64_t reset_addr; /* FADT reset register, 0: none */
    uint8_t reset_space; /* 0 memory, 1 I/O port */
    uint8_t reset_value;
    uint16_t pm1_control[2]; /* ports that power the machine off, 0: none */
    uint8_t sleep_type[2];   /* of \_S5, for each of them */
    uint32_t iommus_on;      /* that the loader could not turn off */
    uint32_t itlb_multihit;  /* 1: large pages must not be executable for guests (CVE-2018-12207) */
};

struct boot_info {
    uint64_t magic;
    uint32_t version;
    uint32_t size; /* sizeof(struct boot_info) */
    uint64_t tsc_jump; /* TSC just before the jump into the hypervisor */
    uint64_t rsdp;     /* ACPI's root pointer, 0: none */
    uint64_t smbios;   /* 0: none */
    uint64_t root_base; /* 2 MiB-aligned */
    uint64_t root_size; /* bytes of the image incl. .bss */
    uint64_t dom0_base; /* 2 MiB-aligned, below 4 GiB: all of Dom0's RAM, its ELF at the start */
    uint64_t dom0_size;
    uint64_t dom0_image_size; /* bytes used by the image incl. .bss, page-aligned */
    uint64_t low_pages;       /* BOOT_LOW_PAGES below 640 KiB, to start the other CPUs with; 0: none */
    uint64_t dom0_scratch;    /* a gfn: from here on BOOT_SCRATCH_PAGES that no range touches, for its foreign mappings */
    struct boot_clock clock;
    struct boot_framebuffer framebuffer;
    struct boot_options options;
    uint32_t nr_ranges, nr_cpus, nr_modules;
    uint32_t pad;
    struct boot_machine machine;
    struct cbl_vcpu_context dom0_context; /* Dom0's first registers: PVH entry, and its start info, which lies in its RAM */
    struct boot_cpuid cpuid;
    struct vmx_caps vmx;
    struct boot_range ranges[BOOT_MAX_RANGES];
    struct boot_cpu cpus[BOOT_MAX_CPUS];
    struct boot_module modules[BOOT_MAX_MODULES];
};

_Static_assert(sizeof(struct boot_range) == 24, "hand-over layout");
_Static_assert(sizeof(struct boot_module) == 128, "hand-over layout");
_Static_assert(sizeof(struct boot_options) == 544, "hand-over layout");
_Static_assert(sizeof(struct vmx_caps) == 80, "hand-over layout");
_Static_assert(sizeof(struct boot_cpuid) == 560, "hand-over layout");
_Static_assert(sizeof(struct boot_machine) == 568, "hand-over layout");
_Static_assert(sizeof(struct boot_info) == 21168, "hand-over layout");
