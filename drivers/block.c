/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The list of block devices, in the order in which their drivers found them. */
#include "drivers/block.h"

#include "dom0/lib/string.h"

static struct block_device *first;

void block_register(struct block_device *dev)
{
    struct block_device **link = &first;

    while (*link != NULL)
        link = &(*link)->next;
    dev->next = NULL;
    *link = dev;
}

struct block_device *block_first(void) { return first; }

struct block_device *block_find(const char *name)
{
    for (struct block_device *dev = first; dev != NULL; dev = dev->next) {
        if (strcasecmp(dev->name, name) == 0)
            return dev;
    }
    return NULL;
}

const char *block_status_text(enum block_status s)
{
    switch (s) {
    case BLOCK_OK:
        return "done";
    case BLOCK_IO_ERROR:
        return "the device reports an error";
    case BLOCK_TIMEOUT:
        return "the device does not answer in time";
    case BLOCK_RANGE:
        return "beyond the end of the device";
    case BLOCK_READ_ONLY:
        return "the device is read-only";
    case BLOCK_GONE:
        return "the device is gone";
    }
    return "unknown status";
}
