/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] What the manager's own files share. */
#pragma once

#include "dom0/kernel/thread.h"
#include "dom0/manager/manager.h"
#include "dom0/manager/registry.h"

#define VM_SPECIAL_PAGES 16U /* beside RAM: store ring, console ring, ACPI tables */

/* What of a domain exists in this run of Dom0, beside its registry entry (same index). vm_teardown undoes what is set,
 * in reverse. */
struct vm_runtime {
    bool domain;      /* the hypervisor knows it */
    bool nodes;       /* xenstore nodes were (partly) written */
    bool store_up;    /* the xenstore server serves it */
    bool console_up;  /* the console back end serves it */
    void *store_ring; /* mapped pages */
    void *console_ring;
};

extern struct registry *manager_registry;
/* Held over creating, ending and changing the state of domains, also while that waits for a disk. Readers need none. */
extern struct mutex manager_lock;
extern struct waitq manager_ended; /* woken whenever a domain ended */

struct vm_runtime *manager_runtime(const struct registry_entry *e);

/* From a registry entry with its configuration filled in to a domain that is paused or runs. On failure nothing is left
 * but the entry. */
bool vm_start(struct registry_entry *e, bool paused, manager_progress progress, void *ctx, struct error *err);
/* The one place where a domain's parts are undone: console, store, mappings, domain, nodes; whatever of them exists. */
bool vm_teardown(struct registry_entry *e, struct error *err);
/* The guest cannot go on: its rings are served for the last time; its memory and nodes stay. */
void vm_disconnect(struct registry_entry *e);
/* Torn down; the entry becomes ENDED with WHY. */
bool vm_end(struct registry_entry *e, const char *why, struct error *err);
/* Is NAME not a domain's yet? */
bool manager_name_free(const char *name, struct error *e);
/* V is Domain-0, which VERB does not do: the error is set. */
bool manager_is_dom0(const struct vm_view *v, const char *verb, struct error *e);
/* The domain WHO, which VERB changes, and *V of it. NULL: not there, Domain-0, or not created here: the error is set. manager_lock is held. */
struct registry_entry *manager_find_ours(const char *who, const char *verb, struct vm_view *v, struct error *e);
/* The xenstore nodes of a new domain. */
bool vm_nodes_create(const struct registry_entry *e, struct error *err);
void vm_nodes_remove(uint16_t domid);
void vm_nodes_dom0(void);
/* Could the disks of its configuration be attached? */
bool vm_disks_check(const struct registry_entry *e, struct error *err);
/* Attaches them; vm_disconnect removes them. */
bool vm_disks_attach(const struct registry_entry *e, struct error *err);
/* Starts the thread that looks after domains that ended by themselves. */
void reaper_init(void);
