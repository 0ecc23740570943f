/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] FAT32: open files, read and changed in place. `fs->open` lists them, so that what is removed or replaced
 * while somebody reads it keeps its clusters until the last one closes it. */
#include "dom0/fs/cache.h"
#include "dom0/fs/fat32_priv.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/heap.h"
#include "dom0/lib/string.h"

#define FILE_YIELD_STEPS 4096U
#define FILE_SPARE_MAX   65536U /* clusters behind the end of a file */
#define FILE_PIECE       65536U /* written between two looks at the other threads */

struct fat32_run {
    uint32_t index; /* of its first cluster within the file */
    uint32_t cluster;
    uint32_t count;
};

struct fat32_file {
    struct fat32 *fs;
    uint32_t first; /* cluster; 0: none */
    uint32_t size;
    uint32_t count, capacity;
    struct fat32_run *runs;
    uint32_t clusters; /* in the runs */
    bool writing;
    bool touched;      /* written to since its entry was dated */
    bool orphan;       /* no entry refers to it any more */
    struct fat32_entry entry; /* as it was when the file was opened; nobody moves it while it is being written */
    struct fat32_file *next;
};

/* ---- the clusters of a file ---- */

static bool fat32_add_run(struct fat32_file *f, uint32_t index, uint32_t cluster, struct error *e)
{
    struct fat32_run *last = f->count != 0 ? &f->runs[f->count - 1U] : NULL;

    if (last != NULL && cluster == last->cluster + last->count) {
        last->count++;
        f->clusters++;
        return true;
    }
    if (f->count == f->capacity) {
        uint32_t capacity = f->capacity != 0 ? f->capacity * 2U : 4U;
        struct fat32_run *runs = heap_realloc(f->runs, capacity * sizeof(*runs));
        if (runs == NULL)
            return error_set(e, EXIT_NO_RESOURCE,
                             "%s: too little memory for a file in %u pieces: defragment the volume", f->fs->name,
                             f->count);
        f->runs = runs;
        f->capacity = capacity;
    }
    f->runs[f->count++] = (struct fat32_run){.index = index, .cluster = cluster, .count = 1};
    f->clusters++;
    return true;
}

/* Walks the chain also behind the file's end: only so does a loop show, as a chain that is longer than the file system
 * has clusters, or than the file by more than anybody sets aside for it (without this limit a small file on a large
 * damaged disk could keep the reader busy for hours). */
static bool fat32_map(struct fat32_file *f, uint32_t cluster, struct error *e)
{
    const struct fat32 *fs = f->fs;
    uint32_t need = (uint32_t)(((uint64_t)f->size + fs->cluster_bytes - 1U) / fs->cluster_bytes);
    struct fat32_chain chain;
    bool end = false;

    if (!fat32_chain_start(&chain, fs, cluster, e))
        return false;
    for (uint32_t i = 0; !end; i++) {
        if (i == fs->clusters || i == need + FILE_SPARE_MAX)
            return fat32_damaged(fs, "a file's chain is a loop or far too long", e);
        if ((i < need || f->writing) && !fat32_add_run(f, i, chain.cluster, e))
            return false;
        if (!fat32_chain_next(&chain, &end, e))
            return false;
        if (end && i + 1U < need)
            return fat32_damaged(fs, "a file's chain is shorter than the file", e);
        if (i % FILE_YIELD_STEPS == FILE_YIELD_STEPS - 1U)
            thread_yield();
    }
    return true;
}

static bool open_entry(struct fat32 *fs, const struct fat32_entry *entry, bool write, struct fat32_file **out,
                       struct error *e)
{
    if (entry->view.is_dir)
        return error_set(e, EXIT_FAILED, "%s: a folder, not a file: name a file in it", entry->view.name);
    struct fat32_file *f = heap_alloc(sizeof(*f));
    if (f == NULL)
        return error_set(e, EXIT_NO_RESOURCE, "%s: no memory to open it: end something first", entry->view.name);
    f->fs = fs;
    f->size = (uint32_t)entry->view.size;
    f->first = entry->cluster;
    f->writing = write; /* then all runs count, also those behind the end */
    if ((f->size != 0 || (write && f->first != 0)) && !fat32_map(f, entry->cluster, e)) {
        heap_free(f->runs);
        heap_free(f);
        return false;
    }
    f->entry = *entry;
    fs->writers += write;
    f->next = fs->open;
    fs->open = f;
    *out = f;
    return true;
}

