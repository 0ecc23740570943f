/* SPDX-License-Identifier: Apache-2.0
 * [ROOT][DOM0] Corbel's own control interface: hypercall CBL_HYPERCALL with RDI = operation number, RSI = pointer to that operation's
 * fixed-size struct (in and out), RAX = 0 or a negative Xen errno. Self-contained C99 but for <stdint.h>. Little-endian, naturally aligned,
 * no implicit padding. The operations are in control.def. */
#pragma once

#include <stdint.h>

#define CBL_HYPERCALL 55
#define CBL_ABI_VERSION 1U

/* Privilege bits of a domain; control.def names the one that each operation needs. */
#define CBL_PRIV_INFO 0x01U    /* read about host and domains */
#define CBL_PRIV_DOMAIN 0x02U  /* create, destroy, pause, contexts */
#define CBL_PRIV_MAP 0x04U     /* map foreign memory */
#define CBL_PRIV_CONSOLE 0x08U /* physical console and log */
#define CBL_PRIV_DEVICE 0x10U  /* interrupts, MMIO; the DMA privilege */
#define CBL_PRIV_HOST 0x20U    /* reset, debug keys, audit */
#define CBL_PRIV_ALL 0x3fU

struct cbl_host_info {
    uint32_t abi_version, cpus;
    uint64_t tsc_khz;
    uint64_t tsc_jump;       /* host TSC at the loader's jump (Dom0 runs with TSC offset 0) */
    uint64_t tsc_dom0_start; /* at Dom0's first entry */
    uint64_t mem_total_bytes, mem_free_bytes;
    uint64_t mem_clean_bytes; /* of free */
    uint64_t root_bytes;      /* owned by the hypervisor itself, without the frame table, without domains' structures */
    uint64_t frame_table_bytes;
    uint64_t scratch_gfn;     /* Dom0: first gfn of the range for foreign mappings and borrowed memory */
    uint64_t scratch_pages;
    uint64_t uptime_ns;
    uint32_t max_domains, debug, gsi_count, phys_bits;
    char version[32];         /* "0.1.0" */
    char build[64];           /* compiler and date-free build id */
    char cpu_model[64];
    char exec[256];           /* from corbel.cfg */
    char autostart[256];
};

enum cbl_domain_state { CBL_DOM_NEW = 0, CBL_DOM_PAUSED = 1, CBL_DOM_RUNNING = 2, CBL_DOM_BLOCKED = 3, CBL_DOM_SHUTDOWN = 4, CBL_DOM_DYING = 5 };

/* The reasons of SCHEDOP_shutdown, and ours. */
#define CBL_SHUTDOWN_NONE 0xffU
#define CBL_SHUTDOWN_POWEROFF 0U
#define CBL_SHUTDOWN_REBOOT 1U
#define CBL_SHUTDOWN_SUSPEND 2U
#define CBL_SHUTDOWN_CRASH 3U
#define CBL_SHUTDOWN_WATCHDOG 4U
#define CBL_SHUTDOWN_KILLED 64U /* stopped by the hypervisor; why[] says for what */

struct cbl_domain_create {
    uint64_t max_pages;    /* memory limit, 4 KiB pages */
    uint32_t vcpus;        /* 1..32 */
    uint32_t privileges;   /* CBL_PRIV_*; must be a subset of the caller's; 0 for a DomU */
    uint8_t uuid[16];
    uint16_t domid;        /* out; in: 0 = choose */
    uint16_t pad[3];
};

struct cbl_domain_ref { /* destroy, pause, unpause */
    uint16_t domid;
    uint16_t pad[3];
};

struct cbl_domain_info {
    uint16_t domid;      /* in: first domid to consider; out: the domain found. -ESRCH: none at or above */
    uint16_t exact;      /* in: 1: only this domid */
    uint32_t state;      /* enum cbl_domain_state */
    uint32_t shutdown;   /* CBL_SHUTDOWN_* */
    uint32_t vcpus, pause_count, privileges;
    uint64_t pages, max_pages; /* now; at most */
    uint64_t overhead_bytes; /* root memory for it: EPT, VMCS, … */
    uint64_t cpu_ns;     /* running time of all vCPUs */
    uint64_t create_tsc; /* host TSC at create */
    uint64_t first_entry_tsc; /* 0: not entered yet */
    uint64_t exits;
    uint32_t online_vcpus, generation;
    uint32_t weight, cap; /* as in struct cbl_sched */
    uint8_t uuid[16];
    char why[64];        /* of a kill */
};

struct cbl_vcpu_info { /* one virtual CPU and its books; the four times add up to the time since it was made */
    uint16_t domid, pad;
    uint32_t vcpu;       /* in */
    uint32_t state;      /* 0 down, 1 runnable, 2 running, 3 blocked */
    uint32_t hold;       /* bits: 1 paused, 2 shut down, 4 dying */
    uint32_t cpu;        /* host CPU that it runs on, or ran on last */
    uint32_t loaded;     /* its registers are on that CPU now */
    uint64_t affinity;   /* bit N: host CPU N is allowed */
    uint64_t time_ns[4]; /* running, runnable, blocked, down or held */
    uint64_t exits;
};

struct cbl_vcpu_pin { /* -EINVAL: no such vCPU, or AFFINITY names no CPU of this host */
    uint16_t domid, pad;
    uint32_t vcpu;
    uint64_t affinity;
};

