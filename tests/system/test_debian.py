# SPDX-License-Identifier: Apache-2.0
"""[HOST] Debian as tools/mkguest makes it, with systemd, stock kernel and ramdisk, from its virtual disk: it boots to a login, works, ends in order
and in the middle of writes; the host judges the file system each time. One boot of the host, one of the guest with 1 vCPU and one with 2."""
import os
import re
import subprocess

import pytest

from corbel import ROOT, Corbel, make_image
from test_power_cut import fsck

MADE = os.path.join(ROOT, "build", "deb")
DISK = os.path.join(ROOT, "build", "images", "test_debian.img")
COPY = os.path.join(ROOT, "build", "images", "test_debian.disk.img")
# 1,024 blocks, in an order that jumps, each with its number and SEED all over it; read back, each must be its own.
PATTERN = """use strict; my ($do, $file, $seed) = @ARGV; my $n = 1024; my $bad = 0;
open(my $f, $do eq "write" ? "+>" : "<", $file) or die "$file: $!"; binmode $f;
for my $i (0 .. $n - 1) { my $b = $i * 389 % $n; my $want = pack("NN", $b, $seed) x 512; seek($f, $b * 4096, 0);
  if ($do eq "write") { print $f $want or die "write: $!" } else { read($f, my $got, 4096); $bad++ if $got ne $want } }
close($f) or die "close: $!"; print "$do of $file: $bad of $n blocks are wrong\\n";
"""


def made(name):
    path = os.path.join(MADE, name)
    if name != "deb.vmx":
        return path
    with open(path, encoding="utf-8") as f:
        return f.read().replace("console=hvc0", "console=hvc0 quiet cryptomgr.notests").encode()


@pytest.fixture(scope="module")
def corbel():
    vmx = made("deb.vmx")
    files = {f"\\corbel\\vm\\deb\\{n}": made(n) for n in ("vmlinuz", "initrd.img", "disk.img")}
    files["\\corbel\\vm\\deb\\deb.vmx"] = vmx
    two = vmx.replace(b'"deb"', b'"duo"').replace(b'numvcpus = "1"', b'numvcpus = "2"')
    for name in (b"vmlinuz", b"initrd.img", b"disk.img"):
        two = two.replace(b'"' + name, b'"../deb/' + name)
    files["\\corbel\\vm\\duo\\duo.vmx"] = two
    machine = Corbel(make_image(DISK, files, 640), "test_debian", private=False)
    try:
        yield machine.boot()
    finally:
        machine.close()
        for path in (DISK, COPY):
            if os.path.exists(path):
                os.remove(path)


def log_in(corbel, name):
    corbel.ok(f"create {name}", 400)
    corbel.attach(name)
    corbel.expect(r"deb login: ", 1200)
    corbel.send("root\r")
    corbel.expect(r"Password: ", 200)
    corbel.send("corbel\r")
    corbel.expect(r"root@deb:~# ", 400)
    corbel.send("exec sh\r")  # which, unlike bash, draws nothing around what it prints
    corbel.expect(r"exec sh[^\n]*\n[^\n]*# ", 100)
    corbel.leave()


def pattern(corbel, name, do, file, seed):
    out = corbel.inside(name, f"perl /root/pattern.pl {do} {file} {seed}", 300)
    assert f"{do} of {file}: 0 of 1024 blocks are wrong" in out, out


def disk_copy():
    """The guest's disk as it is on the medium now: Bochs has no cache of its own, and the machine runs on."""
    env = dict(os.environ, MTOOLS_SKIP_CHECK="1", LC_ALL="C.UTF-8")
    subprocess.run(["mcopy", "-n", "-o", "-i", f"{DISK}@@1M", "::/corbel/vm/deb/disk.img", COPY], check=True, env=env)


def e2fsck(*how):
    return subprocess.run(["/sbin/e2fsck", *how, COPY], capture_output=True, text=True, check=False)


def cat(file):
    return subprocess.run(["/sbin/debugfs", "-R", f"cat {file}", COPY], capture_output=True, check=True).stdout


