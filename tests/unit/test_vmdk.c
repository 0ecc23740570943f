/* SPDX-License-Identifier: Apache-2.0
 * [HOST] dom0/vdisk: images of each kind against a model, qemu-img as judge in both directions, hostile descriptors and tables, full volumes, who may have
 * what, power cuts after each write, in order and reordered. */
#include "vdisk_files.h"

#include <setjmp.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "dom0/fs/cache.h"
#include "dom0/vdisk/vdisk.h"
#include "dom0/vdisk/vdisk_make.h"
#include "dom0/vdisk/vdisk_name.h"
#include "dom0/vdisk/vmdk_sparse.h"
#include "dom0/vdisk/vmdk_text.h"

static struct error err;
#include "vdisk_model.h"

static const struct vdisk_user one = {1, "xvda"}, two = {2, "xvdb"};
static char dir[] = "/tmp/corbel-vmdk-XXXXXX";

static int setup(void **s)
{
    (void)s;
    mfiles_clear();
    memset(&err, 0, sizeof err);
    return 0;
}

static struct vdisk *open_it(const char *spec, enum vdisk_access access)
{
    struct vdisk *d = NULL;
    if (!vdisk_open(spec, access, &one, &d, &err))
        fail_msg("%s", err.text);
    return d;
}

static void refused(const char *spec, enum vdisk_access access, const char *words)
{
    struct vdisk *d = NULL;
    if (vdisk_open(spec, access, &two, &d, &err))
        fail_msg("opened, but should not: %s", words);
    if (strstr(err.text, words) == NULL || strchr(err.text, ':') == NULL || err.code == EXIT_OK)
        fail_msg("\"%s\" does not say \"%s\"", err.text, words);
    assert_int_equal(mopen, 0);
}

/* ---- the host's files and qemu-img ---- */

static int sh(const char *fmt, ...)
{
    char command[900], line[700];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    snprintf(command, sizeof command, "cd %s && { %s; } > out 2>&1", dir, line);
    return system(command);
}

static void must(int status)
{
    char text[1500] = "", path[64];
    if (status == 0)
        return;
    snprintf(path, sizeof path, "%s/out", dir);
    FILE *f = fopen(path, "r");
    if (f != NULL) {
        text[fread(text, 1, sizeof text - 1, f)] = '\0';
        fclose(f);
    }
    fail_msg("qemu-img: %s", text);
}

static void to_host(const char *name, const void *data, size_t size)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    assert_true(f != NULL && fwrite(data, 1, size, f) == size);
    fclose(f);
}

static bool from_host(const char *name)
{
    static uint8_t data[MFILE_MAX];
    char path[128], to[64];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return false;
    size_t size = fread(data, 1, sizeof data, f);
    fclose(f);
    snprintf(to, sizeof to, "v:/%s", name);
    mfile_put(to, data, size);
    return true;
}

static void all_to_host(void)
{
    must(sh("rm -f *.vmdk"));
    for (unsigned i = 0; i < MFILES; i++)
        if (mfiles[i].there)
            to_host(mfiles[i].path + 3, mfiles[i].data, mfiles[i].size);
}

/* ---- a model of the disk ---- */

#define MODEL_MAX 4096U /* sectors */
static uint8_t model[MODEL_MAX * 512U];

static void pattern(uint8_t *p, uint32_t sectors, uint32_t seed)
{
    for (uint32_t i = 0; i < sectors * 512U; i++)
        p[i] = (uint8_t)((i + seed * 7919U) * 2654435761U >> 13 | 1U);
}

static void write_it(struct vdisk *d, uint64_t sector, uint32_t count, uint32_t seed)
{
    pattern(model + sector * 512, count, seed);
    if (!vdisk_write(d, sector, count, model + sector * 512, &err))
        fail_msg("%s", err.text);
}

static void is_model(struct vdisk *d)
{
    static uint8_t buf[MODEL_MAX * 512U];
    uint64_t n = vdisk_sectors(d), step = 37;
    assert_true(n <= MODEL_MAX);
    for (uint64_t i = 0; i < n; i += step)
        if (!vdisk_read(d, i, (uint32_t)(n - i < step ? n - i : step), buf + i * 512, &err))
            fail_msg("%s", err.text);
    for (uint64_t i = 0; i < n; i++)
        if (memcmp(buf + i * 512, model + i * 512, 512) != 0)
            fail_msg("sector %lu differs", i);
}

/* Writes, zeros and discards at random, checked after reopening. */
static void random_life(const char *spec, unsigned seed, unsigned steps)
{
    struct vdisk *d = open_it(spec, VDISK_WRITE);
    uint32_t n = (uint32_t)vdisk_sectors(d);
    for (unsigned i = 0; i < steps; i++) {
        uint32_t at = (uint32_t)rand_r(&seed) % n, count = 1 + (uint32_t)rand_r(&seed) % (i % 5 == 0 ? n : 40);
        count = count < n - at ? count : n - at;
        switch (rand_r(&seed) % 8) {
        case 0:
            memset(model + at * 512UL, 0, count * 512UL);
            assert_true(vdisk_zero(d, at, count, &err));
            break;
        case 1:
            assert_true(vdisk_discard(d, at, count, &err) && vdisk_read(d, at, count, model + at * 512UL, &err));
            break;
        case 2:
            assert_true(vdisk_flush(d, &err));
            break;
        case 3:
            vdisk_close(d);
            d = open_it(spec, i % 2 ? VDISK_WRITE : VDISK_READ);
            is_model(d);
            vdisk_close(d);
            d = open_it(spec, VDISK_WRITE);
            break;
        default:
            write_it(d, at, count, (uint32_t)rand_r(&seed));
        }
    }
    is_model(d);
    vdisk_close(d);
    assert_int_equal(mopen, 0);
}

/* ---- both directions ---- */

static void judged_by_qemu(const char *name)
{
    all_to_host();
    to_host("model.raw", model, sizeof model);
    must(sh("qemu-img check -f vmdk %s", name));
    must(sh("truncate -s $(qemu-img info -f vmdk --output=json %s | sed -n 's/.*\"virtual-size\": \\([0-9]*\\).*/\\1/p' | head -n1) model.raw && "
            "qemu-img compare -f vmdk -F raw %s model.raw", name, name));
}

