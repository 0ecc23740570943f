/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Only in the build of `make coverage-guests`: what gcc's counters say leaves by port 0xe9, which Bochs prints: at each audit, before a reset and
 * before the power goes. A line "GCDA file bytes" in hexadecimal digits for each object, then "GCDA end". The linker's --wrap puts these
 * functions in front of the real ones, so that the hypervisor's sources know nothing of this. */
#include "kernel/abi/control.h"
#include "kernel/core/panic.h"
#include "kernel/cpu/x86.h"
#include "kernel/domain/audit.h"
#include "kernel/platform/reset.h"

struct gcov_info;
/* libgcov (gcc's manual, "Profiling and Test Coverage in Freestanding Environments"). */
void __gcov_info_to_gcda(const struct gcov_info *info, void (*name)(const char *, void *), void (*dump)(const void *, unsigned, void *),
                         void *(*allocate)(unsigned, void *), void *ctx);
void __gcov_merge_add(void *counters, unsigned n);
void abort(void) __attribute__((noreturn));
void *mmap(void);
extern const struct gcov_info *const gcov_first[], *const gcov_end[]; /* by the linker's script */

void __real_audit_run(struct cbl_audit *out);
void __wrap_audit_run(struct cbl_audit *out);
void __real_reset_machine(void);
void __wrap_reset_machine(void);
void __real_poweroff_machine(void);
void __wrap_poweroff_machine(void);

/* What libgcov asks for and does not get to use here. */
void __gcov_merge_add(void *counters, unsigned n) { (void)counters; (void)n; }
void abort(void) { panic("libgcov gave up"); }
void *mmap(void) { panic("libgcov wants memory"); }
static void *allocate(unsigned n, void *ctx) { (void)n; (void)ctx; panic("libgcov wants memory"); }

static void print(const char *text, void *ctx)
{
    (void)ctx;
    while (*text)
        out8(0xe9, (uint8_t)*text++);
}

static void print_name(const char *name, void *ctx)
{
    print("\nGCDA ", ctx);
    print(name, ctx);
    print(" ", ctx);
}

static void print_bytes(const void *bytes, unsigned n, void *ctx)
{
    (void)ctx;
    for (unsigned i = 0; i < n; i++) {
        out8(0xe9, (uint8_t)"0123456789abcdef"[((const uint8_t *)bytes)[i] >> 4]);
        out8(0xe9, (uint8_t)"0123456789abcdef"[((const uint8_t *)bytes)[i] & 15]);
    }
}

static void dump(void)
{
    for (const struct gcov_info *const *i = gcov_first; i != gcov_end; i++)
        __gcov_info_to_gcda(*i, print_name, print_bytes, allocate, NULL);
    print("\nGCDA end\n", NULL);
}

void __wrap_audit_run(struct cbl_audit *out)
{
    __real_audit_run(out);
    dump();
}

void __wrap_reset_machine(void)
{
    dump();
    __real_reset_machine();
}

void __wrap_poweroff_machine(void)
{
    dump();
    __real_poweroff_machine();
}
