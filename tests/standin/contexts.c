/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Stand-in: registers that Dom0 gives a vCPU. What the CPU would refuse, or what would reach beyond the guest, is refused at once. */
#include "tests/standin/standin.h"

#define BAD 0x900000000000UL /* not canonical */
#define MEMBER(m) offsetof(struct cbl_vcpu_context, m), sizeof(((struct cbl_vcpu_context *)0)->m)

struct change { uint16_t offset, size; uint64_t value; };
/* Each in a context that is good but for this. */
static const struct change bad[] = {
    {MEMBER(cr0), 0x800000d1},  {MEMBER(cr0), 0x80000010},          {MEMBER(cr0), 0xa0000011},   {MEMBER(cr4), 1 << 13 | 0x20}, {MEMBER(cr4), 0},
    {MEMBER(efer), 0x502},      {MEMBER(efer), 0x400},              {MEMBER(efer), 0x100},       {MEMBER(efer), 0},             {MEMBER(cr3), 1UL << 52},
    {MEMBER(fs.base), BAD},     {MEMBER(gs.base), BAD},             {MEMBER(tr.base), BAD},      {MEMBER(ldtr.base), BAD},      {MEMBER(gdt_base), BAD},
    {MEMBER(idt_base), BAD},    {MEMBER(lstar), BAD},               {MEMBER(cstar), BAD},        {MEMBER(kernel_gs_base), BAD}, {MEMBER(sysenter_esp), BAD},
    {MEMBER(sysenter_eip), BAD}, {MEMBER(rip), BAD},                {MEMBER(rsp), BAD},          {MEMBER(rflags), 1UL << 63},   {MEMBER(interruptibility), 4},
    {MEMBER(activity), 1},      {MEMBER(dr6), 1UL << 32},           {MEMBER(dr7), 1UL << 32},    {MEMBER(fmask), 1UL << 32},    {MEMBER(gdt_limit), 0x10000},
    {MEMBER(idt_limit), 0x10000}, {MEMBER(sysenter_cs), 1UL << 32}, {MEMBER(xcr0), 2},           {MEMBER(xcr0), 5},             {MEMBER(xcr0), 1UL << 9 | 1},
    {MEMBER(xcr0), 0x27},       {MEMBER(pat), 2},                   {MEMBER(apic_base), 0xfee00000},
};
static const struct change good[] = {
    {MEMBER(xcr0), 1}, {MEMBER(xcr0), 7}, {MEMBER(pat), 0x0007040600070406}, {MEMBER(cr0), 0xe0000011}, {MEMBER(rip), 0xffffffff80000000}, {MEMBER(apic_base), 0},
    {MEMBER(dr6), ~0U}, {MEMBER(dr7), ~0U}, {MEMBER(interruptibility), 0xb},
};

static void apply(struct cbl_vcpu_context_op *op, const struct change *c)
{
    op->ctx = (struct cbl_vcpu_context)DEPUTY_CONTEXT;
    memcpy((char *)&op->ctx + c->offset, &c->value, c->size);
}

void test_contexts(void)
{
    struct cbl_domain_create create = {.max_pages = 16, .vcpus = 2};
    EXPECT(0, control(CTL_DOMAIN_CREATE, &create));
    static struct cbl_vcpu_context_op op;
    op.domid = create.domid;
    for (unsigned i = 0; i < COUNT(bad); i++) {
        apply(&op, &bad[i]);
        expect(EINVAL, control(CTL_CONTEXT_SET, &op), "bad context", "row", (int)i);
    }
    for (unsigned i = 0; i < COUNT(good); i++) {
        apply(&op, &good[i]);
        expect(0, control(CTL_CONTEXT_SET, &op), "good context", "row", (int)i);
    }
    op.ctx = (struct cbl_vcpu_context){.cr0 = 0x11, .rip = 1UL << 32, .tr = {.limit = 0x67, .ar = 0x8b}};
    EXPECT(EINVAL, control(CTL_CONTEXT_SET, &op)); /* 32-bit code above 4 GiB */
    op.ctx.rip = 0;
    op.ctx.cr4 = 1 << 17;
    EXPECT(EINVAL, control(CTL_CONTEXT_SET, &op)); /* PCIDs outside of long mode */
    op.ctx.cr4 = 0;
    EXPECT(0, control(CTL_CONTEXT_SET, &op));
    EXPECT(0, control(CTL_CONTEXT_GET, &op));
    EXPECT(2, (long)op.ctx.rflags); /* what is fixed */
    EXPECT(0x400, (long)op.ctx.dr7);
    EXPECT(1, (long)op.ctx.xcr0);
    op.vcpu = 2;
    EXPECT(ENOENT, control(CTL_CONTEXT_GET, &op));
    EXPECT(ENOENT, control(CTL_CONTEXT_SET, &op));
    op.vcpu = 0;
    op.domid = 0;
    EXPECT(EPERM, control(CTL_CONTEXT_GET, &op));
    op.domid = 99;
    EXPECT(ESRCH, control(CTL_CONTEXT_GET, &op));
    EXPECT(0, CONTROL(DOMAIN_DESTROY, domain_ref, .domid = create.domid));
}
