/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] sensitive: low memory, which code of any mode can reach, and the modes themselves. modes.asm has the same numbers. */
#pragma once

#include "tests/guest/lib/guest.h"

#define EXCHANGE 0x8000UL /* struct exchange */
#define CODE 0x9000UL     /* the instructions under test, then INT3 to the page's end */
#define DATA 0xa000UL     /* what they work on; the first RECORD_BYTES are looked at afterwards */
#define STACK3 0xbf00UL
#define REAL_CODE 0xc000UL
#define PAGE_DIRECTORY 0xd000UL /* of 32-bit paging */
#define PAGE_TABLE 0xe000UL
#define STACK0 0xff00UL
#define RECORD_BYTES 16U

enum run_mode { REAL, PROTECTED0, PROTECTED3, COMPATIBILITY0, COMPATIBILITY3, LONG0, LONG3, VIRTUAL8086, RUN_MODES };

/* To legacy modes and back. */
struct exchange {
    uint32_t eax, ecx, edx, ebx, esi, edi;
    uint32_t eflags, cs, ss, real, cr0, cr4;
    uint32_t began, ended; /* TSC, low half */
    uint32_t vector, error, out_eip, out_cs, out_eflags;
    uint32_t out_eax, out_ecx, out_edx, out_ebx, out_esi, out_edi;
};

/* What is different from the usual state while an instruction runs. */
enum setup {
    WITH_IOPL3 = 1, WITH_TSD = 2, WITHOUT_OSXSAVE = 4, WITHOUT_FSGSBASE = 8, WITH_TS = 16, WITH_INTERRUPT = 32, WITH_TF = 64, WITH_PVI = 128, WITH_DE = 256, WITH_EM = 512, WITH_AC = 1024,
    WITH_RF = 2048, /* and an execution breakpoint on byte 2 */
};

struct test {
    const char *name, *code[3]; /* for 16, 32 and 64 bits */
    uint32_t length[3], modes, setup, pad;
};
extern const struct test tests[], tests_end[];

/* Real mode and 32-bit protected mode: as EXCHANGE says. */
void legacy_exchange(void);
/* Puts the code of real mode where it belongs, IVT and IDT of legacy modes. DESCRIPTORS, LIMIT: the GDT. */
void legacy_prepare(uint64_t descriptors, uint32_t limit);