static void made(enum vdisk_format format, uint64_t sectors, uint64_t extent, uint32_t grain, const char *type)
{
    struct vdisk_plan p = {format, sectors, extent, grain};
    struct vdisk_about a;
    mfiles_clear();
    memset(model, 0, sizeof model);
    if (!vdisk_make(&p, "disk.vmdk", NULL, NULL, &err))
        fail_msg("%s", err.text);
    judged_by_qemu("disk.vmdk");
    struct vdisk *d = open_it("v:/disk.vmdk", VDISK_READ);
    vdisk_about(d, &a);
    assert_non_null(strstr(a.format, type));
    assert_true(a.bytes == sectors * 512 && !a.unclean && a.depth == (format == VDISK_MAKE_FLAT ? 4U : 1U));
    is_model(d);
    vdisk_close(d);
    random_life("v:/disk.vmdk", (unsigned)(sectors + grain), 400);
    judged_by_qemu("disk.vmdk");
}

static void test_what_we_make(void **s)
{
    (void)s;
    made(VDISK_MAKE_SPARSE, 4096, 4096, 128, "monolithicSparse");
    made(VDISK_MAKE_SPARSE, 3001, 3001, 8, "monolithicSparse"); /* ends within a grain */
    made(VDISK_MAKE_SPARSE, 4096, 1024, 16, "twoGbMaxExtentSparse");
    made(VDISK_MAKE_SPARSE, 4001, 1984, 64, "twoGbMaxExtentSparse");
    made(VDISK_MAKE_FLAT, 4001, 4001, 128, "monolithicFlat");
    made(VDISK_MAKE_FLAT, 4001, 1500, 128, "twoGbMaxExtentFlat");
}

static void test_what_qemu_makes(void **s)
{
    static const char *const types[] = {"monolithicSparse", "twoGbMaxExtentSparse", "monolithicFlat", "twoGbMaxExtentFlat"};
    static const char *const parts[] = {"q.vmdk", "q-flat.vmdk", "q-s001.vmdk", "q-f001.vmdk"};
    (void)s;
    for (unsigned i = 0; i < 4; i++) {
        mfiles_clear();
        memset(model, 0, sizeof model);
        pattern(model + 100 * 512, 700, i);
        pattern(model + 4095 * 512, 1, i);
        to_host("in.raw", model, sizeof model);
        must(sh("rm -f *.vmdk; qemu-img convert -f raw -O vmdk -o subformat=%s in.raw q.vmdk", types[i]));
        for (unsigned k = 0; k < 4; k++)
            (void)from_host(parts[k]);
        struct vdisk *d = open_it("v:/q.vmdk", VDISK_READ);
        assert_int_equal(vdisk_sectors(d), MODEL_MAX);
        is_model(d);
        vdisk_close(d);
        random_life("v:/q.vmdk", i, 300);
        judged_by_qemu("q.vmdk");
    }
    must(sh("rm -f *.vmdk; qemu-img convert -f raw -O vmdk -o subformat=streamOptimized in.raw q.vmdk"));
    mfiles_clear();
    assert_true(from_host("q.vmdk"));
    refused("v:/q.vmdk", VDISK_READ, "compressed");
    must(sh("rm -f *.vmdk; qemu-img create -f vmdk base.vmdk 1M && qemu-img create -f vmdk -b base.vmdk -F vmdk q.vmdk"));
    mfiles_clear();
    assert_true(from_host("q.vmdk"));
    refused("v:/q.vmdk", VDISK_READ, "linked clone");
    assert_int_equal(err.code, EXIT_INCOMPATIBLE);
}

/* ---- descriptors ---- */

#define HEAD "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\n"

static void put_text(const char *path, const char *text) { mfile_put(path, text, strlen(text)); }

static void descriptor_refused(const char *text, const char *words)
{
    put_text("v:/x.vmdk", text);
    refused("v:/x.vmdk", VDISK_READ, words);
    refused("v:/x.vmdk", VDISK_WRITE, words);
}

