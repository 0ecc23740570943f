/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Event channels, the 2-level ABI: a bit per port in shared_info, a selector bit per 64 ports in vcpu_info. The
 * hypervisor sets these bits at any time, so every change here is one locked instruction. */
#include "dom0/kernel/event.h"

#include <xen/event_channel.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/vcpu.h>
#include <xen/xen.h>

#include "dom0/kernel/cpu.h"
#include "dom0/kernel/event_priv.h"
#include "dom0/kernel/fatal.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/hypercall.h"
#include "dom0/kernel/page.h"
#include "dom0/kernel/paging.h"
#include "dom0/kernel/thread_priv.h"
#include "dom0/kernel/traps.h"

_Static_assert(sizeof(struct shared_info) == 3136 && sizeof(struct vcpu_info) == 64, "Xen layout");
_Static_assert(__builtin_offsetof(struct shared_info, evtchn_mask) == 2560, "Xen layout");

#define PORTS               4096U
#define CHUNK               256U /* handlers are kept in chunks, made on demand */
#define CALLBACK_VECTOR_VIA (2UL << 56)

struct slot {
    event_handler fn;
    void *arg;
};

/* This page is replaced by the hypervisor's; vcpu_info is registered in place. */
static union {
    struct shared_info info;
    unsigned char page[PAGE_SIZE];
} shared __attribute__((aligned(4096)));
static struct vcpu_info vcpu __attribute__((aligned(64)));
static struct slot *chunks[PORTS / CHUNK];
static struct evtchn_send *send_arg; /* in Dom0's direct map, whose large pages make the hypervisor's way to it short */
static bool running;
static uint32_t ports_used;

static bool bit_get(const xen_ulong_t *words, uint32_t i)
{
    return (__atomic_load_n(&words[i / 64], __ATOMIC_SEQ_CST) >> (i % 64) & 1) != 0;
}
/* SEQ_CST: pairs with the hypervisor's test-and-set of pending and its read of mask. */
static void bit_set(xen_ulong_t *words, uint32_t i)
{
    __atomic_fetch_or(&words[i / 64], 1UL << (i % 64), __ATOMIC_SEQ_CST);
}
static void bit_clear(xen_ulong_t *words, uint32_t i)
{
    __atomic_fetch_and(&words[i / 64], ~(1UL << (i % 64)), __ATOMIC_SEQ_CST);
}

const volatile struct shared_info *event_shared_info(void) { return running ? &shared.info : NULL; }
const volatile struct vcpu_info *event_vcpu_info(void) { return running ? &vcpu : NULL; }

static long evtchn_op(unsigned cmd, void *arg) { return hypercall2(__HYPERVISOR_event_channel_op, cmd, (uint64_t)arg); }

static uint64_t phys_of(const void *va)
{
    uint64_t phys = 0;
    if (!paging_lookup(va, &phys)) {
        fatal("event: %p is not mapped", va);
    }
    return phys;
}

void event_init(void)
{
    struct xen_add_to_physmap map = {
        .domid = DOMID_SELF, .space = XENMAPSPACE_shared_info, .gpfn = phys_of(&shared) / PAGE_SIZE};
    long err = hypercall2(__HYPERVISOR_memory_op, XENMEM_add_to_physmap, (uint64_t)&map);
    if (err != 0) {
        fatal("the hypervisor refuses shared_info: %s", errno_text(err));
    }
    send_arg = page_take(1);
    if (send_arg == NULL) {
        fatal("no memory for events");
    }
    for (unsigned i = 0; i < PORTS / 64; i++) {
        __atomic_store_n(&shared.info.evtchn_mask[i], ~0UL, __ATOMIC_SEQ_CST);
    }
    uint64_t phys = phys_of(&vcpu);
    struct vcpu_register_vcpu_info reg = {.mfn = phys / PAGE_SIZE, .offset = (uint32_t)(phys % PAGE_SIZE)};
    err = hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, 0, (uint64_t)&reg);
    if (err != 0) {
        fatal("the hypervisor refuses vcpu_info: %s", errno_text(err));
    }
    running = true;
    err = hvm_set_param(DOMID_SELF, HVM_PARAM_CALLBACK_IRQ, CALLBACK_VECTOR_VIA | TRAPS_UPCALL_VECTOR);
    if (err != 0) {
        fatal("the hypervisor refuses the event callback: %s", errno_text(err));
    }
}

static void deliver(uint32_t port)
{
    bit_clear(shared.info.evtchn_pending, port);
    struct slot *chunk = chunks[port / CHUNK];
    struct slot slot = chunk != NULL ? chunk[port % CHUNK] : (struct slot){};
    if (slot.fn != NULL) {
        slot.fn(port, slot.arg);
    } else {
        bit_set(shared.info.evtchn_mask, port); /* nobody wants it: once is enough */
    }
}

