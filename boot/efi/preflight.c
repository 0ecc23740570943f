/* SPDX-License-Identifier: Apache-2.0
 * [FW][HOST] Can this machine run Corbel? What is missing, in words, and what to do. Pure. */
#include "boot/efi/preflight.h"

#include <stdarg.h>
#include <stddef.h>

#include "boot/efi/fmt.h"
#include "boot/efi/lib.h"

/* SDM vol. 3, appendix "VMX Capability Reporting Facility"; vol. 4 for IA32_FEATURE_CONTROL. */
#define FEATURE_CONTROL_LOCK (1UL << 0)
#define FEATURE_CONTROL_VMX  (1UL << 2) /* VMXON outside SMX operation */

#define SECONDARY_EPT                (1U << 1)
#define SECONDARY_X2APIC_MODE        (1U << 4)
#define SECONDARY_VPID               (1U << 5)
#define SECONDARY_UNRESTRICTED       (1U << 7)
#define SECONDARY_APIC_REGISTERS     (1U << 8)
#define SECONDARY_VIRTUAL_INTERRUPTS (1U << 9)
#define PRIMARY_CR3_EXITING          (3U << 15)
#define MISC_STORE_LMA               (1UL << 5)

/* The required controls, each at its bit number (SDM vol 3, "VM-Execution Control Fields" and following), but for EPT,
 * VPID and unrestricted guest, which are judged by themselves. */
static const char *const controls[PREFLIGHT_GROUPS][32] = {
    [PREFLIGHT_PIN] = {[0] = "external-interrupt exiting", [3] = "NMI exiting", [5] = "virtual NMIs"},
    [PREFLIGHT_PRIMARY] = {[2] = "interrupt-window exiting",
                           [3] = "TSC offsetting",
                           [7] = "HLT exiting",
                           [21] = "TPR shadow",
                           [22] = "NMI-window exiting",
                           [25] = "I/O bitmaps",
                           [28] = "MSR bitmaps",
                           [31] = "secondary controls"},
    [PREFLIGHT_SECONDARY] = {[6] = "WBINVD exiting"},
    [PREFLIGHT_EXIT] = {[2] = "saving debug controls",
                        [9] = "64-bit host",
                        [15] = "acknowledging interrupts on exit",
                        [18] = "saving PAT",
                        [19] = "loading PAT at exit",
                        [20] = "saving EFER",
                        [21] = "loading EFER at exit"},
    [PREFLIGHT_ENTRY] = {[2] = "loading debug controls", [14] = "loading PAT at entry", [15] = "loading EFER at entry"},
};

#define EPT_WALK_4     (1UL << 6)
#define EPT_WRITE_BACK (1UL << 14)
#define EPT_2M         (1UL << 16)
#define EPT_INVEPT     (1UL << 20 | 1UL << 25 | 1UL << 26) /* instruction, single-context and all-context */
#define EPT_INVVPID    (1UL << 32)

static const char newer_cpu[] =
    "use an Intel processor that has it (Westmere, 2010, or newer; in Bochs corei7_skylake_x)";

static void add(struct preflight_report *report, enum preflight_result result, const char *what, const char *fix,
                const char *why, ...) __attribute__((format(printf, 5, 6)));

static void add(struct preflight_report *report, enum preflight_result result, const char *what, const char *fix,
                const char *why, ...)
{
    va_list args;

    if (report->count == PREFLIGHT_MAX_LINES) {
        return;
    }
    struct preflight_line *line = &report->lines[report->count++];
    line->result = result;
    report->missing += result == PREFLIGHT_MISSING ? 1 : 0;
    fmt_print(line->what, sizeof(line->what), "%s", what);
    fmt_print(line->fix, sizeof(line->fix), "%s", fix);
    va_start(args, why);
    fmt_vprint(line->why, sizeof(line->why), why, args);
    va_end(args);
}

