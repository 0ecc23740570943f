/* SPDX-License-Identifier: Apache-2.0
 * [HOST] .vmx files: what is right is taken, what is wrong is named with its line, nothing is ignored in silence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dom0/manager/manager.h"
#include "dom0/manager/nearest.h"
#include "dom0/manager/vmx.h"
#include "dom0/manager/vmx_edit.h"

#define PATH "hd0p1:/corbel/vm/box/box.vmx"
#define KERNEL "corbel.kernel = \"vmlinuz\"\n"

static char warnings[8192];
static int warning_count;
static struct vm_config config;
static struct vmx_work work;
static struct error err;

static void warn(const char *line, void *ctx)
{
    assert_ptr_equal(ctx, warnings);
    strcat(warnings, line);
    strcat(warnings, "\n");
    warning_count++;
}

static bool parse_bytes(const char *text, size_t len, const char *path)
{
    char *copy = malloc(len + (len == 0)); /* exact size: reading beyond is an ASan error */
    memcpy(copy, text, len);
    warnings[0] = '\0';
    warning_count = 0;
    memset(&err, 0, sizeof err);
    bool ok = vmx_parse(&work, copy, len, path, &config, warn, warnings, &err);
    free(copy);
    return ok;
}

static void good(const char *text)
{
    if (!parse_bytes(text, strlen(text), PATH))
        fail_msg("refused: %s\n%s", err.text, text);
}

static void silent(const char *text)
{
    good(text);
    if (warning_count != 0)
        fail_msg("warned: %s", warnings);
}

static void warned(const char *text, const char *words)
{
    good(text);
    if (strstr(warnings, words) == NULL)
        fail_msg("no \"%s\" in \"%s\"", words, warnings);
}

static void bad(const char *text, enum exit_code code, const char *words)
{
    if (parse_bytes(text, strlen(text), PATH))
        fail_msg("taken: %s", text);
    assert_int_equal(err.code, code);
    if (strstr(err.text, words) == NULL)
        fail_msg("no \"%s\" in \"%s\"", words, err.text);
    const char *first = strstr(err.text, ": ");
    if (first == NULL || strstr(first + 2, ": ") == NULL)
        fail_msg("not what, why and what to do: %s", err.text);
}

static void test_a_whole_file(void **s)
{
    (void)s;
    silent("\xef\xbb\xbf# a comment\r\n"
           ".encoding = \"UTF-8\"\r\n"
           "config.version = \"8\"\r\n"
           "virtualHW.version = \"19\"\r\n"
           "displayName = \"My box\"   # behind\r\n"
           "memsize = \"256\"\r\n\r\n"
           "numvcpus=\"1\"\n"
           "guestOS = \"debian12-64\"\n"
           "uuid.bios = \"56 4d 01 02 03 04 05 06-07 08 09 0a 0b 0c 0d fF\"\n"
           "corbel.kernel = \"vmlinuz\"\n"
           "corbel.ramdisk = \"/other/initrd.gz\"\n"
           "corbel.cmdline = \"console=hvc0 name=|22x|22 |7C\"");
    assert_string_equal(config.name, "My box");
    assert_int_equal(config.memsize_mib, 256);
    assert_int_equal(config.numvcpus, 1);
    assert_string_equal(config.guest_os, "debian12-64");
    assert_string_equal(config.kernel, "hd0p1:/corbel/vm/box/vmlinuz");
    assert_string_equal(config.ramdisk, "hd0p1:/other/initrd.gz");
    assert_string_equal(config.cmdline, "console=hvc0 name=\"x\" |");
    assert_string_equal(config.path, PATH);
    assert_true(config.uuid_set);
    assert_int_equal(config.uuid[0], 0x56);
    assert_int_equal(config.uuid[15], 0xff);
}

static void test_defaults(void **s)
{
    (void)s;
    silent(KERNEL);
    assert_string_equal(config.name, "box");
    assert_int_equal(config.memsize_mib, 32);
    assert_int_equal(config.numvcpus, 1);
    assert_false(config.uuid_set);
    assert_string_equal(config.ramdisk, "");
    assert_true(parse_bytes(KERNEL, strlen(KERNEL), "Other.VMX"));
    assert_string_equal(config.name, "Other");
    assert_string_equal(config.kernel, "vmlinuz");
    assert_true(parse_bytes(KERNEL, strlen(KERNEL), "boot:plain.vmx"));
    assert_string_equal(config.kernel, "boot:vmlinuz");
}

static void test_limits_of_numbers(void **s)
{
    (void)s;
    silent(KERNEL "memsize = \"524288\"\nnumvcpus = \"32\"\n");
    assert_int_equal(config.memsize_mib, 524288);
    assert_int_equal(config.numvcpus, 32);
    silent(KERNEL "memsize = \"4\"\nnumvcpus = \"1\"\n");
    assert_int_equal(config.memsize_mib, 4);
}

static void test_paths(void **s)
{
    (void)s;
    silent("corbel.kernel = \"boot:/k\"\n");
    assert_string_equal(config.kernel, "boot:/k");
    silent("corbel.kernel = \"sub/k:1\"\n");
    assert_string_equal(config.kernel, "hd0p1:/corbel/vm/box/sub/k:1");
    bad("corbel.kernel = \"\"\n", EXIT_FAILED, "line 1");
    char text[400] = "corbel.kernel = \"";
    memset(text + strlen(text), 'a', 240);
    strcat(text, "\"");
    bad(text, EXIT_FAILED, "too long");
}

