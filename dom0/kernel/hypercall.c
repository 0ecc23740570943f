/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Words for errors, and HVM parameters. */
#include "dom0/kernel/hypercall.h"

#include <xen/errno.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/xen.h>

const char *errno_text(long err)
{
    static const struct {
        short number;
        const char *text;
    } words[] = {
        {0, "no error"},
        {XEN_EPERM, "not permitted"},
        {XEN_ENOENT, "no such entry"},
        {XEN_ESRCH, "no such domain"},
        {XEN_EIO, "input/output error"},
        {XEN_ENXIO, "no such address"},
        {XEN_E2BIG, "too many items"},
        {XEN_EAGAIN, "busy, try again"},
        {XEN_ENOMEM, "no memory"},
        {XEN_EACCES, "access denied"},
        {XEN_EFAULT, "bad address"},
        {XEN_EBUSY, "busy"},
        {XEN_EEXIST, "exists already"},
        {XEN_ENODEV, "no such device"},
        {XEN_EINVAL, "invalid argument"},
        {XEN_ENOSPC, "no space left"},
        {XEN_EROFS, "read-only"},
        {XEN_ERANGE, "out of range"},
        {XEN_EDEADLK, "would wait for itself"},
        {XEN_ENAMETOOLONG, "name too long"},
        {XEN_ENOSYS, "not implemented"},
        {XEN_ENODATA, "no data"},
        {XEN_ETIME, "timed out"},
        {XEN_EOVERFLOW, "value too large"},
        {XEN_EOPNOTSUPP, "not supported"},
    };
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (-err == words[i].number) {
            return words[i].text;
        }
    }
    return "unknown error";
}

long hvm_set_param(uint16_t domid, uint32_t index, uint64_t value)
{
    struct xen_hvm_param op = {.domid = domid, .index = index, .value = value};
    return hypercall2(__HYPERVISOR_hvm_op, HVMOP_set_param, (uint64_t)&op);
}

long hvm_get_param(uint16_t domid, uint32_t index, uint64_t *value)
{
    struct xen_hvm_param op = {.domid = domid, .index = index};
    long err = hypercall2(__HYPERVISOR_hvm_op, HVMOP_get_param, (uint64_t)&op);
    if (err == 0) {
        *value = op.value;
    }
    return err;
}
