/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The table of all domain state. */
#include "kernel/domain/state.h"

#define V(field) STATE_IN_VCPU, offsetof(struct vcpu, field), sizeof(((struct vcpu *)0)->field)
#define P(field) STATE_IN_PAGE, offsetof(struct vcpu, field), sizeof(((struct vcpu *)0)->field)
#define D(field) STATE_IN_DOMAIN, offsetof(struct domain, field), sizeof(((struct domain *)0)->field)
/* Neighbours that are saved together: from FIRST to the end of LAST. */
#define END(field) (offsetof(struct vcpu, field) + sizeof(((struct vcpu *)0)->field))
#define VV(first, last) STATE_IN_VCPU, offsetof(struct vcpu, first), END(last) - offsetof(struct vcpu, first)
#define VMCS STATE_IN_VMCS, 0, 0

#define EXIT "enter.asm, each entry and exit"
#define SWITCH "vmx_load and vmx_unload, each change of vCPU"
#define CPU_ENTRY "the CPU, each entry and exit"
#define ROOT_ONLY "root, in place"

const struct state_row state_rows[] = {
    {"general registers", V(vmx.gprs), 1, 1, EXIT},
    {"CR2", V(vmx.cr2), 2, 1, EXIT},
    {"RIP, RSP, RFLAGS, control and segment registers, descriptor tables", VMCS, 3, 1, CPU_ENTRY},
    {"EFER, PAT, SYSENTER MSRs, DR7", VMCS, 4, 1, CPU_ENTRY},
    {"interruptibility, activity", VMCS, 5, 1, CPU_ENTRY},
    {"XCR0", V(vmx.xcr0), 6, 1, SWITCH},
    {"x87, SSE, AVX state", P(vmx.xsave), 7, 1, SWITCH},
    {"debug registers 0-3", V(vmx.dr), 8, 1, SWITCH},
    {"DR6", V(vmx.dr6), 9, 1, SWITCH},
    {"STAR, LSTAR, CSTAR, FMASK, KERNEL_GS_BASE, TSC_AUX, SPEC_CTRL, XSS", VV(vmx.star, vmx.xss), 10, 1, SWITCH},
    {"TSC offset", V(vmx.tsc_offset), 18, 1, CPU_ENTRY},
    {"local APIC registers", P(vmx.apic_page), 19, 1, "the CPU and vlapic.c, in place"},
    {"local APIC mode and timer", V(vmx.vlapic), 20, 1, ROOT_ONLY},
    {"callback vector", V(vmx.callback_vector), 21, 1, "inject.c, each entry"},
    {"pending NMI", V(vmx.nmi_pending), 22, 1, "inject.c, each entry"},
    {"event to deliver again", VV(vmx.reinject_valid, vmx.reinject_len), 23, 1, "inject.c, each entry"},
    {"up, down, running time", V(sched), 27, 1, "the scheduler, each change"},
    {"registers are set", V(initialised), 28, 1, ROOT_ONLY},
    {"vcpu_info frame", V(info_hfn), 0, 0, "the guest registers it again"},
    {"runstate area", V(runstate_gpa), 0, 0, "the guest registers it again"},
    {"time area", V(time_gpa), 0, 0, "the guest registers it again"},
    {"single-shot timer", V(singleshot), 0, 0, "the guest sets it again"},
    {"VIRQ ports", V(virq_port), 0, 0, "the guest binds them again"},
    {"domid", D(id), 64, 1, ROOT_ONLY},
    {"state", D(state), 65, 1, ROOT_ONLY},
    {"shutdown reason", D(shutdown), 66, 1, ROOT_ONLY},
    {"privileges", D(privileges), 67, 1, ROOT_ONLY},
    {"UUID", D(uuid), 68, 1, ROOT_ONLY},
    {"memory: gfn to page", D(ept), 69, 1, "EPT, in place"},
    {"memory limit", D(max_pages), 70, 1, ROOT_ONLY},
    {"number of vCPUs", D(nr_vcpus), 71, 1, ROOT_ONLY},
    {"HVM parameters", D(hvm_params), 72, 1, ROOT_ONLY},
    {"event channels", D(events), 0, 0, "the guest binds them again"},
    {"grant table", D(grants), 0, 0, "the guest grants again"},
    {"shared_info", D(shared_info_hfn), 0, 0, "made anew, the guest maps it again"},
};
const unsigned state_nr_rows = ARRAY_SIZE(state_rows);
