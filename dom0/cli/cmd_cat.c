/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `cat`. */
#include "dom0/backend/console_backend.h"
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/output.h"
#include "dom0/fs/volume.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/heap.h"
#include "dom0/lib/string.h"

#define CHUNK 4096U

/* Line ends become the terminal's; everything that could harm it is left out. */
static void print_chunk(struct console_filter *f, const char *text, size_t len, char *out)
{
    size_t n = console_filter(f, text, len, out, CHUNK + CONSOLE_FILTER_EXTRA), from = 0;
    for (size_t i = 0; i < n; i++) {
        if (out[i] != '\n')
            continue;
        console_write(out + from, i - from);
        console_write("\r\n", 2);
        from = i + 1;
    }
    console_write(out + from, n - from);
}

static bool print_file(struct file *f, char *buf, char *out, struct error *e)
{
    struct console_filter filter = {0};
    char last = '\n';
    size_t got = 0;
    for (uint64_t off = 0; off < file_size(f); off += got) {
        if (!file_read(f, off, buf, CHUNK, &got, e))
            return false;
        if (got == 0 || cli_interrupted())
            break;
        print_chunk(&filter, buf, got, out);
        last = buf[got - 1];
    }
    if (last != '\n')
        out_text("\n");
    return true;
}

static enum exit_code run(int argc, char **argv)
{
    struct file *f = NULL;
    struct error e;
    if (!cli_args(&cmd_cat, argc, argv, 1, 1))
        return EXIT_USAGE;
    if (!file_open(argv[1], &f, &e))
        return cli_error(&e);
    char *buf = heap_alloc(CHUNK + CHUNK + CONSOLE_FILTER_EXTRA);
    bool ok = buf != NULL || error_set(&e, EXIT_NO_RESOURCE,
                                       "%.80s: no memory to read it: destroy a domain that is not needed", argv[1]);
    ok = ok && print_file(f, buf, buf + CHUNK, &e);
    heap_free(buf);
    file_close(f);
    return ok ? EXIT_OK : cli_error(&e);
}

const struct cli_verb cmd_cat = {"cat",
                                 "PATH",
                                 "Prints a text file.",
                                 "PATH is VOLUME:/FOLDER/FILE, or relative to the guest folder. Ctrl-C stops it.\n",
                                 run,
                                 cli_complete_path_arg};
