/* SPDX-License-Identifier: Apache-2.0
 * [HOST] Volumes that are written to: copying, moving and removing whole folders, stored texts, the list of guests that
 * start at boot. One disk, made by mkfs.vfat and judged by fsck.fat at the end of each test; `boot:` beside it. */
#include "fs_fakes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "dom0/fs/tree.h"
#include "dom0/fs/volume.h"
#include "dom0/kernel/boot.h"
#include "dom0/manager/autostart.h"
#include "dom0/manager/stored.h"
#include "fat_image.h"

static struct boot_module_view module = {"tiny/tiny.vmx", "hello tiny", 10};
static struct fake_disk disk;
static struct error err;
static char configured[256];

size_t boot_module_count(void) { return 1; }
struct boot_module_view boot_module_get(size_t i) { return (void)i, module; }
void boot_modules_release(void) { abort(); }
size_t strlcat(char *dst, const char *src, size_t size);
size_t strlcat(char *dst, const char *src, size_t size)
{
    size_t len = strnlen(dst, size);
    return len + strlcpy(dst + len, src, size - len);
}
long control(enum control_op op, void *arg)
{
    if (op != CTL_HOST_INFO)
        abort();
    strcpy(((struct cbl_host_info *)arg)->autostart, configured);
    return 0;
}

