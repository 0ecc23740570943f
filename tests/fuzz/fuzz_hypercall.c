/* SPDX-License-Identifier: Apache-2.0
 * [HOST] What guests can ask of the hypervisor, from their registers down to the frame allocator: the real hypercalls, domains, scheduler, EPT, flush
 * epochs, windows, pools and frame lists over 8 MiB of pretended memory. An input is a sequence of steps of five domains: Dom0, a manager of domains, two
 * ordinary guests (one with page tables of its own), and one that never does anything. Arguments are put together field by field, mostly of values that mean
 * something. A guest's page is poison but where a window shows it. After each call no lock is held and no removal unflushed; after each input who never acted
 * has what it had; as its bytes say the hypervisor's own audit follows, or all guests are destroyed, nothing of theirs is left, and the audit follows. Every
 * input begins with the same machine: its data are put back. */
#define FAKES_REAL_MEMORY
#include "domain_fakes.h"

#include "kernel/cpu/x86.h"
#include "kernel/domain/dom0.h"
#include "kernel/domain/pvclock.h"
#include "tests/fuzz/input.h"

#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(cond, what) do { if (!(cond)) { fprintf(stderr, "fuzz_hypercall: %s (%s:%d)\n", what, __FILE__, __LINE__); abort(); } } while (0)

enum { DOM0, MANAGER, FLAT, PAGED, IDLER, DOMAINS }; /* domids; each vCPU has a CPU of its own */
#define PAGES 24UL
#define ARG 0x2000UL
#define LIST 0x3000UL
#define AT_SHARED 0x28UL
#define AT_GRANTS 0x29UL
#define AT_RO 0x30UL
#define AT_RW 0x31UL
#define NOWHERE 0x38UL
#define LARGE 512UL
#define DEVICE 0x1800UL /* a gfn of device memory */
#define SECRET 0xc5

/* ---- the machine, once -------------------------------------------------------------------------------------------- */
static struct domain *born(uint32_t vcpus, uint32_t privileges)
{
    struct cbl_domain_create how = {.max_pages = 700, .vcpus = vcpus, .privileges = privileges};
    struct domain *d;
    must(domain_create(&how, &d) == STATUS_OK, "no domain");
    struct domain_locked l = domain_lock(d);
    for (uint64_t g = 0; g < PAGES; g++)
        must(physmap_populate(l, gfn(g), 0) == STATUS_OK, "no memory");
    d->vcpus[0]->initialised = true;
    must(domain_unpause(l) == STATUS_OK, "not unpaused");
    domain_unlock(l);
    return d;
}

static void grant_entry(struct domain *d, uint32_t ref, uint16_t flags, uint16_t to, uint32_t frame)
{
    grant_entry_v1_t *page = d->grants->frames[0];
    if (page)
        page[ref % GRANT_PER_FRAME] = (grant_entry_v1_t){.flags = flags, .domid = to, .frame = frame};
}

static void shared_pages(struct domain *d)
{
    struct domain_locked l DOMAIN_GUARD = domain_lock(d);
    must(physmap_map_shared(l, gfn(AT_SHARED), d->shared_info_hfn, &d->shared_info_gfn) == STATUS_OK, "shared_info");
    must(grant_map_frame(l, 0, gfn(AT_GRANTS)) == STATUS_OK, "grant table");
    flush_sync(&d->ept);
}

static void map_of_idler(struct domain *d, uint32_t ref, uint64_t at, bool writable)
{
    struct gnttab_map_grant_ref op = {.host_addr = at << 12, .flags = GNTMAP_host_map | (writable ? 0 : GNTMAP_readonly), .ref = ref, .dom = IDLER};
    grant_map(d, &op, false);
    must(op.status == GNTST_okay, "grant map");
}

/* PAGED's own tables in its pages 4 to 7: its first 2 MiB 1:1, but page 9 read-only and page 10 absent; a large page from 4 MiB on. */
static void page_tables(struct domain *d)
{
    uint64_t *l4 = fake_page(d, 4), *l3 = fake_page(d, 5), *l2 = fake_page(d, 6), *l1 = fake_page(d, 7);
    l4[0] = 5UL << 12 | 3;
    l3[0] = 6UL << 12 | 3;
    l2[0] = 7UL << 12 | 3;
    l2[2] = 0x83;
    for (uint64_t i = 0; i < 512; i++)
        l1[i] = i == 10 ? 0 : i << 12 | (i == 9 ? 1 : 3);
}

