/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Guest memory in and out. */
#include "kernel/hypercall/copy.h"

#include "kernel/core/string.h"
#include "kernel/cpu/x86.h"
#include "kernel/domain/physmap.h"
#include "kernel/hypercall/hc_priv.h"

#define PTE_P 1UL
#define PTE_RW 2UL
#define PTE_PS (1UL << 7)
#define PTE_ADDR 0x000ffffffffff000UL

static bool canonical(uint64_t a) { return (uint64_t)((int64_t)(a << 16) >> 16) == a; }

/* The way from a pointer to its page, as this CPU went it: what it read on it, and where. If nothing that names the way has changed, its windows are
 * still open and each entry reads the same, it leads to the same page. Nothing is trusted to have stayed: guests change entries unseen. */
#define WAYS 16U
static struct way {
    struct way_name { uint64_t page, generation, cr0, cr3, opened; } name; /* PAGE: of the pointer, odd for writing; 0: no way. OPENED: when it began */
    const uint64_t *at[4];
    uint64_t entry[4], levels;
    char *bytes;
} ways[MAX_CPUS][WAYS];

/* SDM vol 3, "4-Level Paging and 5-Level Paging": entries of 4 KiB, 2 MiB and 1 GiB pages; PS is reserved in a PML4E. The caller acts at CPL 0, so
 * the U/S bit does not matter; XD neither, for nothing is fetched. Accessed and dirty flags are left alone. LA57 is not offered. */
static enum status walk(struct vcpu *v, gva_t a, bool write, struct way *w, gpa_t *out)
{
    uint64_t cr0 = w->name.cr0, needed = write && (cr0 & CR0_WP) ? PTE_P | PTE_RW : PTE_P;
    uint64_t table = w->name.cr3 & PTE_ADDR;
    *out = gpa(a.v);
    if (!(cr0 & CR0_PG))
        return STATUS_OK;
    for (unsigned shift = 39; canonical(a.v); shift -= 9) {
        const uint64_t *at = w->at[w->levels] = physmap_open(v->domain, gpa(table + (a.v >> shift & 511) * 8), false);
        uint64_t entry = w->entry[w->levels++] = at ? __atomic_load_n(at, __ATOMIC_RELAXED) : 0; /* once: the guest may change it meanwhile */
        bool large = entry & PTE_PS;
        if ((entry & needed) != needed || (large && shift == 39))
            break;
        table = entry & PTE_ADDR;
        if (shift == 12 || large) {
            *out = gpa((table & -(1UL << shift)) | (a.v & ((1UL << shift) - 1)));
            return STATUS_OK;
        }
    }
    return STATUS_FAULT;
}

enum status translate_gva(struct vcpu *v, gva_t a, bool write, gpa_t *out)
{
    struct way w = {.name = {.cr0 = vmx_cr0(&v->vmx), .cr3 = vmx_cr3(&v->vmx)}};
    return walk(v, a, write, &w, out);
}

static bool reads_the_same(const struct way *w)
{
    uint64_t changed = 0;
    for (uint64_t i = 0; i < w->levels; i++)
        changed |= __atomic_load_n(w->at[i], __ATOMIC_RELAXED) ^ w->entry[i];
    return changed == 0;
}

/* The page that A leads to, as physmap_open gives it, to be used at once; NULL: nowhere, or it may not be written. */
static char *page_of(struct vcpu *v, gva_t a, bool write)
{
    const struct way_name now = {(a.v & ~(PAGE_SIZE - 1)) | 2 | write, __atomic_load_n(&v->domain->ept.generation, __ATOMIC_ACQUIRE),
                                 vmx_cr0(&v->vmx), vmx_cr3(&v->vmx), windows[cpu_id()].opened};
    struct way *w = &ways[cpu_id()][((a.v >> PAGE_SHIFT << 1 | write) + now.generation * 6) % WAYS]; /* guests that take turns use the same addresses */
    gpa_t g;
    if (w->name.page == now.page && w->name.generation == now.generation && w->name.cr0 == now.cr0 && w->name.cr3 == now.cr3 &&
        now.opened - w->name.opened < WINDOW_LASTS && reads_the_same(w))
        return w->bytes;
    w->name = now;
    w->levels = 0;
    w->bytes = walk(v, a, write, w, &g) == STATUS_OK ? physmap_open(v->domain, gpa(g.v & ~(PAGE_SIZE - 1)), write) : NULL;
    w->name.page = w->bytes ? now.page : 0;
    return w->bytes;
}

/* One page's worth at a time: IN or OUT is NULL. */
static int64_t copy(struct vcpu *v, uint64_t at, char *in, const char *out, size_t len)
{
    if (at + len < at)
        return HC_EFAULT;
    for (size_t done = 0, n; done < len; done += n) {
        uint64_t inside = (at + done) % PAGE_SIZE;
        char *p = page_of(v, gva(at + done), out != NULL);
        n = MIN(len - done, PAGE_SIZE - inside);
        if (!p)
            return HC_EFAULT;
        (void)(out ? memcpy(p + inside, out + done, n) : memcpy(in + done, p + inside, n));
    }
    return 0;
}

int64_t hc_get(const struct hc *c, void *arg, uint64_t from, size_t len) { return copy(c->v, from, arg, NULL, len); }
int64_t hc_put(const struct hc *c, uint64_t to, const void *arg, size_t len) { return copy(c->v, to, NULL, arg, len); }
