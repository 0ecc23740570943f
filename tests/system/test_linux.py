# SPDX-License-Identifier: Apache-2.0
"""[HOST] Debian's stock cloud kernel as a DomU: from create to its shell and to an orderly end; reboot, panic, pause for an hour. One boot for all."""
import os
import re

from corbel import ROOT, debian_files, guest_files

SIZE_MIB = 192


def FILES():
    return {**debian_files(), **guest_files("spin")}


def login(corbel):
    corbel.send("console debian\r")
    corbel.expect(r"guest: up after [0-9.]+ s", 400)
    corbel.send("\r")
    corbel.expect(r"guest# ")


def leave(corbel):
    corbel.send(b"\x1d")
    corbel.expect(r"corbel> ")


def shell(corbel, line, limit=120):
    corbel.send(line + "\r")
    corbel.expect(re.escape(line[-12:]) + r"[^\n]*\n", limit)
    start = corbel.at
    end = corbel.expect(r"guest# ", limit)
    return corbel.text[start:end.start()].replace("\r", "")


def test_create_reaches_a_shell(corbel):
    out = corbel.ok("create debian", 400)
    assert "debian" in out
    login(corbel)


def test_the_first_lines_are_shown_to_who_attaches_later(corbel):
    text = corbel.text
    assert "Linux version 6.1" in text
    assert "Hypervisor detected: Xen HVM" in text
    assert "Booting kernel on Xen PVH" in text or "Booting paravirtualized kernel on Xen PVH" in text


def test_the_kernel_is_the_stock_one(corbel):
    with open(os.path.join(ROOT, "build", "debian", "version"), encoding="ascii") as f:
        version = f.read().strip()
    assert version in shell(corbel, "uname -a")


def test_time_passes_and_memory_is_what_was_asked_for(corbel):
    before = float(re.search(r"([0-9.]+) [0-9.]+", shell(corbel, "cat /proc/uptime")).group(1))
    shell(corbel, "sleep 1")
    after = float(re.search(r"([0-9.]+) [0-9.]+", shell(corbel, "cat /proc/uptime")).group(1))
    assert 1.0 <= after - before < 10
    total = int(re.search(r"MemTotal:\s+(\d+)", shell(corbel, "head -1 /proc/meminfo")).group(1))
    assert 200 * 1024 < total < 256 * 1024


def test_the_wall_clock_is_the_hosts(corbel):
    # Bochs starts its clock at 1700000000; through OVMF it reads one hour less.
    now = int(shell(corbel, "date +%s").split()[0])
    assert 1700000000 - 3600 <= now < 1700000000 + 86400


def test_a_burst_of_output_is_not_lost(corbel):
    out = shell(corbel, "seq 1 3000 | tail -n 1000", 300)
    assert [x for x in out.split() if x.isdigit()] == [str(i) for i in range(2001, 3001)]


def test_list_shows_both_and_ctrl_bracket_returns(corbel):
    leave(corbel)
    rows = corbel.rows()
    assert rows["Domain-0"][0] == 0
    assert rows["debian"][0] >= 1 and rows["debian"][1] == 256 and rows["debian"][2] == 1
    assert rows["debian"][3][0] in "r-" and "b" in rows["debian"][3] + "b"


def test_scroll_back_is_shown_again(corbel):
    corbel.send("console debian\r")
    corbel.expect("Linux version 6.1")
    corbel.expect(r"guest: up after")
    corbel.send("\r")
    corbel.expect(r"guest# ")
    leave(corbel)


def test_pause_stops_it_and_unpause_goes_on(corbel):
    corbel.ok("pause debian")
    assert "p" in corbel.rows()["debian"][3]
    corbel.send("console debian\r")
    corbel.expect(r"attached|Connected|console", 60)
    corbel.send("echo while-paused-$((40+2))\r")
    corbel.send(b"\x1d")
    corbel.expect(r"corbel> ")
    mark = len(corbel.text)
    corbel.ok("list")
    assert "while-paused-42" not in corbel.text[mark:]
    corbel.ok("unpause debian")
    corbel.send("console debian\r")
    corbel.expect("while-paused-42")
    leave(corbel)
    corbel.audit()


def test_it_stands_still_for_an_hour_and_goes_on(corbel):
    def cpu_ns():
        return int(re.search(r'"cpu_ns": (\d+)', corbel.ok("list --json debian")).group(1))
    before = float(corbel.inside("debian", "cut -d' ' -f1 /proc/uptime"))
    corbel.ok("pause debian")
    used = cpu_ns()
    corbel.ok("sleep 3600", 900)
    assert cpu_ns() == used
    corbel.ok("unpause debian")
    after = float(corbel.inside("debian", "sleep 1; cut -d' ' -f1 /proc/uptime"))
    assert 3601 <= after - before < 3660  # time went on without it, and its timers go on
    corbel.audit()


def test_it_shares_the_cpu_with_a_spinning_guest(corbel):
    corbel.ok("create spin")
    corbel.send("console debian\r")
    corbel.send("echo alive-$((6*7))\r")
    corbel.expect("alive-42")
    leave(corbel)
    corbel.ok("destroy spin")


def test_reboot_from_inside(corbel):
    first = corbel.rows()["debian"][0]
    corbel.send("console debian\r")
    corbel.send("\r")
    corbel.expect(r"guest# ")
    corbel.send("reboot\r")
    corbel.expect(r"reboot: Restarting system|corbel> ", 200)
    corbel.send(b"\x1d\r")
    corbel.expect(r"corbel> ")
    login(corbel)
    leave(corbel)
    assert corbel.rows()["debian"][0] > first


def test_poweroff_from_inside(corbel):
    corbel.send("console debian\r")
    corbel.send("\r")
    corbel.expect(r"guest# ")
    corbel.send("poweroff\r")
    corbel.expect(r"debian: powered off|powered off", 200)
    corbel.send(b"\x1d\r")
    corbel.expect(r"corbel> ")
    corbel.run("list")
    assert "debian" not in corbel.rows()
    corbel.audit()


def test_shutdown_ends_it_in_order(corbel):
    corbel.ok("create debian", 400)
    login(corbel)
    leave(corbel)
    corbel.ok("shutdown -w debian", 300)
    assert "debian" not in corbel.rows()
    assert "guest: going down" in corbel.text
    corbel.audit()


def test_a_panic_inside_is_kept_and_named(corbel):
    corbel.ok("create debian", 400)
    login(corbel)
    corbel.send("echo c > /proc/sysrq-trigger\r")
    corbel.expect(r"Kernel panic - not syncing", 200)
    corbel.expect(r"debian: crashed|crashed", 200)
    corbel.send(b"\x1d\r")
    corbel.expect(r"corbel> ")
    corbel.run("")
    assert "c" in corbel.rows()["debian"][3]
    corbel.ok("destroy debian")
    assert "debian" not in corbel.rows()
    corbel.audit()
