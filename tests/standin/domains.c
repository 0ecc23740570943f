/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Stand-in: operations that there are not, and those on domains, their vCPUs and books. */
#include "tests/standin/standin.h"

#define FIRST_RESERVED 0x7ff0U
#define SLOTS 128U

static uint16_t create(uint32_t vcpus, uint64_t pages)
{
    struct cbl_domain_create c = {.max_pages = pages, .vcpus = vcpus};
    EXPECT(0, control(CTL_DOMAIN_CREATE, &c));
    return c.domid;
}

static void numbers(void)
{
    EXPECT(ENOSYS, hypercall2(CBL_HYPERCALL, 0, 0));
    EXPECT(ENOSYS, hypercall2(CBL_HYPERCALL, 22, 0));
    EXPECT(ENOSYS, hypercall2(CBL_HYPERCALL, 1000, 0));
    EXPECT(EFAULT, hypercall2(CBL_HYPERCALL, CTL_HOST_INFO, NOWHERE));
    EXPECT(EFAULT, hypercall2(CBL_HYPERCALL, CTL_HOST_INFO, 1UL << 63)); /* not canonical */
    EXPECT(EFAULT, hypercall2(CBL_HYPERCALL, CTL_HOST_INFO, -8UL));      /* goes round the end */
}

static void creation(void)
{
    EXPECT(EPERM, CONTROL(DOMAIN_CREATE, domain_create, .max_pages = 16, .vcpus = 1, .privileges = CBL_PRIV_ALL + 1));
    EXPECT(EINVAL, CONTROL(DOMAIN_CREATE, domain_create, .max_pages = 16, .vcpus = 0));
    EXPECT(EINVAL, CONTROL(DOMAIN_CREATE, domain_create, .max_pages = 16, .vcpus = 33));
    EXPECT(EINVAL, CONTROL(DOMAIN_CREATE, domain_create, .max_pages = 0, .vcpus = 1));
    EXPECT(EINVAL, CONTROL(DOMAIN_CREATE, domain_create, .max_pages = (host.mem_total_bytes >> 12) + 1, .vcpus = 1));
    EXPECT(EEXIST, CONTROL(DOMAIN_CREATE, domain_create, .max_pages = 16, .vcpus = 1, .domid = FIRST_RESERVED));
    EXPECT(EEXIST, CONTROL(DOMAIN_CREATE, domain_create, .max_pages = 16, .vcpus = 1, .domid = 5 * SLOTS)); /* Dom0's slot */
    EXPECT(0, CONTROL(DOMAIN_CREATE, domain_create, .max_pages = 16, .vcpus = 1, .domid = 3 * SLOTS + 7));
    EXPECT(EEXIST, CONTROL(DOMAIN_CREATE, domain_create, .max_pages = 16, .vcpus = 1, .domid = 7)); /* the same slot */
    EXPECT(0, CONTROL(DOMAIN_DESTROY, domain_ref, .domid = 3 * SLOTS + 7));
    EXPECT(ESRCH, CONTROL(DOMAIN_DESTROY, domain_ref, .domid = 3 * SLOTS + 7));
    EXPECT(EPERM, CONTROL(DOMAIN_DESTROY, domain_ref, .domid = 0));
    EXPECT(EPERM, CONTROL(DOMAIN_DESTROY, domain_ref, .domid = DOMID_SELF_NUMBER));
}

/* As many as there can be: the next has no place, and the books are right again when they are gone. */
static void all_slots(void)
{
    struct cbl_host_info before = {0}, after = {0};
    static uint16_t ids[SLOTS];
    EXPECT(0, control(CTL_HOST_INFO, &before));
    for (unsigned i = 1; i < SLOTS; i++)
        ids[i] = create(1, 16);
    EXPECT(ENOSPC, CONTROL(DOMAIN_CREATE, domain_create, .max_pages = 16, .vcpus = 1));
    for (unsigned i = 1; i < SLOTS; i++)
        EXPECT(0, CONTROL(DOMAIN_DESTROY, domain_ref, .domid = ids[i]));
    EXPECT(0, control(CTL_HOST_INFO, &after));
    EXPECT((long)(before.mem_free_bytes >> 20), (long)(after.mem_free_bytes >> 20));
}

