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

/* SDM vol 3, "4-Level Paging and 5-Level Paging": entries of 4 KiB, 2 MiB and 1 GiB pages; PS is reserved in a PML4E. The caller acts at CPL 0, so
 * the U/S bit does not matter; XD neither, for nothing is fetched. Accessed and dirty flags are left alone. LA57 is not offered. */
enum status translate_gva(struct vcpu *v, gva_t a, bool write, gpa_t *out)
{
    uint64_t cr0 = vmx_cr0(&v->vmx), needed = write && (cr0 & CR0_WP) ? PTE_P | PTE_RW : PTE_P;
    uint64_t table = vmx_cr3(&v->vmx) & PTE_ADDR;
    *out = gpa(a.v);
    if (!(cr0 & CR0_PG))
        return STATUS_OK;
    for (unsigned shift = 39; canonical(a.v); shift -= 9) {
        const uint64_t *at = physmap_open(v->domain, gpa(table + (a.v >> shift & 511) * 8), false);
        uint64_t entry = at ? __atomic_load_n(at, __ATOMIC_RELAXED) : 0; /* once: the guest may change it meanwhile */
        bool large = entry & PTE_PS;
        if ((entry & needed) != needed || (large && shift == 39))
            break;
        table = entry & PTE_ADDR;
        if (shift == 12 || large) {
            uint64_t inside = (1UL << shift) - 1;
            *out = gpa((table & ~inside) | (a.v & inside));
            return STATUS_OK;
        }
    }
    return STATUS_FAULT;
}

/* One page's worth at a time: IN or OUT is NULL. */
static int64_t copy(struct vcpu *v, uint64_t at, char *in, const char *out, size_t len)
{
    if (at + len < at)
        return HC_EFAULT;
    for (size_t done = 0, n; done < len; done += n) {
        gva_t here = gva(at + done);
        gpa_t g;
        n = MIN(len - done, PAGE_SIZE - here.v % PAGE_SIZE);
        void *p = translate_gva(v, here, out != NULL, &g) == STATUS_OK ? physmap_open(v->domain, g, out != NULL) : NULL;
        if (!p)
            return HC_EFAULT;
        (void)(out ? memcpy(p, out + done, n) : memcpy(in + done, p, n));
    }
    return 0;
}

int64_t hc_get(const struct hc *c, void *arg, uint64_t from, size_t len) { return copy(c->v, from, arg, NULL, len); }
int64_t hc_put(const struct hc *c, uint64_t to, const void *arg, size_t len) { return copy(c->v, to, NULL, arg, len); }
