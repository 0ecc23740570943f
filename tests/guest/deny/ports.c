/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] All 65,536 ports, in all sizes: reads give all-ones (port 0x42: 0), writes go nowhere. String I/O is refused with #GP(0): its memory
 * operand would need an emulator, and root has none. */
#include "tests/guest/deny/deny.h"

#define PORTS 0x10000U
#define SPEAKER_COUNTER 0x42U

static void in_and_out(uint16_t port)
{
    uint64_t b = 0x1122334455667788UL, w = b, l = b;
    uint64_t none = port == SPEAKER_COUNTER ? 0 : ~0UL;
    __asm__ volatile("inb %%dx, %%al" : "+a"(b) : "d"(port));
    __asm__ volatile("inw %%dx, %%ax" : "+a"(w) : "d"(port));
    __asm__ volatile("inl %%dx, %%eax" : "+a"(l) : "d"(port));
    check(b == (0x1122334455667700UL | (none & 0xff)), "in al, port %x: rax %lx", port, b);
    check(w == (0x1122334455660000UL | (none & 0xffff)), "in ax, port %x: rax %lx", port, w);
    check(l == (none & 0xffffffffUL), "in eax, port %x: rax %lx", port, l);
    __asm__ volatile("outb %%al, %%dx" : : "a"(0xfeU), "d"(port));
    __asm__ volatile("outw %%ax, %%dx" : : "a"(0xfefeU), "d"(port));
    __asm__ volatile("outl %%eax, %%dx" : : "a"(0xfefefefeU), "d"(port));
}

static char buffer[64];

#define ONE(insn)                                                                                                            \
    do {                                                                                                                     \
        uint64_t vec, si = (uint64_t)buffer, di = (uint64_t)buffer, left = 4;                                                \
        TRY(vec, insn, : "+S"(si), "+D"(di), "+c"(left) : "d"(port) : "r11", "memory");                                      \
        bool still = si == (uint64_t)buffer && di == (uint64_t)buffer && left == 4;                                          \
        check(vec == VECTOR_GP && trap_state.error == 0 && still, insn " at port %x: vector %lu", port, vec);                \
    } while (0)

static void strings(uint16_t port)
{
    ONE("insb");
    ONE("insw");
    ONE("insl");
    ONE("outsb");
    ONE("outsw");
    ONE("outsl");
    ONE("rep insb");
    ONE("rep insw");
    ONE("rep insl");
    ONE("rep outsb");
    ONE("rep outsw");
    ONE("rep outsl");
}

/* User mode without a grant in the TSS: the CPU itself refuses. */
static void from_user_mode(void)
{
    static const char *const code[] = {"\xec", "\xed", "\xee", "\xef", "\x6c", "\x6e"}; /* IN, OUT, INS, OUTS */
    for (unsigned i = 0; i < COUNT(code); i++) {
        for (uint32_t port = 0; port < PORTS; port += 0x1111) {
            struct run r = {.rdx = port, .rsi = WINDOW, .rdi = WINDOW};
            uint64_t vec = run_bytes(USER64, code[i], 1, &r);
            check(vec == VECTOR_GP, "opcode %d at port %x from user mode: vector %lu", code[i][0], port, vec);
        }
    }
}

void deny_ports(void)
{
    for (uint32_t port = 0; port < PORTS; port++)
        in_and_out((uint16_t)port);
    /* The size and the direction do not depend on the port, nor the answer on either: every port once, in turn, and all at some. */
    for (uint32_t i = 0; i < PORTS; i++) {
        uint16_t port = (uint16_t)i;
        if (i % 0x101 == 0)
            strings(port);
        else if (i % 2 == 0)
            ONE("rep outsb");
        else
            ONE("insl");
    }
    for (unsigned i = 0; i < sizeof(buffer); i++)
        check(buffer[i] == 0, "string input wrote %d", buffer[i]);
    from_user_mode();
}
