/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The crew: threads that carry out what the disks' own threads hand over, so that a medium that takes several
 * commands at once gets them. All disks share them, each disk has at most as many as its medium takes, and one that gets
 * none has its own thread. (The block cache has one lock for all devices: what is small or unaligned waits there for
 * whatever another device is doing.) Memory: one buffer and one stack for each that was needed at once so far. */
#include "dom0/backend/block_priv.h"

#include "dom0/kernel/heap.h"
#include "dom0/kernel/page.h"

struct member {
    struct block_work *work; /* NULL: at rest */
    struct blk_run run;
    uint8_t *buffer;
    struct waitq wait;
};

static struct member *crew[BLOCK_CREW];

static void member_run(void *arg)
{
    struct member *m = arg;
    for (;;) {
        while (m->work == NULL)
            waitq_wait(&m->wait, WAIT_FOREVER);
        struct block_work *w = m->work;
        w->carry_out(w->disk, &m->run, m->buffer);
        m->work = NULL;
        w->running--;
        waitq_wake(w->wait); /* with none at work W may be gone as soon as somebody else runs */
    }
}

static struct member *member_new(void)
{
    struct member *m = heap_alloc(sizeof *m);
    if (m == NULL)
        return NULL;
    m->buffer = page_alloc(BLOCK_BUFFER_PAGES, NULL);
    if (m->buffer != NULL && thread_create("disks", member_run, m, BLOCK_STACK_BYTES) != NULL)
        return m;
    if (m->buffer != NULL)
        page_free(m->buffer, BLOCK_BUFFER_PAGES);
    heap_free(m);
    return NULL;
}

static struct member *at_rest(void)
{
    for (uint32_t i = 0; i < BLOCK_CREW; i++) {
        if (crew[i] == NULL)
            return crew[i] = member_new();
        if (crew[i]->work == NULL)
            return crew[i];
    }
    return NULL;
}

bool block_crew_give(struct block_work *w, const struct blk_run *run)
{
    struct member *m = at_rest();
    if (m == NULL)
        return false;
    m->run = *run;
    m->work = w;
    w->running++;
    waitq_wake(&m->wait);
    return true;
}

bool block_crew_overlaps(const struct block_work *w, const struct blk_request *q)
{
    for (uint32_t i = 0; i < BLOCK_CREW && crew[i] != NULL && w->running != 0; i++) {
        const struct blk_request *other = &crew[i]->run.whole;
        if (crew[i]->work == w && (q->op != BLKIF_OP_READ || other->op != BLKIF_OP_READ) &&
            q->sector < other->sector + other->count && other->sector < q->sector + q->count)
            return true;
    }
    return false;
}
