/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] zstd by its library. It looks back up to 128 MiB (`zstd --ultra -22`), which is more than a kernel: so it
 * writes into the place for the whole kernel and needs no window of its own. */
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>
#include <zstd_errors.h>

#include "dom0/builder/decode.h"

#define SLICE      (8U << 10) /* packed bytes in a step */
#define WINDOW_LOG 31

struct zstd {
    ZSTD_DStream *stream;
    ZSTD_outBuffer out; /* the same in each step */
};

static size_t stream_bytes(void) { return ZSTD_estimateDStreamSize(ZSTD_BLOCKSIZE_MAX); }

static size_t needs(const uint8_t *in, size_t len)
{
    (void)in;
    return len < 5 ? 0 : sizeof(struct zstd) + stream_bytes() + 64U;
}

static bool begin(struct decode *d)
{
    struct zstd *z = decode_work(d, sizeof(*z));
    void *memory = decode_work(d, stream_bytes());
    z = memory == NULL ? NULL : z;
    if (z == NULL) {
        return false;
    }
    z->stream = ZSTD_initStaticDStream(memory, stream_bytes());
    z->out = (ZSTD_outBuffer){.dst = d->out, .size = d->room};
    d->state = z;
    return z->stream != NULL && !ZSTD_isError(ZSTD_DCtx_setParameter(z->stream, ZSTD_d_stableOutBuffer, 1)) &&
           !ZSTD_isError(ZSTD_DCtx_setParameter(z->stream, ZSTD_d_windowLogMax, WINDOW_LOG));
}

static enum decode_result step(struct decode *d)
{
    struct zstd *z = d->state;
    ZSTD_inBuffer in = {.src = d->in, .size = d->in_len < SLICE ? d->in_len : SLICE};
    size_t before = z->out.pos, ret = ZSTD_decompressStream(z->stream, &z->out, &in);
    d->in += in.pos;
    d->in_len -= in.pos;
    d->out += z->out.pos - before;
    d->room -= z->out.pos - before;
    if (ZSTD_isError(ret)) {
        ZSTD_ErrorCode code = ZSTD_getErrorCode(ret);
        bool unknown = code == ZSTD_error_dictionary_wrong || code == ZSTD_error_frameParameter_unsupported ||
                       code == ZSTD_error_frameParameter_windowTooLarge;
        return unknown ? DECODE_UNKNOWN : DECODE_DAMAGED;
    }
    return ret == 0 ? DECODE_END : DECODE_MORE;
}

const struct decoder decode_zstd = {.name = "zstd", .whole = true, .needs = needs, .begin = begin, .step = step};