static void test_descriptors(void **s)
{
    static char many[60000];
    static uint8_t extent[512 * 64];
    (void)s;
    mfile_put("v:/e", extent, sizeof extent);
    mfile_put("v:/f", extent, sizeof extent);
    static const struct { const char *text, *words; } bad[] = {
        {"", "at most 64 KiB"}, {"hello", "not a .vmdk"}, {HEAD, "names no extents"},
        {HEAD "createType=\"monolithicFlat\"\n", "names no extents"},
        {HEAD "createType=\"monolithicFlat\"\nRW 64 FLAT \"none\" 0\n", "none: no such file"},
        {HEAD "createType=\"monolithicFlat\"\nRW 65 FLAT \"e\" 0\n", "cut off"}, {HEAD "createType=\"monolithicFlat\"\nRW 64 FLAT \"e\" 1\n", "cut off"},
        {HEAD "createType=\"monolithicFlat\"\nRW 0 FLAT \"e\" 0\n", "line 6"}, {HEAD "createType=\"monolithicFlat\"\nRW x FLAT \"e\" 0\n", "size makes no sense"},
        {HEAD "createType=\"monolithicFlat\"\nRW 18446744073709551615 FLAT \"e\" 0\n", "size makes no sense"},
        {HEAD "createType=\"twoGbMaxExtentFlat\"\nRW 17592186044416 FLAT \"e\" 0\nRW 1 FLAT \"f\" 0\n", "size makes no sense"},
        {HEAD "createType=\"monolithicFlat\"\nRW 64 FLAT \"e\" 18446744073709551615\n", "offset"}, {HEAD "createType=\"monolithicFlat\"\nRW 64 FLAT \"e\" -1\n", "offset"},
        {HEAD "createType=\"monolithicFlat\"\nRW 64 FLAT e 0\n", "in quotes"}, {HEAD "createType=\"monolithicFlat\"\nRW 64 FLAT \"e\n", "in quotes"},
        {HEAD "createType=\"monolithicFlat\"\nRW 64 FLAT \"\" 0\n", "without a name"}, {HEAD "createType=\"monolithicFlat\"\nRW 64\n", "another kind"},
        {HEAD "createType=\"monolithicFlat\"\nRW 64 FLAT \"/e\" 0\n", "beside the descriptor"}, {HEAD "createType=\"monolithicFlat\"\nRW 64 FLAT \"a\\e\" 0\n", "beside"},
        {HEAD "createType=\"monolithicFlat\"\nRW 64 FLAT \"v:e\" 0\n", "beside"}, {HEAD "createType=\"monolithicFlat\"\nRW 64 VMFS \"e\" 0\n", "another kind"},
        {HEAD "createType=\"monolithicFlat\"\nRW 64 ZERO\n", "another kind"}, {HEAD "createType=\"monolithicFlat\"\nNOACCESS 64 FLAT \"e\" 0\n", "may not be accessed"},
        {HEAD "createType=\"monolithicFlat\"\nRW 32 FLAT \"e\" 0\nRW 32 FLAT \"f\" 0\n", "not those of createType"},
        {HEAD "createType=\"monolithicSparse\"\nRW 64 FLAT \"e\" 0\n", "not those of createType"}, {HEAD "createType=\"twoGbMaxExtentFlat\"\nRW 32 FLAT \"e\" 0\nRW 32 SPARSE \"f\"\n", "both kinds"},
        {HEAD "createType=\"twoGbMaxExtentFlat\"\nRW 32 FLAT \"e\" 0\nRW 32 FLAT \"E\" 32\n", "names it twice"},
        {HEAD "createType=\"twoGbMaxExtentFlat\"\nRW 1 FLAT \"x.vmdk\" 0\n", "names it twice"}, {HEAD "createType=\"monolithicSparse\"\nRW 64 SPARSE \"e\"\n", "does not begin so"},
        {HEAD "createType=\"vmfs\"\nRW 64 FLAT \"e\" 0\n", "\"vmfs\" is not read"}, {HEAD "RW 64 FLAT \"e\" 0\n", "createType \"\" is not read"},
        {HEAD "createType=\"fullDevice\"\nRW 64 FLAT \"e\" 0\n", "disk:sd0"}, {HEAD "createType=\"a\"\ncreateType=\"a\"\n", "twice"},
        {HEAD "parentFileNameHint=\"base.vmdk\"\ncreateType=\"monolithicFlat\"\nRW 64 FLAT \"e\" 0\n", "snapshot"}, {HEAD "garbage\n", "line 5"},
        {"# Disk DescriptorFile\nversion=4\n", "version"}, {"# Disk DescriptorFile\nparentCID=12345678\ncreateType=\"monolithicFlat\"\nRW 64 FLAT \"e\" 0\n", "linked clone"}};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
        descriptor_refused(bad[i].text, bad[i].words);
    strcpy(many, HEAD "createType=\"twoGbMaxExtentFlat\"\n");
    for (unsigned i = 0; i < 513; i++)
        sprintf(many + strlen(many), "RW 1 FLAT \"e\" %u\n", i);
    descriptor_refused(many, "more than 512");
    mfile_put("v:/x.vmdk", many, sizeof many);
    mfile_find("v:/x.vmdk")->size = 65537;
    refused("v:/x.vmdk", VDISK_READ, "at most 64 KiB");
    /* What may be: odd blanks and cases, comments, what is not known, DOS line ends. */
    static const char odd[] = "# disk descriptorfile\r\nversion = 2\r\n\r\nencoding=\"UTF-8\"\r\n"
        "createtype = \"MONOLITHICFLAT\" \r\n  rw  60   flat  \"e\"  \t4\r\nddb.x = \"y\"\r\n\0RW 9 FLAT \"none\"";
    mfile_put("v:/x.vmdk", odd, sizeof odd);
    struct vdisk *d = open_it("v:/x.vmdk", VDISK_WRITE);
    assert_int_equal(vdisk_sectors(d), 60);
    memset(model, 0, sizeof model);
    write_it(d, 0, 1, 5);
    vdisk_close(d);
    assert_memory_equal(mfile_find("v:/e")->data + 4 * 512, model, 512);
    put_text("v:/x.vmdk", HEAD "createType=\"monolithicFlat\"\nRDONLY 64 FLAT \"e\" 0\n");
    vdisk_close(open_it("v:/x.vmdk", VDISK_READ));
    refused("v:/x.vmdk", VDISK_WRITE, "RDONLY");
    assert_int_equal(mopen, 0);
}

/* A first write renews the content id, in place. */
static void test_content_id(void **s)
{
    struct vdisk_plan p = {VDISK_MAKE_SPARSE, 1024, 1024, 16};
    (void)s;
    assert_true(vdisk_make(&p, "disk.vmdk", NULL, NULL, &err));
    uint8_t *text = mfile_find("v:/disk.vmdk")->data + 512, was[600];
    memcpy(was, text, sizeof was);
    vdisk_close(open_it("v:/disk.vmdk", VDISK_WRITE));
    assert_memory_equal(text, was, sizeof was);
    struct vdisk *d = open_it("v:/disk.vmdk", VDISK_WRITE);
    assert_true(vdisk_write(d, 3, 1, was, &err));
    assert_int_equal(mfile_find("v:/disk.vmdk")->data[72], 1);
    vdisk_close(d);
    assert_int_equal(mfile_find("v:/disk.vmdk")->data[72], 0);
    const char *at = strstr((const char *)was, "CID=") + 4;
    assert_true(memcmp(text + (at - (const char *)was), at, 8) != 0);
    memcpy(text + (at - (const char *)was), at, 8);
    assert_memory_equal(text, was, sizeof was);
}

/* ---- hostile sparse extents ---- */

static uint8_t sound[1 << 20];
static size_t sound_size;