static void test_wrong_values(void **s)
{
    (void)s;
    bad(KERNEL "memsize = \"lots\"\n", EXIT_FAILED, "box.vmx line 2: memsize");
    bad(KERNEL "memsize = \"65\"\n", EXIT_FAILED, "write \"64\" or \"68\"");
    bad(KERNEL "memsize = \"0\"\n", EXIT_FAILED, "range");
    bad(KERNEL "memsize = \"-4\"\n", EXIT_FAILED, "not a number");
    bad(KERNEL "memsize = \"99999999999999999999\"\n", EXIT_FAILED, "not a number");
    bad(KERNEL "memsize = \"4294967300\"\n", EXIT_FAILED, "range");
    bad(KERNEL "memsize = \"\"\n", EXIT_FAILED, "not a number");
    bad(KERNEL "memsize = \"524292\"\n", EXIT_FAILED, "4 to 524288");
    bad(KERNEL "\n\nnumvcpus = \"33\"\n", EXIT_FAILED, "line 4");
    bad(KERNEL "numvcpus = \"0\"\n", EXIT_FAILED, "1 to 32");
    bad(KERNEL "numvcpus = \"two\"\n", EXIT_FAILED, "not a number");
    bad(KERNEL "config.version = \"7\"\n", EXIT_FAILED, "only \"8\"");
    bad(KERNEL "virtualHW.version = \"x\"\n", EXIT_FAILED, "version");
    bad(KERNEL ".encoding = \"windows-1252\"\n# \xc3\xbc\n", EXIT_FAILED, "UTF-8");
    silent(KERNEL ".encoding = \"windows-1252\"\n");
    bad(KERNEL "guestOS = \"\"\n", EXIT_FAILED, "short name");
    bad(KERNEL "uuid.bios = \"56 4d\"\n", EXIT_FAILED, "uuid");
    bad(KERNEL "uuid.bios = \"56 4d 01 02 03 04 05 06-07 08 09 0a 0b 0c 0d fF 00\"\n", EXIT_FAILED, "uuid");
    bad(KERNEL "uuid.bios = \"5 64d010203040506-0708090a0b0c0dff\"\n", EXIT_FAILED, "uuid");
    bad("memsize = \"64\"\n", EXIT_FAILED, "corbel.kernel is missing");
    bad("", EXIT_FAILED, "corbel.kernel is missing");
}

static void test_limits_and_actions(void **s)
{
    (void)s;
    silent(KERNEL);
    assert_int_equal(config.maxvcpus, 1);
    assert_int_equal(config.maxmem_mib, 32);
    assert_int_equal(config.weight, 256);
    assert_int_equal(config.cap, 0);
    assert_true(config.affinity == ~0UL);
    assert_int_equal(config.on_poweroff, VM_DESTROY);
    assert_int_equal(config.on_reboot, VM_RESTART);
    assert_int_equal(config.on_crash, VM_PRESERVE);
    silent(KERNEL "corbel.maxvcpus = \"8\"\nnumvcpus = \"2\"\nmemsize = \"64\"\ncorbel.maxmem = \"128\"\nsched.cpu.affinity = \"0,2\"\ncorbel.cap = \"50\"\n"
                  "corbel.on_poweroff = \"restart\"\non_reboot = \"Preserve\"\ncorbel.on_crash = \"destroy\"\n");
    assert_int_equal(config.numvcpus, 2);
    assert_int_equal(config.maxvcpus, 8);
    assert_int_equal(config.memsize_mib, 64);
    assert_int_equal(config.maxmem_mib, 128);
    assert_true(config.affinity == 5);
    assert_int_equal(config.cap, 50);
    assert_int_equal(config.on_poweroff, VM_RESTART);
    assert_int_equal(config.on_reboot, VM_PRESERVE);
    assert_int_equal(config.on_crash, VM_DESTROY);
    static const struct { const char *text; unsigned weight; } shares[] = {
        {"low", 128}, {"normal", 256}, {"High", 512}, {"1000", 128}, {"2000", 256}, {"1", 1}, {"1000000", 65535},
    };
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) { /* numbers are for both CPUs together */
        char text[200];
        snprintf(text, sizeof text, KERNEL "numvcpus = \"2\"\nsched.cpu.shares = \"%s\"\n", shares[i].text);
        silent(text);
        assert_int_equal(config.weight, shares[i].weight);
    }
    bad(KERNEL "numvcpus = \"2\"\ncorbel.maxvcpus = \"1\"\n", EXIT_FAILED, "line 3: corbel.maxvcpus");
    bad(KERNEL "corbel.maxvcpus = \"33\"\n", EXIT_FAILED, "line 2");
    bad(KERNEL "corbel.maxmem = \"16\"\n", EXIT_FAILED, "line 2: corbel.maxmem = \"16\": less than memsize");
    bad(KERNEL "corbel.maxmem = \"33\"\n", EXIT_FAILED, "multiple of 4");
    bad(KERNEL "sched.cpu.shares = \"much\"\n", EXIT_FAILED, "\"low\"");
    bad(KERNEL "sched.cpu.shares = \"0\"\n", EXIT_FAILED, "line 2");
    bad(KERNEL "sched.cpu.affinity = \"0,\"\n", EXIT_FAILED, "list of CPUs");
    bad(KERNEL "sched.cpu.affinity = \"64\"\n", EXIT_FAILED, "list of CPUs");
    bad(KERNEL "corbel.cap = \"3201\"\n", EXIT_FAILED, "percent");
    bad(KERNEL "corbel.on_crash = \"ignore\"\n", EXIT_FAILED, "\"restart\"");
    bad(KERNEL "on_poweroff = \"\"\n", EXIT_FAILED, "on_poweroff");
}

