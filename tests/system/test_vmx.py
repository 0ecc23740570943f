# SPDX-License-Identifier: Apache-2.0
"""[HOST] A guest's .vmx file at the prompt: explained, shown, changed; what is generated stays in it; serial0, CD drives, powerType. One boot for all."""
import hashlib
import json
import os
import re
import subprocess
import time

import pytest

from corbel import ROOT, Corbel, debian_files, guest_files, make_image
from test_power_cut import fsck

CDS = [bytes((i * k) >> 7 & 0xff for i in range(96 << 10)) for k in (2654435761, 40503)]
SPIN = b'\xef\xbb\xbf# By hand.\r\nDisplayName = "spin"\r\nMemSize  =  "16"   # MiB\r\ncorbel.kernel = "spin.elf"\r\nETHERNET0.present = "TRUE"\r\npowerType.powerOff = "hard"\r\n'
DEBIAN = """ide1:0.present = "TRUE"
ide1:0.deviceType = "cdrom-image"
ide1:0.startConnected = "FALSE"
serial0.present = "TRUE"
serial0.fileType = "file"
serial0.fileName = "serial0.log"
"""


def corpus(name):
    with open(os.path.join(ROOT, "tests", "vmx", name), "rb") as f:
        return f.read()


@pytest.fixture(scope="module")
def disk():
    files = {**debian_files(), **guest_files("spin"), "\\disks\\one.iso": CDS[0], "\\disks\\two.iso": CDS[1]}
    files["\\corbel\\vm\\spin\\spin.vmx"] = SPIN
    for name in ("by-hand", "corbel"):
        files[f"\\corbel\\vm\\{name}\\{name}.vmx"] = corpus(name + ".vmx")
    with open(files["\\corbel\\vm\\debian\\debian.vmx"], encoding="utf-8") as f:
        files["\\corbel\\vm\\debian\\debian.vmx"] = f.read() + DEBIAN
    return make_image(os.path.join(ROOT, "build", "images", "test_vmx.img"), files, 160)


@pytest.fixture(scope="module")
def corbel(disk):
    machine = Corbel(disk, "test_vmx", private=False)
    try:
        yield machine.boot()
    finally:
        machine.close()


def on_disk(disk, path):
    env = dict(os.environ, MTOOLS_SKIP_CHECK="1", LC_ALL="C.UTF-8")
    return subprocess.run(["mtype", "-i", f"{disk}@@1M", f"::{path}"], check=True, capture_output=True, env=env).stdout


def drive(corbel, device="xvda"):
    return {r["device"]: r for r in json.loads(corbel.ok("block-list --json debian"))}[device]


def card(corbel):
    return json.loads(corbel.ok("network-list --json spin"))[0]["mac"]


def until(what, corbel, limit=60):
    deadline = time.monotonic() + limit
    while not what():
        assert time.monotonic() < deadline
        corbel.pump(0.2)


def test_explain_tells_all_of_a_broken_file(corbel):
    out = corbel.run("explain --json by-hand")
    found = json.loads(out[:out.rindex("]") + 1])
    told = [f"{f['line']} {f['verdict']} {f['key']}" for f in found if f["line"] != 0]
    want = [re.match(r"(\d+ \w+),?( .*?): ", x) for x in corpus("by-hand.found").decode().split("\n") if x and x[0] != "0"]
    assert told == [m[1] + m[2] for m in want]
    assert "did you mean memsize?" in next(f["text"] for f in found if f["key"] == "memsise")
    assert re.search(r"error: hd0p1:/corbel/vm/by-hand/by-hand.vmx: `create` refuses it for \d+ reasons: repair", out)
    assert "1" in corbel.run("status")
    corbel.refused("create by-hand", 1, "by-hand.vmx line 2", "more: `explain` tells all")


def test_explain_of_a_good_file_and_what_it_names(corbel):
    out = corbel.ok("explain spin")
    assert re.search(r'line 3 +accepted +MemSize = "16": memory in MiB', out)
    assert re.search(r' defaulted numvcpus = "1": virtual CPUs', out) and "`create` takes hd0p1:/corbel/vm/spin/spin.vmx" in out
    assert "0" in corbel.run("status")
    out = corbel.run("explain corbel")  # all in order, but that its files are not there
    assert len(re.findall(r"^line \d+ +refused ", out, re.M)) == 3 and 'refused   corbel.kernel = "vmlinuz"' in out, out
    corbel.refused("explain nobody", 1, "neither a .vmx file")