def test_it_boots_to_a_login(corbel):
    log_in(corbel, "deb")
    assert "xvda" in corbel.inside("deb", "mount | grep ' / '")
    assert "systemd" in corbel.inside("deb", "cat /proc/1/comm")
    assert "xen_blkfront" in corbel.inside("deb", "grep blkfront /proc/modules")
    assert corbel.inside("deb", "systemctl --failed --no-legend --plain | wc -l", 200) == "0"


def test_two_thousand_files_are_unpacked_and_deleted(corbel):
    lines = ["cd /root", "mkdir src", "for i in $(seq 2000); do echo file $i of many > src/$i; done", "tar -cf t.tar src", "rm -r src", "mkdir a", "tar -xf t.tar -C a",
             "sync", "ls a/src | wc -l", "cat a/src/* | md5sum", "rm -r a", "sync", "ls -A a 2>&1 | wc -l"]
    out = corbel.inside("deb", "; ".join(lines), 400)
    want = subprocess.run("for i in $(seq 2000); do echo $i; done | LC_ALL=en_US sort | sed 's/.*/file & of many/' | md5sum", shell=True, capture_output=True, text=True, check=True).stdout
    assert out.split()[0] == "2000" and out.split()[-1] == "1", out
    assert re.search("[0-9a-f]{32}", out)[0] == re.search("[0-9a-f]{32}", want)[0]


def test_a_written_pattern_is_read_back(corbel):
    for i, line in enumerate(PATTERN.strip().split("\n")):
        corbel.inside("deb", f"printf '%s\\n' '{line}' {'>' if i == 0 else '>>'} /root/pattern.pl")
    pattern(corbel, "deb", "write", "/root/one", 11)
    corbel.inside("deb", "sync; echo 3 > /proc/sys/vm/drop_caches")
    pattern(corbel, "deb", "read", "/root/one", 11)


def test_it_powers_off_and_the_file_system_is_clean(corbel):
    corbel.attach("deb", 0)
    corbel.send("poweroff\r")
    corbel.expect(r"deb: powered off", 400)
    corbel.send(b"\x1d\r")
    corbel.expect(r"corbel> ")
    corbel.audit()
    disk_copy()
    judged = e2fsck("-fn")
    assert judged.returncode == 0 and "recover" not in judged.stdout, judged.stdout
    assert cat("/root/one")[389 * 4096:][:8] == (389).to_bytes(4, "big") + (11).to_bytes(4, "big")


def test_it_boots_again_with_two_vcpus_and_has_what_it_had(corbel):
    log_in(corbel, "duo")
    assert corbel.inside("duo", "nproc") == "2"
    pattern(corbel, "duo", "read", "/root/one", 11)
    out = corbel.inside("duo", "for s in 1 2; do perl /root/pattern.pl write /root/two$s $s & done; wait; sync; echo 3 > /proc/sys/vm/drop_caches; "
                        "for s in 1 2; do perl /root/pattern.pl read /root/two$s $s & done; wait", 400)
    assert out.count("0 of 1024 blocks are wrong") == 4, out


def test_destroyed_in_the_middle_of_writes_its_journal_is_enough(corbel):
    corbel.attach("duo", 0)
    corbel.send("i=0; while :; do i=$((i+1)); echo $i >> /root/log; tar -xf t.tar; sync; echo syn''ced $i; rm -r src; done\r")
    corbel.expect(r"^synced 2\s", 400)
    corbel.leave()
    corbel.ok("destroy duo")
    corbel.audit()
    disk_copy()
    assert e2fsck("-y", "-E", "journal_only").returncode in (0, 1)
    judged = e2fsck("-fn")
    assert judged.returncode == 0, judged.stdout
    assert cat("/root/log").split()[:2] == [b"1", b"2"]


def test_the_hosts_volume_is_clean(corbel):
    corbel.send("host-poweroff\r")
    for _ in range(120):
        if not corbel.pump(0.5):
            break
    assert fsck(DISK), "the FAT volume has findings"
