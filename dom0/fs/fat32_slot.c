/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] FAT32: changing folders. A folder is a row of chunks of 16 places, and a chunk is what the disk writes at
 * once or not at all: an entry goes where all of it lies in one chunk. Where none has room, it goes into the chunk
 * behind the mark that ends the folder: zeros there first, then the mark moves there, then the entry takes its place.
 * (Some systems read on behind the mark, so nothing that means anything may lie there at any time.) */
#include "dom0/fs/bytes.h"
#include "dom0/fs/fat32_name.h"
#include "dom0/fs/fat32_priv.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/string.h"

#define SLOTS      FAT32_CHUNK_SLOTS
#define SLOT_YIELD 16U
#define TAILS_MAX  FAT32_DIR_MAX /* so many aliases a folder cannot have all taken */

/* A walk over the chunks of a folder. */
struct chunks {
    struct fat32 *fs;
    struct fat32_chain chain;
    uint32_t offset; /* of the chunk in `bytes` within its cluster */
    uint32_t number;
    uint64_t at;     /* device byte of the chunk; 0: before the first */
    uint8_t bytes[FAT32_CHUNK_BYTES];
};

static bool chunks_load(struct chunks *c, struct error *e)
{
    c->at = fat32_cluster_offset(c->fs, c->chain.cluster) + c->offset;
    return fat32_fetch(c->fs, c->at, c->bytes, sizeof(c->bytes), e);
}

static bool chunks_first(struct chunks *c, struct fat32 *fs, uint32_t dir, struct error *e)
{
    c->fs = fs;
    c->offset = 0;
    c->number = 0;
    return fat32_chain_start(&c->chain, fs, dir, e) && chunks_load(c, e);
}

/* *END: the folder's chain ends with the chunk that is there. */
static bool chunks_next(struct chunks *c, bool *end, struct error *e)
{
    bool crosses = c->offset + FAT32_CHUNK_BYTES == c->fs->cluster_bytes;

    *end = false;
    if (crosses && (!fat32_chain_next(&c->chain, end, e) || *end))
        return *end;
    c->offset = crosses ? 0 : c->offset + FAT32_CHUNK_BYTES;
    if (c->number + 1U == FAT32_DIR_MAX / SLOTS)
        return fat32_damaged(c->fs, "a folder has too many entries or is a loop", e);
    if (++c->number % SLOT_YIELD == 0)
        thread_yield();
    return chunks_load(c, e);
}

static bool chunks_store(struct chunks *c, struct error *e)
{
    return fat32_store(c->fs, c->at, c->bytes, sizeof(c->bytes), e);
}

/* A cluster of zeros at the end of the folder's chain, on whose last chunk C stands. It holds nothing, so it may be
 * seen. */
static bool chunks_extend(struct chunks *c, struct error *e)
{
    struct fat32 *fs = c->fs;
    static const uint8_t zeros[FAT32_CHUNK_BYTES];
    struct fat32_table t;
    uint32_t fresh = 0, count = 0;

    if (((uint64_t)c->number + 1U) * SLOTS + fs->cluster_bytes / FAT32_PIECE_BYTES > FAT32_DIR_MAX)
        return error_set(e, EXIT_NO_RESOURCE, "%s: a folder holds no more than 65536 entries: make another one",
                         fs->name);
    if (!fat32_take(fs, 1, 0, &fresh, &count, e))
        return false;
    for (uint32_t off = 0; off < fs->cluster_bytes; off += FAT32_CHUNK_BYTES) {
        if (!fat32_store(fs, fat32_cluster_offset(fs, fresh) + off, zeros, sizeof(zeros), e))
            return false;
    }
    fat32_table_open(&t, fs);
    return fat32_barrier(fs, e) && fat32_table_set(&t, c->chain.cluster, fresh, e) && fat32_table_put(&t, e) &&
           fat32_chain_start(&c->chain, fs, c->chain.cluster, e);
}

static bool chunks_next_or_extend(struct chunks *c, struct error *e)
{
    bool end = false;

    if (!chunks_next(c, &end, e))
        return false;
    if (!end)
        return true;
    return chunks_extend(c, e) && chunks_next(c, &end, e);
}

static uint8_t *slot_at(uint8_t *chunk, uint32_t slot) { return chunk + slot * FAT32_PIECE_BYTES; }