static void cpus(void)
{
    const struct { uint16_t domid; uint8_t vcpu; } who[FAKE_CPUS] = {{DOM0, 0}, {MANAGER, 0}, {FLAT, 0}, {FLAT, 1}, {PAGED, 0}, {IDLER, 0}};
    for (uint32_t i = 0; i < FAKE_CPUS; i++) {
        fake_cpus[i] = (struct cpu){.self = &fake_cpus[i], .id = i, .resting = true, .need_resched = true};
        sched_set_affinity(&domain_peek(who[i].domid)->vcpus[who[i].vcpu]->sched, 1UL << i);
    }
}

/* Leaves the second half of memory in blocks of at most 32 KiB, so that the audit's own memory is small, as on a full host. */
static void cut_memory(void)
{
    hfn_t f[256];
    size_t n = 0;
    while (n < ARRAY_SIZE(f) && frame_alloc(3, FRAME_OWNER_ROOT, FRAME_ROOT, &f[n]) == STATUS_OK)
        n++;
    for (size_t i = 0; i < n; i += 2)
        frame_free(f[i], 3);
}

static void setup(void)
{
    cpu_features.phys_bits = 26;
    fake_boot_info.dom0_scratch = 1UL << 13;
    fake_boot_info.machine.private_pages[0] = (DEVICE + 5) << 12;
    fake_machine();
    struct domain *dom0 = fake_dom0();
    struct domain *manager = born(1, CBL_PRIV_DOMAIN | CBL_PRIV_INFO), *flat = born(2, 0), *paged = born(1, 0), *idler = born(1, 0);
    must(manager->id == MANAGER && flat->id == FLAT && paged->id == PAGED && idler->id == IDLER, "domids");
    struct domain_locked l = domain_lock(flat);
    must(physmap_populate(l, gfn(LARGE), 9) == STATUS_OK, "large page");
    vcpu_up(flat->vcpus[1]);
    domain_unlock(l);
    fake_nr_cpus = FAKE_CPUS;
    cpus();
    struct domain *all[] = {dom0, manager, flat, paged, idler};
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        shared_pages(all[i]);
    for (uint16_t i = 0; i < PAGES; i++)
        memset(fake_page(idler, i), SECRET, PAGE_SIZE);
    page_tables(paged);
    grant_entry(idler, 8, GTF_permit_access | GTF_readonly, FLAT, 20);
    grant_entry(idler, 9, GTF_permit_access, FLAT, 21);
    grant_entry(idler, 10, GTF_permit_access, DOM0, 22);
    map_of_idler(flat, 8, AT_RO, false);
    map_of_idler(flat, 9, AT_RW, true);
    for (uint16_t g = 1; g < 4; g++) { /* for each of the others */
        grant_entry(flat, 10U + g, GTF_permit_access, g, 10U + g);
        grant_entry(paged, 10U + g, GTF_permit_access | (g == 2 ? GTF_readonly : 0), g, 10U + g);
    }
    cut_memory();
    for (uint32_t i = 0; i < FAKE_CPUS; i++) {
        fake_be(i);
        window_flush();
    }
    fake_log[0] = 0;
}

/* ---- back to the beginning -------------------------------------------------------------------------------------------- */
extern char __start_rootbss[], __stop_rootbss[], __start_rootdata[], __stop_rootdata[];
#pragma clang section bss = "kept"
static char *saved_bss, *saved_data, (*saved_ram)[PAGE_SIZE];
static bool saved_used[HOST_FRAMES], saved_poison[HOST_FRAMES];
static uint16_t always[HOST_FRAMES], nr_always; /* frames that root sees all the time: nothing tells when it writes them */
static unsigned long runs;
#pragma clang section bss = "rootbss"

/* Whole sections, with what ASan puts between variables; the pretended RAM lies in another. */
__attribute__((no_sanitize("address"))) static void copy_raw(char *dst, const char *src, size_t len)
{
    __asm__ volatile("rep movsb" : "+D"(dst), "+S"(src), "+c"(len) : : "memory");
}

static void save(void)
{
    size_t bss = (size_t)(__stop_rootbss - __start_rootbss), data = (size_t)(__stop_rootdata - __start_rootdata);
    saved_bss = malloc(bss);
    saved_data = malloc(data);
    saved_ram = malloc(sizeof(host_ram));
    memset(fake_touched, 0, sizeof(fake_touched));
    copy_raw(saved_bss, __start_rootbss, bss);
    copy_raw(saved_data, __start_rootdata, data);
    for (size_t f = FAKE_FIRST_FREE; f < HOST_FRAMES; f++) {
        enum frame_type type = frame_type(hfn(f));
        saved_poison[f] = type == FRAME_FREE || type == FRAME_GUEST;
        saved_used[f] = type != FRAME_FREE && !(type == FRAME_ROOT && *(uint64_t *)host_ram[f] == 0 && memcmp(host_ram[f], host_ram[f] + 8, PAGE_SIZE - 8) == 0);
        if (saved_used[f])
            copy_raw(saved_ram[f], host_ram[f], PAGE_SIZE);
        if (saved_used[f] && (type == FRAME_ROOT || type == FRAME_SHARED))
            always[nr_always++] = (uint16_t)f;
    }
}