/* 1024 sectors, grains of 16, tables at 22 (second) and 27 (first); two grains are there. */
static void make_sound(void)
{
    struct vdisk_plan p = {VDISK_MAKE_SPARSE, 1024, 1024, 16};
    mfiles_clear();
    assert_true(vdisk_make(&p, "x.vmdk", NULL, NULL, &err));
    struct vdisk *d = open_it("v:/x.vmdk", VDISK_WRITE);
    write_it(d, 0, 1, 1);
    write_it(d, 1008, 16, 2);
    vdisk_close(d);
    const struct mfile *m = mfile_find("v:/x.vmdk");
    memcpy(sound, m->data, m->size);
    sound_size = m->size;
}

static uint32_t get32(const uint8_t *p) { return (uint32_t)(p[0] | p[1] << 8 | p[2] << 16) | (uint32_t)p[3] << 24; }

static void poke_refused(size_t at, uint64_t value, unsigned bytes, const char *words)
{
    struct mfile *m = mfile_put("v:/x.vmdk", sound, sound_size);
    for (unsigned i = 0; i < bytes; i++)
        m->data[at + i] = (uint8_t)(value >> 8 * i);
    refused("v:/x.vmdk", VDISK_READ, words);
    refused("v:/x.vmdk", VDISK_WRITE, words);
    if (vdisk_check("v:/x.vmdk", VDISK_WRITE, &one, &err))
        fail_msg("%s", words);
}

static void test_hostile_tables(void **s)
{
    (void)s;
    make_sound();
    uint32_t gd = get32(sound + 56) * 512, gt = get32(sound + gd) * 512, first = get32(sound + gt);
    uint32_t rgd = get32(sound + 48) * 512, overhead = get32(sound + 64);
    assert_true(first == overhead && get32(sound + gt + 63 * 4) == overhead + 16);
    poke_refused(0, 0x44574f43, 4, "ESX");
    poke_refused(4, 4, 4, "version");
    poke_refused(4, 0, 4, "version");
    poke_refused(8, 0x10003, 4, "compressed");
    poke_refused(8, 0x20003, 4, "compressed");
    poke_refused(77, 1, 2, "compressed");
    poke_refused(12, 0, 8, "empty");
    poke_refused(12, ~0UL, 8, "65536");
    poke_refused(12, 1023, 8, "smaller than the descriptor");
    poke_refused(12, 1 << 20, 8, "");
    poke_refused(20, 0, 8, "grains");
    poke_refused(20, 24, 8, "grains");
    poke_refused(20, 4, 8, "grains");
    poke_refused(20, 4096, 8, "grains");
    poke_refused(20, 1UL << 63, 8, "grains");
    poke_refused(28, ~0UL, 8, "descriptor does not lie");
    poke_refused(28, 0, 8, "one extent of an image");
    poke_refused(36, ~0UL, 8, "descriptor does not lie");
    poke_refused(36, overhead, 8, "descriptor does not lie");
    poke_refused(36, 25, 8, "lie on each other");
    poke_refused(44, 511, 4, "512 entries");
    poke_refused(48, 0, 8, "directory does not lie");
    poke_refused(48, gd / 512, 8, "lie on each other");
    poke_refused(56, 0, 8, "directory does not lie");
    poke_refused(56, ~0UL, 8, "compressed");
    poke_refused(56, ~0UL - 1, 8, "directory does not lie");
    poke_refused(56, overhead, 8, "directory does not lie");
    poke_refused(56, 5, 8, "lie on each other");
    poke_refused(64, 0, 8, "multiple of their size");
    poke_refused(64, overhead + 8, 8, "multiple of their size");
    poke_refused(64, 1UL << 40, 8, "multiple of their size");
    poke_refused(73, '\r', 1, "as text");
    poke_refused(gd, 0, 4, "table does not lie");
    poke_refused(gd, overhead - 3, 4, "table does not lie");
    poke_refused(gd, ~0U, 4, "table does not lie");
    poke_refused(gd, get32(sound + rgd), 4, "lie on each other");
    poke_refused(rgd, 1, 4, "lie on each other");
    poke_refused(gt, 1, 4, "where grains are"); /* no flag of zeroed grains */
    poke_refused(gt, gd / 512, 4, "where grains are");
    poke_refused(gt, overhead - 16, 4, "where grains are");
    poke_refused(gt, overhead + 8, 4, "where grains are");
    poke_refused(gt, overhead + 32, 4, "where grains are");
    poke_refused(gt, ~0U & ~15U, 4, "where grains are");
    poke_refused(gt, overhead + 16, 4, "two grains lie on each other");
    poke_refused(gt + 64 * 4, overhead, 4, "behind its end");
    mfile_put("v:/x.vmdk", sound, sound_size - 1);
    refused("v:/x.vmdk", VDISK_READ, "cut off");
    for (size_t n = 0; n < overhead * 512; n += 100) {
        mfile_put("v:/x.vmdk", sound, n);
        refused("v:/x.vmdk", VDISK_WRITE, "");
    }
    /* The entry of a zeroed grain, where the header allows it. */
    struct mfile *m = mfile_put("v:/x.vmdk", sound, sound_size);
    m->data[8] = 7;
    fake_put32(m->data + gt, 1);
    struct vdisk *d = open_it("v:/x.vmdk", VDISK_WRITE);
    memset(model, 0, sizeof model);
    pattern(model + 1008 * 512, 16, 2);
    is_model(d);
    write_it(d, 2, 3, 9);
    is_model(d);
    vdisk_close(d);
}

static void test_no_memory_at_any_time(void **s)
{
    struct vdisk *d = NULL;
    (void)s;
    make_sound();
    for (long n = 0; d == NULL; n++) {
        fake_heap_limit = n;
        (void)vdisk_open("v:/x.vmdk", VDISK_WRITE, &one, &d, &err);
        fake_heap_limit = -1;
        if (d == NULL)
            assert_int_equal(mopen, 0);
        assert_true(n < 40);
    }
    vdisk_close(d);
    assert_int_equal(mopen, 0);
    assert_int_equal(mfile_find("v:/x.vmdk")->size, sound_size);
}

/* ---- a full volume, a failing disk ---- */

