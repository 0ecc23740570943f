#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""[HOST] Can tests/races/explore.c and threads.c fail? Each mutant is root with one mistake of the kind that only an unlucky order of events shows; they have to find it.
Prints one line per mutant; exit 1 if one is not found, or if its text is no longer in the source."""
import argparse
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

MUTANTS = [  # what is wrong, file, old text, new text, scenarios
    ("an upcall is marked, nobody is woken", "kernel/domain/event.c", "    vcpu_kick(v);\n}\n\nstatic void wake_pollers", "}\n\nstatic void wake_pollers", "events"),
    ("the vCPU is woken before the upcall is marked", "kernel/domain/event.c",
     "    __atomic_store_n(&info->evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST); /* pairs with the guest clearing it before it scans */\n    vcpu_kick(v);\n",
     "    vcpu_kick(v);\n    __atomic_store_n(&info->evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST);\n", "events"),
    ("a vCPU that blocks does not look again", "kernel/domain/vcpu.c", "    if (wait_is_over(v)) {", "    if (false && wait_is_over(v)) {", "events"),
    ("a poll looks at its ports without the lock", "kernel/domain/event.c",
     "    SPIN_GUARD(&event_lock); /* a sender that comes later finds v->polling; one that came before left its bit */\n", "", "events"),
    ("a poll blocks before it says so", "kernel/domain/event.c",
     "    v->polling = true;\n    sched_block(&v->sched);", "    sched_block(&v->sched);\n    race_point();\n    v->polling = false;", "events"),
    ("unmasking does not look at the pending bit", "kernel/domain/event.c", "if (test_and_clear(s->evtchn_mask, port) && test_bit(s->evtchn_pending, port))",
     "if (test_bit(s->evtchn_pending, port) && test_and_clear(s->evtchn_mask, port))", "events"),
    ("a wake-up takes another CPU's vCPU for its own", "kernel/sched/sched.c", "VCPU_RUNNING && u->cpu == cpu_id())\n        return;", "VCPU_RUNNING)\n        return;", "events"),
    ("need_resched is cleared after all was looked at", "kernel/run.c",
     ("    (void)__atomic_exchange_n(&cpu->need_resched, false, __ATOMIC_SEQ_CST);\n", "    if (prev != next)\n        load(cpu, next);"),
     ("", "    (void)__atomic_exchange_n(&cpu->need_resched, false, __ATOMIC_SEQ_CST);\n    if (prev != next)\n        load(cpu, next);"), "vcpus"),
    ("a vCPU that moves is put on its new queue without a kick", "kernel/sched/sched.c", "    if (!cur || cur->vruntime_ns > u->vruntime_ns + margin ||", "    if (", "vcpus"),
    ("a frame is freed without waiting for the other CPUs", "ept/flush.c", "    pass_epoch();\n    while (quarantined > 0) {", "    while (quarantined > 0) {", "flushes"),
    ("a CPU in a guest passes the epoch", "ept/flush.c", "return __atomic_load_n(&cpu->epoch, __ATOMIC_ACQUIRE) >= epoch ||",
     "return __atomic_load_n(&cpu->epoch, __ATOMIC_ACQUIRE) + 1 >= epoch ||", "flushes"),
    ("a CPU enters its guest without INVEPT", "ept/flush.c", "        hw_invept(e->eptp);", "        ;", "flushes"),
    ("nobody is kicked for an epoch", "ept/flush.c", "            smp_kick(i);", "            ;", "flushes"),
    ("a lookup reads an entry of the EPT twice", "ept/ept.c", "    uint64_t entry = s.value;\n", "    race_point();\n    uint64_t entry = *s.entry;\n", "lookups"),
    ("a domain ends while a CPU has its vCPU loaded", "kernel/domain/domain.c", "        vcpu_settle(d->vcpus[i]);", "        ;", "ends"),
    ("a dying domain keeps its ports", "kernel/domain/domain.c", "    event_close_all(d);\n", "", "ends"),
    ("a grant is mapped with only one of the locks", "kernel/domain/grant.c", "    struct domain_pair p = domain_lock_pair(mapper, op->dom, false);\n    op->status",
     "    struct domain_pair p = domain_lock_pair(mapper, op->dom, false);\n    if (p.other.d)\n        spin_unlock(&p.other.d->lock);\n    race_point();\n    if (p.other.d)\n"
     "        (void)__atomic_fetch_add(&p.other.d->lock.next, 1, __ATOMIC_RELAXED);\n    op->status", "ends"),
    ("a domain is found although it is dying", "kernel/domain/domain.c", "(dying_too || d->state != CBL_DOM_DYING)", "true", "ends"),
    ("the registry forgets a domain that is still referenced", "kernel/domain/domain.c",
     ("bool last = l.d->state == CBL_DOM_DYING && l.d->refs == 0;", "bool gone = d->state == CBL_DOM_DYING && d->refs == 0;"),
     ("bool last = l.d->state == CBL_DOM_DYING;", "bool gone = d->state == CBL_DOM_DYING;"), "ends"),
]
THREADS = [  # for ThreadSanitizer
    ("a frame is freed without waiting for the other CPUs", "ept/flush.c", "    pass_epoch();\n    while (quarantined > 0) {", "    while (quarantined > 0) {", "20"),
    ("a lock is given back without release", "kernel/core/spinlock.c", "lock->owner + 1, __ATOMIC_RELEASE)", "lock->owner + 1, __ATOMIC_RELAXED)", "20"),
    ("a port is closed without the lock", "kernel/domain/event.c",
     "{\n    SPIN_GUARD(&event_lock);\n    struct event_port *p = port_bound(d, port);\n    if (!p)\n        return STATUS_INVALID;\n    if ((p->state",
     "{\n    struct event_port *p = port_bound(d, port);\n    if (!p)\n        return STATUS_INVALID;\n    if ((p->state", "20"),
    ("a frame goes back to the lists without the lock", "kernel/mm/frame.c", "    SPIN_GUARD(&frame_lock);\n    for (uint64_t i = 0; i < 1UL << order; i++) {\n        uint64_t d",
     "    for (uint64_t i = 0; i < 1UL << order; i++) {\n        uint64_t d", "20"),
    ("a grant's use is given back without the granter's lock", "kernel/domain/grant.c",
     "    struct domain_locked l DOMAIN_GUARD = domain_lock_any(e->domid); /* it is there: our reference keeps it */\n", "    struct domain_locked l = {domain_peek(e->domid)};\n", "20"),
]


def hunt(n, args):
    what, path, old, new, scenario = (THREADS if args.threads else MUTANTS)[n]
    with open(path, encoding="utf-8") as f:
        text = f.read()
    for a, b in zip((old,) if isinstance(old, str) else old, (new,) if isinstance(new, str) else new):
        if text.count(a) != 1:
            return f"error: mutants: {what}: its place is {text.count(a)} times in {path}: change the mutant with the source"
        text = text.replace(a, b)
    base = f"build/races/{'thread-' if args.threads else ''}mutant{n}"
    with open(base + ".c", "w", encoding="utf-8") as f:
        f.write(text)
    objects = [o for o in args.objects if not o.endswith("obj/" + path[:-2] + ".o")]
    subprocess.run([*args.cc.split(), "-w", "-I" + os.path.dirname(path), "-c", "-o", base + ".o", base + ".c"], check=True)
    subprocess.run([*args.cc.split(), "-o", base, base + ".o", *objects, "-lcmocka", "-lpthread"], check=True)
    r = subprocess.run([base, scenario], env={**os.environ, "TSAN_OPTIONS": "suppressions=tests/races/tsan.supp halt_on_error=1"},
                       capture_output=True, text=True, errors="replace", timeout=300, check=False)
    if r.returncode == 0:
        return f"error: mutants: {what}: not found: make the explorer's scenarios `{scenario}` stronger"
    said = (re.findall(r"(?:explore|threads|SUMMARY): (.*?)(?:; choices.*)?$", r.stderr, re.M) or ["no word"])[-1]
    print(f"  {what:<62} {said}", flush=True)
    return None


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--cc", required=True)
    p.add_argument("--threads", action="store_true", help="for tests/races/threads.c instead")
    p.add_argument("objects", nargs="+")
    args = p.parse_args()
    count = len(THREADS if args.threads else MUTANTS)
    with ThreadPoolExecutor(2) as pool:
        errors = [e for e in pool.map(lambda n: hunt(n, args), range(count)) if e]
    print(f"mutants: {count - len(errors)} of {count} found")
    sys.exit("\n".join(errors) if errors else 0)


if __name__ == "__main__":
    main()