def test_config_has_the_defaults(corbel):
    c = json.loads(corbel.ok("config --json spin"))
    assert c["displayName"] == "spin" and c["memsize"] == "16" and c["numvcpus"] == "1" and c["powerType.powerOff"] == "hard" and c["guestOS"] == "other"
    assert 'corbel.kernel = "hd0p1:/corbel/vm/spin/spin.elf"' in corbel.ok("config spin")


def test_set_changes_one_value_and_nothing_else(corbel):
    corbel.ok("set spin memsize 24")
    corbel.ok('set spin corbel.cmdline "a |x|"')
    corbel.refused("set spin memsize 25", 1, 'memsize = "25": not a multiple of 4')
    corbel.refused("set spin memsise 24", 1, "did you mean memsize?")
    corbel.refused("set spin corbel.kernel --remove", 1, "would be refused")
    assert "warning: nvram: firmware settings" in corbel.ok("set spin nvram x")
    corbel.ok("set spin nvram --remove")
    corbel.refused("set spin nvram --remove", 1, "does not set this")
    corbel.refused("set spin memsize", 2)


def test_what_is_generated_stays(corbel):
    corbel.ok("create spin")
    assert corbel.rows()["spin"][1] == 24
    mac = card(corbel)
    corbel.refused("set spin memsize 32", 4, "`shutdown spin` first")
    assert json.loads(corbel.ok("config --json spin"))["ethernet0.generatedAddress"] == mac
    corbel.ok("destroy spin")
    corbel.ok("create spin")
    assert card(corbel) == mac


def test_the_hard_way(corbel):
    before = corbel.rows()["spin"][0]
    corbel.refused("shutdown spin soft", 4, "does not listen")
    assert "restarted without asking the guest" in corbel.ok("reboot spin hard")
    assert corbel.rows()["spin"][0] != before
    assert "powerType.powerOff is hard" in corbel.ok("shutdown spin")
    assert "spin" not in corbel.rows()
    corbel.audit()


def test_cds_are_changed_while_the_guest_runs(corbel):
    corbel.ok("create debian", 400)
    assert drive(corbel)["state"] == "empty" and drive(corbel)["mode"] == "cdrom"
    corbel.attach("debian")
    corbel.expect(r"guest: up after [0-9.]+ s", 400)
    corbel.send("\r")
    corbel.expect(r"guest# ")
    corbel.leave()
    assert "xvda" not in corbel.inside("debian", "ls /sys/block")
    for i, name in enumerate(("one", "two")):  # the second takes the first one out
        corbel.ok(f"cd-insert debian {'xvda' if i else 'ide1:0'} hd0p1:/disks/{name}.iso")
        until(lambda: drive(corbel)["state"] == "connected", corbel)
        assert hashlib.sha256(CDS[i]).hexdigest() in corbel.inside("debian", "sha256sum < /dev/xvda")
    corbel.refused("cd-insert debian xvda hd0p1:/disks/none.iso", 1, "none.iso")
    assert drive(corbel)["state"] == "connected"
    corbel.ok("cd-eject debian xvda")
    assert drive(corbel)["state"] == "empty"
    assert "xvda" not in corbel.inside("debian", "ls /sys/block")
    corbel.refused("cd-insert debian xvdb hd0p1:/disks/one.iso", 1, "no drive xvdb")


def test_the_console_is_in_a_file(corbel, disk):
    corbel.inside("debian", "echo to the fi''le")
    corbel.ok("shutdown -w debian", 200)
    corbel.audit()
    out = corbel.ok("cat debian/serial0.log")
    assert "Linux version 6." in out and "to the file" in out and re.search(r"guest: up after", out)
    corbel.send("host-poweroff\r")
    until(lambda: not corbel.pump(0.5) or not corbel.machine.running(), corbel)
    assert fsck(disk), "the FAT volume has findings"
    after = on_disk(disk, "/corbel/vm/spin/spin.vmx")
    assert after.startswith(SPIN.replace(b'"16"', b'"24"')) and after.count(b"\n") == after.count(b"\r\n")
    added = re.fullmatch(rb'corbel.cmdline = "a \|7Cx\|7C"\r\nuuid.bios = "(56 4d [^"]*)"\r\nuuid.location = "\1"\r\n'
                         rb'ethernet0.generatedAddress = "00:0c:29:([0-9a-f:]*)"\r\nethernet0.generatedAddressOffset = "0"\r\n', after[len(SPIN):])
    assert added and added[1][-8:].replace(b" ", b":") == added[2], after