struct cbl_sched { /* of a domain; each of its vCPUs has this weight */
    uint16_t domid, pad;
    uint32_t weight;     /* 1..65535; 256 is usual */
    uint32_t cap;        /* percent of one CPU for the whole domain; 0: none */
    uint32_t pad2;
};

struct cbl_mem_max { /* the limit of a domain's pages; it may be set below what it has now, but not above what it was created with */
    uint16_t domid, pad[3];
    uint64_t max_pages;
};

struct cbl_cpu_info { /* one host CPU */
    uint32_t cpu;        /* in */
    uint32_t apic_id;
    uint64_t idle_ns;    /* of now_ns; what the running vCPU has had in its present turn counts as idle until the turn ends */
    uint64_t now_ns;     /* system time */
};

/* RAM at gfn .. gfn + nr * 2^order, given to the domain, or taken back (Dom0's borrowed memory and modules, or a paused
 * domain's); stops at the first failure. */
struct cbl_mem_units {
    uint16_t domid;
    uint16_t order; /* 0, 9 or 18 */
    uint32_t nr;    /* at most 512 */
    uint64_t gfn;   /* aligned to order */
    uint32_t done;  /* out */
    uint32_t pad;
};

struct cbl_map_foreign { /* DOMID's frames at gfn appear in the caller's address space at at_gfn (inside the scratch range) */
    uint16_t domid, writable;
    uint32_t nr;     /* at most 512 */
    uint64_t gfn, at_gfn;
    uint32_t done;   /* out */
    uint32_t pad;
};

struct cbl_unmap_foreign {
    uint64_t at_gfn;
    uint32_t nr;   /* at most 512 */
    uint32_t pad;
};

struct cbl_map_mmio { /* 1:1 map of device memory; refused for RAM, root's devices and interrupt controllers */
    uint64_t gfn;
    uint32_t nr;
    uint32_t pad;
};

struct cbl_segment { uint64_t base; uint32_t limit; uint32_t ar; uint16_t selector; uint16_t pad[3]; }; /* ar as in the VMCS */

struct cbl_vcpu_context {
    uint64_t rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t rip, rflags;
    uint64_t cr0, cr2, cr3, cr4, efer;
    uint64_t dr[4], dr6, dr7;
    struct cbl_segment cs, ds, es, fs, gs, ss, tr, ldtr;
    uint64_t gdt_base, idt_base;
    uint32_t gdt_limit, idt_limit;
    uint64_t star, lstar, cstar, fmask, kernel_gs_base, tsc_aux;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t pat, xcr0, tsc_offset, apic_base;
    uint32_t interruptibility, activity;
};

struct cbl_vcpu_context_op {
    uint16_t domid;
    uint16_t pad;
    uint32_t vcpu;
    struct cbl_vcpu_context ctx;
};

struct cbl_log_read {
    uint64_t pos;  /* in: read from; out: where to go on */
    uint32_t len;  /* out: bytes in text */
    uint32_t pad;
    char text[1008];
};

struct cbl_debug_key { uint32_t key; uint32_t pad; };

struct cbl_audit {
    uint32_t ok;       /* out: 1 when every invariant holds */
    uint32_t checks;   /* out: how many comparisons were made */
    uint64_t frames_free, frames_root, frames_guest; /* out */
    uint32_t domains, pad;
    char why[128];     /* out: the first violation */
};

struct cbl_host_reset { uint32_t poweroff; uint32_t pad; };

struct cbl_irq_bind { /* the line GSI raises event channel PORT (allocated here) of the caller */
    uint32_t gsi;
    uint32_t flags; /* IRQ_TRIGGER_LEVEL 1 | IRQ_POLARITY_LOW 2; ~0: the default of the line */
    uint32_t port;  /* out */
    uint32_t pad;
};
struct cbl_irq_ack { uint32_t gsi; uint32_t pad; }; /* unmask a level line after its device was served */
struct cbl_msi_bind { uint32_t port; uint32_t data; uint64_t address; }; /* all out */
struct cbl_irq_unbind { uint32_t port; uint32_t pad; };

/* Only with debug = on, for tests: VALUE into the VMCS of a vCPU that stands still, so that its next entry is refused. Out: the rules of
 * VM entry that it breaks now. */
struct cbl_vmwrite { uint16_t domid, pad; uint32_t vcpu, field, broken; uint64_t value; };

/* VCPU's exits so far by basic exit reason (SDM vol 3, appendix "VMX Basic Exit Reasons"), and the TSC ticks that root spent on them, from the
 * exit to the next entry or to the switch to another vCPU. -ENOENT: no such vCPU. */
#define CBL_EXIT_REASONS 78U
struct cbl_exit_count { uint64_t count, ticks; };
struct cbl_exit_counts { uint16_t domid, pad; uint32_t vcpu; struct cbl_exit_count by_reason[CBL_EXIT_REASONS]; };

_Static_assert(sizeof(struct cbl_segment) == 24, "abi");
_Static_assert(sizeof(struct cbl_domain_create) == 40, "abi");
_Static_assert(sizeof(struct cbl_map_foreign) == 32, "abi");
_Static_assert(sizeof(struct cbl_log_read) == 1024, "abi");