/* The mark that ends the folder, in this chunk; SLOTS: not here. */
static uint32_t chunk_end(uint8_t *chunk)
{
    uint32_t slot = 0;

    while (slot < SLOTS && slot_at(chunk, slot)[0] != FAT32_DIR_END)
        slot++;
    return slot;
}

/* The first of NEED free places side by side in a chunk, the places behind the mark at END included; SLOTS: none. */
static uint32_t chunk_room(uint8_t *chunk, uint32_t end, uint32_t need)
{
    uint32_t run = 0;

    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        run = slot >= end || slot_at(chunk, slot)[0] == FAT32_DELETED ? run + 1U : 0;
        if (run == need)
            return slot + 1U - need;
    }
    return SLOTS;
}

/* Puts the pieces at SLOT. Where they take the place of the mark at END, the places behind them are the end. */
static void chunk_fill(uint8_t *chunk, uint32_t end, uint32_t slot, const uint8_t *pieces, uint32_t need)
{
    memcpy(slot_at(chunk, slot), pieces, need * FAT32_PIECE_BYTES);
    if (slot + need > end && slot + need < SLOTS)
        memset(slot_at(chunk, slot + need), 0, (SLOTS - slot - need) * FAT32_PIECE_BYTES);
}

/* The mark at END of C's chunk is about to go, and nothing of this chunk will end the folder: then the next one must,
 * where there is one. Leaves C as it is. */
static bool end_moves_on(const struct chunks *c, struct error *e)
{
    struct chunks *next = heap_alloc(sizeof(*next));
    bool end = false;

    if (next == NULL)
        return error_set(e, EXIT_NO_RESOURCE, "%s: no memory to change a folder: end something first", c->fs->name);
    *next = *c;
    bool ok = chunks_next(next, &end, e);
    if (ok && !end && next->bytes[0] != FAT32_DIR_END) {
        memset(next->bytes, 0, sizeof(next->bytes));
        ok = chunks_store(next, e) && fat32_barrier(c->fs, e);
    }
    heap_free(next);
    return ok;
}

/* Puts the pieces into C's chunk, which has room for them at SLOT. */
static bool put_in_chunk(struct chunks *c, uint32_t end, uint32_t slot, const uint8_t *pieces, uint32_t need,
                         struct error *e)
{
    if (slot + need > end && end < SLOTS && slot + need == SLOTS && !end_moves_on(c, e))
        return false;
    chunk_fill(c->bytes, end, slot, pieces, need);
    return chunks_store(c, e);
}

/* C's chunk becomes zeros, where it is not. It lies behind the mark: it holds nothing. */
static bool chunk_clear(struct chunks *c, struct error *e)
{
    bool zero = true;

    for (uint32_t i = 0; i < sizeof(c->bytes); i++)
        zero = zero && c->bytes[i] == 0;
    if (zero)
        return true;
    memset(c->bytes, 0, sizeof(c->bytes));
    return chunks_store(c, e) && fat32_barrier(c->fs, e);
}

/* The first chunk holds nothing but pieces of the long name, which mean nothing until the second one is there. */
static bool put_long(struct fat32 *fs, uint64_t first, uint64_t second, const uint8_t *pieces, uint32_t need,
                     struct error *e)
{
    uint8_t rest[FAT32_CHUNK_BYTES];

    memset(rest, 0, sizeof(rest));
    if (need > SLOTS) {
        if (!fat32_store(fs, first, pieces, FAT32_CHUNK_BYTES, e) || !fat32_barrier(fs, e))
            return false;
        memcpy(rest, pieces + FAT32_CHUNK_BYTES, (need - SLOTS) * FAT32_PIECE_BYTES);
        return fat32_store(fs, second, rest, sizeof(rest), e);
    }
    memcpy(rest, pieces, need * FAT32_PIECE_BYTES);
    return fat32_store(fs, first, rest, sizeof(rest), e);
}

/* C stands on the chunk with the mark at END (SLOTS: it is full, and the folder's chain ends). The pieces go into the
 * one behind, or the two. */
