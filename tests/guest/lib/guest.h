/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] What the tiny test guests share: hypercalls, output to the hypervisor's log, expected faults, code in other modes. The low 4 GiB are
 * mapped 1:1, for the kernel only, but for a window of 4 KiB pages at WINDOW. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HC_MEMORY_OP 12
#define HC_SET_TIMER 15
#define HC_XEN_VERSION 17
#define HC_CONSOLE_IO 18
#define HC_GRANT 20
#define HC_VM_ASSIST 21
#define HC_VCPU_OP 24
#define HC_SCHED_OP 29
#define HC_EVTCHN 32
#define HC_HVM_OP 34
#define HC_CONTROL 55
#define DOMID_SELF 0x7ff0U

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static inline long hypercall(uint64_t nr, uint64_t a, uint64_t b, uint64_t c)
{
    long ret;
    __asm__ volatile("vmcall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b), "d"(c) : "memory");
    return ret;
}

/* Each guest's main; returning halts with interrupts off, which powers the guest off. */
void guest_main(const void *start_info);
/* corbel.cmdline, "" without one. */
const char *guest_cmdline(const void *start_info);
bool text_equal(const char *a, const char *b);
/* printf subset (%s %d %u %x %lx %ld %%) into the hypervisor's log, one line per call. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Installs TSS and IDT: an exception outside TRY and run_bytes, without a hook, ends the guest with reason crash. */
void traps_on(void);
/* Checks COND; counts and prints failures with NAME. */
void check(bool cond, const char *name, ...) __attribute__((format(printf, 2, 3)));
/* Prints "NAME: N passed, N failed". */
void summary(const char *name);
void shut_down(unsigned reason) __attribute__((noreturn));

/* ---- traps ---- */
struct frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    uint64_t vector, error, rip, cs, rflags, rsp, ss;
};
/* Sees every trap of its vector first; true: done, the frame is returned to. */
typedef bool trap_hook(struct frame *f);
extern trap_hook *trap_hooks[256];

struct gate { uint16_t lo, sel; uint8_t ist, type; uint16_t mid; uint32_t hi, zero; };
extern struct gate idt[256];
struct __attribute__((packed)) tss { uint32_t zero; uint64_t rsp[3]; uint64_t zero2, ist[7]; uint64_t zero3; uint16_t zero4, io_map; };
extern struct tss tss;

struct trap_state { uint64_t resume, vector, error, rip, rflags, rax; };
extern volatile struct trap_state trap_state;
#define NO_TRAP 0xffffUL
/* Executes INSN; VEC becomes the vector of the fault it raised, or NO_TRAP. */
#define TRY(vec, insn, ...)                                                                                    \
    do {                                                                                                       \
        trap_state.vector = NO_TRAP;                                                                           \
        __asm__ volatile("leaq 1f(%%rip), %%r11\n\tmovq %%r11, trap_state(%%rip)\n\t" insn "\n1:\tmovq $0, trap_state(%%rip)" __VA_ARGS__); \
        (vec) = trap_state.vector;                                                                             \
    } while (0)

uint64_t try_rdmsr(uint32_t msr, uint64_t *value);
uint64_t try_wrmsr(uint32_t msr, uint64_t value);
static inline void wrmsr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

/* ---- other CPUs ---- */
#define MAX_CPUS 8U
static inline unsigned cpu_number(void)
{
    uint32_t lo, hi;
    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(0x802));
    return lo / 2; /* Xen's rule for APIC ids */
}
/* INIT and SIPI: CPU, 1 to 7, calls MAIN(its number) with interrupts off, on the shared IDT; it may be told again at any time. */
void start_cpu(unsigned cpu, void (*main)(unsigned cpu));
void send_ipi(unsigned cpu, uint32_t command); /* the low half of the ICR */
#define IPI_NMI 0x400U
#define IPI_INIT 0x500U
#define IPI_STARTUP 0x600U

/* ---- pages ---- */
#define WINDOW 0xc0000000UL
#define PTE_P 1UL
#define PTE_RW 2UL
#define PTE_US 4UL
enum { WINDOW_CODE, WINDOW_STACK, WINDOW_FREE }; /* the first two are run_bytes's, open to user mode */
/* The page SLOT of the window; PTE 0: nothing there. */
char *window_set(unsigned slot, uint64_t pte);

/* ---- other modes ---- */
enum mode { KERNEL64, USER64, KERNEL32, USER32, MODES };
struct run { uint64_t rip, ss, rsp, rflags, cs, rax, rcx, rdx, rbx, rsi, rdi; };
#define RAN_THROUGH 3U /* run_bytes: no fault */
/* Executes LEN bytes of machine code and an INT3 in MODE with R's general registers and RFLAGS. Returns the vector that ended it; R->rax and
 * trap_state tell the rest. The code lies at WINDOW. */
uint64_t run_bytes(enum mode mode, const char *code, size_t len, struct run *r);
void legacy_run(void (*code32)(void));

void *memset(void *d, int c, size_t n);
/* Repeats from run to run. */
uint64_t random_next(void);