static void test_names(void **s)
{
    (void)s;
    bad(KERNEL "displayName = \"12\"\n", EXIT_FAILED, "digits only");
    bad(KERNEL "displayName = \"\"\n", EXIT_FAILED, "empty");
    bad(KERNEL "displayName = \"domain-0\"\n", EXIT_FAILED, "own name");
    bad(KERNEL "displayName = \"a/b\"\n", EXIT_FAILED, "line 2");
    bad(KERNEL "displayName = \"-l\"\n", EXIT_FAILED, "option");
    bad(KERNEL "displayName = \" a\"\n", EXIT_FAILED, "space");
    bad(KERNEL "displayName = \"0123456789012345678901234567890123456789012345678901234567890123x\"\n", EXIT_FAILED, "63");
    silent(KERNEL "displayName = \"Gr\xc3\xbc\xc3\x9f\"\n");
    assert_string_equal(config.name, "Gr\xc3\xbc\xc3\x9f");
    assert_false(parse_bytes(KERNEL, strlen(KERNEL), "boot:/7/7.vmx"));
    assert_non_null(strstr(err.text, "displayName"));
}

static void test_syntax(void **s)
{
    (void)s;
    bad("this is not a configuration\n", EXIT_FAILED, "line 1: not a setting");
    bad(KERNEL "memsize\n", EXIT_FAILED, "line 2: not a setting");
    bad(KERNEL "memsize =\n", EXIT_FAILED, "no value in quotes");
    bad(KERNEL "memsize = 64\n", EXIT_FAILED, "memsize = \"value\"");
    bad(KERNEL "memsize = \"64\n", EXIT_FAILED, "closing");
    bad(KERNEL "memsize = \"64", EXIT_FAILED, "closing");
    bad(KERNEL "memsize = \"64\" 65\n", EXIT_FAILED, "behind the value");
    bad(KERNEL "= \"64\"\n", EXIT_FAILED, "not a setting");
    bad(KERNEL "corbel.cmdline = \"a|2\"\n", EXIT_FAILED, "hexadecimal");
    bad(KERNEL "corbel.cmdline = \"a|\"\n", EXIT_FAILED, "hexadecimal");
    bad(KERNEL "corbel.cmdline = \"a|0A\"\n", EXIT_FAILED, "control character");
    bad(KERNEL "corbel.cmdline = \"a|7F\"\n", EXIT_FAILED, "control character");
    bad(KERNEL "corbel.cmdline = \"a|C2|9B31m\"\n", EXIT_FAILED, "not ASCII");
    bad(KERNEL "displayName = \"a\xc2\x9b" "31m\"\n", EXIT_FAILED, "control character 0x9b");
    bad(KERNEL "memsize = \"64\"\nMemSize = \"64\"\n", EXIT_FAILED, "line 3: MemSize was set in line 2");
    bad(KERNEL "a\x01 = \"1\"\n", EXIT_FAILED, "control character 0x01");
    bad(KERNEL "# \xff\n", EXIT_FAILED, "not UTF-8");
    bad(KERNEL "# \xc0\x80\n", EXIT_FAILED, "not UTF-8");
    bad(KERNEL "# \xed\xa0\x80\n", EXIT_FAILED, "not UTF-8");
    bad(KERNEL "# \xe2\x82\n", EXIT_FAILED, "not UTF-8");
    assert_false(parse_bytes("a = \"b\0c\"\n", 10, PATH));
    assert_non_null(strstr(err.text, "0x00"));
}

static void test_limits(void **s)
{
    (void)s;
    char *text = calloc(1, 200000);
    for (int i = 0; i < 400; i++)
        sprintf(text + strlen(text), "tools.x%d = \"1\"\n", i);
    assert_false(parse_bytes(text, strlen(text), PATH));
    assert_non_null(strstr(err.text, "more than 384"));
    memset(text, '\n', 70000);
    assert_false(parse_bytes(text, 70000, PATH));
    assert_non_null(strstr(err.text, "at most 65536"));
    strcpy(text, KERNEL "corbel.cmdline = \"");
    size_t at = strlen(text);
    memset(text + at, 'x', 1023);
    strcpy(text + at + 1023, "\"");
    silent(text);
    assert_int_equal(strlen(config.cmdline), 1023);
    strcpy(text + at + 1023, "y\"");
    bad(text, EXIT_FAILED, "at most 1023 bytes");
    memset(text, 'k', 64);
    strcpy(text + 64, " = \"1\"\n");
    bad(text, EXIT_FAILED, "key");
    free(text);
    char path[400];
    memset(path, 'p', 300);
    path[300] = '\0';
    assert_false(parse_bytes(KERNEL, strlen(KERNEL), path));
}

static void test_unknown_keys(void **s)
{
    (void)s;
    warned(KERNEL "memsise = \"32\"\n", "line 2: memsise: unknown key, ignored: did you mean memsize?");
    assert_int_equal(config.memsize_mib, 32);
    warned(KERNEL "corbel.kernal = \"32\"\n", "did you mean corbel.kernel?");
    warned(KERNEL "DisplayNam = \"32\"\n", "did you mean displayName?");
    warned(KERNEL "zebra = \"32\"\n", "zebra: unknown key, ignored\n");
    assert_null(strstr(warnings, "mean"));
    silent(KERNEL "MEMSIZE = \"64\"\n");
    assert_int_equal(config.memsize_mib, 64);
}

static void test_later_keys(void **s)
{
    (void)s;
    warned(KERNEL "firmware = \"efi\"\n", "not supported in this version, ignored");
    warned(KERNEL "ethernet = \"x\"\n", "ethernet: unknown key");
    warned(KERNEL "ethernet0. = \"x\"\n", "ethernet0.: unknown key");
}