bool fat32_open(struct fat32 *fs, const struct fat32_entry *entry, struct fat32_file **out, struct error *e)
{
    fat32_lock(fs);
    bool ok = open_entry(fs, entry, false, out, e);
    fat32_unlock(fs);
    return ok;
}

static bool open_for_writing(struct fat32 *fs, const struct fat32_entry *entry, struct fat32_file **out,
                             struct error *e)
{
    struct error ignored;

    if (fat32_being_written(fs, entry))
        return error_set(e, EXIT_WRONG_STATE, "%s: it is being written by somebody else: wait for the end of that",
                         entry->view.name);
    bool ok = fat32_begin(fs, e) && open_entry(fs, entry, true, out, e);
    if (!ok)
        (void)fat32_sync(fs, &ignored); /* clean again: nothing is going to be written */
    return ok;
}

bool fat32_open_path(struct fat32 *fs, const char *path, bool write, struct fat32_file **out, struct error *e)
{
    struct fat32_entry entry;

    fat32_lock(fs);
    bool ok = fat32_lookup(fs, path, &entry, e) &&
              (write ? open_for_writing(fs, &entry, out, e) : open_entry(fs, &entry, false, out, e));
    fat32_unlock(fs);
    return ok;
}

bool fat32_being_written(const struct fat32 *fs, const struct fat32_entry *entry)
{
    for (const struct fat32_file *f = fs->open; f != NULL; f = f->next) {
        if (f->writing && f->entry.dir == entry->dir && f->entry.index == entry->index)
            return true;
    }
    return false;
}

uint64_t fat32_size(const struct fat32_file *f) { return f->size; }

uint32_t fat32_depth(const struct fat32_file *f) { return f->fs->dev->depth > 1 ? f->fs->dev->depth : 1; }

bool fat32_same(const struct fat32_file *a, const struct fat32_file *b)
{
    if (a->fs != b->fs || a->first != b->first)
        return false;
    return a->first != 0 || (a->entry.dir == b->entry.dir && a->entry.index == b->entry.index);
}

/* The run that holds the file's cluster INDEX, which exists. */
static const struct fat32_run *fat32_find_run(const struct fat32_file *f, uint32_t index)
{
    uint32_t low = 0, high = f->count - 1U;

    while (low < high) {
        uint32_t mid = low + (high - low + 1U) / 2U;
        if (f->runs[mid].index <= index)
            low = mid;
        else
            high = mid - 1U;
    }
    return &f->runs[low];
}

bool fat32_read(const struct fat32_file *f, uint64_t off, void *buf, size_t len, size_t *got, struct error *e)
{
    uint8_t *out = buf;

    *got = 0;
    if (off >= f->size)
        return true;
    if (len > f->size - off)
        len = (size_t)(f->size - off);
    while (*got < len) {
        const struct fat32_run *run = fat32_find_run(f, (uint32_t)(off / f->fs->cluster_bytes));
        uint64_t start = (uint64_t)run->index * f->fs->cluster_bytes;
        uint64_t left = (uint64_t)run->count * f->fs->cluster_bytes - (off - start);
        size_t part = len - *got < left ? len - *got : (size_t)left;
        if (!fat32_fetch(f->fs, fat32_cluster_offset(f->fs, run->cluster) + (off - start), out + *got, part, e))
            return false;
        *got += part;
        off += part;
    }
    return true;
}


/* ---- the end ---- */

/* So many open files still read the chain. */
static uint32_t file_readers(const struct fat32 *fs, uint32_t first)
{
    uint32_t n = 0;

    for (const struct fat32_file *f = fs->open; f != NULL; f = f->next)
        n += f->first == first;
    return n;
}

bool fat32_drop_chain(struct fat32 *fs, uint32_t cluster, struct error *e)
{
    if (cluster == 0)
        return true;
    if (file_readers(fs, cluster) == 0)
        return fat32_give_back(fs, cluster, e);
    for (struct fat32_file *f = fs->open; f != NULL; f = f->next)
        f->orphan = f->orphan || f->first == cluster;
    fs->writers++; /* the volume is not clean until then */
    return true;
}

static void file_unlink(struct fat32_file *f)
{
    struct fat32_file **link = &f->fs->open;

    while (*link != f)
        link = &(*link)->next;
    *link = f->next;
}