/* A section, but for a large part in it that nothing writes. */
static void put_back(char *start, char *stop, const char *saved, const void *skip, const void *then)
{
    size_t before = (size_t)((const char *)skip - start), with = (size_t)((const char *)then - start);
    copy_raw(start, saved, before);
    copy_raw(start + with, saved + with, (size_t)(stop - start) - with);
}

/* Pages of guests and of their tables only if a window was opened on them or an entry stored. */
static void restore_touched(size_t f)
{
    if (saved_used[f])
        copy_raw(host_ram[f], saved_ram[f], PAGE_SIZE);
    if (saved_poison[f])
        fake_poison(f, 1UL);
    else
        fake_unpoison(f, 1UL);
}

__attribute__((no_sanitize("address"))) static bool differs(size_t f)
{
    bool same = (bool)__asan_address_is_poisoned(host_ram[f]) == saved_poison[f];
    for (size_t i = 0; same && saved_used[f] && i < PAGE_SIZE; i += 8)
        same = *(const uint64_t *)(const void *)&host_ram[f][i] == *(const uint64_t *)(const void *)&saved_ram[f][i];
    return !same;
}

static void restore(void)
{
    for (size_t i = FAKE_FIRST_FREE; i < HOST_FRAMES; i += 8) {
        if (*(const uint64_t *)(const void *)&fake_touched[i])
            for (size_t f = i; f < i + 8; f++)
                if (fake_touched[f])
                    restore_touched(f);
    }
    for (size_t i = 0; i < nr_always; i++)
        if (!fake_touched[always[i]])
            copy_raw(host_ram[always[i]], saved_ram[always[i]], PAGE_SIZE);
    put_back(__start_rootbss, __stop_rootbss, saved_bss, &windows[FAKE_CPUS], &windows[MAX_CPUS]);
    put_back(__start_rootdata, __stop_rootdata, saved_data, &fake_boot_info, &fake_boot_info + 1);
    for (size_t f = FAKE_FIRST_FREE; runs % 65536 == 2 && f < HOST_FRAMES; f++)
        must(!differs(f), "a page is not as it was: an input would not replay");
}

/* ---- the input ---------------------------------------------------------------------------------------------------------- */
static uint32_t lot; /* drawn by all bytes of an input: whether it has what costs more than most inputs. Whatever is changed in it draws again */
static bool audited;
static uint32_t draw(const uint8_t *p, size_t len)
{
    uint32_t h = 2166136261U;
    while (len-- > 0)
        h = (h ^ *p++) * 16777619U;
    return h >> 16;
}
/* One of the N values, or bytes as they come. */
static uint64_t among(const uint64_t *v, size_t n, size_t bytes)
{
    uint8_t b = next();
    return b < 0xf8 ? v[b % n] : raw(bytes);
}
#define AMONG(bytes, ...) among((const uint64_t[]){__VA_ARGS__}, sizeof((const uint64_t[]){__VA_ARGS__}) / 8, bytes)

static uint32_t last_port, last_handle, last_ref = 11;
static uint16_t last_domid = 5;
static uint64_t pointer(void)
{
    return AMONG(8, ARG, ARG, ARG, ARG, ARG + 1, ARG + 0xff8, 0x9000, 0x9ff8, 0xaff0, LIST, AT_SHARED << 12, AT_GRANTS << 12, AT_RO << 12, AT_RW << 12,
                 (AT_RW << 12) + 0xff0, NOWHERE << 12, (PAGES << 12) - 8, LARGE << 12, (LARGE << 12) + 0x1fffff, DEVICE << 12, 1UL << 25, 1UL << 47, 1UL << 63, ~0UL,
                 ~0UL - 3, 0xffff800000000000UL, 0);
}
static uint64_t any_gfn(void)
{
    return AMONG(4, 1, 2, 3, 4, 5, 8, 9, 10, 12, 20, 21, PAGES - 1, PAGES, AT_SHARED, AT_GRANTS, AT_RO, AT_RW, NOWHERE, 0x39, 0x3a, LARGE, LARGE + 1, 2 * LARGE, DEVICE,
                 DEVICE + 5, 1UL << 13, (1UL << 13) + 1, (1UL << 14) - 1, 1UL << 14, 1UL << 36, ~0UL, ~0UL - 511, 0);
}

