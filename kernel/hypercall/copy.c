/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Guest memory in and out. */
#include "kernel/hypercall/copy.h"

#include "kernel/cpu/x86.h"
#include "kernel/domain/physmap.h"
#include "kernel/hypercall/hc_priv.h"

#define PTE_P 1UL
#define PTE_RW 2UL
#define PTE_PS (1UL << 7)
#define PTE_ADDR 0x000ffffffffff000UL

static bool canonical(uint64_t a) { return (uint64_t)((int64_t)(a << 16) >> 16) == a; }

/* SDM vol 3, "4-Level Paging and 5-Level Paging": entries of 4 KiB, 2 MiB and 1 GiB pages; PS is reserved in a PML4E. The caller acts at CPL 0, so
 * the U/S bit does not matter; XD neither, for nothing is fetched. Accessed and dirty flags are left alone. */
static enum status walk(struct vcpu *v, const struct vmx_paging *p, uint64_t a, bool write, gpa_t *out)
{
    uint64_t table = p->cr3 & PTE_ADDR;
    for (unsigned shift = 39;; shift -= 9) {
        uint64_t entry;
        if (physmap_copy_from(v->domain, &entry, gpa(table + (a >> shift & 511) * 8), sizeof(entry)) != STATUS_OK)
            return STATUS_FAULT;
        bool large = entry & PTE_PS;
        if (!(entry & PTE_P) || (write && !(entry & PTE_RW) && (p->cr0 & CR0_WP)) || (large && shift == 39))
            return STATUS_FAULT;
        if (shift == 12 || large) {
            uint64_t inside = (1UL << shift) - 1;
            *out = gpa((entry & PTE_ADDR & ~inside) | (a & inside));
            return STATUS_OK;
        }
        table = entry & PTE_ADDR;
    }
}

enum status translate_gva(struct vcpu *v, gva_t a, bool write, gpa_t *out)
{
    struct vmx_paging p;
    vmx_paging_state(&v->vmx, &p);
    *out = gpa(a.v);
    if (!(p.cr0 & CR0_PG))
        return STATUS_OK;
    if (!(p.efer & EFER_LMA) || (p.cr4 & CR4_LA57) || !canonical(a.v))
        return STATUS_FAULT;
    return walk(v, &p, a.v, write, out);
}

/* One page's worth at a time: IN or OUT is NULL. */
static enum status copy(struct vcpu *v, gva_t at, void *in, const void *out, size_t len)
{
    if (at.v + len < at.v)
        return STATUS_FAULT;
    for (size_t done = 0, n; done < len; done += n) {
        gva_t here = gva(at.v + done);
        gpa_t g;
        n = MIN(len - done, PAGE_SIZE - here.v % PAGE_SIZE);
        enum status s = translate_gva(v, here, out != NULL, &g);
        if (s == STATUS_OK && out)
            s = physmap_copy_to(v->domain, g, (const char *)out + done, n);
        else if (s == STATUS_OK)
            s = physmap_copy_from(v->domain, (char *)in + done, g, n);
        if (s != STATUS_OK)
            return s;
    }
    return STATUS_OK;
}

int64_t hc_get(const struct hc *c, void *arg, uint64_t from, size_t len)
{
    return copy(c->v, gva(from), arg, NULL, len) == STATUS_OK ? 0 : HC_EFAULT;
}

int64_t hc_put(const struct hc *c, uint64_t to, const void *arg, size_t len)
{
    return copy(c->v, gva(to), NULL, arg, len) == STATUS_OK ? 0 : HC_EFAULT;
}