/* The entry says what was done to the file. */
static bool file_date(struct fat32_file *f, struct error *e)
{
    if (f->touched && !fat32_point_entry(f->fs, &f->entry, f->first, f->size, e))
        return false;
    f->touched = false;
    return true;
}

static bool file_end(struct fat32_file *f, struct error *e)
{
    struct fat32 *fs = f->fs;
    bool ok = !f->writing || file_date(f, e);

    fs->writers -= f->writing;
    if (f->orphan && file_readers(fs, f->first) == 0) {
        fs->writers--;
        ok = fat32_give_back(fs, f->first, e) && ok;
    }
    return fat32_sync(fs, e) && ok;
}

void fat32_close(struct fat32_file *f)
{
    struct error e;

    if (f == NULL)
        return;
    fat32_lock(f->fs);
    file_unlink(f);
    if ((f->writing || f->orphan) && !file_end(f, &e))
        console_notice("%s", e.text);
    fat32_unlock(f->fs);
    heap_free(f->runs);
    heap_free(f);
}

/* ---- changing in place ---- */

/* Zeros where BUF is NULL. */
static bool file_put(struct fat32_file *f, uint64_t off, const uint8_t *buf, size_t len, struct error *e)
{
    static const uint8_t zeros[4096];

    while (len != 0) {
        const struct fat32_run *run = fat32_find_run(f, (uint32_t)(off / f->fs->cluster_bytes));
        uint64_t start = (uint64_t)run->index * f->fs->cluster_bytes;
        uint64_t left = (uint64_t)run->count * f->fs->cluster_bytes - (off - start);
        size_t part = len < left ? len : (size_t)left;
        size_t most = buf != NULL ? FILE_PIECE : sizeof(zeros);
        part = part < most ? part : most;
        if (!fat32_store(f->fs, fat32_cluster_offset(f->fs, run->cluster) + (off - start), buf != NULL ? buf : zeros,
                         part, e))
            return false;
        buf = buf != NULL ? buf + part : NULL;
        off += part;
        len -= part;
        thread_yield();
    }
    return true;
}

static uint32_t file_clusters_for(const struct fat32_file *f, uint64_t size)
{
    return (uint32_t)((size + f->fs->cluster_bytes - 1U) / f->fs->cluster_bytes);
}

static uint32_t file_last(const struct fat32_file *f)
{
    const struct fat32_run *run = &f->runs[f->count - 1U];

    return run->cluster + run->count - 1U;
}

/* Forgets the clusters behind the first KEEP. */
static void file_cut_runs(struct fat32_file *f, uint32_t keep)
{
    while (f->count != 0 && f->runs[f->count - 1U].index >= keep)
        f->count--;
    if (f->count != 0)
        f->runs[f->count - 1U].count = keep - f->runs[f->count - 1U].index;
    f->clusters = keep;
}

/* A chain of its own for the clusters OLD .. NEED, added to the runs; its head: *HEAD. */
static bool file_grow_chain(struct fat32_file *f, uint32_t need, uint32_t *head, struct error *e)
{
    uint32_t tail = 0, first = 0, count = 0;

    *head = 0;
    while (f->clusters < need) {
        if (!fat32_take(f->fs, need - f->clusters, tail, &first, &count, e))
            return false;
        *head = *head != 0 ? *head : first;
        tail = first + count - 1U;
        for (uint32_t i = 0; i < count; i++) {
            if (!fat32_add_run(f, f->clusters, first + i, e))
                return false;
        }
        thread_yield();
    }
    return true;
}

/* Makes a new chain the continuation of the file. The chain and its data are on the medium. */
static bool file_link(struct fat32_file *f, uint32_t last, uint32_t head, struct error *e)
{
    struct fat32_table t;

    if (head == 0)
        return true;
    if (last == 0) {
        f->first = head; /* the entry refers to it in the same moment as it gets the size */
        return true;
    }
    fat32_table_open(&t, f->fs);
    return fat32_table_set(&t, last, head, e) && fat32_table_put(&t, e) && fat32_barrier(f->fs, e);
}

