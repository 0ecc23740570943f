/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Which decoders there are, and their work memory. */
#include "dom0/builder/decode.h"

#include "dom0/lib/string.h"

const struct decoder *decoder_find(const char *name)
{
    static const struct decoder *const all[] = {&decode_lz4, &decode_xz, &decode_gzip, &decode_zstd, &decode_bzip2};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (strcmp(all[i]->name, name) == 0) {
            return all[i];
        }
    }
    return NULL;
}

void *decode_work(struct decode *d, size_t size)
{
    size_t skip = (0 - (uintptr_t)d->work) % 16U;
    if (skip > d->work_len || size > d->work_len - skip) {
        return NULL;
    }
    uint8_t *p = d->work + skip;
    d->work = p + size;
    d->work_len -= skip + size;
    return p;
}