/* Each letter is a field: its size, and what it means. */
static size_t field(char c, uint64_t *v)
{
    switch (c) {
    case 'd': *v = AMONG(2, DOMID_SELF, DOMID_SELF, DOM0, MANAGER, FLAT, PAGED, IDLER, last_domid, 0x7ff2, 0x7ff4, 128, 129, 130); return 2;
    case 'w': *v = AMONG(2, 0, 0, 1, 2, 3, 0xffff); return 2;
    case 'D': *v = AMONG(2, 0, 0, 0, 9, 18, 1, 3, 63); return 2;
    case 'O': *v = AMONG(2, 0, 8, 16, 64, 0x800, 4032, 4088, 4095, 4096, 0xffff); return 2;
    case 'f': *v = AMONG(2, 0, 1, 2, 3, 4); return 2;
    case 'l': *v = AMONG(4, 0, 1, 2, 3, 4, 14, 64, ~0U); return 4;
    case 'o': *v = AMONG(4, 0, 0, 9, 1, 18, 64); return 4;
    case 'c': *v = AMONG(4, 1, 1, 2, 3, 8, 0, 512, 513, 128, ~0U); return 4;
    case 'x': *v = AMONG(4, 0, 8, 16, 64, 4032, 4040, ~0U); return 4;
    case 'v': *v = AMONG(4, 0, 0, 1, 2, 31, 32, ~0U); return 4;
    case 'V': *v = AMONG(4, VIRQ_TIMER, VIRQ_DEBUG, VIRQ_DOM_EXC, VIRQ_CONSOLE, 23, 24, ~0U); return 4;
    case 'p': *v = AMONG(4, last_port, last_port, last_port + 1, 1, 2, 3, 4, 5, 0, 511, 512, 4095, 4096, ~0U); return 4;
    case 'r': *v = AMONG(4, last_ref, 8, 9, 10, 11, 12, 13, 0, 511, 512, 32767, 32768, ~0U); return 4;
    case 'h': *v = AMONG(4, last_handle, last_handle, 0, 1, 2, 3, 127, 128, 16383, 16384, ~0U); return 4;
    case 'F': *v = AMONG(4, GNTMAP_host_map, GNTMAP_host_map, GNTMAP_host_map | GNTMAP_readonly, GNTMAP_host_map | GNTMAP_device_map, 0, 16, ~0U); return 4;
    case 'k': *v = AMONG(4, 0, 0, CBL_PRIV_DOMAIN, CBL_PRIV_INFO | CBL_PRIV_DOMAIN, CBL_PRIV_DEVICE, CBL_PRIV_ALL, 0x40); return 4;
    case 'i': *v = AMONG(4, HVM_PARAM_CALLBACK_IRQ, HVM_PARAM_STORE_PFN, HVM_PARAM_STORE_EVTCHN, HVM_PARAM_CONSOLE_PFN, 39, 40, ~0U); return 4;
    case 'q': *v = AMONG(8, 0, 1, 2, 63, 64, 0x0200000000000020UL, 0x020000000000000fUL, ~0UL, 1UL << 63); return 8;
    case 'n': *v = AMONG(8, 1, 1, 2, 3, 8, 64, 700, 0, HOST_FRAMES, 1UL << 32, ~0UL); return 8;
    case 'a': *v = next() % 8 ? any_gfn() << 12 : pointer(); return 8;
    case 'g': *v = any_gfn(); return 8;
    case 'S': *v = next() % 8 ? fake_boot_info.dom0_scratch + AMONG(4, 0, 0, 1, 2, 511, 512, 1024, 4095, 1UL << 18) : any_gfn(); return 8;
    case 'M': *v = AMONG(8, DEVICE, DEVICE + 8, DEVICE + 0x200, DEVICE + 4, 4000, 2048, 1024, 1500, 1UL << 13, ~0UL); return 8;
    case 'G': *v = next() % 2 ? any_gfn() : AMONG(4, last_ref, 8, 9, 10, 11, 12, 13, 512); return 8;
    case 'L': *v = next() % 8 ? LIST : pointer(); return 8;
    default: *v = fake_ns + AMONG(8, 1000, 100000, 0, 1UL << 40, -fake_ns, ~0UL - fake_ns, -1UL); return 8; /* t */
    }
}