/* From the file's end to SIZE: BUF, or zeros. */
static bool file_extend(struct fat32_file *f, uint64_t size, const uint8_t *buf, struct error *e)
{
    uint32_t old = f->clusters, last = old != 0 ? file_last(f) : 0, head = 0, need = file_clusters_for(f, size);
    struct error ignored;

    if (size > UINT32_MAX)
        return error_set(e, EXIT_NO_RESOURCE, "%s: FAT32 files have less than 4 GiB: write less", f->entry.view.name);
    if (!fat32_room(f->fs, need > old ? need - old : 0, e))
        return false;
    bool ok = file_grow_chain(f, need, &head, e) && file_put(f, f->size, buf, (size_t)(size - f->size), e) &&
              fat32_barrier(f->fs, e) && file_link(f, last, head, e);
    if (!ok) { /* what is not linked belongs to nobody */
        file_cut_runs(f, old);
        if (head != 0)
            (void)fat32_give_back(f->fs, head, &ignored);
        return false;
    }
    f->size = (uint32_t)size;
    f->touched = true; /* until the entry says it, too */
    return file_date(f, e);
}

/* The size first, then the chain ends earlier, then the rest is given back. */
static bool file_shrink(struct fat32_file *f, uint32_t size, struct error *e)
{
    uint32_t keep = file_clusters_for(f, size), rest = 0, first = f->first;
    struct fat32_table t;

    if (file_readers(f->fs, f->first) > 1)
        return error_set(e, EXIT_WRONG_STATE, "%s: somebody reads it: make it shorter later", f->entry.view.name);
    if (!fat32_point_entry(f->fs, &f->entry, keep != 0 ? first : 0, size, e) || !fat32_barrier(f->fs, e))
        return false;
    f->size = size;
    f->touched = false;
    f->first = keep != 0 ? first : 0;
    if (keep >= f->clusters)
        return true;
    fat32_table_open(&t, f->fs);
    if (keep == 0) {
        rest = first;
    } else {
        const struct fat32_run *run = fat32_find_run(f, keep - 1U);
        uint32_t last = run->cluster + (keep - 1U - run->index);
        if (!fat32_table_get(&t, last, &rest, e) || !fat32_table_set(&t, last, FAT32_LAST, e) ||
            !fat32_table_put(&t, e) || !fat32_barrier(f->fs, e))
            return false;
    }
    file_cut_runs(f, keep);
    return fat32_give_back(f->fs, rest, e);
}

static bool may_write(struct fat32_file *f, uint64_t off, struct error *e)
{
    if (!f->writing || off > f->size)
        return error_set(e, EXIT_FAILED, "%s: written beyond its end, or open for reading only: open it for writing",
                         f->entry.view.name);
    return fat32_begin(f->fs, e);
}

/* What lies within the file concerns nobody else's clusters and is written without the lock, several pieces at once; also while somebody
 * holds the lock for long (a flush). The mark of a volume in use stays while a file is open for writing. */
bool fat32_write(struct fat32_file *f, uint64_t off, const void *buf, size_t len, struct error *e)
{
    bool marked = f->fs->dirty && f->fs->state == FAT32_WRITABLE;
    if (f->writing && marked && off <= f->size && len <= f->size - off) {
        f->touched = true;
        return file_put(f, off, buf, len, e);
    }
    fat32_lock(f->fs);
    size_t inside = off >= f->size ? 0 : len < f->size - off ? len : (size_t)(f->size - off);
    bool ok = may_write(f, off, e);
    fat32_unlock(f->fs);
    if (!ok || !file_put(f, off, buf, inside, e))
        return false;
    f->touched = true;
    if (inside == len)
        return true;
    fat32_lock(f->fs);
    ok = file_extend(f, off + len, (const uint8_t *)buf + inside, e);
    fat32_unlock(f->fs);
    return ok;
}

bool fat32_resize(struct fat32_file *f, uint64_t size, struct error *e)
{
    bool ok = f->writing || error_set(e, EXIT_FAILED, "%s: open for reading only: open it for writing",
                                      f->entry.view.name);

    fat32_lock(f->fs);
    ok = ok && fat32_begin(f->fs, e) &&
         (size == f->size ||
          (size > f->size ? file_extend(f, size, NULL, e) : file_shrink(f, (uint32_t)size, e)));
    fat32_unlock(f->fs);
    return ok;
}

bool fat32_file_sync(struct fat32_file *f, struct error *e)
{
    fat32_lock(f->fs);
    bool ok = (!f->writing || file_date(f, e)) && fat32_barrier(f->fs, e);
    fat32_unlock(f->fs);
    return ok;
}
