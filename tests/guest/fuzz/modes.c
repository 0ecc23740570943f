/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] Random code in user mode and in 32-bit code, and the paging modes of 32 bits with random bits beside them: exits from all of them, and entries into them. */
#include "tests/guest/fuzz/fuzz.h"

#define IF 0x200UL
#define RFLAGS_FREE 0x2549d5UL /* TF, NT, RF, AC, ID and the arithmetic ones; not IOPL: nothing may switch the timer off. DF is for user code alone */
#define LONGEST 40U

extern uint64_t pd[];
extern uint32_t mode_cr0, mode_cr3, mode_cr4, mode_rax;
void mode_walk(void);

/* What leaves the guest, or nearly. None of them goes on for ever. */
struct snippet { uint8_t len, code[7]; };
static const struct snippet snippets[] = {
    {3, {0x0f, 0x01, 0xc1}}, {2, {0x0f, 0xa2}}, {2, {0x0f, 0x31}}, {3, {0x0f, 0x01, 0xd0}}, {2, {0xe4, 0x80}}, {2, {0xe6, 0x80}}, {1, {0xec}}, {2, {0xf3, 0x90}},
    {3, {0x0f, 0x01, 0xf9}}, {5, {0xb8, 0x11, 0, 0, 0}}, {5, {0xb9, 0x80, 0, 0, 0xc0}}, {2, {0x0f, 0x32}}, {2, {0x0f, 0x33}}, {3, {0x0f, 0x00, 0xd8}}, {3, {0x0f, 0x01, 0xe0}}, {1, {0x90}},
};
#define HARMLESS 11U /* the first of them: in the kernel's own 32-bit code, too */
static const struct snippet wild[] = {
    {1, {0xf4}}, {1, {0xfa}}, {1, {0xfb}}, {2, {0x0f, 0x30}}, {2, {0x0f, 0x05}}, {2, {0x0f, 0x34}}, {2, {0xcd, 0x80}}, {1, {0xf1}}, {1, {0x6c}}, {2, {0xf3, 0x6e}}, {2, {0xeb, 0xfe}},
    {3, {0x0f, 0x22, 0xc0}}, {3, {0x0f, 0x23, 0xf8}}, {2, {0x0f, 0x08}}, {2, {0x0f, 0x09}}, {3, {0x0f, 0x01, 0xc8}}, {3, {0x0f, 0x01, 0xc9}}, {1, {0x9d}}, {1, {0x9c}}, {2, {0x8e, 0xd0}},
    {1, {0xcf}}, {2, {0x48, 0xcf}}, {1, {0xcb}}, {3, {0x0f, 0x01, 0xf8}}, {2, {0x0f, 0x0b}}, {3, {0x0f, 0xae, 0x38}}, {2, {0x66, 0x90}}, {3, {0x0f, 0xc7, 0xf0}},
};

static size_t make_code(struct fuzz *f, char *code, bool user)
{
    size_t n = 0;
    for (uint32_t parts = 1 + one_of(f, 6); parts != 0 && n < LONGEST - 8; parts--) {
        uint32_t kind = user ? one_of(f, 4) : 0;
        const struct snippet *from = kind < 2 ? &snippets[one_of(f, user ? COUNT(snippets) : HARMLESS)] : &wild[one_of(f, COUNT(wild))];
        uint64_t random = draw(f);
        size_t len = kind == 3 ? 1 + one_of(f, 7) : from->len;
        for (size_t i = 0; i < len; i++)
            code[n++] = (char)(kind == 3 ? random >> 8 * i : from->code[i]);
    }
    for (size_t i = 0; i < n; i++)
        note(f, (uint8_t)code[i]);
    return n;
}

static void other_code(struct fuzz *f)
{
    static const enum mode modes[] = {USER64, USER64, USER32, USER32, KERNEL32};
    enum mode mode = modes[one_of(f, COUNT(modes))];
    bool user = mode != KERNEL32;
    char code[LONGEST + 8];
    size_t n = make_code(f, code, user);
    struct run r = {.rax = draw_any(f), .rcx = draw_any(f), .rdx = draw_any(f), .rbx = draw_any(f), .rsi = draw_any(f), .rdi = draw_any(f)};
    r.rflags = user ? (draw(f) & (RFLAGS_FREE | 0x400)) | IF : draw(f) & RFLAGS_FREE & ~0x4100UL;
    (void)fuzz_wrmsr(0x80f, 0x1ff);
    (void)fuzz_wrmsr(0x808, 0);
    (void)fuzz_wrmsr(0x83e, 0xb);
    (void)fuzz_wrmsr(0x832, 0x41);
    (void)fuzz_wrmsr(0x838, 1500);
    uint64_t vec = run_bytes(mode, code, n, &r);
    (void)fuzz_wrmsr(0x838, 0);
    __asm__ volatile("cld");
    f->done += vec == RAN_THROUGH;
    f->refused += vec != RAN_THROUGH;
}

/* 32-bit paging with 4 MiB pages, PAE paging, or none. */
static void other_paging(struct fuzz *f)
{
    static uint32_t directory[1024] __attribute__((aligned(4096)));
    static uint64_t pointers[4] __attribute__((aligned(32)));
    static const uint32_t spare[] = {0x1, 0x2, 0x4, 0x8, 0x80, 0x100, 0x200, 0x400, 0x800}; /* of CR4: VME PVI TSD DE PGE PCE OSFXSR OSXMMEXCPT UMIP */
    uint32_t kind = one_of(f, 3);
    for (uint32_t i = 0; i < 1024; i++)
        directory[i] = i << 22 | 0x83;
    for (uint32_t i = 0; i < 4; i++)
        pointers[i] = ((uint64_t)pd + 4096 * i) | 1 | (i != 0 && one_in(f, 4) ? draw(f) & 0xe18 : 0);
    mode_cr4 = kind == 0 ? 0x10 : 0x20 | (one_in(f, 2) ? 0x10 : 0);
    for (uint32_t n = one_of(f, 4); n != 0; n--)
        mode_cr4 |= spare[one_of(f, COUNT(spare))] & (one_in(f, 2) ? ~0x800U : ~0U);
    mode_cr4 &= ~0x800U; /* not on every CPU */
    mode_cr3 = (kind == 0 ? (uint32_t)(uint64_t)directory : (uint32_t)(uint64_t)pointers) | (one_of(f, 4) << 3);
    mode_cr0 = 0x21 | (kind != 2 ? 0x80000000U : 0) | (one_in(f, 2) ? 0x10000 : 0) | (one_in(f, 4) ? 0x40000000U : 0) | (one_of(f, 8) << 1);
    note(f, (uint64_t)mode_cr4 << 32 | mode_cr0);
    legacy_run(mode_walk);
    f->done++;
    f->wrong += mode_rax != (uint32_t)-ENOSYS;
}

void fuzz_modes(struct fuzz *f)
{
    if (one_in(f, 4))
        other_paging(f);
    else
        other_code(f);
}
