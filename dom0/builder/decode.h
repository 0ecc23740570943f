/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The methods that kernels are packed with, behind one interface. A decoder gets all packed bytes at once and
 * writes the unpacked ones step by step; its only memory is what the caller gives. Pure computation: a step may run
 * where threads are preempted. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum decode_result {
    DECODE_MORE, /* nothing is wrong so far; a step that neither took nor made a byte has not got enough to go on */
    DECODE_END,  /* the packed bytes are complete and their checksum, where there is one, is right */
    DECODE_DAMAGED,
    DECODE_UNKNOWN, /* packed in a way that this method has and the library here has not */
};

struct decode {
    const uint8_t *in; /* not taken yet */
    size_t in_len;
    uint8_t *out; /* where the next bytes go; a step moves it on */
    size_t room;
    uint8_t *work; /* what decode_work has left; zeroed by the caller */
    size_t work_len;
    void *state; /* the decoder's */
};

struct decoder {
    const char *name; /* as image_compression says it */
    size_t room;      /* a step needs this much */
    bool whole; /* looks back into all that it made: OUT and ROOM are those of the whole at the first step, and left
                   alone between steps */
    bool has_length; /* the length word behind the packed bytes is one of them */
    /* How much work memory it takes to unpack IN, of which this is all or the head. 0: the head is damaged. */
    size_t (*needs)(const uint8_t *in, size_t len);
    /* Before the first step, with all else set. false: the head is damaged. */
    bool (*begin)(struct decode *d);
    enum decode_result (*step)(struct decode *d);
};

extern const struct decoder decode_lz4, decode_xz, decode_gzip, decode_zstd, decode_bzip2;

/* NULL: no decoder of that name. */
const struct decoder *decoder_find(const char *name);
/* Work memory, 16-byte aligned, never given back; NULL: none is left. */
void *decode_work(struct decode *d, size_t size);