static size_t argument(const char *layout, char *out)
{
    size_t at = 0;
    for (; *layout; layout++) {
        uint64_t v;
        size_t size = field(*layout, &v);
        at = (at + size - 1) & ~(size - 1);
        memcpy(out + at, &v, size);
        at += size;
    }
    return (at + 7) & ~7UL;
}

enum shape { ARG2, ARG2_COUNT, ARG3_VCPU, REGS, TEXT, TIME };
static const struct call { uint8_t nr, cmd; enum shape shape; const char *layout; } calls[] = {
    {12, XENMEM_add_to_physmap, ARG2, "dwlng"}, {12, XENMEM_add_to_physmap, ARG2, "dwlng"}, {12, XENMEM_populate_physmap, ARG2, "Lnold"},
    {12, XENMEM_populate_physmap, ARG2, "Lnold"}, {12, XENMEM_decrease_reservation, ARG2, "Lnold"}, {12, XENMEM_decrease_reservation, ARG2, "Lnold"},
    {12, XENMEM_populate_physmap | 1 << 6, ARG2, "Lnold"}, {15, 0, TIME, ""}, {17, XENVER_version, ARG2, ""}, {17, XENVER_extraversion, ARG2, ""},
    {17, XENVER_capabilities, ARG2, ""}, {17, XENVER_changeset, ARG2, ""}, {17, XENVER_platform_parameters, ARG2, ""}, {17, XENVER_get_features, ARG2, "ll"},
    {17, XENVER_guest_handle, ARG2, ""}, {18, 0, TEXT, ""}, {18, 1, TEXT, ""}, {20, GNTTABOP_map_grant_ref, ARG2_COUNT, "aFrdwlq"},
    {20, GNTTABOP_map_grant_ref, ARG2_COUNT, "aFrdwlq"}, {20, GNTTABOP_unmap_grant_ref, ARG2_COUNT, "aqhw"}, {20, GNTTABOP_unmap_grant_ref, ARG2_COUNT, "aqhw"},
    {20, GNTTABOP_copy, ARG2_COUNT, "GdOGdOOfw"}, {20, GNTTABOP_copy, ARG2_COUNT, "GdOGdOOfw"}, {20, GNTTABOP_query_size, ARG2_COUNT, "dwll"},
    {20, GNTTABOP_set_version, ARG2_COUNT, "l"}, {21, 0, REGS, ""}, {24, VCPUOP_up, ARG3_VCPU, ""}, {24, VCPUOP_down, ARG3_VCPU, ""},
    {24, VCPUOP_is_up, ARG3_VCPU, ""}, {24, VCPUOP_register_runstate_memory_area, ARG3_VCPU, "a"}, {24, VCPUOP_stop_singleshot_timer, ARG3_VCPU, ""},
    {24, VCPUOP_set_singleshot_timer, ARG3_VCPU, "tl"}, {24, VCPUOP_register_vcpu_info, ARG3_VCPU, "gxl"},
    {24, VCPUOP_register_vcpu_time_memory_area, ARG3_VCPU, "a"}, {29, SCHEDOP_yield, ARG2, ""}, {29, SCHEDOP_block, ARG2, ""}, {29, SCHEDOP_shutdown, ARG2, "l"},
    {29, SCHEDOP_poll, ARG2, "Lct"}, {32, EVTCHNOP_bind_interdomain, ARG2, "dpl"}, {32, EVTCHNOP_bind_interdomain, ARG2, "dpl"}, {32, EVTCHNOP_bind_virq, ARG2, "Vvl"},
    {32, EVTCHNOP_close, ARG2, "p"}, {32, EVTCHNOP_send, ARG2, "p"}, {32, EVTCHNOP_status, ARG2, "dpll"}, {32, EVTCHNOP_alloc_unbound, ARG2, "ddl"},
    {32, EVTCHNOP_alloc_unbound, ARG2, "ddl"}, {32, EVTCHNOP_bind_ipi, ARG2, "vl"}, {32, EVTCHNOP_bind_vcpu, ARG2, "pv"}, {32, EVTCHNOP_unmask, ARG2, "p"},
    {34, HVMOP_set_param, ARG2, "dwiq"}, {34, HVMOP_get_param, ARG2, "dwiq"}, {55, 1, ARG2, ""}, {55, 2, ARG2, "nvkqqd"}, {55, 2, ARG2, "nvkqqd"}, {55, 3, ARG2, "d"},
    {55, 4, ARG2, "d"}, {55, 5, ARG2, "d"}, {55, 6, ARG2, "dw"}, {55, 7, ARG2, "dDcg"}, {55, 7, ARG2, "dDcg"}, {55, 8, ARG2, "dDcg"}, {55, 8, ARG2, "dDcg"},
    {55, 9, ARG2, "dwcgS"}, {55, 9, ARG2, "dwcgS"}, {55, 10, ARG2, "Sc"}, {55, 11, ARG2, "Mc"}, {55, 12, ARG2, "dwv"}, {55, 13, ARG2, "dwv"}, {55, 14, ARG2, "q"},
    {55, 15, ARG2, "l"}, {55, 16, ARG2, ""}, {55, 17, ARG2, "l"}, {55, 18, ARG2, "lll"}, {55, 19, ARG2, "l"}, {55, 20, ARG2, ""}, {55, 21, ARG2, "p"},
    {55, 22, ARG2, "llq"}, {55, 23, ARG2, "dwv"}, {55, 24, ARG2, "dwvq"}, {55, 25, ARG2, "dwll"}, {55, 26, ARG2, "dwn"}, {55, 27, ARG2, "l"}, {55, 28, ARG2, "dwvlq"}, {55, 29, ARG2, "dwv"},
};

