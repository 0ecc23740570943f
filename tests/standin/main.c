/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] A stand-in for Dom0: it boots in its place and makes the requests that the real one never makes: wrong, in the wrong state, about what is
 * not there, from helpers with some of its privileges. Why: a mistake of Dom0's must get an error and change nothing; the hypervisor must not trust it
 * to be right. Expected: each error is the one written down, the audit is clean in between, "standin: N passed, 0 failed"; then it switches off. With
 * another word than `poweroff` in corbel.cfg's `exec` it only ends (crash, triple, stray). */
#include "tests/standin/standin.h"

#include <xen/xen.h>
#include <xen/sched.h>

#define PTE 3UL
#define PTE_LARGE 0x83UL

/* What dom0/kernel/entry.asm calls, and its tables. */
void dom0_main(uint64_t start_info, uint64_t base);
extern uint64_t boot_tables[];

struct cbl_host_info host;
uint64_t start_of_ram;
static unsigned passed, failed;
static uint64_t scratch_pdpt[512] __attribute__((aligned(4096))), scratch_pd[512] __attribute__((aligned(4096)));

/* ---- output ---- */

static void print(const char *text)
{
    while (hypercall3(__HYPERVISOR_console_io, CONSOLEIO_write, strlen(text), (uint64_t)text) == -11) /* no room yet */
        continue;
}

void expect(long want, long got, const char *what, const char *file, int line)
{
    if (got == want) {
        passed++;
        return;
    }
    failed++;
    char text[256];
    (void)snprintf(text, sizeof(text), "FAILED: %s:%d: %ld, not %ld: ", file, line, got, want);
    print(text);
    print(what);
    print("\n");
}

/* ---- deputies ---- */

/* [RBX]: told to go on; nr (-1: it stores), three arguments, result. Otherwise it yields. */
__asm__(".pushsection .rodata\n"
        "deputy_code: cmpq $0, (%rbx)\n"
        "je 1f\n"
        "mov 8(%rbx), %rax\n mov 16(%rbx), %rdi\n mov 24(%rbx), %rsi\n mov 32(%rbx), %rdx\n"
        "cmp $-1, %rax\n je 3f\n"
        "vmcall\n"
        "2: mov %rax, 40(%rbx)\n movq $0, (%rbx)\n"
        "1: mov $29, %eax\n xor %edi, %edi\n vmcall\n"
        "jmp deputy_code\n"
        "3: mov %rsi, (%rdi)\n jmp 2b\n"
        "deputy_code_end: .popsection\n");
extern const char deputy_code[], deputy_code_end[];

struct deputy deputy_new(uint32_t privileges, uint32_t slot)
{
    struct cbl_domain_create create = {.max_pages = DEPUTY_PAGES, .vcpus = 1, .privileges = privileges};
    EXPECT(0, control(CTL_DOMAIN_CREATE, &create));
    struct deputy d = {create.domid, scratch(512UL * slot)};
    EXPECT(0, CONTROL(MEM_POPULATE, mem_units, .domid = d.domid, .order = 9, .nr = 1));
    EXPECT(0, CONTROL(MAP_FOREIGN, map_foreign, .domid = d.domid, .writable = 1, .nr = 512, .at_gfn = scratch_gfn(512UL * slot)));
    *(volatile uint64_t *)(d.mem + 0x1000) = 0x2000 | PTE;
    *(volatile uint64_t *)(d.mem + 0x2000) = 0x3000 | PTE;
    *(volatile uint64_t *)(d.mem + 0x3000) = PTE_LARGE;
    for (const char *c = deputy_code; c < deputy_code_end; c++)
        d.mem[0x4000 + (c - deputy_code)] = *c;
    struct cbl_vcpu_context_op set = {.domid = d.domid, .ctx = DEPUTY_CONTEXT};
    EXPECT(0, control(CTL_CONTEXT_SET, &set));
    EXPECT(0, CONTROL(DOMAIN_UNPAUSE, domain_ref, .domid = d.domid));
    return d;
}