static void test_full_volume(void **s)
{
    struct vdisk_plan p = {VDISK_MAKE_SPARSE, 2048, 2048, 16};
    uint8_t data[64 * 512];
    (void)s;
    memset(model, 0, sizeof model);
    assert_true(vdisk_make(&p, "x.vmdk", NULL, NULL, &err));
    struct vdisk *d = open_it("v:/x.vmdk", VDISK_WRITE);
    mroom = 6 * 16 * 512;
    for (unsigned i = 0; i < 5; i++)
        write_it(d, 100 * i, 7, i); /* some take two grains */
    memset(data, 7, sizeof data);
    assert_false(vdisk_write(d, 1600, 1, data, &err));
    assert_int_equal(err.code, EXIT_NO_RESOURCE);
    assert_non_null(strstr(err.text, "v:/x.vmdk cannot grow: v: the volume is full"));
    is_model(d);
    write_it(d, 100, 7, 77); /* what has its place goes on */
    assert_true(vdisk_flush(d, &err));
    is_model(d);
    mroom = 100000;
    write_it(d, 1600, 1, 5);
    is_model(d);
    mroom = 0;
    assert_false(vdisk_write(d, 900, 1, data, &err));
    assert_true(vdisk_discard(d, 96, 16, &err)); /* room within the file */
    memset(model + 96 * 512, 0, 16 * 512);
    write_it(d, 900, 1, 6);
    is_model(d);
    vdisk_close(d);
    d = open_it("v:/x.vmdk", VDISK_READ);
    is_model(d);
    vdisk_close(d);
    mroom = -1;
    judged_by_qemu("x.vmdk");
}

/* After a failed write and a failed flush the image is what the model says, once the disk works again. */
static void test_failing_disk(void **s)
{
    (void)s;
    for (long n = 0; n < 12; n++) {
        make_sound();
        struct vdisk *d = open_it("v:/x.vmdk", VDISK_WRITE);
        memset(model, 0, sizeof model);
        pattern(model, 1, 1);
        pattern(model + 1008 * 512, 16, 2);
        mfail_writes = n;
        uint8_t data[512 * 20];
        pattern(data, 20, 3);
        bool ok = vdisk_write(d, 500, 20, data, &err);
        ok = vdisk_flush(d, &err) && ok;
        mfail_writes = -1;
        assert_true(vdisk_write(d, 500, 20, data, &err) && vdisk_flush(d, &err));
        memcpy(model + 500 * 512, data, sizeof data);
        is_model(d);
        vdisk_close(d);
        d = open_it("v:/x.vmdk", VDISK_READ);
        is_model(d);
        vdisk_close(d);
        assert_int_equal(ok, n >= 6); /* content id, mark, two grains, two tables */
    }
}

/* ---- who has what ---- */

static void busy(const char *spec, enum vdisk_access access, const char *words)
{
    struct vdisk *d = NULL;
    assert_false(vdisk_check(spec, access, &two, &err));
    assert_false(vdisk_open(spec, access, &two, &d, &err));
    if (strstr(err.text, words) == NULL)
        fail_msg("%s", err.text);
}

static void test_sharing(void **s)
{
    static const uint8_t zeros[51200];
    (void)s;
    make_sound();
    mfile_put("v:/raw.img", zeros, 51200);
    mfile_put("v:/odd.img", zeros, 51199);
    mfile_put("v:/none.img", zeros, 0);
    refused("v:/odd.img", VDISK_READ, "no whole number of sectors");
    refused("v:/none.img", VDISK_READ, "0 bytes");
    refused("v:/x.qcow2", VDISK_READ, "qemu-img convert");
    refused("v:/x-s001.vmdk", VDISK_READ, "one extent of an image");
    struct vdisk *a = open_it("raw.img", VDISK_READ), *b = open_it("v:/RAW.IMG", VDISK_READ);
    busy("v:/raw.img", VDISK_WRITE, "domain 1 reads it as its disk xvda");
    assert_false(vdisk_write(a, 0, 1, zeros, &err));
    assert_false(vdisk_read(a, 100, 1, model, &err));
    assert_false(vdisk_read(a, UINT64_MAX, 2, model, &err));
    vdisk_close(a);
    vdisk_close(b);
    a = open_it("v:/x.vmdk", VDISK_WRITE);
    busy("v:/x.vmdk", VDISK_READ, "domain 1 writes to it as its disk xvda");
    busy("v:/X.vmdk", VDISK_WRITE, "domain 1 writes to it as its disk xvda");
    vdisk_close(open_it("v:/x.vmdk", VDISK_LOOK));
    /* An extent of one image as another disk. */
    mfile_put("v:/y-flat.vmdk", zeros, 51200);
    put_text("v:/y.vmdk", HEAD "createType=\"monolithicFlat\"\nRW 100 FLAT \"y-flat.vmdk\" 0\n");
    b = open_it("v:/y.vmdk", VDISK_WRITE);
    busy("v:/y-flat.vmdk", VDISK_READ, "domain 1 writes to it");
    busy("v:/y-flat.vmdk", VDISK_WRITE, "domain 1 writes to it");
    vdisk_close(b);
    vdisk_close(open_it("v:/y-flat.vmdk", VDISK_WRITE));
    vdisk_close(a);
    assert_int_equal(mopen, 0);
}

static struct vdisk *side_disk;

static void side_by_side(void)
{
    mmeanwhile = NULL;
    write_it(side_disk, 600, 9, 5);
    uint8_t got[9 * 512];
    assert_true(vdisk_read(side_disk, 600, 9, got, &err));
    assert_memory_equal(got, model + 600 * 512, sizeof got);
}

/* While a flat extent is read or written by one, so it is by others (the mutex of these tests is never waited for). */
static void test_flat_extents_side_by_side(void **s)
{
    (void)s;
    struct vdisk_plan p = {VDISK_MAKE_FLAT, 4001, 500, 128};
    static uint8_t got[20 * 512];
    mfiles_clear();
    memset(model, 0, sizeof model);
    assert_true(vdisk_make(&p, "disk.vmdk", NULL, NULL, &err));
    side_disk = open_it("v:/disk.vmdk", VDISK_WRITE);
    write_it(side_disk, 0, 1, 1);
    mmeanwhile = side_by_side;
    write_it(side_disk, 400, 150, 3);
    assert_null(mmeanwhile);
    mmeanwhile = side_by_side;
    assert_true(vdisk_read(side_disk, 490, 20, got, &err));
    assert_null(mmeanwhile);
    is_model(side_disk);
    vdisk_close(side_disk);
    assert_int_equal(mopen, 0);
}