/* ---- a CPU's turn, as kernel/run.c has it -------------------------------------------------------------------------------- */
static void be(uint32_t cpu)
{
    if (this_cpu()->id == cpu && !this_cpu()->resting)
        return;
    for (uint32_t i = 0; i < FAKE_CPUS; i++)
        fake_cpus[i].resting = i != cpu;
    fake_be(cpu);
}

static void unload(struct cpu *cpu)
{
    pvclock_write_runstate(cpu->current);
    window_flush();
    cpu->current = NULL;
}

static void turn(struct cpu *cpu)
{
    struct vcpu *prev = cpu->current;
    cpu->need_resched = false;
    if (prev && sched_must_leave(&prev->sched)) {
        unload(cpu);
        sched_leave(&prev->sched);
        prev = NULL;
    }
    struct sched_unit *u = sched_pick(cpu->id, prev ? &prev->sched : NULL);
    struct vcpu *now = u ? vcpu_of_sched(u) : NULL;
    if (!now)
        return;
    if (prev && prev != now) {
        unload(cpu);
        prev->sched.on_cpu = false;
    }
    cpu->current = now;
    if (now->polling || now->poll_timer.slot) {
        event_poll_end(now);
        deadline_cancel(&now->poll_timer);
    }
    pvclock_write_runstate(now);
}

/* V's CPU works for V now; false: V does not run. */
static bool gets_to_run(struct vcpu *v)
{
    struct cpu *cpu = &fake_cpus[v->sched.cpu];
    be(cpu->id);
    for (unsigned i = 0; i < 3 && (cpu->need_resched || cpu->current != v); i++)
        turn(cpu);
    return cpu->current == v && v->sched.state == VCPU_RUNNING && !v->sched.hold;
}

static void settled(void)
{
    must(fake_locks_held == 0, "a lock is held");
    for (uint16_t i = 0; i < 16; i++)
        must(!domain_in_slot(i) || !domain_in_slot(i)->ept.unsynced || domain_in_slot(i)->generation > DOMAINS, "a removal is not flushed"); /* a new EPT begins so */
}

static void hypercall(struct vcpu *v, const uint64_t r[4])
{
    struct vmx_gprs *g = &v->vmx.gprs;
    if (r[0] == CBL_HYPERCALL && r[1] == 16) { /* AUDIT: in some inputs, once */
        if (audited || lot % 8 != 1)
            return;
        audited = true;
    }
    g->rax = r[0];
    g->rdi = r[1];
    g->rsi = r[2];
    g->rdx = r[3];
    fake_paging.cr0 = v->domain->id == PAGED ? CR0_PE | CR0_PG | CR0_WP : 0;
    fake_paging.cr3 = 4UL << 12;
    struct domain *d = v->domain;
    if (hypercall_dispatch(v) == HC_BLOCK)
        vcpu_block(v);
    must(fake_allocs_until_failure >= 0 || d->state != CBL_DOM_DYING, "the caller died of its own call");
    settled();
}

