# SPDX-License-Identifier: Apache-2.0
"""[HOST] Shares of a CPU: a guest that forks and runs programs without end beside one that spins, by their weights; caps; books that add up.
One boot on two CPUs."""
import json
import re

from corbel import debian_files, guest_files

SIZE_MIB = 192
MACHINE = {"cpus": 2, "model": "tigerlake"}
FORKS = "while :; do /bin/true; /bin/busybox true; done &"


def FILES():
    return {**debian_files(), **guest_files("spin", "tiny")}


def books(corbel, name):
    """running, runnable, blocked and down, in ns, of the guest's first virtual CPU."""
    rows = json.loads(re.search(r"\[[\s\S]*\]", corbel.ok(f"vcpu-list --json {name}")).group(0))
    return [rows[0][k] for k in ("running_ns", "runnable_ns", "blocked_ns", "down_ns")]


def share(corbel, one, other, seconds):
    """What ONE ran in relation to OTHER, and both of the CPU, while SECONDS passed."""
    before = books(corbel, one), books(corbel, other)
    corbel.ok(f"sleep {seconds}", 900)
    after = books(corbel, one), books(corbel, other)
    spent = [[b - a for a, b in zip(x, y)] for x, y in zip(before, after)]
    passed = [sum(s) for s in spent]
    assert abs(passed[0] / passed[1] - 1) < 0.02, spent  # both were looked at a moment apart
    return spent[0][0] / spent[1][0], (spent[0][0] + spent[1][0]) / passed[0]


def test_prepare(corbel):
    corbel.ok("vcpu-pin Domain-0 0 0")
    corbel.ok("create debian", 400)
    corbel.send("console debian\r")
    corbel.expect(r"guest: up after [0-9.]+ s", 500)
    corbel.send("\r")
    corbel.expect(r"guest# ")
    corbel.send(FORKS + "\r")
    corbel.expect(r"guest# ")
    corbel.send(b"\x1d")
    corbel.expect(r"corbel> ")
    corbel.ok("create spin")
    for name in ("debian", "spin"):
        corbel.ok(f"vcpu-pin {name} all 1")


def test_equal_weights(corbel):
    ratio, used = share(corbel, "debian", "spin", 10)
    assert 0.95 < ratio < 1.05
    assert used > 0.97


def test_one_to_three(corbel):
    corbel.ok("sched -d spin -w 768")
    ratio, used = share(corbel, "debian", "spin", 10)
    assert 0.95 < ratio * 3 < 1.05
    assert used > 0.97


def test_three_to_one(corbel):
    corbel.ok("sched -d debian -w 768")
    corbel.ok("sched -d spin -w 256")
    ratio, _ = share(corbel, "debian", "spin", 10)
    assert 0.95 < ratio / 3 < 1.05


def test_a_cap_holds_and_the_other_takes_the_rest(corbel):
    corbel.ok("sched -d spin -c 20")
    ratio, used = share(corbel, "spin", "debian", 10)
    assert 0.95 < ratio * 4 < 1.05
    assert used > 0.97
    corbel.ok("sched -d spin -c 0")


def test_each_has_a_cpu_when_there_are_two(corbel):
    corbel.ok("vcpu-pin debian all all")
    corbel.ok("vcpu-pin spin all all")
    _, used = share(corbel, "debian", "spin", 5)
    assert used > 1.85
    corbel.audit()


def test_dom0_answers_meanwhile(corbel):
    assert "spin" in corbel.rows()
    corbel.ok("destroy spin")
    corbel.ok("destroy debian")
    corbel.audit()
