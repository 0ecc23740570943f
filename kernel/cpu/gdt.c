/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] GDT and TSS, one pair per CPU. */
#include "kernel/cpu/gdt.h"

#include "kernel/cpu/percpu.h"
#include "kernel/cpu/x86.h"

#define IST_STACK_BYTES 4096U
#define IST_STACKS 3U

struct __attribute__((packed)) tss { /* SDM vol 3, "Task Management in 64-bit Mode" */
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t io_map_base;
};
_Static_assert(sizeof(struct tss) == 104, "hardware layout");

static struct {
    uint64_t gdt[6];
    struct tss tss;
} segments[MAX_CPUS];

void gdt_load_segments(const struct table_register *gdtr); /* gdt.asm */

void gdt_load(uint32_t cpu, const char *stacks)
{
    uint64_t *gdt = segments[cpu].gdt;
    struct tss *tss = &segments[cpu].tss;
    uint64_t base = (uint64_t)tss;
    gdt[GDT_CODE / 8] = 0x00af9b000000ffffUL;
    gdt[GDT_DATA / 8] = 0x00cf93000000ffffUL;
    for (unsigned i = 0; i < IST_STACKS; i++)
        tss->ist[i] = (uint64_t)stacks + (i + 1) * IST_STACK_BYTES;
    tss->io_map_base = sizeof(*tss);
    gdt[GDT_TSS / 8] = (sizeof(*tss) - 1) | (base & 0xffffff) << 16 | 0x89UL << 40 | (base >> 24 & 0xff) << 56;
    gdt[GDT_TSS / 8 + 1] = base >> 32;

    struct table_register gdtr = {sizeof(segments[cpu].gdt) - 1, (uint64_t)gdt};
    gdt_load_segments(&gdtr);
}

uint64_t gdt_base(uint32_t cpu) { return (uint64_t)segments[cpu].gdt; }
uint64_t gdt_tss_base(uint32_t cpu) { return (uint64_t)&segments[cpu].tss; }