static void test_disks(void **s)
{
    (void)s;
    silent(KERNEL "scsi0.present = \"TRUE\"\nscsi0:0.present = \"true\"\nscsi0:0.fileName = \"a b.img\"\nscsi0:0.mode = \"independent-persistent\"\n"
                  "scsi0:0.writeThrough = \"FALSE\"\nscsi0:0.deviceType = \"scsi-hardDisk\"\n");
    assert_int_equal(config.disks, 1);
    assert_string_equal(config.disk[0].path, "hd0p1:/corbel/vm/box/a b.img");
    silent(KERNEL "ide0:0.present = \"TRUE\"\nide0:0.fileName = \"x.VMDK\"\nide1:0.present = \"TRUE\"\nide1:0.fileName = \"disk:sd0p2\"\nide1:0.deviceType = \"rawDisk\"\n"
                  "scsi1:1.present = \"TRUE\"\nscsi1:1.fileName = \"phy:/dev/sd0\"\nscsi1:1.readonly = \"TRUE\"\n");
    static const char *const kinds[] = {"phy:/dev/sd0", "hd0p1:/corbel/vm/box/x.VMDK", "disk:sd0p2"};
    for (uint16_t i = 0; i < 3; i++) {
        assert_string_equal(config.disk[i].path, kinds[i]);
        assert_int_equal(config.disk[i].read_only, i == 0);
    }
    silent(KERNEL "scsi0.present = \"TRUE\"\nscsi0:0.present = \"true\"\nscsi0:0.fileName = \"a b.img\"\nscsi0:0.mode = \"independent-persistent\"\n"
                  "scsi0:0.writeThrough = \"FALSE\"\nscsi0:0.deviceType = \"scsi-hardDisk\"\n");
    assert_true(config.disk[0].line == 4 && !config.disk[0].read_only && !config.disk[0].cdrom && config.disk[0].index == 0);
    /* The order is that of buses and numbers, not of lines. */
    silent("ide1:0.fileName = \"/cd.iso\"\nide1:0.deviceType = \"cdrom-image\"\nide1:0.present = \"TRUE\"\n" KERNEL
           "sata0:29.present = \"TRUE\"\nsata0:29.fileName = \"hd1:/x-flat.vmdk\"\nsata0:29.readonly = \"TRUE\"\n"
           "SCSI0:10.present = \"TRUE\"\nscsi0:10.filename = \"c\"\nscsi0:9.present = \"TRUE\"\nscsi0:9.fileName = \"b\"\nnvme3:14.present = \"TRUE\"\nnvme3:14.fileName = \"n\"\n");
    assert_int_equal(config.disks, 5);
    static const char *const order[] = {"hd0p1:/corbel/vm/box/b", "hd0p1:/corbel/vm/box/c", "hd1:/x-flat.vmdk", "hd0p1:/corbel/vm/box/n", "hd0p1:/cd.iso"};
    for (uint16_t i = 0; i < 5; i++) {
        assert_string_equal(config.disk[i].path, order[i]);
        assert_int_equal(config.disk[i].index, i);
        assert_int_equal(config.disk[i].read_only, i == 2 || i == 4);
        assert_int_equal(config.disk[i].cdrom, i == 4);
    }
}

static void test_disks_left_out(void **s)
{
    (void)s;
    silent(KERNEL "ide0:0.fileName = \"d.vmdk\"\nide0:0.present = \"false\"\nide0:0.zebra = \"1\"\n");
    silent(KERNEL "ide0:0.fileName = \"d\"\nide0:0.present = \"TRUE\"\nide0:0.startConnected = \"FALSE\"\n");
    assert_int_equal(config.disks, 0);
    warned(KERNEL "ide0:0.fileName = \"d\"\nide0:0.mode = \"x\"\n", "line 2: ide0:0.fileName: without .present = \"TRUE\" it is left out");
    assert_int_equal(warning_count, 1);
    warned(KERNEL "ide1:0.present = \"TRUE\"\nide1:0.deviceType = \"cdrom-raw\"\nide1:0.fileName = \"auto detect\"\n", "line 3: ide1:0.deviceType: CD drives of the host");
    assert_true(config.disks == 1 && config.disk[0].cdrom && config.disk[0].path[0] == '\0');
    warned(KERNEL "scsi0.present = \"FALSE\"\nscsi0.virtualDev = \"x\"\nscsi0:0.present = \"TRUE\"\nscsi0:0.fileName = \"x\"\n", "line 4: scsi0:0.present: its controller");
    assert_true(config.disks == 0 && warning_count == 1);
    warned(KERNEL "scsi0.present = \"TRUE\"\nscsi0.virtualDev = \"x\"\nscsi0.y = \"x\"\n", "line 3: scsi0.virtualDev: guests see Xen's virtual disks");
    assert_int_equal(warning_count, 1);
    warned(KERNEL "nvme0:0.present = \"TRUE\"\nnvme0:0.fileName = \"x\"\nnvme0:0.zebra = \"x\"\n", "line 4: nvme0:0.zebra: unknown setting");
    assert_true(config.disks == 1 && warning_count == 1);
    warned(KERNEL "ide00:12.x = \"x\"\n", "ide00:12.x: unknown key");
    warned(KERNEL "ide0:.x = \"x\"\nscsi = \"x\"\nscsi:0.x = \"x\"\n", "scsi:0.x: unknown key");
}

#define PRESENT KERNEL "ide0:0.present = \"TRUE\"\n"

