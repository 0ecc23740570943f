/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] deny: tries a first set of things that a guest must not be able to do.
 * Why: deny by default. Expected: the architectural fault or the ABI's error for each; "deny: N passed, 0 failed"; then powers off. */
#include "tests/guest/lib/guest.h"

static void ports(void)
{
    static const uint16_t list[] = {0x20, 0x21, 0x40, 0x60, 0x64, 0x70, 0x71, 0x80, 0xa0, 0x1f0, 0x1f7, 0x3f8, 0x3fd, 0xcf8, 0xcfc, 0xe9, 0x510, 0x8900, 0xffff};
    for (unsigned i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        uint8_t b;
        uint16_t w;
        uint32_t l;
        __asm__ volatile("inb %1, %0" : "=a"(b) : "Nd"(list[i]));
        __asm__ volatile("inw %1, %0" : "=a"(w) : "Nd"(list[i]));
        __asm__ volatile("inl %1, %0" : "=a"(l) : "Nd"(list[i]));
        check(b == 0xff && w == 0xffff && l == 0xffffffffU, "port %x reads %x %x %x", list[i], b, w, l);
        __asm__ volatile("outb %0, %1" : : "a"((uint8_t)0xfe), "Nd"(list[i]));
    }
    uint64_t vec;
    char buf[4] = "abc";
    TRY(vec, "movw $0xe9, %%dx; leaq %0, %%rsi; movl $2, %%ecx; rep outsb", : : "m"(buf) : "rdx", "rsi", "rcx", "r11", "memory");
    check(vec == 13, "rep outsb gives %lu", vec);
}

static uint64_t try_rdmsr(uint32_t msr)
{
    uint64_t vec;
    TRY(vec, "rdmsr", : : "c"(msr) : "rax", "rdx", "r11", "memory");
    return vec;
}

static uint64_t try_wrmsr(uint32_t msr, uint64_t value)
{
    uint64_t vec;
    TRY(vec, "wrmsr", : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "r11", "memory");
    return vec;
}

static void msrs(void)
{
    static const uint32_t denied[] = {0x480, 0x48b, 0x48c, 0x1d9 + 0x1000, 0x600, 0x345, 0x38f, 0xc1, 0x570, 0xc0010015, 0xc0010117, 0x40000001, 0x12345678, 0xffffffff};
    for (unsigned i = 0; i < sizeof(denied) / sizeof(denied[0]); i++) {
        check(try_rdmsr(denied[i]) == 13, "rdmsr %x does not fault", denied[i]);
        check(try_wrmsr(denied[i], 0) == 13, "wrmsr %x does not fault", denied[i]);
    }
    check(try_wrmsr(0x3a, 5) == 13, "FEATURE_CONTROL can be written");
    check(try_rdmsr(0x1a0) == NO_TRAP, "rdmsr MISC_ENABLE faults");
    check(try_wrmsr(0xc0000082, 0x8000000000000000UL) == 13, "non-canonical LSTAR is taken");
    check(try_wrmsr(0xc0000080, 1UL << 20) == 13, "reserved EFER bit is taken");
    check(try_wrmsr(0x277, 0x0202020202020202UL) == 13, "bad PAT is taken");
}

static void instructions(void)
{
    uint64_t vec, mem[2] = {0};
    TRY(vec, "vmxon %0", : : "m"(mem) : "r11", "memory");
    check(vec == 6, "vmxon gives %lu", vec);
    TRY(vec, "vmptrld %0", : : "m"(mem) : "r11", "memory");
    check(vec == 6, "vmptrld gives %lu", vec);
    TRY(vec, "vmlaunch", : : : "r11", "memory");
    check(vec == 6, "vmlaunch gives %lu", vec);
    TRY(vec, "movq %%cr4, %%rax; btsq $13, %%rax; movq %%rax, %%cr4", : : : "rax", "r11", "memory");
    check(vec == 13, "CR4.VMXE gives %lu", vec);
    TRY(vec, "movq %%cr4, %%rax; btsq $40, %%rax; movq %%rax, %%cr4", : : : "rax", "r11", "memory");
    check(vec == 13, "reserved CR4 bit gives %lu", vec);
    TRY(vec, "movq %%cr0, %%rax; btrq $0, %%rax; movq %%rax, %%cr0", : : : "rax", "r11", "memory");
    check(vec == 13, "PG without PE gives %lu", vec);
    TRY(vec, "xorl %%ecx, %%ecx; xorl %%edx, %%edx; movl $2, %%eax; xsetbv", : : : "rax", "rcx", "rdx", "r11", "memory");
    check(vec == 6 || vec == 13, "bad xsetbv gives %lu", vec);
    TRY(vec, "xorl %%eax, %%eax; xorl %%ecx, %%ecx; xorl %%edx, %%edx; monitor", : : : "rax", "rcx", "rdx", "r11", "memory");
    check(vec == 6, "monitor gives %lu", vec);
}