static uint8_t host_bytes[2][1024 * 512];
static struct fake_disk hd0, sd0;

static void test_disks_of_the_host(void **s)
{
    static bool once;
    char out[PATH_MAX_LEN];
    (void)s;
    if (!once) {
        fake_disk_init(&hd0, "hd0", host_bytes[0], 1024, 512);
        fake_disk_init(&sd0, "sd0", host_bytes[1], 128, 4096);
        sd0.dev.depth = 4;
        block_register(&hd0.dev);
        block_register(&sd0.dev);
        once = true;
    }
    uint8_t *mbr = host_bytes[0];
    for (unsigned i = 0; i < 3; i++) {
        static const uint32_t first[] = {100, 200, 400}, sectors[] = {50, 100, 624};
        mbr[446 + 16 * i + 4] = 0x83;
        fake_put32(mbr + 446 + 16 * i + 8, first[i]);
        fake_put32(mbr + 446 + 16 * i + 12, sectors[i]);
    }
    mbr[510] = 0x55;
    mbr[511] = 0xaa;
    assert_true(vdisk_resolve("phy:/dev/HD0P1", out, &err));
    assert_string_equal(out, "disk:hd0p1");
    assert_true(vdisk_resolve("DISK:sd0", out, &err));
    assert_string_equal(out, "disk:sd0");
    static const char *const none[] = {"disk:", "disk:hd", "disk:hd1", "disk:hd0p", "disk:hd0p0", "disk:hd0px", "disk:hd0p99999999999", "disk:hd0p1x", "phy:/dev/sda1"};
    for (unsigned i = 0; i < sizeof none / sizeof none[0]; i++)
        refused(none[i], VDISK_READ, "no such disk");
    refused("disk:hd0p9", VDISK_READ, "no such disk");
    refused("disk:hd0", VDISK_WRITE, "Dom0 has mounted hd0p2");
    assert_int_equal(err.code, EXIT_REFUSED);
    refused("disk:hd0p2", VDISK_WRITE, "Dom0 has mounted hd0p2");
    struct vdisk *whole = open_it("disk:hd0", VDISK_READ), *part = open_it("disk:hd0p2", VDISK_READ);
    assert_true(vdisk_sectors(whole) == 1024 && vdisk_sectors(part) == 100);
    struct vdisk_about about;
    vdisk_about(part, &about);
    assert_int_equal(about.depth, 1);
    busy("disk:hd0p1", VDISK_WRITE, "domain 1 reads disk:hd0, which overlaps it, as its disk xvda");
    vdisk_close(whole);
    vdisk_close(part);
    part = open_it("disk:hd0p3", VDISK_WRITE);
    busy("disk:hd0", VDISK_READ, "domain 1 writes to disk:hd0p3, which overlaps it");
    busy("phy:hd0p3", VDISK_WRITE, "domain 1 writes to it as its disk xvda");
    struct vdisk *other = open_it("disk:hd0p1", VDISK_WRITE);
    memset(model, 0, sizeof model);
    write_it(part, 620, 4, 1);
    assert_memory_equal(host_bytes[0] + 1020 * 512, model + 620 * 512, 4 * 512);
    assert_false(vdisk_write(part, 621, 4, model, &err));
    assert_false(vdisk_write(other, 50, 1, model, &err));
    assert_true(vdisk_zero(part, 600, 24, &err) && vdisk_discard(part, 0, 624, &err));
    unsigned flushes = hd0.flushes;
    assert_true(vdisk_flush(part, &err) && hd0.flushes == flushes + 1);
    memset(model, 0, sizeof model);
    is_model(part);
    vdisk_close(part);
    vdisk_close(other);
    hd0.dev.read_only = true;
    refused("disk:hd0p1", VDISK_WRITE, "read-only");
    hd0.dev.read_only = false;
    /* Sectors of 4096 bytes below. */
    whole = open_it("disk:sd0", VDISK_WRITE);
    vdisk_about(whole, &about);
    assert_int_equal(about.depth, 4);
    assert_int_equal(vdisk_sectors(whole), 1024);
    write_it(whole, 3, 1, 1);
    write_it(whole, 1000, 24, 2);
    write_it(whole, 9, 100, 3);
    is_model(whole);
    assert_memory_equal(host_bytes[1], model, 1024 * 512);
    sd0.bad_lba = 1;
    cache_invalidate(&sd0.dev);
    assert_false(vdisk_read(whole, 8, 1, model, &err));
    assert_non_null(strstr(err.text, "disk:sd0: cannot be read: the device reports an error"));
    vdisk_close(whole);
    sd0.bad_lba = ~0UL;
}

/* ---- making ---- */

static bool stop_at(void *ctx, const char *path, uint64_t done, uint64_t total)
{
    assert_true(done <= total + VMDK_TEXT_MAX && path != NULL);
    return (*(long *)ctx)-- != 0;
}

