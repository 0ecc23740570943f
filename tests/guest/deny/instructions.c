/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] Instructions that are not for guests, in four modes: VMX, SMX, SGX, AMD's SVM, MONITOR, counters, supervisor state. */
#include "tests/guest/deny/deny.h"

#define DATA_SLOT WINDOW_FREE

enum { RUNS = RAN_THROUGH };

/* Memory operands are [eax] or [rax]. KERNEL, USER: the vector that is expected, RUNS: none. */
static const struct { const char *name, *code; uint8_t len, kernel, user; bool also_32; } rows[] = {
    {"vmxon", "\xf3\x0f\xc7\x30", 4, 6, 6, true},
    {"vmxoff", "\x0f\x01\xc4", 3, 6, 6, true},
    {"vmclear", "\x66\x0f\xc7\x30", 4, 6, 6, true},
    {"vmptrld", "\x0f\xc7\x30", 3, 6, 6, true},
    {"vmptrst", "\x0f\xc7\x38", 3, 6, 6, true},
    {"vmlaunch", "\x0f\x01\xc2", 3, 6, 6, true},
    {"vmresume", "\x0f\x01\xc3", 3, 6, 6, true},
    {"vmread", "\x0f\x78\x10", 3, 6, 6, true},
    {"vmwrite", "\x0f\x79\x10", 3, 6, 6, true},
    {"vmfunc", "\x0f\x01\xd4", 3, 6, 6, true},
    {"invept", "\x66\x0f\x38\x80\x10", 5, 6, 6, true},
    {"invvpid", "\x66\x0f\x38\x81\x10", 5, 6, 6, true},
    {"getsec", "\x0f\x37", 2, 6, 6, true},
    {"rsm", "\x0f\xaa", 2, 6, 6, true},
    {"monitor", "\x0f\x01\xc8", 3, 6, 6, true},
    {"mwait", "\x0f\x01\xc9", 3, 6, 6, true},
    {"encls", "\x0f\x01\xcf", 3, 6, 6, true},
    {"enclu", "\x0f\x01\xd7", 3, 6, 6, true},
    {"enclv", "\x0f\x01\xc0", 3, 6, 6, true},
    {"pconfig", "\x0f\x01\xc5", 3, 6, 6, true},
    {"seamcall", "\x66\x0f\x01\xcf", 4, 6, 6, true},
    {"tdcall", "\x66\x0f\x01\xcc", 4, 6, 6, true},
    {"xsaves", "\x0f\xc7\x28", 3, 6, 6, true},
    {"xrstors", "\x0f\xc7\x18", 3, 6, 6, true},
    {"tpause", "\x66\x0f\xae\xf1", 4, 6, 6, true},
    {"umwait", "\xf2\x0f\xae\xf1", 4, 6, 6, true},
    {"umonitor", "\xf3\x0f\xae\xf0", 4, 6, 6, true},
    {"rdpkru", "\x0f\x01\xee", 3, 6, 6, true},
    {"wrpkru", "\x0f\x01\xef", 3, 6, 6, true},
    {"incsspd", "\xf3\x0f\xae\xe9", 4, 6, 6, true},
    {"vmrun", "\x0f\x01\xd8", 3, 6, 6, true},
    {"vmmcall", "\x0f\x01\xd9", 3, 6, 6, true},
    {"vmload", "\x0f\x01\xda", 3, 6, 6, true},
    {"vmsave", "\x0f\x01\xdb", 3, 6, 6, true},
    {"stgi", "\x0f\x01\xdc", 3, 6, 6, true},
    {"clgi", "\x0f\x01\xdd", 3, 6, 6, true},
    {"skinit", "\x0f\x01\xde", 3, 6, 6, true},
    {"invlpga", "\x0f\x01\xdf", 3, 6, 6, true},
    {"rdpmc", "\x0f\x33", 2, 13, 13, true},
    {"wbinvd", "\x0f\x09", 2, RUNS, 13, true},
    {"invd", "\x0f\x08", 2, RUNS, 13, true},
    {"invlpg", "\x0f\x01\x38", 3, RUNS, 13, true},
    {"clts", "\x0f\x06", 2, RUNS, 13, true},
    {"rdtsc", "\x0f\x31", 2, RUNS, RUNS, true},
    {"cpuid", "\x0f\xa2", 2, RUNS, RUNS, true},
    {"pause", "\xf3\x90", 2, RUNS, RUNS, true},
    {"smsw", "\x0f\x01\xe1", 3, RUNS, RUNS, true},
    {"sldt", "\x0f\x00\xc1", 3, RUNS, RUNS, true},
    {"sgdt", "\x0f\x01\x00", 3, RUNS, RUNS, true},
    {"hlt from user mode", "\xf4", 1, 0, 13, true},
    {"cli from user mode", "\xfa", 1, 0, 13, true},
    {"rdmsr from user mode", "\x0f\x32", 2, 0, 13, true},
    {"wrmsr from user mode", "\x0f\x30", 2, 0, 13, true},
    {"mov cr0", "\x0f\x20\xc1", 3, RUNS, 13, true},
    {"mov cr3 from user mode", "\x0f\x22\xd8", 3, 0, 13, true},
    {"mov cr8 from user mode", "\x44\x0f\x22\xc1", 4, 0, 13, false},
    {"mov dr7 from user mode", "\x0f\x23\xf8", 3, 0, 13, true},
    {"lgdt from user mode", "\x0f\x01\x10", 3, 0, 13, true},
    {"lidt from user mode", "\x0f\x01\x18", 3, 0, 13, true},
    {"ltr from user mode", "\x0f\x00\xd8", 3, 0, 13, true},
    {"xsetbv without its CR4 bit", "\x0f\x01\xd1", 3, 6, 6, true},
    {"mov dr4", "\x0f\x23\xe0", 3, 6, 6, true}, /* with CR4.DE */
    {"lmsw", "\x0f\x01\xf6", 3, RUNS, 13, true}, /* from SI */
};

static void in_mode(unsigned row, enum mode mode)
{
    bool user = mode == USER64 || mode == USER32;
    uint8_t want = user ? rows[row].user : rows[row].kernel;
    struct run r = {.rax = WINDOW + 4096UL * DATA_SLOT, .rsi = 0xf};
    if (want == 0 || (!rows[row].also_32 && (mode == KERNEL32 || mode == USER32)))
        return;
    uint64_t vec = run_bytes(mode, rows[row].code, rows[row].len, &r);
    check(vec == want, "%s in mode %u: vector %lu", rows[row].name, mode, vec);
    check(vec == RAN_THROUGH || trap_state.rip == WINDOW, "%s in mode %u: fault at %lx", rows[row].name, mode, trap_state.rip);
    if (vec != RAN_THROUGH)
        check(trap_state.error == 0 && (trap_state.rflags >> 16 & 1) != 0, "%s in mode %u: error %lx flags %lx", rows[row].name, mode, trap_state.error, trap_state.rflags);
}

void deny_instructions(void)
{
    static char data[4096] __attribute__((aligned(4096)));
    uint64_t cr4;
    (void)window_set(DATA_SLOT, (uint64_t)data | PTE_P | PTE_RW | PTE_US);
    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    __asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | 8)); /* DE */
    for (unsigned row = 0; row < COUNT(rows); row++) {
        for (enum mode mode = KERNEL64; mode < MODES; mode++)
            in_mode(row, mode);
    }
    __asm__ volatile("mov %0, %%cr4" : : "r"(cr4));
}