static void cpuid_leaf(uint32_t leaf, uint32_t *r)
{
    __asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(0));
}

static void cpuids(void)
{
    uint32_t r[4];
    cpuid_leaf(1, r);
    check((r[2] & (1U << 5)) == 0, "VMX is offered");
    check((r[2] & (1U << 31)) != 0, "no hypervisor bit");
    cpuid_leaf(0x40000000, r);
    check(r[1] == 0x566e6558 && r[2] == 0x65584d4d && r[3] == 0x4d4d566e, "signature %x %x %x", r[1], r[2], r[3]);
    for (uint32_t leaf = 0x40000100; leaf <= 0x4000ff00; leaf += 0x100) {
        cpuid_leaf(leaf, r);
        check((r[0] | r[1] | r[2] | r[3]) == 0, "cpuid %x is not zero", leaf);
    }
    cpuid_leaf(7, r);
    check((r[1] & (1U << 4 | 1U << 11)) == 0, "TSX is offered");
}

static void hypercalls(void)
{
    static const uint64_t bad_pointers[] = {0, 0x8000000000000000UL, 0xffffffffffffff00UL, 0x100000000UL, 0xfffffffffffffff8UL};
    for (uint64_t nr = 0; nr < 64; nr++) {
        if (nr == HC_SCHED_OP || nr == HC_CONSOLE_IO || nr == HC_VCPU_OP)
            continue;
        for (unsigned i = 0; i < sizeof(bad_pointers) / sizeof(bad_pointers[0]); i++) {
            long ret = hypercall(nr, nr == 55 ? 3 : 1, bad_pointers[i], 1);
            check(ret <= 0 || nr == HC_XEN_VERSION, "hypercall %lu takes a bad pointer: %ld", nr, ret);
        }
    }
    for (uint64_t nr = 64; nr < 1064; nr += 7)
        check(hypercall(nr * 0x10001, 0, 0, 0) == -38, "hypercall %lx is known", nr * 0x10001);
    for (uint64_t op = 0; op < 64; op++) {
        static uint64_t arg[512];
        long ret = hypercall(55, op, (uint64_t)arg, 0);
        check(ret == -1 || ret == -38, "control operation %lu gives %ld", op, ret);
    }
}

static void foreign(void)
{
    struct { uint16_t dom, pad; uint32_t index; uint64_t value; } param = {0, 0, 1, 0};
    check(hypercall(HC_HVM_OP, 1, (uint64_t)&param, 0) < 0, "reads Dom0's HVM parameters");
    struct { uint16_t domid, size; uint32_t space; uint64_t idx, gpfn; } map = {0, 0, 0, 0, 0x20};
    check(hypercall(HC_MEMORY_OP, 7, (uint64_t)&map, 0) < 0, "maps Dom0's shared_info");
    struct { uint64_t host; uint32_t flags, ref; uint16_t dom; int16_t status; uint32_t handle; uint64_t bus; } grant = {0x20000, 2, 0, 0, 0, 0, 0};
    check(hypercall(HC_GRANT, 0, (uint64_t)&grant, 1) < 0 || grant.status < 0, "maps a grant of Dom0 that does not exist");
}

void guest_main(const void *start_info)
{
    (void)start_info;
    traps_on();
    ports();
    msrs();
    instructions();
    cpuids();
    hypercalls();
    foreign();
    summary("deny");
}
