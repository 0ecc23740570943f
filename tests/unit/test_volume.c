/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Volumes: which is the default, what happens to `boot:`, files by path in both kinds. */
#include "fs_fakes.h"

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "dom0/fs/volume.h"
#include "dom0/kernel/boot.h"
#include "fat_image.h"

static struct boot_module_view modules[4];
static size_t module_count;
static bool released;
static struct fake_disk disk, empty_disk;
static uint8_t empty[512 * 64];
static struct error err;

size_t boot_module_count(void) { return module_count; }
struct boot_module_view boot_module_get(size_t i) { return modules[i]; }
void boot_modules_release(void)
{
    released = true;
    module_count = 0;
}

static int seen;
static char names[512];
static bool collect(const struct dir_entry *d, void *ctx)
{
    (void)ctx;
    strcat(strcat(names, d->name), d->is_dir ? "/|" : "|");
    seen++;
    return true;
}

static void list_is(const char *path, const char *want)
{
    names[0] = '\0';
    assert_true(dir_list(path, collect, NULL, &err));
    assert_string_equal(names, want);
}

static void contents(const char *path, const char *want, bool in_memory)
{
    struct file *f = NULL;
    char buf[100];
    size_t got = 0;

    assert_true(file_open(path, &f, &err));
    assert_int_equal(file_size(f), strlen(want));
    assert_int_equal(file_memory(f) != NULL, in_memory);
    assert_true(file_read(f, 0, buf, sizeof(buf), &got, &err));
    assert_int_equal(got, strlen(want));
    assert_memory_equal(buf, want, got);
    assert_true(file_read(f, 2, buf, 3, &got, &err));
    assert_int_equal(got, 3);
    assert_memory_equal(buf, want + 2, 3);
    assert_true(file_read(f, 1000000, buf, 3, &got, &err));
    assert_int_equal(got, 0);
    file_close(f);
}

static void fails(const char *path, const char *word)
{
    struct file *f = NULL;

    assert_false(file_open(path, &f, &err));
    if (strstr(err.text, word) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, word);
}

static void make_modules(void)
{
    modules[0] = (struct boot_module_view){"tiny/tiny.vmx", "hello tiny", 10};
    modules[1] = (struct boot_module_view){"tiny/tiny.elf", "kernel", 6};
    modules[2] = (struct boot_module_view){"readme.txt", "read me", 7};
    module_count = 3;
}

static void test_boot_only(void **state)
{
    struct volume_info info;
    struct dir_entry d;
    char out[PATH_MAX_LEN];
    (void)state;
    make_modules();
    block_register(&empty_disk.dev); /* a disk with nothing on it */
    volume_init();
    assert_non_null(strstr(fake_notices, "hd9: no partitions"));
    assert_int_equal(volume_count(), 1);
    assert_true(volume_get(0, &info));
    assert_false(volume_get(1, &info));
    assert_string_equal(info.name, "boot");
    assert_true(info.is_default && info.read_only);
    assert_int_equal(info.total_bytes, 23);
    list_is("boot:/", "tiny/|readme.txt|");
    list_is(".", "tiny/|readme.txt|");
    list_is("tiny", "tiny.vmx|tiny.elf|");
    list_is("TINY/", "tiny.vmx|tiny.elf|");
    contents("tiny/tiny.vmx", "hello tiny", true);
    contents("boot:/Tiny/TINY.elf", "kernel", true);
    fails("tiny", "a folder, not a file");
    fails("tin", "no such file");
    fails("tiny/tiny.vm", "no such file");
    fails("hd0p1:/x", "no such volume");
    assert_false(dir_list("readme.txt", collect, NULL, &err));
    assert_true(path_stat("tiny", &d, &err) && d.is_dir);
    assert_true(path_stat("readme.txt", &d, &err) && !d.is_dir && d.size == 7);
    assert_false(path_stat("nothing", &d, &err));
    assert_true(path_resolve("BOOT:tiny/../x", out, sizeof(out), &err));
    assert_string_equal(out, "boot:/x");
    assert_false(released);
}