/* What the call gave out is likely to be used. */
static void learn(const struct call *c, struct domain *d, const char *arg)
{
    char back[48];
    if (physmap_copy_from(d, back, gpa(ARG), sizeof(back)) != STATUS_OK)
        return;
    if (c->nr == 32 && (c->cmd == EVTCHNOP_alloc_unbound || c->cmd == EVTCHNOP_bind_ipi))
        memcpy(&last_port, back + 4, 4);
    else if (c->nr == 32 && (c->cmd == EVTCHNOP_bind_virq || c->cmd == EVTCHNOP_bind_interdomain))
        memcpy(&last_port, back + 8, 4);
    else if (c->nr == 20 && c->cmd == GNTTABOP_map_grant_ref && back[18] == 0 && back[19] == 0)
        memcpy(&last_handle, back + 20, 4);
    else if (c->nr == CBL_HYPERCALL && c->cmd == 2)
        memcpy(&last_domid, back + 32, 2);
    must(c->nr != 20 || c->cmd != GNTTABOP_map_grant_ref || d->privileges & CBL_PRIV_DEVICE || memcmp(arg, back, 8) != 0 || *(uint64_t *)(void *)(back + 24) == 0 ||
             memcmp(arg + 24, back + 24, 8) == 0, "a host address is told to a domain that drives no devices");
}

static void list(struct domain *d)
{
    uint64_t words[6];
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        words[i] = next() % 2 ? any_gfn() : (uint64_t)next() << 32 | next();
    (void)physmap_copy_to(d, gpa(LIST), words, sizeof(words));
}

static void call(struct vcpu *v)
{
    char arg[192] __attribute__((aligned(8))) = {0};
    const struct call *c = &calls[next() % ARRAY_SIZE(calls)];
    uint64_t r[4] = {c->nr, c->cmd, 0, 0};
    if (strchr(c->layout, 'L'))
        list(v->domain);
    size_t len = argument(c->layout, arg), n = c->shape == ARG2_COUNT ? 1U + next() % 3U : 1;
    for (size_t i = 1; i < n; i++)
        (void)argument(c->layout, arg + len * i);
    (void)physmap_copy_to(v->domain, gpa(ARG), arg, len * n);
    uint64_t where = next() % 8 ? ARG : pointer();
    if (c->shape == ARG3_VCPU)
        r[2] = AMONG(8, 0, 0, 1, 1, 2, 31, ~0UL), r[3] = where;
    else if (c->shape == TEXT)
        r[2] = AMONG(4, 5, 64, 256, 300, 16384, 16385, 0, ~0U), r[3] = pointer();
    else if (c->shape == REGS)
        r[1] = AMONG(8, 0, 1, 2), r[2] = AMONG(8, 5, 5, 4, ~0UL);
    else if (c->shape == TIME)
        (void)field('t', &r[1]);
    else
        r[2] = where, r[3] = next() % 8 ? n : AMONG(8, 0, 16, 17, 512, 513, ~0UL);
    uint16_t domid = v->domain->id;
    hypercall(v, r);
    if (where == ARG && domain_peek(domid))
        learn(c, domain_peek(domid), arg);
}

static void any_registers(struct vcpu *v)
{
    uint64_t r[4] = {next() % 8 ? next() % 60 : raw(8), next() % 8 ? next() % 64 : raw(8), pointer(), next() % 2 ? next() : pointer()};
    hypercall(v, r);
}

static void grants(struct domain *d)
{
    uint32_t ref = 11U + next() % 16U;
    uint64_t to;
    (void)field('d', &to);
    last_ref = ref;
    grant_entry(d, ref, (uint16_t)AMONG(2, GTF_permit_access, GTF_permit_access, GTF_permit_access | GTF_readonly, 0, GTF_accept_transfer, GTF_permit_access | GTF_sub_page), (uint16_t)to,
                (uint32_t)any_gfn());
}

/* The guest writes its own memory, without asking anybody. */
static void writes(struct domain *d)
{
    uint64_t at = pointer() + next() * 8UL, what = next() % 4 ? raw(1) : raw(8);
    if (at >> 12 != AT_RO && at >> 12 != AT_RW)
        (void)physmap_copy_to(d, gpa(at), &what, 8);
}

static void bits(struct domain *d)
{
    struct shared_info *s = d->shared_info;
    uint8_t b = next();
    s->evtchn_mask[0] = b & 1 ? ~0UL : next();
    s->evtchn_pending[0] &= b & 2 ? 0 : ~0UL;
    s->vcpu_info[b >> 2 & 1].evtchn_upcall_pending = 0;
    s->vcpu_info[b >> 2 & 1].evtchn_pending_sel = 0;
}