static void test_disks_wrong(void **s)
{
    char many[4096] = KERNEL;
    (void)s;
    bad(PRESENT, EXIT_FAILED, "box.vmx line 2: ide0:0.present = \"TRUE\": ide0:0.fileName is missing: write");
    bad(PRESENT "ide0:0.fileName = \"\"\n", EXIT_FAILED, "line 3: ide0:0.fileName = \"\": no image");
    bad(PRESENT "ide0:0.fileName = \"x.QCOW2\"\n", EXIT_FAILED, "line 3: ide0:0.fileName = \"x.QCOW2\": only raw images and VMware's .vmdk are read");
    bad(PRESENT "ide0:0.fileName = \"x-s001.vmdk\"\n", EXIT_FAILED, "line 3: ide0:0.fileName = \"x-s001.vmdk\": this is one extent");
    bad(PRESENT "ide0:0.fileName = \"\\\\.\\PhysicalDrive0\"\n", EXIT_FAILED, "it is written \"disk:sd0\"");
    bad(PRESENT "ide0:0.fileName = \"/dev/sda\"\n", EXIT_FAILED, "it is written \"disk:sd0\"");
    bad(PRESENT "ide0:0.fileName = \"x.img\"\nide0:0.deviceType = \"rawDisk\"\n", EXIT_FAILED, "line 3: ide0:0.fileName = \"x.img\": a rawDisk is a disk of the host");
    bad(PRESENT "ide0:0.fileName = \"disk:sd0\"\nide0:0.deviceType = \"cdrom-image\"\n", EXIT_FAILED, "line 3: ide0:0.fileName = \"disk:sd0\": a disk of the host is no image of a CD");
    bad(PRESENT "ide0:0.fileName = \"x\"\nide0:0.deviceType = \"tape\"\n", EXIT_FAILED, "line 4: ide0:0.deviceType = \"tape\": not a kind of disk");
    bad(PRESENT "ide0:0.fileName = \"x\"\nide0:0.mode = \"undoable\"\n", EXIT_FAILED, "line 4: ide0:0.mode = \"undoable\": changes that are thrown away");
    bad(PRESENT "ide0:0.fileName = \"x\"\nide0:0.readonly = \"1\"\n", EXIT_FAILED, "line 4: ide0:0.readonly = \"1\": neither yes nor no");
    bad(PRESENT "ide0:0.fileName = \"x\"\nide0:0.startConnected = \"no\"\n", EXIT_FAILED, "ide0:0.startConnected = \"no\"");
    bad(PRESENT "ide0:0.fileName = \"x\"\nide0:0.writeThrough = \"no\"\n", EXIT_FAILED, "ide0:0.writeThrough = \"no\"");
    bad(KERNEL "scsi0:0.present = \"maybe\"\n", EXIT_FAILED, "line 2: scsi0:0.present = \"maybe\": neither");
    bad(KERNEL "scsi0.present = \"maybe\"\n", EXIT_FAILED, "scsi0.present = \"maybe\": neither");
    bad(KERNEL "ide0:2.present = \"TRUE\"\n", EXIT_FAILED, "line 2: ide0:2.present = \"TRUE\": no such place: ide0:0 to ide1:1");
    bad(KERNEL "scsi4:0.present = \"TRUE\"\n", EXIT_FAILED, "scsi0:0 to scsi3:15");
    bad(KERNEL "scsi9999:9999.present = \"TRUE\"\n", EXIT_FAILED, "no such place");
    for (unsigned i = 0; i < 17; i++)
        sprintf(many + strlen(many), "sata0:%u.present = \"TRUE\"\nsata0:%u.fileName = \"f\"\n", i, i);
    bad(many, EXIT_FAILED, "line 34: sata0:16.present = \"TRUE\": more than 16 disks");
    char path[PATH_MAX_LEN + 128];
    sprintf(path, PRESENT "ide0:0.fileName = \"%0255u\"\n", 1);
    bad(path, EXIT_FAILED, "the path is too long");
}