static void pausing(uint16_t d)
{
    EXPECT(EPERM, CONTROL(DOMAIN_PAUSE, domain_ref, .domid = 0));
    EXPECT(EPERM, CONTROL(DOMAIN_PAUSE, domain_ref, .domid = DOMID_SELF_NUMBER)); /* nobody would run that could unpause */
    EXPECT(EPERM, CONTROL(DOMAIN_UNPAUSE, domain_ref, .domid = 0));
    EXPECT(ESRCH, CONTROL(DOMAIN_PAUSE, domain_ref, .domid = 99));
    EXPECT(EBUSY, CONTROL(DOMAIN_UNPAUSE, domain_ref, .domid = d)); /* it has no registers yet */
    EXPECT(0, CONTROL(DOMAIN_PAUSE, domain_ref, .domid = d));
    struct cbl_domain_info i = {.domid = d, .exact = 1};
    EXPECT(0, control(CTL_DOMAIN_INFO, &i));
    EXPECT(2, i.pause_count);
    EXPECT(CBL_DOM_NEW, i.state);
}

static void settings(uint16_t d)
{
    EXPECT(EINVAL, CONTROL(VCPU_PIN, vcpu_pin, .domid = d, .vcpu = 2, .affinity = 1));
    EXPECT(EINVAL, CONTROL(VCPU_PIN, vcpu_pin, .domid = d, .vcpu = 0, .affinity = 0));
    EXPECT(EINVAL, CONTROL(VCPU_PIN, vcpu_pin, .domid = d, .vcpu = 0, .affinity = 1UL << 40)); /* no such CPU */
    EXPECT(ESRCH, CONTROL(VCPU_PIN, vcpu_pin, .domid = 99, .vcpu = 0, .affinity = 1));
    EXPECT(0, CONTROL(VCPU_PIN, vcpu_pin, .domid = d, .vcpu = 1, .affinity = 1));
    EXPECT(EINVAL, CONTROL(SCHED_SET, sched, .domid = d, .weight = 0));
    EXPECT(EINVAL, CONTROL(SCHED_SET, sched, .domid = d, .weight = 65536));
    EXPECT(EINVAL, CONTROL(SCHED_SET, sched, .domid = d, .weight = 256, .cap = 3201));
    EXPECT(0, CONTROL(SCHED_SET, sched, .domid = d, .weight = 65535, .cap = 3200));
    EXPECT(EINVAL, CONTROL(MEM_MAX, mem_max, .domid = d, .max_pages = 0));
    EXPECT(EINVAL, CONTROL(MEM_MAX, mem_max, .domid = d, .max_pages = 65));
    EXPECT(EPERM, CONTROL(MEM_MAX, mem_max, .domid = 0, .max_pages = 1));
    EXPECT(0, CONTROL(MEM_MAX, mem_max, .domid = d, .max_pages = 63));
}

static void questions(uint16_t d)
{
    EXPECT(ESRCH, CONTROL(DOMAIN_INFO, domain_info, .domid = 99, .exact = 1));
    EXPECT(ESRCH, CONTROL(DOMAIN_INFO, domain_info, .domid = 20000));
    EXPECT(ENOENT, CONTROL(VCPU_INFO, vcpu_info, .domid = d, .vcpu = 2));
    EXPECT(0, CONTROL(VCPU_INFO, vcpu_info, .domid = d, .vcpu = 1));
    EXPECT(0, CONTROL(VCPU_INFO, vcpu_info, .domid = DOMID_SELF_NUMBER));
    static struct cbl_exit_counts counts;
    counts.domid = d, counts.vcpu = 2;
    EXPECT(ENOENT, control(CTL_EXIT_COUNTS, &counts));
    counts.vcpu = 1;
    EXPECT(0, control(CTL_EXIT_COUNTS, &counts));
    EXPECT(0, CONTROL(CPU_INFO, cpu_info, .cpu = 0));
    EXPECT(ENOENT, CONTROL(CPU_INFO, cpu_info, .cpu = 64));
    EXPECT(EINVAL, CONTROL(DEBUG_KEY, debug_key, .key = 'z'));
    EXPECT(EINVAL, CONTROL(DEBUG_KEY, debug_key, .key = 128 + 'h'));
    KEY('q');
    EXPECT(EPERM, CONTROL(DEBUG_VMWRITE, vmwrite, .domid = d, .field = 0x6804)); /* only with debug = on */
    static struct cbl_log_read log = {.pos = 1UL << 60}; /* beyond its end: from the oldest line on */
    EXPECT(0, control(CTL_LOG_READ, &log));
    EXPECT(1, log.len > 0 && log.pos < 1UL << 60);
}

void test_domains(void)
{
    numbers();
    creation();
    uint16_t d = create(2, 64);
    pausing(d);
    settings(d);
    questions(d);
    EXPECT(0, CONTROL(DOMAIN_DESTROY, domain_ref, .domid = d));
    all_slots();
}
