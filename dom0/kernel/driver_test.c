/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The report of the driver-test mode: the same drivers and file systems as in production, on a machine without a
 * hypervisor. Lines begin with "test: " so that a script can read them. */
#include "dom0/kernel/driver_test.h"

#include "dom0/fs/volume.h"
#include "dom0/kernel/boot.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/fatal.h"
#include "dom0/kernel/heap.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/string.h"
#include "drivers/block.h"
#include "drivers/pci.h"

#define PASS   0x10U
#define FAIL   0x11U
#define BUFFER 65536U

struct walk {
    char *buffer;
    const char *folder;
    bool ok;
};

static bool fail(struct walk *w, const char *what, const struct error *e)
{
    console_printf("test: error: %s: %s\n", what, e->text);
    w->ok = false;
    return false;
}

/* Length and a sum over all bytes (a 64-bit FNV-1a hash), so that a script can compare with the original. */
static bool read_whole(struct walk *w, const char *path)
{
    struct error e = {};
    struct file *f;
    if (!file_open(path, &f, &e)) {
        return fail(w, path, &e);
    }
    uint64_t hash = 0xcbf29ce484222325UL, off = 0;
    size_t got = 0;
    bool ok = true;
    while (ok && off < file_size(f)) {
        ok = file_read(f, off, w->buffer, BUFFER, &got, &e) && got != 0;
        for (size_t i = 0; ok && i < got; i++) {
            hash = (hash ^ (unsigned char)w->buffer[i]) * 0x100000001b3UL;
        }
        off += ok ? got : 0;
    }
    file_close(f);
    if (!ok) {
        return fail(w, path, &e);
    }
    console_printf("test: file %s %lu %016lx\n", path, off, hash);
    return true;
}

static bool visit(const struct dir_entry *d, void *ctx)
{
    struct walk *w = ctx;
    char path[PATH_MAX_LEN];
    snprintf(path, sizeof(path), "%s/%s", w->folder, d->name);
    if (d->is_dir) {
        console_printf("test: folder %s\n", path);
    } else {
        read_whole(w, path);
    }
    return true;
}

static bool report_volumes(struct walk *w)
{
    struct volume_info v;
    for (size_t i = 0; i < volume_count(); i++) {
        if (!volume_get(i, &v)) {
            continue;
        }
        console_printf("test: volume %s %s %s%s\n", v.name, v.fs, v.read_only ? "read-only" : "writable",
                       v.is_default ? " default" : "");
        char root[32];
        struct error e = {};
        snprintf(root, sizeof(root), "%s%s/", v.name, v.name[strlen(v.name) - 1] == ':' ? "" : ":");
        root[strlen(root) - 1] = '\0'; /* visit adds the slash */
        char folder[40];
        snprintf(folder, sizeof(folder), "%s/", root);
        w->folder = root;
        if (!dir_list(folder, visit, w, &e)) {
            fail(w, folder, &e);
        }
    }
    return w->ok;
}

void driver_test_report(void)
{
    for (struct pci_device *d = pci_first(); d != NULL; d = d->next) {
        console_printf("test: pci %02x:%02x.%x %04x:%04x class %02x%02x\n", d->bus, d->slot, d->function, d->vendor,
                       d->device, d->class_code, d->subclass);
    }
    for (struct block_device *b = block_first(); b != NULL; b = b->next) {
        console_printf("test: disk %s %lu sectors of %u, %s\n", b->name, b->sectors, b->sector_size, b->model);
    }
    if (strstr(boot_cmdline(), "write-test") != NULL) {
        driver_test_write();
        fatal_exit_test(FAIL);
    }
    struct walk w = {.buffer = heap_alloc(BUFFER), .ok = true};
    bool ok = w.buffer != NULL && report_volumes(&w) && driver_test_disks(boot_cmdline());
    heap_free(w.buffer);
    console_printf("test: %s after %lu us\n", ok ? "passed" : "failed", time_now_ns() / 1000);
    fatal_exit_test(ok ? PASS : FAIL);
}