static void step(uint8_t op, bool *managed)
{
    static const struct { uint16_t domid; uint8_t vcpu; } who[8] = {{FLAT, 0}, {FLAT, 0}, {FLAT, 1}, {PAGED, 0}, {PAGED, 0}, {MANAGER, 0}, {DOM0, 0}, {DOM0, 0}};
    struct domain *d = domain_peek(who[op & 7].domid);
    struct vcpu *v = d && who[op & 7].vcpu < d->nr_vcpus ? d->vcpus[who[op & 7].vcpu] : NULL;
    if (!v || !gets_to_run(v))
        return;
    *managed = *managed || d->privileges;
    switch (op >> 3) {
    case 0: grants(d); break;
    case 1: writes(d); break;
    case 2: bits(d); break;
    case 3: fake_time(fake_ns + next() * 50000UL); break;
    case 4: fake_allocs_until_failure = next() % 16; break;
    case 5: any_registers(v); break;
    case 6:
        if (fake_irq_fn)
            fake_irq_fn(14, fake_irq_ctx);
        break;
    case 7: fake_if = next() & 1; break;
    case 8:
        for (uint32_t i = 0; i < FAKE_CPUS; i++) {
            be(i);
            turn(&fake_cpus[i]);
        }
        break;
    default: call(v); break;
    }
}

/* ---- afterwards ---------------------------------------------------------------------------------------------------------- */
static void idler_untouched(void)
{
    struct domain *d = domain_peek(IDLER);
    must(d && d->state == CBL_DOM_RUNNING && d->pages == PAGES && d->events->used == 0 && d->nr_vcpus == 1, "the domain that did nothing has changed");
    for (uint64_t g = 0; g < PAGES; g++) {
        const char *p = fake_page(d, g);
        must(g == 21 || ((uint8_t)p[0] == SECRET && memcmp(p, p + 1, PAGE_SIZE - 1) == 0), "the memory of the domain that did nothing has changed");
    }
}

static void holds(void)
{
    struct cbl_audit a;
    audit_run(&a);
    must(a.ok || strncmp(a.why, "no memory for the audit", 23) == 0, a.why); /* not one page is free */
}

struct foreign { gfn_t g; uint32_t pages; };
static bool foreign(gfn_t g, const struct ept_leaf *leaf, void *ctx)
{
    bool found = frame_is_ram(leaf->hfn) && frame_owner(leaf->hfn) != 0;
    if (found)
        *(struct foreign *)ctx = (struct foreign){g, 1U << leaf->order};
    return !found;
}

static void all_end(void)
{
    struct domain *dom0 = domain_dom0();
    be(0);
    grant_release_mappings(dom0);
    for (;;) {
        struct foreign f = {GFN_INVALID, 0};
        ept_walk(&dom0->ept, gfn(0), gfn(physmap_gfn_limit() - 1), foreign, &f);
        if (f.pages == 0)
            break;
        /* All of a large page: a part of it takes a table, for which there may be no memory. */
        must(physmap_unmap_foreign(dom0, f.g, f.pages) == STATUS_OK, "Dom0 does not get rid of a mapping");
        flush_sync(&dom0->ept);
    }
    for (uint16_t slot = 1; slot < MAX_DOMAINS; slot++) {
        struct domain *d = domain_in_slot(slot);
        if (!d || d->state == CBL_DOM_DYING)
            continue;
        domain_pause(domain_lock(d));
        spin_unlock(&d->lock);
        if (this_cpu()->current && this_cpu()->current->domain == d) /* it was moved here */
            turn(this_cpu());
        must(domain_destroy(d->id) == STATUS_OK, "a domain is not destroyed");
    }
    settled();
    for (uint16_t slot = 1; slot < MAX_DOMAINS; slot++)
        must(!domain_in_slot(slot), "a domain does not vanish");
    struct frame_stats s = frame_stats();
    must(s.by_type[FRAME_EPT] == dom0->ept.tables_used && s.by_type[FRAME_VMX] == 1, "tables are left");
    must(s.by_type[FRAME_SHARED] == 1 + dom0->grants->nr_frames && s.by_type[FRAME_GUEST] == dom0->pages && s.by_type[FRAME_QUARANTINE] == 0, "frames are left");
    holds();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool managed = false;
    if (runs++ == 0) {
        setup();
        save();
    }
    in.p = data;
    in.len = size;
    lot = draw(data, size);
    audited = false;
    if (setjmp(fake_end) == 0) { /* Dom0 may end the machine */
        for (unsigned i = 0; in.len > 0 && i < 48; i++)
            step(next(), &managed);
        fake_allocs_until_failure = -1;
        be(0);
        if (!managed)
            idler_untouched();
        if (lot % 16 == 0)
            holds();
        else if (lot % 32 == 2)
            all_end();
    }
    restore();
    return 0;
}
