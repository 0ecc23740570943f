/* SPDX-License-Identifier: Apache-2.0
 * [HOST] A guest that writes, zeros and flushes a virtual disk at random, and what may be on it when the power fails at a moment of the test's clock: each
 * sector as it was at the last flush, or as any write since then made it. The test has `err`, and cut_clock, which counts what goes to its medium. */
#pragma once

#include <stdint.h>

#include "dom0/vdisk/vdisk.h"

static size_t cut_clock(void);
static const struct vdisk_user cut_user = {3, "xvdc"};

static inline struct vdisk *cut_open(const char *spec, enum vdisk_access access)
{
    struct vdisk *d = NULL;
    if (!vdisk_open(spec, access, &cut_user, &d, &err))
        fail_msg("%s", err.text);
    return d;
}

#define CUT_SECTORS 640U
#define STEPS_MAX   400U

/* What the guest did: the version that each sector got (0: zeros), and where in the log. */
static struct { size_t from, to; uint32_t sector, count; uint8_t version; } step[STEPS_MAX];
static size_t steps, flushed[STEPS_MAX], flushes;
static inline void sector_fill(uint8_t *p, uint32_t sector, uint8_t version)
{
    for (unsigned i = 0; i < 512; i++)
        p[i] = version == 0 ? 0 : (uint8_t)(version + sector * 3 + i * 7);
    if (version != 0)
        p[0] = version;
}

static inline void cut_write(struct vdisk *d, uint32_t sector, uint32_t count, uint8_t version)
{
    static uint8_t buf[CUT_SECTORS * 512];
    size_t from = cut_clock();
    for (uint32_t i = 0; i < count; i++)
        sector_fill(buf + i * 512, sector + i, version);
    bool ok = version != 0 ? vdisk_write(d, sector, count, buf, &err) : vdisk_zero(d, sector, count, &err);
    if (!ok)
        fail_msg("%s", err.text);
    step[steps].from = from;
    step[steps].to = cut_clock();
    step[steps].sector = sector;
    step[steps].count = count;
    step[steps++].version = version;
}

static inline void cut_flush(struct vdisk *d)
{
    assert_true(vdisk_flush(d, &err));
    flushed[flushes++] = cut_clock();
}

/* Is VERSION of SECTOR possible when the power fails after CUT entries of the log? */
static inline bool possible(size_t cut, uint32_t sector, uint8_t version)
{
    size_t last = 0;
    bool ok = version == 0; /* as at first */
    for (size_t i = 0; i < flushes; i++)
        if (flushed[i] <= cut)
            last = flushed[i];
    for (size_t i = 0; i < steps; i++) {
        if (sector < step[i].sector || sector - step[i].sector >= step[i].count || step[i].from > cut)
            continue;
        if (step[i].to <= last)
            ok = version == step[i].version; /* it is on the medium */
        else
            ok = ok || version == step[i].version;
    }
    return ok;
}

static inline void cut_judge(size_t cut, unsigned seed, const char *spec)
{
    static uint8_t buf[CUT_SECTORS * 512], want[512];
    struct vdisk *d = NULL;
    if (!vdisk_open(spec, VDISK_READ, &cut_user, &d, &err) || !vdisk_read(d, 0, CUT_SECTORS, buf, &err))
        fail_msg("cut after %zu, seed %u: %s", cut, seed, err.text);
    vdisk_close(d);
    for (uint32_t i = 0; i < CUT_SECTORS; i++) {
        const uint8_t *p = buf + i * 512;
        sector_fill(want, i, p[0]);
        if (memcmp(p, want, 512) != 0 || !possible(cut, i, p[0]))
            fail_msg("cut after %zu, seed %u: sector %u has %u", cut, seed, i, p[0]);
    }
}

/* Some random minutes of the disk SPEC, which is empty, up to its closing. */
static inline void cut_life(const char *spec, unsigned seed, unsigned ops)
{
    struct vdisk *d = cut_open(spec, VDISK_WRITE);
    uint8_t version = 0;
    steps = flushes = 0;
    for (unsigned i = 0; i < ops; i++) {
        uint32_t at = (uint32_t)rand_r(&seed) % CUT_SECTORS, count = 1 + (uint32_t)rand_r(&seed) % 40;
        count = count < CUT_SECTORS - at ? count : CUT_SECTORS - at;
        unsigned what = (unsigned)rand_r(&seed) % 8;
        if (what < 5)
            cut_write(d, at, count, ++version);
        else if (what == 5)
            cut_write(d, at, count, 0);
        else
            cut_flush(d);
    }
    vdisk_close(d);
    flushed[flushes++] = cut_clock();
}