static bool put_behind(struct chunks *c, uint32_t end, const uint8_t *pieces, uint32_t need, struct error *e)
{
    struct fat32 *fs = c->fs;
    uint8_t full[FAT32_CHUNK_BYTES];
    uint64_t full_at = c->at;

    memcpy(full, c->bytes, sizeof(full));
    for (uint32_t i = end; i < SLOTS; i++)
        slot_at(full, i)[0] = FAT32_DELETED;
    if (!chunks_next_or_extend(c, e) || !chunk_clear(c, e))
        return false;
    uint64_t first = c->at;
    if (need > SLOTS && (!chunks_next_or_extend(c, e) || !chunk_clear(c, e)))
        return false;
    if (need == SLOTS && !end_moves_on(c, e))
        return false;
    if (end != SLOTS && (!fat32_store(fs, full_at, full, sizeof(full), e) || !fat32_barrier(fs, e)))
        return false;
    return put_long(fs, first, c->at, pieces, need, e);
}

static bool put_pieces(struct fat32 *fs, uint32_t dir, const uint8_t *pieces, uint32_t need, struct error *e)
{
    struct chunks *c = heap_alloc(sizeof(*c));
    bool ended = false, done = false;

    if (c == NULL)
        return error_set(e, EXIT_NO_RESOURCE, "%s: no memory to change a folder: end something first", fs->name);
    bool ok = chunks_first(c, fs, dir, e);
    while (ok && !done) {
        uint32_t end = chunk_end(c->bytes), slot = need <= SLOTS ? chunk_room(c->bytes, end, need) : SLOTS;
        done = true;
        if (slot != SLOTS)
            ok = put_in_chunk(c, end, slot, pieces, need, e);
        else if (end != SLOTS)
            ok = put_behind(c, end, pieces, need, e);
        else if (!(ok = chunks_next(c, &ended, e)))
            break;
        else if (ended)
            ok = put_behind(c, SLOTS, pieces, need, e);
        else
            done = false;
    }
    heap_free(c);
    return ok;
}

/* ---- one entry ---- */

struct fat32_times fat32_now(void)
{
    uint64_t s = time_wallclock_s();
    struct fat32_times t = {.date = 0x21}; /* 1980-01-01, the first day that FAT knows: the time is unknown */

    if (s < 315532800UL || s > 4354819199UL)
        return t;
    uint64_t days = s / 86400U, second = s % 86400U;
    /* The civil calendar from a count of days; years begin with March, so the day that leap years add is the last. */
    uint64_t z = days + 719468U, era = z / 146097U, doe = z % 146097U;
    uint64_t yoe = (doe - doe / 1460U + doe / 36524U - doe / 146096U) / 365U;
    uint64_t doy = doe - (365U * yoe + yoe / 4U - yoe / 100U), mp = (5U * doy + 2U) / 153U;
    uint64_t day = doy - (153U * mp + 2U) / 5U + 1U, month = mp < 10 ? mp + 3U : mp - 9U;
    uint64_t year = yoe + era * 400U + (month <= 2);
    t.date = (uint16_t)((year - 1980U) << 9 | month << 5 | day);
    t.time = (uint16_t)(second / 3600U << 11 | second / 60U % 60U << 5 | second % 60U / 2U);
    t.tenths = (uint8_t)(second % 2U * 100U);
    return t;
}

static void entry_point(uint8_t *entry, uint32_t cluster, uint32_t size)
{
    struct fat32_times now = fat32_now();

    bytes_put16(entry + 18, now.date);
    bytes_put16(entry + 20, cluster >> 16);
    bytes_put16(entry + 22, now.time);
    bytes_put16(entry + 24, now.date);
    bytes_put16(entry + 26, cluster);
    bytes_put32(entry + 28, size);
}

static bool alias_taken(struct chunks *c, const uint8_t basis[11], uint8_t *taken)
{
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        const uint8_t *raw = slot_at(c->bytes, slot);
        if (raw[0] == FAT32_DIR_END)
            return false;
        if (raw[0] == FAT32_DELETED || (raw[FAT32_ATTR] & FAT32_VOLUME_ID) != 0)
            continue;
        uint32_t tail = fat32_name_tail(basis, raw);
        if (tail <= TAILS_MAX)
            taken[tail / 8U] |= (uint8_t)(1U << tail % 8U);
    }
    return true;
}