#define OK(x)                                                                                                          \
    do {                                                                                                               \
        if (!(x))                                                                                                      \
            fail_msg("%s: %s", #x, err.text);                                                                          \
    } while (0)
#define NOT(x, c, word)                                                                                                \
    do {                                                                                                               \
        assert_false(x);                                                                                               \
        if (strstr(err.text, word) == NULL)                                                                            \
            fail_msg("\"%s\" does not say \"%s\"", err.text, word);                                                    \
        assert_int_equal(err.code, c);                                                                                 \
    } while (0)

static uint64_t free_bytes(void)
{
    struct volume_info v;

    OK(volume_measure(0, &v, &err));
    return v.free_bytes;
}

static int sound(void **state)
{
    char path[64], command[300];
    (void)state;
    snprintf(path, sizeof(path), "/tmp/corbel-tree-%d", (int)getpid());
    FILE *f = fopen(path, "wb");
    fwrite(fat_image + FAT_IMAGE_FIRST * 512, 1, FAT_IMAGE_BYTES - FAT_IMAGE_FIRST * 512, f);
    fclose(f);
    snprintf(command, sizeof(command), "/sbin/fsck.fat -n %s > %s.out || cat %s.out", path, path, path);
    int code = system(command);
    snprintf(command, sizeof(command), "! grep -q Leaving %s.out", path);
    code |= system(command);
    snprintf(command, sizeof(command), "rm -f %s %s.out", path, path);
    return code | system(command);
}

static void write_text(const char *path, const char *text) { OK(stored_write(path, text, strlen(text), &err)); }

static void text_is(const char *path, const char *want)
{
    char text[100];
    size_t len = 0;

    OK(stored_read(path, text, sizeof(text), &len, &err));
    assert_string_equal(text, want);
    assert_int_equal(len, strlen(want));
}

static bool is_there(const char *path)
{
    struct dir_entry d;

    return path_stat(path, &d, &err);
}

/* Three levels, more entries than one look takes. */
static void make_tree(void)
{
    char path[100];

    OK(path_mkdir("hd0p1:/tree", &err));
    OK(path_mkdir("hd0p1:/tree/a", &err));
    OK(path_mkdir("hd0p1:/tree/a/deep", &err));
    OK(path_mkdir("hd0p1:/tree/empty", &err));
    for (int i = 0; i < 40; i++) {
        snprintf(path, sizeof(path), "hd0p1:/tree/a/file %d", i);
        write_text(path, path);
        if (i % 10 == 5) {
            snprintf(path, sizeof(path), "hd0p1:/tree/a/folder %d", i);
            OK(path_mkdir(path, &err));
            strcat(path, "/f");
            write_text(path, path);
        }
    }
    write_text("hd0p1:/tree/a/deep/x", "deepest");
}

static void check_tree(const char *top)
{
    char path[100], want[100];

    for (int i = 0; i < 40; i++) {
        snprintf(path, sizeof(path), "%s/a/file %d", top, i);
        snprintf(want, sizeof(want), "hd0p1:/tree/a/file %d", i);
        text_is(path, want);
        if (i % 10 == 5) {
            snprintf(path, sizeof(path), "%s/a/folder %d/f", top, i);
            snprintf(want, sizeof(want), "hd0p1:/tree/a/folder %d/f", i);
            text_is(path, want);
        }
    }
    snprintf(path, sizeof(path), "%s/a/deep/x", top);
    text_is(path, "deepest");
    snprintf(path, sizeof(path), "%s/empty", top);
    assert_true(is_there(path));
}

static void test_copy_and_remove_folders(void **state)
{
    uint64_t before = free_bytes();
    (void)state;
    make_tree();
    NOT(tree_copy("hd0p1:/tree", "hd0p1:/copy", false, NULL, NULL, &err), EXIT_FAILED, "cp -r");
    OK(tree_copy("hd0p1:/tree", "hd0p1:/copy", true, NULL, NULL, &err));
    check_tree("hd0p1:/copy");
    check_tree("hd0p1:/tree");
    NOT(tree_copy("hd0p1:/tree", "hd0p1:/copy", true, NULL, NULL, &err), EXIT_FAILED, "is there");
    check_tree("hd0p1:/copy");
    NOT(tree_copy("hd0p1:/tree", "hd0p1:/tree/a/b", true, NULL, NULL, &err), EXIT_FAILED, "in the folder itself");
    NOT(tree_copy("hd0p1:/tree", "HD0P1:/TREE", true, NULL, NULL, &err), EXIT_FAILED, "same file");
    NOT(tree_copy("hd0p1:/", "hd0p1:/x", true, NULL, NULL, &err), EXIT_FAILED, "in the folder itself");
    NOT(tree_remove("hd0p1:/copy", false, NULL, NULL, &err), EXIT_WRONG_STATE, "rm -r");
    NOT(tree_remove("hd0p1:/", true, NULL, NULL, &err), EXIT_REFUSED, "whole volume");
    OK(tree_remove("hd0p1:/tree/empty", false, NULL, NULL, &err));
    OK(tree_remove("hd0p1:/copy", true, NULL, NULL, &err));
    assert_false(is_there("hd0p1:/copy"));
    OK(tree_remove("hd0p1:/tree", true, NULL, NULL, &err));
    assert_true(before - free_bytes() < 20000); /* the root may have grown */
    /* From memory. */
    OK(tree_copy("boot:/tiny", "hd0p1:/tiny", true, NULL, NULL, &err));
    text_is("hd0p1:/tiny/tiny.vmx", "hello tiny");
    OK(tree_remove("hd0p1:/tiny", true, NULL, NULL, &err));
}

static void test_target(void **state)
{
    char out[PATH_MAX_LEN];
    (void)state;
    OK(tree_target("boot:/tiny/tiny.vmx", "hd0p1:/corbel", out, &err));
    assert_string_equal(out, "hd0p1:/corbel/tiny.vmx");
    OK(tree_target("boot:/tiny/tiny.vmx", "hd0p1:/", out, &err));
    assert_string_equal(out, "hd0p1:/tiny.vmx");
    OK(tree_target("boot:/tiny", "new", out, &err));
    assert_string_equal(out, "hd0p1:/corbel/vm/new");
    NOT(tree_target("boot:/", "hd0p1:/corbel", out, &err), EXIT_FAILED, "whole volume");
}

static int steps_left;
static bool stop_after(void *ctx, const char *path, uint64_t done, uint64_t total)
{
    (void)ctx;
    assert_true(done <= total);
    assert_non_null(strchr(path, '/'));
    return steps_left-- > 0;
}

static uint64_t done_last, total_seen;

static bool watch(void *ctx, const char *path, uint64_t done, uint64_t total)
{
    (void)ctx;
    (void)path;
    assert_true(done >= done_last && (total_seen == 0 || total == total_seen));
    done_last = done;
    total_seen = total;
    return true;
}

/* Of a folder all bytes are counted first, and the share that is done only rises. */
static void test_progress_of_a_folder(void **state)
{
    (void)state;
    make_tree();
    done_last = total_seen = 0;
    OK(tree_copy("hd0p1:/tree", "hd0p1:/copy", true, watch, NULL, &err));
    assert_true(total_seen > 0 && done_last > 0 && done_last <= total_seen);
    OK(tree_remove("hd0p1:/copy", true, NULL, NULL, &err));
    OK(tree_remove("hd0p1:/tree", true, NULL, NULL, &err));
}

/* Stopped at any step, nothing of the copy is left, and its clusters are free. */
static void test_stopping(void **state)
{
    bool ok = false;
    (void)state;
    make_tree();
    OK(tree_copy("hd0p1:/tree", "hd0p1:/copy", true, NULL, NULL, &err)); /* the root has grown as it may */
    OK(tree_remove("hd0p1:/copy", true, NULL, NULL, &err));
    uint64_t before = free_bytes();
    for (int n = 0; !ok; n += 3) {
        steps_left = n;
        ok = tree_copy("hd0p1:/tree", "hd0p1:/copy", true, stop_after, NULL, &err);
        if (!ok) {
            assert_non_null(strstr(err.text, "stopped"));
            assert_false(is_there("hd0p1:/copy"));
            assert_int_equal(free_bytes(), before);
        }
    }
    check_tree("hd0p1:/copy");
    OK(tree_remove("hd0p1:/copy", true, NULL, NULL, &err));
    for (steps_left = 10; steps_left >= 0;) {
        int n = steps_left;
        ok = tree_copy("hd0p1:/big.bin", "hd0p1:/big2.bin", false, stop_after, NULL, &err);
        assert_false(ok);
        assert_false(is_there("hd0p1:/big2.bin"));
        assert_int_equal(free_bytes(), before);
        steps_left = n - 1;
    }
    steps_left = 3;
    NOT(tree_move("hd0p1:/big.bin", "hd0p1:/tree/big.bin", stop_after, NULL, &err), EXIT_FAILED, "stopped");
    assert_true(is_there("hd0p1:/big.bin") && !is_there("hd0p1:/tree/big.bin"));
    OK(tree_remove("hd0p1:/tree", true, NULL, NULL, &err));
}

static void test_move(void **state)
{
    (void)state;
    make_tree();
    OK(tree_move("hd0p1:/tree", "hd0p1:/wood", NULL, NULL, &err));
    assert_false(is_there("hd0p1:/tree"));
    check_tree("hd0p1:/wood");
    unsigned writes = disk.writes;
    OK(tree_move("hd0p1:/wood", "hd0p1:/WOOD", NULL, NULL, &err)); /* one step */
    assert_true(disk.writes - writes < 12);
    OK(tree_move("hd0p1:/wood", "hd0p1:/corbel/tree", NULL, NULL, &err)); /* another folder: copied */
    assert_false(is_there("hd0p1:/wood"));
    check_tree("hd0p1:/corbel/tree");
    write_text("hd0p1:/one", "1");
    write_text("hd0p1:/two", "2");
    OK(tree_move("hd0p1:/one", "hd0p1:/two", NULL, NULL, &err)); /* replaces */
    text_is("hd0p1:/two", "1");
    assert_false(is_there("hd0p1:/one"));
    NOT(tree_move("hd0p1:/two", "hd0p1:/corbel", NULL, NULL, &err), EXIT_WRONG_STATE, "taken");
    NOT(tree_move("hd0p1:/corbel", "hd0p1:/two", NULL, NULL, &err), EXIT_WRONG_STATE, "taken");
    NOT(tree_move("hd0p1:/corbel", "hd0p1:/corbel/x", NULL, NULL, &err), EXIT_FAILED, "in the folder itself");
    NOT(tree_move("hd0p1:/nothing", "hd0p1:/x", NULL, NULL, &err), EXIT_FAILED, "no such file");
    NOT(tree_move("boot:/tiny", "hd0p1:/x", NULL, NULL, &err), EXIT_NO_RESOURCE, "read-only");
    assert_false(is_there("hd0p1:/x"));
    OK(tree_remove("hd0p1:/two", false, NULL, NULL, &err));
    OK(tree_remove("hd0p1:/corbel/tree", true, NULL, NULL, &err));
}

static void test_memory_is_read_only(void **state)
{
    struct file *f = NULL;
    (void)state;
    NOT(path_mkdir("boot:/x", &err), EXIT_NO_RESOURCE, "read-only");
    NOT(path_remove("boot:/tiny/tiny.vmx", &err), EXIT_NO_RESOURCE, "read-only");
    NOT(stored_write("boot:/x", "x", 1, &err), EXIT_NO_RESOURCE, "read-only");
    NOT(file_open_write("boot:/tiny/tiny.vmx", &f, &err), EXIT_NO_RESOURCE, "read-only");
    NOT(path_writable("boot:/", &err), EXIT_NO_RESOURCE, "read-only");
    NOT(tree_copy("hd0p1:/lower.txt", "boot:/x", false, NULL, NULL, &err), EXIT_NO_RESOURCE, "read-only");
    OK(path_writable("hd0p1:/", &err));
}

static void test_in_place(void **state)
{
    struct file *f = NULL;
    (void)state;
    write_text("hd0p1:/place", "0123456789");
    OK(file_open_write("hd0p1:/place", &f, &err));
    OK(file_write(f, 3, "abc", 3, &err));
    OK(file_write(f, 10, "xyz", 3, &err));
    assert_int_equal(file_size(f), 13);
    OK(file_sync(f, &err));
    NOT(file_append(f, "x", 1, &err), EXIT_FAILED, "not a new one");
    OK(file_resize(f, 12, &err));
    file_close(f);
    text_is("hd0p1:/place", "012abc6789xy");
    OK(file_open("boot:/tiny/tiny.vmx", &f, &err));
    NOT(file_write(f, 0, "x", 1, &err), EXIT_FAILED, "not open for writing");
    NOT(file_commit(f, &err), EXIT_FAILED, "not a new one");
    OK(path_remove("hd0p1:/place", &err));
}

static void test_stored(void **state)
{
    char text[8];
    size_t len;
    (void)state;
    write_text("hd0p1:/s", "1234567");
    OK(stored_read("hd0p1:/s", text, sizeof(text), &len, &err));
    write_text("hd0p1:/s", "12345678");
    NOT(stored_read("hd0p1:/s", text, sizeof(text), &len, &err), EXIT_FAILED, "larger than");
    write_text("hd0p1:/s", "");
    text_is("hd0p1:/s", "");
    OK(path_remove("hd0p1:/s", &err));
    NOT(stored_write("hd0p1:/none/s", "x", 1, &err), EXIT_FAILED, "no such file or folder");
}

static struct autostart list;

static void list_is(const char *want)
{
    char text[1000] = "";

    OK(autostart_load(&list, &err));
    for (uint32_t i = 0; i < list.count; i++)
        strcat(strcat(text, list.names[i]), i < list.configured ? "+ " : " ");
    assert_string_equal(text, want);
}

static void test_autostart(void **state)
{
    (void)state;
    OK(path_mkdir("one", &err));
    OK(path_mkdir("two words", &err));
    list_is("");
    OK(autostart_set("one", true, &err));
    OK(autostart_set("two words", true, &err));
    OK(autostart_set("ONE", true, &err)); /* is there */
    list_is("one two words ");
    strcpy(configured, " debian, two words ,,debian");
    list_is("debian+ two words+ one ");
    NOT(autostart_set("debian", false, &err), EXIT_WRONG_STATE, "corbel.cfg names it");
    OK(autostart_set("debian", true, &err));
    OK(autostart_set("one", false, &err));
    OK(autostart_set("one", false, &err)); /* is out */
    list_is("debian+ two words+ ");
    configured[0] = '\0';
    list_is(""); /* what corbel.cfg named as well is not stored twice */
    NOT(autostart_set("nobody", true, &err), EXIT_FAILED, "no such guest");
    NOT(autostart_set("", true, &err), EXIT_USAGE, "no name");
    NOT(autostart_set("#x", true, &err), EXIT_FAILED, "cannot hold");
    NOT(autostart_set("a\"b", true, &err), EXIT_FAILED, "cannot hold");
    write_text("hd0p1:/corbel/autostart.cfg", "# comment\r\n  one\t\r\n\r\n#two words\ntwo words");
    list_is("one two words ");
    static char many[20000];
    for (int i = 0; i < 70; i++)
        sprintf(many + strlen(many), "guest%d\n", i);
    write_text("hd0p1:/corbel/autostart.cfg", many);
    NOT(autostart_load(&list, &err), EXIT_FAILED, "more than 64 guests");
    memset(many, 'x', sizeof(many) - 1);
    write_text("hd0p1:/corbel/autostart.cfg", many);
    NOT(autostart_load(&list, &err), EXIT_FAILED, "larger than");
    OK(path_remove("hd0p1:/corbel/autostart.cfg", &err));
    list_is("");
    OK(path_remove("one", &err));
    OK(path_remove("two words", &err));
}

static void test_full_disk(void **state)
{
    uint64_t before = free_bytes();
    (void)state;
    OK(path_mkdir("hd0p1:/fill", &err));
    char path[64];
    bool ok = true;
    int n = 0;
    for (; ok; n++) {
        snprintf(path, sizeof(path), "hd0p1:/fill/%d", n);
        ok = tree_copy("hd0p1:/big.bin", path, false, NULL, NULL, &err);
    }
    assert_int_equal(err.code, EXIT_NO_RESOURCE);
    assert_non_null(strstr(err.text, "full"));
    assert_false(is_there(path));
    NOT(tree_copy("hd0p1:/fill", "hd0p1:/fill2", true, NULL, NULL, &err), EXIT_NO_RESOURCE, "full");
    assert_false(is_there("hd0p1:/fill2"));
    OK(tree_remove("hd0p1:/fill", true, NULL, NULL, &err));
    assert_true(before - free_bytes() < 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_copy_and_remove_folders, sound), cmocka_unit_test(test_target),
        cmocka_unit_test_teardown(test_progress_of_a_folder, sound), cmocka_unit_test_teardown(test_stopping, sound),                cmocka_unit_test_teardown(test_move, sound),
        cmocka_unit_test(test_memory_is_read_only),                     cmocka_unit_test_teardown(test_in_place, sound),
        cmocka_unit_test_teardown(test_stored, sound),                  cmocka_unit_test_teardown(test_autostart, sound),
        cmocka_unit_test_teardown(test_full_disk, sound),
    };
    if (!fat_image_make("-F 32 -s 1"))
        return fprintf(stderr, "mkfs.vfat or mtools failed: install dosfstools and mtools\n"), 1;
    fake_disk_init(&disk, "hd0", fat_image, FAT_IMAGE_SECTORS, 512);
    disk.first = FAT_IMAGE_FIRST;
    block_register(&disk.dev);
    volume_init();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(fat_image);
    return failed;
}