static void require(struct preflight_report *report, bool has, const char *what, const char *lacking)
{
    add(report, has ? PREFLIGHT_OK : PREFLIGHT_MISSING, what, newer_cpu, "%s", has ? "present" : lacking);
}

static void prefer(struct preflight_report *report, bool has, const char *what, const char *without)
{
    add(report, has ? PREFLIGHT_OK : PREFLIGHT_ABSENT, what, "", "%s", has ? "present" : without);
}

static bool same(const char *a, const char *b) { return strlen(a) == strlen(b) && memcmp(a, b, strlen(a)) == 0; }

static void judge_vmx(const struct preflight_facts *f, struct preflight_report *report)
{
    bool amd = f->has_svm || same(f->vendor, "AuthenticAMD") || same(f->vendor, "HygonGenuine");
    bool emulated = f->hypervisor[0] != '\0';
    const char *fix =
        "enable \"Intel Virtualization Technology (VT-x)\" in the firmware setup, or use a processor that has it";

    if (f->has_vmx) {
        add(report, PREFLIGHT_OK, "VT-x", "", "present");
        return;
    }
    if (emulated) {
        fix = "use a processor model that has it (Bochs: corei7_skylake_x) or enable nested VT-x there (QEMU: -accel "
              "kvm -cpu host)";
    } else if (amd) {
        fix = "use a machine with an Intel processor that has VT-x";
    }
    add(report, PREFLIGHT_MISSING, "VT-x", fix, "the processor has no VT-x%s%s%s%s",
        amd ? "; it is of AMD's kind, whose SVM is not supported" : " (CPUID.1:ECX.VMX is 0)",
        emulated ? " (under " : "", f->hypervisor, emulated ? ")" : "");
}

static void judge_feature_control(const struct preflight_facts *f, struct preflight_report *report)
{
    if ((f->feature_control & FEATURE_CONTROL_LOCK) == 0) {
        add(report, PREFLIGHT_OK, "VT-x enabled", "", "not locked by the firmware: Corbel enables it");
    } else if ((f->feature_control & FEATURE_CONTROL_VMX) != 0) {
        add(report, PREFLIGHT_OK, "VT-x enabled", "", "enabled and locked by the firmware");
    } else {
        add(report, PREFLIGHT_MISSING, "VT-x enabled",
            "enable \"Intel Virtualization Technology (VT-x)\" in the firmware setup and switch the machine off and on",
            "the firmware locked it off (IA32_FEATURE_CONTROL = 0x%lx)", (unsigned long)f->feature_control);
    }
}

static void judge_ept(const struct preflight_facts *f, struct preflight_report *report)
{
    bool ept = (f->allowed[PREFLIGHT_SECONDARY] & SECONDARY_EPT) != 0;

    require(report, ept, "EPT", "the processor has VT-x without extended page tables");
    if (ept) {
        require(report, (f->ept_vpid & EPT_2M) != 0, "EPT with 2 MiB pages", "only 4 KiB pages");
        require(report, (f->ept_vpid & (EPT_WALK_4 | EPT_WRITE_BACK)) == (EPT_WALK_4 | EPT_WRITE_BACK),
                "EPT of 4 levels, write-back", "not both");
        require(report, (f->ept_vpid & EPT_INVEPT) == EPT_INVEPT, "INVEPT", "not with both scopes");
    }
    require(report, (f->allowed[PREFLIGHT_SECONDARY] & SECONDARY_UNRESTRICTED) != 0, "unrestricted guest",
            "guests cannot run with paging off");
    require(report, (f->allowed[PREFLIGHT_SECONDARY] & SECONDARY_VPID) != 0 && (f->ept_vpid & EPT_INVVPID) != 0, "VPID",
            "no tags for the guests' translations");
}