static void test_network_cards(void **s)
{
    (void)s;
    static const uint8_t given[] = {0x00, 0x50, 0x56, 0x00, 0x00, 0x0b};
    silent(KERNEL "ethernet0.present = \"TRUE\"\nETHERNET7.present = \"true\"\nethernet7.networkName = \"lan\"\nethernet7.addressType = \"static\"\n"
                  "ethernet7.address = \"00:50:56:00:00:0B\"\ncorbel.ethernet7.rate = \"100\"\nethernet1.present = \"FALSE\"\nethernet1.address = \"x\"\n"
                  "ethernet0.generatedAddressOffset = \"0\"\n");
    assert_true(config.nics[0].present && !config.nics[0].mac_set && !config.nics[1].present && config.nics[7].present);
    assert_string_equal(config.nics[0].bridge, "bridge0");
    assert_string_equal(config.nics[7].bridge, "lan");
    assert_memory_equal(config.nics[7].mac, given, sizeof given);
    assert_int_equal(config.nics[7].rate_kib, 100);
    silent(KERNEL "ethernet0.generatedAddress = \"00:0c:29:01:02:03\"\nethernet0.present = \"TRUE\"\nethernet0.address = \"00:50:56:00:00:0b\"\n"
                  "ethernet0.addressType = \"generated\"\nethernet0.connectionType = \"hostonly\"\n");
    assert_true(config.nics[0].mac_set && config.nics[0].mac[5] == 3);
    assert_string_equal(config.nics[0].bridge, "hostonly");
    silent(KERNEL "ethernet0.present = \"TRUE\"\nethernet0.addressType = \"static\"\nethernet0.address = \"3c:97:0e:11:22:33\"\n"
                  "ethernet0.checkMACAddress = \"FALSE\"\n");
    warned(KERNEL "ethernet0.networkName = \"lan\"\n", "there is no ethernet0.present = \"TRUE\"");
    warned(KERNEL "ethernet0.present = \"TRUE\"\nethernet0.virtualDev = \"e1000\"\n", "ethernet0.virtualDev: other models");
    warned(KERNEL "ethernet0.present = \"TRUE\"\nethernet0.startConnected = \"TRUE\"\n", "ethernet0.startConnected: further settings of network cards");
    bad(KERNEL "ethernet8.present = \"TRUE\"\n", EXIT_FAILED, "ethernet0 to ethernet7");
    bad(KERNEL "ethernet10.present = \"TRUE\"\n", EXIT_FAILED, "ethernet0 to ethernet7");
    bad(KERNEL "ethernet0.present = \"maybe\"\n", EXIT_FAILED, "\"TRUE\" or \"FALSE\"");
    bad(KERNEL "ethernet0.networkName = \"a b\"\n", EXIT_FAILED, "15 letters");
    bad(KERNEL "ethernet0.connectionType = \"nat\"\n", EXIT_FAILED, "no address translation");
    bad(KERNEL "ethernet0.addressType = \"odd\"\n", EXIT_FAILED, "\"static\" with address");
    bad(KERNEL "ethernet0.address = \"00:50:56:00:00\"\n", EXIT_FAILED, "six bytes");
    bad(KERNEL "ethernet0.generatedAddress = \"\"\n", EXIT_FAILED, "six bytes");
    bad(KERNEL "corbel.ethernet0.rate = \"99999999\"\n", EXIT_FAILED, "KiB per second");
    bad(KERNEL "ethernet0.present = \"TRUE\"\nethernet0.addressType = \"static\"\n", EXIT_FAILED, "there is no address");
    bad(KERNEL "ethernet0.present = \"TRUE\"\nethernet0.addressType = \"static\"\nethernet0.address = \"01:50:56:00:00:0b\"\n", EXIT_FAILED, "group");
    bad(KERNEL "ethernet0.present = \"TRUE\"\nethernet0.addressType = \"static\"\nethernet0.address = \"3c:97:0e:11:22:33\"\n", EXIT_FAILED,
        "real card");
}

/* ---- whole files, as VMware's products and people write them: tests/vmx ---- */

static const char *const files[] = {"workstation", "workstation-windows", "workstation-1252", "fusion", "esxi",
                                    "player",      "by-hand",             "long-lines",       "corbel", "old"};
static char found[65536];
static unsigned per_line[256], refused_found;

static void describe(const struct vmx_finding *f, void *ctx)
{
    static const char *const verdicts[] = {"accepted", "default", "ignored", "refused"};
    (void)ctx;
    assert_true(f->text[0] != '\0' && f->line < 256);
    per_line[f->line] += f->line != 0;
    refused_found += f->verdict == VMX_REFUSED;
    snprintf(found + strlen(found), sizeof found - strlen(found), "%u %s%s %.40s%s%s%s\n", f->line, verdicts[f->verdict], f->quiet ? "," : "",
             f->key, f->verdict == VMX_DEFAULTED ? "=" : "", f->verdict == VMX_DEFAULTED ? f->value : ": ", f->verdict == VMX_DEFAULTED ? "" : f->text);
}

static char *read_all(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    char *text = calloc(1, 100000);
    if (f == NULL)
        fail_msg("%s: not there (tests are run from the top folder)", path);
    *len = fread(text, 1, 99999, f);
    fclose(f);
    return text;
}

/* Each line that is no comment and not blank has one finding. */
static void each_line_once(const char *name, const char *text, size_t len)
{
    unsigned nr = 1;
    for (size_t at = len > 3 && text[0] == '\xef' ? 3 : 0; at < len; nr++) {
        const char *nl = memchr(text + at, '\n', len - at);
        size_t n = nl != NULL ? (size_t)(nl - text) - at : len - at, blank = 0;
        while (blank < n && strchr(" \t\r", text[at + blank]) != NULL)
            blank++;
        bool setting = blank < n && text[at + blank] != '#';
        if (per_line[nr] != setting)
            fail_msg("%s line %u: %u findings", name, nr, per_line[nr]);
        at += n + 1;
    }
}

/* All findings of the ten files, one by one. VMX_FOUND=write in the environment writes what is found, for looking at. */
static void test_whole_files(void **s)
{
    char path[100];
    size_t len, want_len;
    (void)s;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        snprintf(path, sizeof path, "tests/vmx/%s.vmx", files[i]);
        char *text = read_all(path, &len), *copy = malloc(len);
        memcpy(copy, text, len); /* exact size */
        found[0] = '\0';
        memset(per_line, 0, sizeof per_line);
        refused_found = 0;
        snprintf(path, sizeof path, "hd0p1:/corbel/vm/x/%s.vmx", files[i]);
        bool ok = vmx_read(&work, copy, len, path, &config);
        vmx_findings(&work, describe, NULL);
        assert_true(ok == (refused_found == 0) && work.refused == refused_found);
        each_line_once(files[i], copy, len);
        assert_true(vmx_parse(&work, copy, len, path, &config, warn, warnings, &err) == ok);
        warnings[0] = '\0';
        snprintf(path, sizeof path, "tests/vmx/%s.found", files[i]);
        if (getenv("VMX_FOUND") != NULL) {
            FILE *f = fopen(path, "wb");
            fputs(found, f);
            fclose(f);
        }
        char *want = read_all(path, &want_len);
        if (strcmp(want, found) != 0)
            fail_msg("%s: found\n%s", files[i], found);
        free(want);
        free(copy);
        free(text);
    }
}

/* ---- the editor ---- */