static void test_making(void **s)
{
    struct vdisk_plan p;
    (void)s;
    assert_true(vdisk_plan(&p, "a.img", VDISK_MAKE_RAW, 1 << 20, &err));
    assert_true(vdisk_make(&p, "a.img", NULL, NULL, &err));
    assert_int_equal(mfile_find("v:/a.img")->size, 1 << 20);
    assert_false(vdisk_make(&p, "a.img", NULL, NULL, &err));
    assert_non_null(strstr(err.text, "there already"));
    assert_false(vdisk_plan(&p, "a.img", VDISK_MAKE_RAW, 1000, &err));
    assert_false(vdisk_plan(&p, "a.img", VDISK_MAKE_RAW, 0, &err));
    assert_false(vdisk_plan(&p, "a.img", VDISK_MAKE_RAW, 1UL << 32, &err));
    assert_int_equal(err.code, EXIT_NO_RESOURCE);
    assert_true(vdisk_plan(&p, "a.img", VDISK_MAKE_RAW, (1UL << 32) - 512, &err));
    assert_false(vdisk_plan(&p, "a.vmdk", VDISK_MAKE_RAW, 1024, &err));
    assert_false(vdisk_plan(&p, "disk:x", VDISK_MAKE_RAW, 1024, &err));
    assert_false(vdisk_plan(&p, "a.img", VDISK_MAKE_SPARSE, 1024, &err));
    assert_false(vdisk_plan(&p, "a-s001.vmdk", VDISK_MAKE_FLAT, 1024, &err));
    assert_true(vdisk_plan(&p, "a.vmdk", VDISK_MAKE_SPARSE, 4000UL << 20, &err) && p.extent == p.sectors);
    assert_true(vdisk_plan(&p, "a.vmdk", VDISK_MAKE_SPARSE, 1UL << 40, &err) == false);
    assert_true(vdisk_plan(&p, "a.vmdk", VDISK_MAKE_SPARSE, 1000UL << 30, &err) && p.extent == 4192256);
    /* Stopped, or failing, at each step: nothing is left. */
    for (unsigned format = 0; format < 3; format++) {
        p = (struct vdisk_plan){(enum vdisk_format)format, 3000, format == VDISK_MAKE_RAW ? 3000 : 1000, 16};
        bool ok = false;
        for (long n = 0; !ok; n++) {
            mfiles_clear();
            long steps = n / 2;
            if (n % 2)
                mfail_writes = n / 2;
            ok = vdisk_make(&p, format == 0 ? "b.img" : "b.vmdk", n % 2 ? NULL : stop_at, &steps, &err);
            assert_int_equal(mopen, 0);
            assert_true(n < 300);
            for (unsigned i = 0; i < MFILES && !ok; i++)
                assert_false(mfiles[i].there);
        }
    }
    mfiles_clear();
    mroom = 1000;
    assert_false(vdisk_make(&p, "b.vmdk", NULL, NULL, &err));
    assert_int_equal(err.code, EXIT_NO_RESOURCE);
    /* As large as FAT32 and the verb allow: the text fits. */
    assert_int_equal(vdisk_kind_of("disk:sd0", NULL), VDISK_HOST);
}

/* ---- power cuts ---- */

static struct { char path[128]; size_t size; uint8_t *data; } base[MFILES];

static size_t cut_clock(void) { return mlog_count; }

static void base_take(void)
{
    for (unsigned i = 0; i < MFILES; i++) {
        free(base[i].data);
        base[i].data = NULL;
        if (!mfiles[i].there)
            continue;
        strcpy(base[i].path, mfiles[i].path);
        base[i].size = mfiles[i].size;
        base[i].data = malloc(base[i].size);
        memcpy(base[i].data, mfiles[i].data, base[i].size);
    }
}

static void base_back(void)
{
    for (unsigned i = 0; i < MFILES; i++) {
        if (base[i].data == NULL)
            continue;
        mfile_fill(&mfiles[i], base[i].data, base[i].size);
    }
}

/* The files after COUNT entries. SEED 0: all of them, in order. */
static void replay(size_t count, unsigned seed)
{
    size_t sync = 0;
    base_back();
    for (size_t i = 0; i < count; i++)
        if (mlog[i].m == NULL)
            sync = i;
    unsigned chance = (unsigned)rand_r(&seed) % 4;
    for (size_t i = 0; i < count; i++) {
        const struct mlog *l = &mlog[i];
        if (l->m == NULL)
            continue;
        bool sure = seed == 0 || i < sync;
        size_t size = l->m->size;
        if (l->size > size && (sure || (unsigned)rand_r(&seed) % 4 <= chance))
            size = l->size;
        for (size_t at = 0; at < l->len;) { /* by sectors of the file */
            size_t part = 512 - (l->off + at) % 512;
            part = part < l->len - at ? part : l->len - at;
            if (sure || (unsigned)rand_r(&seed) % 4 <= chance)
                memcpy(l->m->data + l->off + at, l->data + at, part);
            l->m->high = l->off + at + part > l->m->high ? l->off + at + part : l->m->high;
            at += part;
        }
        if (size < l->m->size)
            abort();
        l->m->size = size;
    }
}

/* Going on: it opens for writing, what is there stays, both tables are alike again (qemu-img reads the first one, so the second is compared here). */
static void judge_going_on(size_t cut, const char *spec)
{
    static uint8_t before[CUT_SECTORS * 512], after[CUT_SECTORS * 512];
    struct vdisk *d = open_it(spec, VDISK_WRITE);
    assert_true(vdisk_read(d, 0, CUT_SECTORS, before, &err));
    for (uint32_t i = 0; i < CUT_SECTORS; i += 50) {
        sector_fill(before + i * 512, i, 200);
        assert_true(vdisk_write(d, i, 1, before + i * 512, &err));
    }
    vdisk_close(d);
    d = open_it(spec, VDISK_READ);
    assert_true(vdisk_read(d, 0, CUT_SECTORS, after, &err));
    vdisk_close(d);
    if (memcmp(before, after, sizeof after) != 0)
        fail_msg("cut after %zu: not what it was after going on", cut);
    for (unsigned i = 0; i < MFILES; i++) {
        const uint8_t *p = mfiles[i].data;
        if (!mfiles[i].there || get32(p) != VMDK_MAGIC)
            continue;
        uint32_t gt = get32(p + get32(p + 56) * 512), second = get32(p + get32(p + 48) * 512);
        assert_int_equal(p[72], 0);
        assert_memory_equal(p + gt * 512, p + second * 512, VMDK_TABLE_BYTES);
    }
}

