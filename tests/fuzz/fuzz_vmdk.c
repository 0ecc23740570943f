/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Fuzzes .vmdk images. The input's first byte chooses: even: the rest is the file x.vmdk, beside which lie other files; odd: the rest is a list of
 * changes (offset, byte) to a sound sparse image. Opened to read and to write, it is read, written, discarded, flushed as its bytes tell. A file that
 * the descriptor does not name must not change, nor the first sector and the descriptor of a sparse one but for content id and mark; what opens for writing
 * opens again afterwards, and holds what was written. */
#include "vdisk_files.h"

#include "dom0/vdisk/vdisk.h"
#include "dom0/vdisk/vdisk_make.h"

#define OPS_MAX   60U
#define CHANGES   200U
#define SOUND_MAX (1U << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t sound[SOUND_MAX], other[512 * 64];
static size_t sound_size;
static const struct vdisk_user user = {1, "xvda"};

static void make_sound(void)
{
    struct vdisk_plan p = {VDISK_MAKE_SPARSE, 1000, 1000, 8};
    struct vdisk *d = NULL;
    struct error e;
    if (!vdisk_make(&p, "x.vmdk", NULL, NULL, &e) || !vdisk_open("v:/x.vmdk", VDISK_WRITE, &user, &d, &e))
        abort();
    memset(other, 'o', sizeof other);
    for (unsigned i = 0; i < 5; i++)
        if (!vdisk_write(d, i * 177, 10, other, &e))
            abort();
    vdisk_close(d);
    sound_size = mfile_find("v:/x.vmdk")->size;
    memcpy(sound, mfile_find("v:/x.vmdk")->data, sound_size);
}

static void read_all(struct vdisk *d)
{
    static uint8_t buf[64 * 512];
    struct error e;
    uint64_t n = vdisk_sectors(d);
    if (n == 0 || n > VDISK_SECTORS_MAX)
        abort();
    for (unsigned i = 0; i < 40; i++) {
        uint64_t at = n / 40 * i;
        (void)vdisk_read(d, at, n - at < 64 ? (uint32_t)(n - at) : 64, buf, &e);
    }
    (void)vdisk_read(d, n - 1, 1, buf, &e);
}

static void holds(uint64_t at, uint32_t count, uint8_t byte)
{
    static uint8_t got[48 * 512], want[48 * 512];
    struct vdisk *d = NULL;
    struct error e;
    if (!vdisk_open("v:/x.vmdk", VDISK_READ, &user, &d, &e) || !vdisk_read(d, at, count, got, &e))
        abort();
    memset(want, byte, sizeof want);
    if (memcmp(got, want, count * 512UL) != 0)
        abort();
    vdisk_close(d);
}

static void use(const uint8_t *in, size_t size)
{
    static uint8_t buf[48 * 512];
    struct vdisk *d = NULL;
    struct error e = {0};
    uint64_t last = 0;
    uint32_t last_count = 0;
    uint8_t last_byte = 0;
    if (!vdisk_open("v:/x.vmdk", VDISK_WRITE, &user, &d, &e)) {
        if (e.text[0] == '\0' || mopen != 0)
            abort();
        return;
    }
    for (size_t i = 0; i + 3 <= size && i < 3 * OPS_MAX; i += 3) {
        uint64_t at = (in[i + 1] | in[i + 2] << 8) * 5UL % vdisk_sectors(d), left = vdisk_sectors(d) - at;
        uint32_t count = in[i] / 6U + 1U < left ? in[i] / 6U + 1U : (uint32_t)left;
        memset(buf, in[i] | 1, count * 512UL);
        switch (in[i] % 6) {
        case 0:
            (void)vdisk_discard(d, at, count, &e);
            last_count = 0;
            break;
        case 1:
            (void)vdisk_flush(d, &e);
            break;
        case 2:
            last = at, last_byte = 0;
            last_count = vdisk_zero(d, at, count, &e) ? count : 0; /* a part may be there, over what was last */
            break;
        default:
            last = at, last_byte = in[i] | 1;
            last_count = vdisk_write(d, at, count, buf, &e) ? count : 0;
        }
    }
    vdisk_close(d);
    holds(last, last_count, last_byte);
}

static void untouched(const char *path)
{
    const struct mfile *m = mfile_find(path);
    if (m->size != sizeof other || memcmp(m->data, other, sizeof other) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vdisk *d = NULL;
    struct error e = {0};
    if (size < 1 || size > SOUND_MAX)
        return 0;
    mfiles_clear();
    if (sound_size == 0)
        make_sound();
    bool changes = data[0] % 2 != 0;
    struct mfile *m = mfile_put("v:/x.vmdk", changes ? sound : data + 1, changes ? sound_size : size - 1);
    size_t ops = (size - 1) / 2;
    for (size_t i = 1 + ops; changes && i + 3 <= size && i < 1 + ops + 3 * CHANGES; i += 3)
        m->data[(data[i] | data[i + 1] << 8) % m->size] = data[i + 2];
    mfile_put("v:/e", other, sizeof other);
    mfile_put("v:/secret", other, sizeof other);
    mroom = 4 << 20;
    if (vdisk_open("v:/x.vmdk", VDISK_READ, &user, &d, &e)) {
        read_all(d);
        vdisk_close(d);
    } else if (e.text[0] == '\0' || e.code == EXIT_OK) {
        abort();
    }
    use(data + 1, ops);
    bool names = false; /* the descriptor may name it */
    for (size_t i = 0; i + 6 <= size; i++)
        names = names || strncasecmp((const char *)data + i, "secret", 6) == 0;
    if (!names)
        untouched("v:/secret");
    if (mopen != 0)
        abort();
    return 0;
}