static void edits(const char *text, const char *key, const char *value, const char *want)
{
    char out[4096], *copy = malloc(strlen(text) + 1);
    size_t len = 0, removed = 0;
    memcpy(copy, text, strlen(text));
    if (value != NULL)
        assert_true(vmx_edit_set(copy, strlen(text), key, value, out, sizeof out, &len));
    else
        vmx_edit_remove(copy, strlen(text), key, out, &len, &removed);
    out[len] = '\0';
    assert_string_equal(out, want);
    if (value != NULL) { /* a buffer that is one byte too small is never overrun */
        char *small = malloc(len);
        size_t small_len = 0;
        assert_false(vmx_edit_set(copy, strlen(text), key, value, small, len - 1, &small_len));
        assert_true(small_len >= len - 1);
        free(small);
    }
    free(copy);
}

static void test_editor(void **s)
{
    (void)s;
    edits("\r\ta\r=\r\"1\"\r\n", "a", "2", "\r\ta\r=\r\"2\"\r\n"); /* a stray CR is a blank, as for the reader */
    edits("\ra = \"1\"\nb = \"2\"\n", "a", NULL, "b = \"2\"\n");
    edits("", "memsize", "64", "memsize = \"64\"\n");
    edits("a = \"1\"", "memsize", "64", "a = \"1\"\nmemsize = \"64\"\n");
    edits("\xef\xbb\xbf", "memsize", "64", "\xef\xbb\xbfmemsize = \"64\"\n");
    edits("\xef\xbb\xbfMemSize=\"1\"\r\n# x\r\n", "memsize", "64", "\xef\xbb\xbfMemSize=\"64\"\r\n# x\r\n");
    edits("# c\r\nMemSize  =\t\"1\" # why\r\nb = \"2\"\r\n", "memsize", "64", "# c\r\nMemSize  =\t\"64\" # why\r\nb = \"2\"\r\n");
    edits("# c\r\nb = \"2\"\r\n", "memsize", "64", "# c\r\nb = \"2\"\r\nmemsize = \"64\"\r\n");
    edits("# c\r\nb = \"2\"", "memsize", "64", "# c\r\nb = \"2\"\r\nmemsize = \"64\"\r\n");
    edits("memsize = \"1\"\nmemsize = \"2\"\n", "memsize", "64", "memsize = \"64\"\nmemsize = \"2\"\n");
    edits("# memsize = \"1\"\nmemsizes = \"2\"\nxmemsize = \"3\"\n", "memsize", "64",
          "# memsize = \"1\"\nmemsizes = \"2\"\nxmemsize = \"3\"\nmemsize = \"64\"\n");
    edits("memsize = 1\nb = \"2\"\n", "memsize", "64", "memsize = \"64\"\nb = \"2\"\n"); /* malformed, and right then */
    edits("memsize = \"1\r\nb = \"2\"\r\n", "memsize", "64", "memsize = \"64\"\r\nb = \"2\"\r\n");
    edits("memsize = \"1\" 2 # x\nb\n", "memsize", "64", "memsize = \"64\"\nb\n");
    edits("memsize =", "memsize", "64", "memsize =\"64\"");
    edits("a = \"|22\"\n", "a", "say \"hi\" | \xc3\xbc", "a = \"say |22hi|22 |7C \xc3\xbc\"\n");
    edits("a = \"1\"\n", "a", "", "a = \"\"\n");
    edits("a = \"1\"\r\n# x\r\nA=\"2\" # gone, too\r\nb = \"3\"", "a", NULL, "# x\r\nb = \"3\"");
    edits("\xef\xbb\xbf" "a = \"1\"", "a", NULL, "\xef\xbb\xbf");
    edits("b = \"1\"\n", "a", NULL, "b = \"1\"\n");
    char out[8];
    assert_int_equal(vmx_edit_encode(out, sizeof out, "a|b"), 5);
    assert_string_equal(out, "a|7Cb");
    assert_int_equal(vmx_edit_encode(out, sizeof out, "\"\"\""), 9);
    assert_string_equal(out, "");
}

/* What is shown is read again as the same. */
static char shown[32768];

static void show_one(const char *key, const char *value, const char *meaning, void *ctx)
{
    char encoded[3 * VMX_VALUE_MAX];
    (void)ctx;
    assert_true(meaning[0] != '\0');
    vmx_edit_encode(encoded, sizeof encoded, value);
    snprintf(shown + strlen(shown), sizeof shown - strlen(shown), "%s = \"%s\"\n", key, encoded);
}

static void test_what_is_shown_is_read_again(void **s)
{
    static struct vm_config first;
    static char once[sizeof shown];
    (void)s;
    for (unsigned i = 0; i < 2; i++) {
        size_t len;
        char *text = read_all("tests/vmx/corbel.vmx", &len);
        assert_true(parse_bytes(i == 0 ? text : KERNEL, i == 0 ? len : strlen(KERNEL), PATH));
        free(text);
        first = config;
        shown[0] = '\0';
        vmx_show(&config, show_one, NULL);
        strcpy(once, shown);
        silent(once);
        for (uint32_t d = 0; d < config.disks; d++)
            config.disk[d].line = first.disk[d].line;
        for (uint32_t n = 0; n < NICS_MAX; n++) /* what was said, and what was meant */
            config.nics[n].generated_set = first.nics[n].generated_set;
        assert_memory_equal(&config, &first, sizeof config);
        shown[0] = '\0';
        vmx_show(&config, show_one, NULL);
        assert_string_equal(shown, once);
    }
}