static void scan_word(unsigned word)
{
    uint64_t bits = __atomic_load_n(&shared.info.evtchn_pending[word], __ATOMIC_SEQ_CST) &
                    ~__atomic_load_n(&shared.info.evtchn_mask[word], __ATOMIC_SEQ_CST);
    for (; bits != 0; bits &= bits - 1) {
        deliver(word * 64 + (uint32_t)__builtin_ctzl(bits));
    }
}

/* The flag first, then the selector, then the ports: what the hypervisor sets meanwhile raises the flag again. */
void event_upcall(void)
{
    while (__atomic_exchange_n(&vcpu.evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST) != 0) {
        uint64_t words = __atomic_exchange_n(&vcpu.evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
        for (; words != 0; words &= words - 1) {
            scan_word((unsigned)__builtin_ctzl(words));
        }
    }
}

void traps_upcall(void)
{
    event_upcall();
    thread_preempt();
}

static bool slot_set(uint32_t port, event_handler fn, void *arg)
{
    if (port == 0 || port >= PORTS) {
        return false;
    }
    struct slot **chunk = &chunks[port / CHUNK];
    if (*chunk == NULL) {
        if (fn == NULL) {
            return true;
        }
        *chunk = heap_alloc(CHUNK * sizeof(struct slot));
        if (*chunk == NULL) {
            return false;
        }
    }
    ports_used += fn != NULL ? 1U : 0U;
    ports_used -= (*chunk)[port % CHUNK].fn != NULL ? 1U : 0U;
    uint64_t flags = cpu_irq_save();
    (*chunk)[port % CHUNK] = (struct slot){fn, arg};
    cpu_irq_restore(flags);
    return true;
}

/* The result of a bind: the port, open for events, or a negative errno. */
static int bound(long err, uint32_t port, event_handler fn, void *arg)
{
    if (err != 0) {
        return (int)err;
    }
    if (!slot_set(port, fn, arg)) {
        event_close(port);
        return -12; /* ENOMEM */
    }
    event_unmask(port);
    return (int)port;
}

int event_alloc_unbound(uint16_t remote, event_handler fn, void *arg)
{
    struct evtchn_alloc_unbound op = {.dom = DOMID_SELF, .remote_dom = remote};
    long err = evtchn_op(EVTCHNOP_alloc_unbound, &op);
    return bound(err, op.port, fn, arg);
}

int event_bind_interdomain(uint16_t remote, uint32_t remote_port, event_handler fn, void *arg)
{
    struct evtchn_bind_interdomain op = {.remote_dom = remote, .remote_port = remote_port};
    long err = evtchn_op(EVTCHNOP_bind_interdomain, &op);
    return bound(err, op.local_port, fn, arg);
}

int event_bind_virq(uint32_t virq, event_handler fn, void *arg)
{
    struct evtchn_bind_virq op = {.virq = virq};
    long err = evtchn_op(EVTCHNOP_bind_virq, &op);
    return bound(err, op.port, fn, arg);
}

void event_set_handler(uint32_t port, event_handler fn, void *arg)
{
    if (slot_set(port, fn, arg) && fn != NULL) {
        event_unmask(port);
    }
}

void event_mask(uint32_t port)
{
    if (running && port < PORTS) {
        bit_set(shared.info.evtchn_mask, port);
    }
}

/* A port that became pending while masked raised no upcall: only the hypervisor can make up for that, and it does
 * so for a port that it finds masked. */
void event_unmask(uint32_t port)
{
    if (!running || port >= PORTS) {
        return;
    }
    if (!bit_get(shared.info.evtchn_pending, port)) {
        bit_clear(shared.info.evtchn_mask, port);
        if (!bit_get(shared.info.evtchn_pending, port)) {
            return;
        }
        bit_set(shared.info.evtchn_mask, port);
    }
    struct evtchn_unmask op = {.port = port};
    evtchn_op(EVTCHNOP_unmask, &op);
}

void event_send(uint32_t port)
{
    uint64_t flags = cpu_irq_save(); /* handlers send, too */
    send_arg->port = port;
    evtchn_op(EVTCHNOP_send, send_arg);
    cpu_irq_restore(flags);
}

void event_close(uint32_t port)
{
    event_mask(port);
    slot_set(port, NULL, NULL);
    struct evtchn_close op = {.port = port};
    evtchn_op(EVTCHNOP_close, &op);
    if (running && port < PORTS) {
        bit_clear(shared.info.evtchn_pending, port); /* not for the port's next owner */
    }
}

uint32_t event_ports(void) { return ports_used; }

int event_alloc_unbound_in(uint16_t domid)
{
    struct evtchn_alloc_unbound op = {.dom = domid, .remote_dom = DOMID_SELF};
    long err = evtchn_op(EVTCHNOP_alloc_unbound, &op);
    return err != 0 ? (int)err : (int)op.port;
}