/* The alias of N that the folder DIR has not: its number into *TAIL. */
static bool free_tail(struct fat32 *fs, uint32_t dir, const struct fat32_made_name *n, uint32_t *tail, struct error *e)
{
    struct chunks *c = heap_alloc(sizeof(*c));
    uint8_t *taken = heap_alloc(TAILS_MAX / 8U + 1U);
    bool ended = false;
    bool ok = c != NULL && taken != NULL;

    if (!ok)
        (void)error_set(e, EXIT_NO_RESOURCE, "%s: no memory to change a folder: end something first", fs->name);
    ok = ok && chunks_first(c, fs, dir, e);
    while (ok && !ended && alias_taken(c, n->basis, taken))
        ok = chunks_next(c, &ended, e);
    *tail = n->lossy ? 1 : 0;
    while (ok && *tail < TAILS_MAX && (taken[*tail / 8U] >> *tail % 8U & 1U) != 0)
        ++*tail;
    heap_free(c);
    heap_free(taken);
    return ok;
}

/* NAME for the folder DIR and ENTRY, whose other bytes are there, as *NEED pieces in OUT. */
static bool make_pieces(struct fat32 *fs, uint32_t dir, const char *name, uint8_t *entry, uint8_t *out, uint32_t *need,
                        struct error *e)
{
    struct fat32_made_name *n = heap_alloc(sizeof(*n));
    uint32_t tail = 0;

    if (n == NULL)
        return error_set(e, EXIT_NO_RESOURCE, "%s: no memory to change a folder: end something first", fs->name);
    const char *wrong = fat32_name_make(name, n);
    bool ok = wrong == NULL || error_set(e, EXIT_FAILED, "%.100s: %s: choose another name", name, wrong);
    ok = ok && (n->fits || free_tail(fs, dir, n, &tail, e));
    if (ok) {
        fat32_name_alias(n->basis, tail, entry);
        entry[12] = 0;
        *need = fat32_name_pieces(n);
        fat32_name_write(n, entry, out);
        memcpy(out + (*need - 1U) * FAT32_PIECE_BYTES, entry, FAT32_PIECE_BYTES);
    }
    heap_free(n);
    return ok;
}

bool fat32_add_entry(struct fat32 *fs, uint32_t dir, const char *name, uint8_t attr, uint32_t cluster, uint32_t size,
                     struct error *e)
{
    uint8_t pieces[FAT32_PIECES_MAX * FAT32_PIECE_BYTES], entry[FAT32_PIECE_BYTES];
    struct fat32_times now = fat32_now();
    uint32_t need = 0;

    memset(entry, 0, sizeof(entry));
    entry[FAT32_ATTR] = attr;
    entry[13] = now.tenths;
    bytes_put16(entry + 14, now.time);
    bytes_put16(entry + 16, now.date);
    entry_point(entry, cluster, size);
    return make_pieces(fs, dir, name, entry, pieces, &need, e) && put_pieces(fs, dir, pieces, need, e);
}

bool fat32_is_dot(const uint8_t *raw)
{
    return (raw[FAT32_ATTR] & FAT32_DIRECTORY) != 0 &&
           (memcmp(raw, ".          ", 11) == 0 || memcmp(raw, "..         ", 11) == 0);
}

static bool chunk_empty(const uint8_t *chunk)
{
    for (const uint8_t *raw = chunk; raw < chunk + FAT32_CHUNK_BYTES; raw += FAT32_PIECE_BYTES) {
        if (raw[0] == FAT32_DIR_END)
            break;
        if (raw[0] != FAT32_DELETED && (raw[FAT32_ATTR] & FAT32_VOLUME_ID) == 0 && !fat32_is_dot(raw))
            return false;
    }
    return true;
}

bool fat32_dir_empty(struct fat32 *fs, uint32_t dir, bool *empty, struct error *e)
{
    struct chunks *c = heap_alloc(sizeof(*c));
    bool ended = false;

    if (c == NULL)
        return error_set(e, EXIT_NO_RESOURCE, "%s: no memory to read a folder: end something first", fs->name);
    bool ok = chunks_first(c, fs, dir, e);
    *empty = true;
    while (ok && !ended && *empty) {
        *empty = chunk_empty(c->bytes);
        if (chunk_end(c->bytes) != SLOTS)
            break;
        ok = chunks_next(c, &ended, e);
    }
    heap_free(c);
    return ok;
}