static void test_serial_and_power(void **s)
{
    (void)s;
    silent(KERNEL "serial0.present = \"TRUE\"\nserial0.fileType = \"FILE\"\nserial0.fileName = \"s.log\"\n");
    assert_string_equal(config.serial, "hd0p1:/corbel/vm/box/s.log");
    silent(KERNEL "serial0.present = \"FALSE\"\nserial0.fileType = \"pipe\"\nserial0.fileName = \"\"\n");
    assert_string_equal(config.serial, "");
    warned(KERNEL "serial0.fileType = \"pipe\"\nserial0.fileName = \"x\"\n", "line 2: serial0.fileType: serial0.present is not TRUE");
    assert_string_equal(config.serial, "");
    bad(KERNEL "serial0.present = \"TRUE\"\n", EXIT_FAILED, "line 2: serial0.present = \"TRUE\": without serial0.fileType");
    bad(KERNEL "serial0.present = \"TRUE\"\nserial0.fileType = \"file\"\n", EXIT_FAILED, "serial0.fileName is missing");
    bad(KERNEL "serial0.present = \"TRUE\"\nserial0.fileType = \"network\"\n", EXIT_FAILED, "line 3: serial0.fileType = \"network\": pipes, networks");
    bad(KERNEL "serial0.present = \"x\"\n", EXIT_FAILED, "TRUE");
    warned(KERNEL "serial0.present = \"TRUE\"\nserial0.fileType = \"thinprint\"\nserial0.fileName = \"thinprint\"\n", "VMware's printing");
    assert_string_equal(config.serial, "");
    warned(KERNEL "serial1.present = \"TRUE\"\n", "serial1.present: more serial ports than the first");
    silent(KERNEL "powerType.powerOff = \"Hard\"\npowerType.reset = \"soft\"\npowertype.suspend = \"hard\"\n");
    assert_true(config.power_off == VM_HARD && config.power_reset == VM_SOFT);
    silent(KERNEL "powerType.powerOff = \"default\"\npowerType.reset = \"preset\"\n");
    assert_true(config.power_off == VM_SOFT && config.power_reset == VM_SOFT);
    bad(KERNEL "powerType.powerOff = \"off\"\n", EXIT_FAILED, "\"soft\" or \"hard\"");
    bad(KERNEL "powerType.suspend = \"\"\n", EXIT_FAILED, "\"soft\" or \"hard\"");
}

static void test_cd_drives(void **s)
{
    (void)s;
#define CD KERNEL "ide1:0.present = \"TRUE\"\nide1:0.deviceType = \"cdrom-image\"\n"
    silent(CD);
    assert_true(config.disks == 1 && config.disk[0].cdrom && config.disk[0].read_only && config.disk[0].path[0] == '\0');
    silent(CD "ide1:0.fileName = \"\"\n");
    assert_true(config.disks == 1 && config.disk[0].path[0] == '\0');
    silent(CD "ide1:0.fileName = \"cd.iso\"\nide1:0.startConnected = \"FALSE\"\n");
    assert_true(config.disks == 1 && config.disk[0].path[0] == '\0');
    silent(CD "ide1:0.fileName = \"cd.iso\"\n");
    assert_string_equal(config.disk[0].path, "hd0p1:/corbel/vm/box/cd.iso");
    char place[16];
    vm_disk_place(&config.disk[0], place, sizeof place);
    assert_string_equal(place, "ide1:0");
    config.disk[0].attached = true;
    config.disk[0].index = 2;
    vm_disk_place(&config.disk[0], place, sizeof place);
    assert_string_equal(place, "xvdc");
    warned(KERNEL "sata0:1.present = \"TRUE\"\nsata0:1.deviceType = \"cdrom-raw\"\nsata0:1.fileName = \"auto detect\"\nsata0:1.autodetect = \"TRUE\"\n",
           "cd-insert puts an image into it");
    assert_int_equal(warning_count, 1);
}

static void test_nearest(void **s)
{
    (void)s;
    assert_int_equal(nearest_distance("memsize", "memsize"), 0);
    assert_int_equal(nearest_distance("memsize", "MEMSIZE"), 0);
    assert_int_equal(nearest_distance("memsise", "memsize"), 1);
    assert_int_equal(nearest_distance("mmesize", "memsize"), 1);
    assert_int_equal(nearest_distance("", "abc"), 3);
    assert_int_equal(nearest_distance("abc", ""), 3);
    assert_int_equal(nearest_distance("kitten", "sitting"), 3);
    char name[100];
    memset(name, 'a', 99);
    name[99] = '\0';
    assert_int_equal(nearest_distance(name, "a"), 1000);
    struct nearest n;
    nearest_begin(&n, "lsit");
    nearest_offer(&n, "destroy");
    nearest_offer(&n, "list");
    nearest_offer(&n, "ls");
    assert_string_equal(nearest_result(&n), "list");
    nearest_begin(&n, "q");
    nearest_offer(&n, "list");
    assert_null(nearest_result(&n));
    nearest_begin(&n, "x");
    nearest_offer(&n, "ls");
    assert_null(nearest_result(&n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_file), cmocka_unit_test(test_defaults), cmocka_unit_test(test_limits_of_numbers), cmocka_unit_test(test_paths),
        cmocka_unit_test(test_wrong_values), cmocka_unit_test(test_limits_and_actions), cmocka_unit_test(test_names), cmocka_unit_test(test_syntax),
        cmocka_unit_test(test_limits), cmocka_unit_test(test_unknown_keys), cmocka_unit_test(test_later_keys), cmocka_unit_test(test_network_cards),
        cmocka_unit_test(test_disks), cmocka_unit_test(test_disks_left_out), cmocka_unit_test(test_disks_wrong),
        cmocka_unit_test(test_whole_files), cmocka_unit_test(test_editor), cmocka_unit_test(test_what_is_shown_is_read_again),
        cmocka_unit_test(test_serial_and_power), cmocka_unit_test(test_cd_drives), cmocka_unit_test(test_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
