/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The life of domains: from a .vmx file to a running guest and back to nothing. One registry entry per domain
 * that the operator started. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dom0/fs/volume.h"
#include "dom0/lib/error.h"
#include "dom0/manager/nic.h"
#include "kernel/abi/control.h"

#define VM_NAME_MAX 64U
#define VM_VCPUS_MAX 32U
#define VM_WEIGHT_USUAL 256U
#define VM_WEIGHT_MAX 65535U

enum vm_action { /* when a domain ends by itself */
    VM_DESTROY,
    VM_RESTART,
    VM_PRESERVE,
};

enum vm_power { /* what `shutdown` and `reboot` do unless told otherwise */
    VM_SOFT, /* ask the guest */
    VM_HARD, /* at once */
};

#define VM_DISKS_MAX 16U

struct vm_disk {
    char path[PATH_MAX_LEN]; /* of the image, absolute; "": a drive without a CD, which the guest does not see */
    uint32_t order;          /* where the .vmx file puts it: bus, controller, unit */
    uint16_t index;          /* 0: the guest's xvda … */
    uint16_t line;           /* of its fileName; 0: it came later */
    bool read_only, cdrom;
    bool attached; /* by block-attach: ORDER says nothing */
    bool host;     /* deviceType rawDisk */
    uint8_t pad[4];
};

struct vm_config {          /* from vmx.c */
    char name[VM_NAME_MAX]; /* displayName */
    uint32_t memsize_mib;
    uint32_t maxmem_mib; /* corbel.maxmem: the guest is built with so much and balloons down to memsize */
    uint32_t numvcpus;   /* online at the start */
    uint32_t maxvcpus;   /* corbel.maxvcpus */
    uint32_t weight;     /* sched.cpu.shares, as Xen's weight */
    uint32_t cap;        /* corbel.cap, percent of one CPU; 0: none */
    uint64_t affinity;   /* sched.cpu.affinity: host CPUs of all virtual CPUs */
    uint8_t on_poweroff, on_reboot, on_crash; /* enum vm_action */
    uint8_t power_off, power_reset;           /* powerType.*: enum vm_power */
    uint8_t pad[3];
    char guest_os[32];
    char kernel[PATH_MAX_LEN]; /* corbel.kernel, made absolute against the .vmx file's folder */
    char ramdisk[PATH_MAX_LEN];
    char cmdline[1024];
    char serial[PATH_MAX_LEN]; /* serial0.fileName: what the guest says goes there, too; "": nowhere */
    char path[PATH_MAX_LEN]; /* of the .vmx itself */
    uint8_t uuid[16];
    bool uuid_set;
    bool uuid_made; /* here: the file had none */
    struct vm_nic nics[NICS_MAX]; /* ethernetN */
    uint8_t pad2[2];
    uint32_t disks;
    struct vm_disk disk[VM_DISKS_MAX];
};

/* Where the .vmx file puts D: "scsi0:1"; of an attached one the guest's name. */
void vm_disk_place(const struct vm_disk *d, char *out, size_t len);

struct vm_view {
    char name[VM_NAME_MAX];
    uint16_t domid;
    uint32_t mem_mib; /* what it has now */
    uint32_t vcpus;   /* online; before it starts and after its end all it was made with */
    struct cbl_domain_info info;
    char state[8]; /* xl's letters "r-----" running, "-b----" blocked, "--p---" paused, "---s--" shutdown, "----c-"
                      crashed, "-----d" dying */
};

void manager_init(void); /* binds VIRQ_DOM_EXC, starts the reaper thread, writes Dom0's own store nodes */
typedef bool (*manager_progress)(void *ctx, const char *what, uint64_t done, uint64_t total);
/* PATH: a .vmx file, a folder with one of the same name in it, or a name in the guest folder. Builds and (unless
 * PAUSED) starts it. */
bool manager_create(const char *path, bool paused, manager_progress progress, void *ctx, uint16_t *domid,
                    struct error *e);
bool manager_destroy(const char *who, struct error *e);
/* Asks the guest through control/shutdown ("poweroff" or "reboot"); with WAIT_NS > 0 waits for the end. */
bool manager_shutdown(const char *who, const char *how, uint64_t wait_ns, struct error *e);
/* Without asking the guest: ends it as if it had powered off; AGAIN: starts it anew as if it had rebooted. */
bool manager_cut(const char *who, bool again, struct error *e);
bool manager_pause(const char *who, struct error *e);
bool manager_unpause(const char *who, struct error *e);
/* WHO: a name or a domid. EXIT_NO_DOMAIN with a hint otherwise. */
bool manager_find(const char *who, struct vm_view *out, struct error *e);
/* Domains in order of domid, Dom0 first. FN false stops. */
void manager_list(bool (*fn)(const struct vm_view *v, void *ctx), void *ctx);
/* A domain that is gone; its console can still be read under its old number. */
struct vm_ended {
    char name[VM_NAME_MAX];
    uint16_t domid;
    char why[96]; /* "powered off" */
};
/* WHO: a name or a former domid. Only the last few ended domains are remembered, each name once. */
bool manager_find_ended(const char *who, struct vm_ended *out);
/* The configuration of an existing domain; false: started by somebody else. */
bool manager_config(uint16_t domid, struct vm_config *out);
/* Why a domain that is kept after a crash stopped; "" for others. */
const char *manager_why(uint16_t domid);
/* Waits until the domain DOMID has ended (for good or for a restart), at most WAIT_NS. false: it runs still, or
 * *INTERRUPTED. */
bool manager_wait_end(uint16_t domid, uint64_t wait_ns, bool (*interrupted)(void));
/* Is a domain being created, ended or restarted at this moment? */
bool manager_busy(void);
/* How many domains apart from Dom0 exist. */
uint32_t manager_count(void);
/* Figures of the last `create`, for measurements. */
struct vm_create_figures {
    char name[VM_NAME_MAX];
    uint16_t domid;
    uint32_t mem_mib;
    bool disk_read;          /* files came from a disk: waiting for it is in the ticks */
    uint64_t create_tsc;     /* `create` began */
    uint64_t overhead_bytes; /* the hypervisor's memory for the domain just after it was started */
};
bool manager_last_create(struct vm_create_figures *out);
/* Ticks of the last `destroy` that succeeded, from the typed line until nothing of the domain is left; 0: none yet. */
uint64_t manager_last_destroy_ticks(void);