void deputy_tell(const struct deputy *d, uint64_t nr, uint64_t a, uint64_t b, uint64_t c)
{
    volatile uint64_t *box = (volatile uint64_t *)(d->mem + 0x5000);
    box[1] = nr, box[2] = a, box[3] = b, box[4] = c, box[0] = 1;
}

long deputy_call(const struct deputy *d, uint64_t nr, uint64_t a, uint64_t b, uint64_t c)
{
    const volatile uint64_t *box = (const volatile uint64_t *)(d->mem + 0x5000);
    deputy_tell(d, nr, a, b, c);
    for (unsigned i = 0; i < 100000 && box[0] != 0; i++)
        (void)hypercall2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
    return box[0] == 0 ? (long)box[5] : 9999;
}

void deputy_store(const struct deputy *d, uint64_t at, uint64_t value) { EXPECT(-1, deputy_call(d, ~0UL, at, value, 0)); }

void deputy_put(const struct deputy *d, const void *arg, size_t size)
{
    for (size_t i = 0; i < size; i++)
        d->mem[DEPUTY_BUFFER + i] = ((const char *)arg)[i];
}

long deputy_xen(const struct deputy *d, uint64_t nr, uint64_t op, void *arg, size_t size)
{
    deputy_put(d, arg, size);
    long result = deputy_call(d, nr, op, DEPUTY_BUFFER, 1);
    for (size_t i = 0; i < size; i++)
        ((char *)arg)[i] = d->mem[DEPUTY_BUFFER + i];
    return result;
}

void deputy_end(const struct deputy *d, uint32_t slot)
{
    EXPECT(0, CONTROL(UNMAP_FOREIGN, unmap_foreign, .at_gfn = scratch_gfn(512UL * slot), .nr = 512));
    EXPECT(0, CONTROL(DOMAIN_DESTROY, domain_ref, .domid = d->domid));
    EXPECT(ESRCH, CONTROL(DOMAIN_INFO, domain_info, .domid = d->domid, .exact = 1));
}

/* ---- the story ---- */

static void audit(void)
{
    struct cbl_audit a = {0};
    EXPECT(0, control(CTL_AUDIT, &a));
    EXPECT(1, a.ok);
    if (!a.ok)
        print(a.why);
}

static void end(void)
{
    struct sched_shutdown reason = {.reason = SHUTDOWN_crash};
    if (host.exec[0] == 'p')
        (void)CONTROL(HOST_RESET, host_reset, .poweroff = 1);
    else if (host.exec[0] == 'c')
        (void)XEN(sched_op, SCHEDOP_shutdown, &reason);
    else if (host.exec[0] == 't')
        __asm__ volatile("ud2"); /* without an IDT */
    else
        (void)*(volatile char *)0xdf000000UL; /* nothing is there */
    print("standin: still there\n");
}

void dom0_main(uint64_t start_info, uint64_t base)
{
    static void (*const tests[])(void) = {test_domains, test_memory, test_contexts, test_interrupts, test_deputies, test_exhaustion};
    (void)start_info;
    start_of_ram = base;
    print("standin: up\n");
    EXPECT(0, control(CTL_HOST_INFO, &host));
    /* The first GiB of the scratch range, 1:1; it begins above what entry.asm maps. */
    uint64_t at = host.scratch_gfn << 12;
    scratch_pdpt[at >> 30 & 511] = ((uint64_t)scratch_pd - 0xffffffff80000000UL + base) | PTE;
    for (uint64_t i = 0; i < 512; i++)
        scratch_pd[i] = ((at & ~0x3fffffffUL) + (i << 21)) | PTE_LARGE;
    boot_tables[at >> 39 & 511] = ((uint64_t)scratch_pdpt - 0xffffffff80000000UL + base) | PTE;
    for (unsigned i = 0; host.exec[0] == 'p' && i < COUNT(tests); i++) {
        tests[i]();
        audit();
    }
    char text[64];
    (void)snprintf(text, sizeof(text), "standin: %u passed, %u failed\n", passed, failed);
    print(text);
    end();
    for (;;)
        __asm__ volatile("cli; hlt");
}