bool fat32_name_valid(const char *name, struct error *e)
{
    struct fat32_made_name *n = heap_alloc(sizeof(*n));

    if (n == NULL)
        return error_set(e, EXIT_NO_RESOURCE, "%.80s: no memory to look at the name: end something first", name);
    const char *wrong = fat32_name_make(name, n);
    heap_free(n);
    return wrong == NULL || error_set(e, EXIT_FAILED, "%.100s: %s: choose another name", name, wrong);
}

/* ---- changing an entry that is there ---- */

/* The chunk that holds place INDEX of the folder DIR. */
static bool chunks_seek(struct chunks *c, struct fat32 *fs, uint32_t dir, uint32_t index, struct error *e)
{
    bool end = false;

    if (!chunks_first(c, fs, dir, e))
        return false;
    while (c->number < index / SLOTS) {
        if (!chunks_next(c, &end, e))
            return false;
        if (end)
            return fat32_damaged(fs, "a folder became shorter", e);
    }
    return true;
}

bool fat32_point_entry(struct fat32 *fs, const struct fat32_entry *entry, uint32_t cluster, uint32_t size,
                       struct error *e)
{
    struct chunks *c = heap_alloc(sizeof(*c));
    uint32_t index = entry->index + entry->pieces - 1U;

    if (c == NULL)
        return error_set(e, EXIT_NO_RESOURCE, "%s: no memory to change a folder: end something first", fs->name);
    bool ok = chunks_seek(c, fs, entry->dir, index, e);
    if (ok) {
        uint8_t *raw = slot_at(c->bytes, index % SLOTS);
        entry_point(raw, cluster, size);
        raw[FAT32_ATTR] |= FAT32_ARCHIVE;
        ok = chunks_store(c, e);
    }
    heap_free(c);
    return ok;
}

/* Frees the places FROM .. TO of the folder, which lie in one chunk. */
static bool drop_in_chunk(struct chunks *c, struct fat32 *fs, uint32_t dir, uint32_t from, uint32_t to,
                          struct error *e)
{
    if (!chunks_seek(c, fs, dir, from, e))
        return false;
    for (uint32_t i = from; i < to; i++)
        slot_at(c->bytes, i % SLOTS)[0] = FAT32_DELETED;
    return chunks_store(c, e);
}

/* The chunk with the short name first: with it the file is gone, and what is left of its long name means nothing. */
bool fat32_drop_entry(struct fat32 *fs, const struct fat32_entry *entry, struct error *e)
{
    struct chunks *c = heap_alloc(sizeof(*c));
    uint32_t to = entry->index + entry->pieces;
    bool ok = true;

    if (c == NULL)
        return error_set(e, EXIT_NO_RESOURCE, "%s: no memory to change a folder: end something first", fs->name);
    while (ok && to > entry->index) {
        uint32_t from = (to - 1U) / SLOTS * SLOTS;
        from = from > entry->index ? from : entry->index;
        ok = drop_in_chunk(c, fs, entry->dir, from, to, e) && (from == entry->index || fat32_barrier(fs, e));
        to = from;
    }
    heap_free(c);
    return ok;
}

bool fat32_rename_entry(struct fat32 *fs, const struct fat32_entry *entry, const char *name, bool *done,
                        struct error *e)
{
    uint8_t pieces[FAT32_PIECES_MAX * FAT32_PIECE_BYTES], raw[FAT32_PIECE_BYTES];
    uint32_t first = entry->index, last = first + entry->pieces - 1U, need = 0;
    struct chunks *c = heap_alloc(sizeof(*c));

    *done = false;
    if (c == NULL)
        return error_set(e, EXIT_NO_RESOURCE, "%s: no memory to change a folder: end something first", fs->name);
    bool ok = chunks_seek(c, fs, entry->dir, last, e);
    if (ok) {
        memcpy(raw, slot_at(c->bytes, last % SLOTS), sizeof(raw));
        ok = make_pieces(fs, entry->dir, name, raw, pieces, &need, e);
    }
    if (ok && need <= SLOTS && first / SLOTS == last / SLOTS) {
        for (uint32_t i = first; i <= last; i++)
            slot_at(c->bytes, i % SLOTS)[0] = FAT32_DELETED;
        uint32_t end = chunk_end(c->bytes), slot = chunk_room(c->bytes, end, need);
        *done = slot != SLOTS;
        ok = !*done || put_in_chunk(c, end, slot, pieces, need, e);
    }
    heap_free(c);
    return ok;
}