static void test_disk_and_boot(void **state)
{
    struct volume_info info;
    struct dir_entry d;
    char out[PATH_MAX_LEN];
    (void)state;
    make_modules();
    block_register(&disk.dev);
    volume_init();
    assert_int_equal(volume_count(), 2);
    assert_true(volume_get(0, &info));
    assert_string_equal(info.name, "hd0p1");
    assert_string_equal(info.fs, "FAT32");
    assert_true(info.is_default && !info.read_only && info.free_bytes > 30000000 && info.total_bytes > info.free_bytes);
    assert_true(volume_get(1, &info));
    assert_false(info.is_default);
    assert_false(released); /* the disk has not what the loader read */
    contents("boot:/tiny/tiny.vmx", "hello tiny", true);
    contents("debian/debian.vmx", "displayName = \"debian\"\n", false);
    contents("HD0P1:/corbel/vm/debian/debian.vmx", "displayName = \"debian\"\n", false);
    assert_true(path_resolve("x", out, sizeof(out), &err));
    assert_string_equal(out, "hd0p1:/corbel/vm/x");
    assert_true(path_stat("debian", &d, &err) && d.is_dir);
    /* One file under two names; two empty files; what lies where. */
    struct file *a = NULL, *b = NULL, *c = NULL;
    char name[16] = "";
    assert_true(file_open("hd0p1:/A long name with spaces.text", &a, &err) && file_open("hd0p1:/ALONGN~1.TEX", &b, &err));
    assert_true(file_open("hd0p1:/lower.txt", &c, &err));
    assert_true(file_same(a, b) && !file_same(a, c));
    file_close(a);
    file_close(b);
    assert_true(file_open("boot:/tiny/tiny.vmx", &a, &err) && file_open("boot:/TINY/tiny.vmx", &b, &err));
    assert_true(file_same(a, b) && !file_same(a, c));
    file_close(a);
    file_close(b);
    file_close(c);
    assert_true(volume_on(&disk.dev, 0, disk.dev.sectors, name));
    assert_string_equal(name, "hd0p1");
    assert_true(volume_on(&disk.dev, FAT_IMAGE_FIRST, FAT_IMAGE_FIRST + 1, name));
    assert_false(volume_on(&disk.dev, 0, FAT_IMAGE_FIRST, name));
    assert_false(volume_on(&empty_disk.dev, 0, 64, name));
    assert_false(dir_list("debian/debian.vmx", collect, NULL, &err));
}

static void test_disk_replaces_boot(void **state)
{
    char out[PATH_MAX_LEN];
    (void)state;
    modules[0] = (struct boot_module_view){"debian/debian.vmx", "displayName = \"debian\"\n", 23};
    module_count = 1;
    block_register(&disk.dev);
    volume_init();
    assert_true(released);
    assert_int_equal(volume_count(), 1);
    contents("debian/debian.vmx", "displayName = \"debian\"\n", false);
    fails("boot:/debian/debian.vmx", "no such volume");
    assert_true(path_resolve("x", out, sizeof(out), &err));
    assert_string_equal(out, "hd0p1:/corbel/vm/x");
    list_is(".", "debian/|");
}

static void test_size_differs(void **state)
{
    (void)state;
    modules[0] = (struct boot_module_view){"debian/debian.vmx", "x", 1};
    module_count = 1;
    block_register(&disk.dev);
    volume_init();
    assert_false(released);
    assert_int_equal(volume_count(), 2);
}

/* Two entries of the partition table for the same sectors. */
static void test_overlap(void **state)
{
    struct volume_info info;
    (void)state;
    memcpy(fat_image + 446 + 16, fat_image + 446, 16);
    block_register(&disk.dev);
    volume_init();
    assert_non_null(strstr(fake_notices, "hd0p2 and hd0p1 overlap"));
    for (size_t i = 0; i < 2; i++) {
        assert_true(volume_get(i, &info));
        assert_true(info.read_only);
    }
    assert_false(path_mkdir("hd0p1:/x", &err));
    assert_int_equal(err.code, EXIT_NO_RESOURCE);
    assert_non_null(strstr(err.text, "overlaps another volume"));
    contents("hd0p2:/lower.txt", "12345678901234567890", false);
    assert_int_equal(disk.writes, 0);
}

/* volume_init runs once in a life, so each scenario is a process. */
static int run_scenario(int n)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_boot_only), cmocka_unit_test(test_disk_and_boot),
                                       cmocka_unit_test(test_disk_replaces_boot), cmocka_unit_test(test_size_differs),
                                       cmocka_unit_test(test_overlap)};
    struct CMUnitTest one[] = {tests[n]};
    return _cmocka_run_group_tests(tests[n].name, one, 1, NULL, NULL);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        if (!fat_image_make("-F 32 -s 1"))
            return fprintf(stderr, "mkfs.vfat or mtools failed: install dosfstools and mtools\n"), 1;
        fake_disk_init(&disk, "hd0", fat_image, FAT_IMAGE_SECTORS, 512);
        fake_disk_init(&empty_disk, "hd9", empty, 64, 512);
        return run_scenario(atoi(argv[1]));
    }
    int failed = 0;
    for (int n = 0; n < 5; n++) {
        char command[600];
        snprintf(command, sizeof(command), "%s %d", argv[0], n);
        failed += system(command) != 0;
    }
    return failed;
}