uint32_t preflight_required(enum preflight_group group)
{
    uint32_t mask = group == PREFLIGHT_SECONDARY ? SECONDARY_EPT | SECONDARY_VPID | SECONDARY_UNRESTRICTED : 0;

    for (unsigned i = 0; i < 32; i++) {
        mask |= controls[group][i] != NULL ? 1U << i : 0;
    }
    return mask;
}

static void judge_controls(const struct preflight_facts *f, struct preflight_report *report)
{
    bool x2apic_mode = (f->allowed[PREFLIGHT_SECONDARY] & SECONDARY_X2APIC_MODE) != 0;

    uint32_t missing = report->missing;

    for (unsigned i = 0; i < PREFLIGHT_GROUPS * 32; i++) {
        const char *name = controls[i / 32][i % 32];
        if (name != NULL && (f->allowed[i / 32] >> i % 32 & 1) == 0) {
            require(report, false, name, "this processor's VT-x lacks it");
        }
    }
    if ((f->forced[PREFLIGHT_PRIMARY] & PRIMARY_CR3_EXITING) != 0) {
        require(report, false, "CR3 without exits", "guests could not load CR3 by themselves");
    }
    if ((f->vmx_misc & MISC_STORE_LMA) == 0) {
        require(report, false, "storing EFER.LMA at exits", "this processor's VT-x lacks it");
    }
    if (report->missing == missing) {
        require(report, true, "the other VT-x controls", "");
    }
    prefer(report, x2apic_mode && (f->allowed[PREFLIGHT_SECONDARY] & SECONDARY_APIC_REGISTERS) != 0,
           "APIC-register virtualization", "slower interrupts");
    prefer(report, x2apic_mode && (f->allowed[PREFLIGHT_SECONDARY] & SECONDARY_VIRTUAL_INTERRUPTS) != 0,
           "virtual-interrupt delivery", "slower interrupts");
}

static void judge_memory(const struct preflight_facts *f, struct preflight_report *report)
{
    static const char fix[] = "give the machine more memory, or set a smaller dom0_mem (at least 16M) in corbel.cfg";
    uint64_t need = (uint64_t)f->dom0_mem_mib + PREFLIGHT_REST_MIB;

    add(report, f->free_mib >= need ? PREFLIGHT_OK : PREFLIGHT_MISSING, "memory", fix, "%lu MiB free, %lu MiB needed",
        (unsigned long)f->free_mib, (unsigned long)need);
    add(report, f->largest_low_mib >= f->dom0_mem_mib ? PREFLIGHT_OK : PREFLIGHT_MISSING, "memory for Dom0", fix,
        "largest free stretch below 4 GiB is %lu MiB, dom0_mem is %u MiB", (unsigned long)f->largest_low_mib,
        f->dom0_mem_mib);
}

void preflight_judge(const struct preflight_facts *f, struct preflight_report *report)
{
    memset(report, 0, sizeof(*report));
    judge_vmx(f, report);
    if (f->has_vmx) {
        judge_feature_control(f, report);
        judge_ept(f, report);
        judge_controls(f, report);
    } else {
        add(report, PREFLIGHT_UNKNOWN, "EPT, unrestricted guest, VPID", "", "cannot be asked without VT-x");
    }
    prefer(report, f->has_x2apic, "x2APIC", "the processor has only the older APIC; guests get an x2APIC in software");
    require(report, f->has_long_mode && f->linear_bits >= 48, "64-bit mode, 48-bit addresses", "absent");
    add(report, f->has_nx ? PREFLIGHT_OK : PREFLIGHT_MISSING, "no-execute pages",
        "enable \"Execute Disable\" (XD, NX) in the firmware setup", "%s",
        f->has_nx ? "present" : "absent or disabled");
    prefer(report, f->has_xsave, "XSAVE", "guests have SSE but not AVX");
    if (f->xsavec_fails) {
        add(report, PREFLIGHT_ABSENT, "XSAVEC", "", "saves to wrong places: guests are not shown it");
    }
    judge_memory(f, report);
}