static void cuts(uint64_t extent, uint32_t grain, unsigned seed)
{
    struct vdisk_plan p = {VDISK_MAKE_SPARSE, CUT_SECTORS, extent, grain};
    const char *spec = "v:/disk.vmdk";
    mfiles_clear();
    assert_true(vdisk_make(&p, "disk.vmdk", NULL, NULL, &err));
    mlog_clear();
    base_take();
    mlog_on = true;
    cut_life(spec, seed, 60);
    mlog_on = false;
    for (size_t cut = 0; cut <= mlog_count; cut++) {
        replay(cut, 0);
        cut_judge(cut, 0, spec);
        judge_going_on(cut, spec);
        for (unsigned k = 1; k <= 6; k++) {
            unsigned order = (unsigned)(cut * 8 + k);
            replay(cut, order);
            cut_judge(cut, order, spec);
            if (k == 1)
                judge_going_on(cut, spec);
        }
    }
    for (size_t cut = 5; cut < mlog_count; cut += mlog_count / 6) {
        replay(cut, (unsigned)cut);
        all_to_host();
        must(sh("qemu-img check -f vmdk disk.vmdk"));
    }
}

static void test_power_cuts(void **s)
{
    (void)s;
    cuts(640, 8, 1);
    cuts(640, 16, 2);
    cuts(640, 128, 3);
    cuts(300, 8, 4);
    for (unsigned i = 0; i < MFILES; i++)
        free(base[i].data);
}

/* A guest that discards a large empty disk again and again does not keep the medium busy. */
static void test_large_discard(void **s)
{
    static uint8_t data[512];
    struct vdisk_plan p;
    (void)s;
    assert_true(vdisk_plan(&p, "disk.vmdk", VDISK_MAKE_SPARSE, 3999UL << 20, &err) && vdisk_make(&p, "disk.vmdk", NULL, NULL, &err));
    struct vdisk *d = open_it("v:/disk.vmdk", VDISK_WRITE);
    assert_true(vdisk_write(d, 5000000, 1, data, &err) && vdisk_flush(d, &err));
    unsigned reads = mreads;
    for (unsigned i = 0; i < 1000; i++)
        assert_true(vdisk_discard(d, 0, vdisk_sectors(d), &err) && vdisk_zero(d, 1, vdisk_sectors(d) - 1, &err));
    assert_true(mreads - reads < 10);
    vdisk_close(d);
}

/* More tables than are kept in memory: entries reach the medium all the same. */
static void test_many_tables(void **s)
{
    static uint8_t data[512], got[512];
    struct vdisk_plan p = {VDISK_MAKE_SPARSE, 8 * 512 * 40, 8 * 512 * 40, 8}; /* 40 tables */
    (void)s;
    assert_true(vdisk_make(&p, "disk.vmdk", NULL, NULL, &err));
    struct vdisk *d = open_it("v:/disk.vmdk", VDISK_WRITE);
    for (unsigned round = 0; round < 3; round++)
        for (unsigned i = 0; i < 40; i++) {
            sector_fill(data, i, (uint8_t)(i + 1));
            assert_true(vdisk_write(d, i * 4096UL + round * 8, 1, data, &err));
        }
    vdisk_close(d);
    d = open_it("v:/disk.vmdk", VDISK_READ);
    for (unsigned i = 0; i < 120; i++) {
        sector_fill(data, i % 40, (uint8_t)(i % 40 + 1));
        assert_true(vdisk_read(d, i % 40 * 4096UL + i / 40 * 8, 1, got, &err));
        assert_memory_equal(got, data, 512);
    }
    vdisk_close(d);
    all_to_host();
    must(sh("qemu-img check -f vmdk disk.vmdk"));
}

static void test_disks_in_memory(void **s)
{
    static const char *const bad[] = {"memory:", "memory:0", "memory:-1", "memory:4097", "memory:x", "memory:18446744073709551616"};
    (void)s;
    struct vdisk *d = NULL;
    struct error e;
    uint8_t buf[1024];
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(vdisk_open(bad[i], VDISK_WRITE, NULL, &d, &e));
    assert_true(vdisk_check("memory:4096", VDISK_WRITE, NULL, &e));
    for (int left = 0; left < 2; left++) {
        fake_heap_limit = left;
        assert_false(vdisk_open("memory:2", VDISK_WRITE, NULL, &d, &e));
        assert_int_equal(e.code, EXIT_NO_RESOURCE);
    }
    fake_heap_limit = -1;
    assert_true(vdisk_open("memory:2", VDISK_WRITE, NULL, &d, &e));
    assert_int_equal(vdisk_sectors(d), 4096);
    memset(buf, 0x5a, sizeof buf);
    assert_true(vdisk_write(d, 4094, 2, buf, &e) && !vdisk_write(d, 4095, 2, buf, &e));
    assert_true(vdisk_read(d, 4093, 2, buf, &e) && buf[511] == 0 && buf[512] == 0x5a);
    assert_memory_equal(vdisk_memory(d, 4094, 2, true), buf + 512, 512);
    assert_null(vdisk_memory(d, 4095, 2, false));
    assert_true(vdisk_discard(d, 1, 4094, &e) && vdisk_read(d, 4094, 2, buf, &e) && buf[0] == 0 && buf[512] == 0x5a);
    assert_true(vdisk_flush(d, &e));
    vdisk_close(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_descriptors, setup), cmocka_unit_test_setup(test_content_id, setup), cmocka_unit_test_setup(test_hostile_tables, setup),
        cmocka_unit_test_setup(test_no_memory_at_any_time, setup), cmocka_unit_test_setup(test_full_volume, setup), cmocka_unit_test_setup(test_failing_disk, setup),
        cmocka_unit_test_setup(test_sharing, setup), cmocka_unit_test_setup(test_flat_extents_side_by_side, setup),
        cmocka_unit_test_setup(test_disks_of_the_host, setup), cmocka_unit_test_setup(test_making, setup),
        cmocka_unit_test_setup(test_what_we_make, setup), cmocka_unit_test_setup(test_what_qemu_makes, setup), cmocka_unit_test_setup(test_many_tables, setup),
        cmocka_unit_test_setup(test_large_discard, setup), cmocka_unit_test_setup(test_disks_in_memory, setup),
        cmocka_unit_test_setup(test_power_cuts, setup),
    };
    if (mkdtemp(dir) == NULL)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    must(sh("rm -f *"));
    rmdir(dir);
    mfiles_free();
    return failed;
}
