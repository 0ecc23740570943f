/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] The one status type of root mode. A function that returns it can fail;
 * a caller that ignores it does not compile. */
#ifndef KERNEL_CORE_STATUS_H
#define KERNEL_CORE_STATUS_H

enum [[nodiscard]] status {
    STATUS_OK = 0,
    STATUS_INVALID,  /* an argument is wrong in itself            -> EINVAL */
    STATUS_NO_MEMORY, /* frames, pool objects or table quota       -> ENOMEM */
    STATUS_DENIED,   /* policy forbids it                         -> EPERM  */
    STATUS_NOT_FOUND, /* no such domain, port, reference           -> ENOENT (domain: ESRCH) */
    STATUS_NO_DOMAIN, /* no such domain                            -> ESRCH */
    STATUS_EXISTS,   /* already there                             -> EEXIST */
    STATUS_BUSY,     /* pinned or in use                          -> EBUSY */
    STATUS_BAD_STATE, /* the object's state does not allow it      -> EBUSY on the ABI where Xen says nothing else */
    STATUS_FAULT,    /* a guest pointer does not translate        -> EFAULT */
    STATUS_UNSUPPORTED, /* not offered                             -> ENOSYS */
    STATUS_NO_SPACE, /* a fixed table is full                     -> ENOSPC */
    STATUS_NO_DEVICE, /* hardware is absent                        -> ENODEV */
    STATUS_TIMEOUT,  /* a bounded wait ran out                    -> ETIMEDOUT */
    STATUS_RANGE,    /* too large for its field                   -> ERANGE / E2BIG */
    STATUS_COUNT
};

/* The Xen errno (positive) for STATUS; 0 for STATUS_OK. */
int status_errno(enum status status);
/* A short word for logs, e.g. "no memory". */
const char *status_name(enum status status);

#endif
