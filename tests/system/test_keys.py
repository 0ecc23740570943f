# SPDX-License-Identifier: Apache-2.0
"""[HOST] The hypervisor's own keys, on two CPUs, with guests in each state: what they show is what `list` and the guests say."""
import re

import pytest
from corbel import guest_files, vmx_text

CFG = "loglvl = info\n"
MACHINE = {"cpus": 2}


def FILES():
    files = guest_files("tiny", "spin", "crash", "poweroff")
    for name in ("spin1", "spin2", "spin3"):
        files[f"\\corbel\\vm\\{name}\\{name}.vmx"] = vmx_text(name, 16, "spin.elf", vcpus=2)
        files[f"\\corbel\\vm\\{name}\\spin.elf"] = files["\\corbel\\vm\\spin\\spin.elf"]
    return files


@pytest.fixture(scope="module")
def ids(corbel):
    """tiny waits, crash has crashed, spin is paused, poweroff was never entered; three compute on two CPUs."""
    for name, says in (("tiny", "tiny: up"), ("spin", "spin: up"), ("crash", "crash: (stopped|crashed|killed)|crashed"), ("spin1", "spin: up"), ("spin2", "spin: up"), ("spin3", "spin: up")):
        corbel.ok_and(f"create {name}", says)
    corbel.ok("create -p poweroff")
    corbel.ok("pause spin")
    return {name: row[0] for name, row in corbel.rows().items()}


def press(corbel, keys):
    """What they show; by `debug-keys`."""
    mark = len(corbel.text)
    corbel.ok(f"debug-keys {keys}")
    return corbel.text[mark:]


def test_domains(corbel, ids):
    shown = press(corbel, "q")
    states = {int(d): (state, int(pause)) for d, state, pause in re.findall(r"d(\d+) (\w[\w ]*), shutdown \d+ [^,]*, pause (\d+), privileges", shown)}
    want = {"tiny": ("blocked", 0), "spin": ("paused", 1), "spin1": ("running", 0), "spin2": ("running", 0), "spin3": ("running", 0), "crash": ("shut down", 0), "poweroff": ("new", 1)}
    assert {name: states[ids[name]] for name in want} == want, shown
    assert states[0] == ("running", 0)
    assert len(re.findall(rf"d{ids['spin1']} .*\n.*pages 4\d\d\d of 4\d\d\d, .*\n.*  v0 run\w+, hold 0x0, CPU [01], .*\n.*  v1 down, hold 0x0", shown)) == 1, shown
    assert re.search(rf"d{ids['crash']} shut down.*\n.*\n.*  v0 \w+, hold 0x2", shown), shown


def test_run_queues(corbel, ids):
    shown = press(corbel, "r")
    loaded = dict(re.findall(r"CPU (\d): loaded d(-?\d+)v-?\d+", shown))
    assert loaded.keys() == {"0", "1"}, shown
    waiting = set(re.findall(r"  d(\d+)v0 vruntime \d+ us", shown))
    computing = {str(ids[n]) for n in ("spin1", "spin2", "spin3")}
    assert waiting and waiting <= computing, shown
    assert len(computing - waiting - set(loaded.values())) <= 1, shown  # one may just be on its way


def test_vmcs_of_who_runs_elsewhere(corbel, ids):
    """Those on the other CPU say so; of the others each has its registers."""
    shown = press(corbel, "v")
    elsewhere = re.findall(r"d(\d+)v0 is loaded on CPU (\d): pause the domain to see its VMCS", shown)
    here = re.findall(r"---- d(\d+)v(\d) ----", shown)
    assert len(elsewhere) <= 1 and len(elsewhere) + len(here) == 1 + 4 + 3 * 2, shown
    paused = shown[shown.index(f"---- d{ids['spin']}v0 ----"):]
    assert re.match(r"[^\n]*\n.*rip 0000000000100\w{3} rsp 0*10\w{4} rflags 00000002\s", paused), paused[:300]
    new = shown[shown.index(f"---- d{ids['poweroff']}v0 ----"):]  # the last
    assert "; 0 exits" in new and "cr0 00000011" in new, new


def test_state(corbel, ids):
    shown = press(corbel, "d")
    uuids = set()
    for name in ("tiny", "spin", "crash"):
        mine = shown[re.search(rf"\(CBL\) \[[0-9.]+\] d{ids[name]}\r?\n", shown).end():]
        assert re.match(rf".*  domid: {ids[name]:02x}00\s", mine), mine[:200]
        uuids.add(re.search(r"  UUID: ([0-9a-f]{32})\s", mine).group(1))
        assert re.search(r"  registers are set: (\d\d)\s", mine).group(1) == "01"
    assert len(uuids) == 3 and "…" in shown and "  single-shot timer: " in shown


def test_events_and_memory(corbel, ids):
    shown = press(corbel, "e")
    pairs = {(a, p, b, q) for a, p, b, q in re.findall(r"d(\d+) port (\d+) interdomain v0 peer (\d+):(\d+)", shown)}
    assert pairs and all((b, q, a, p) in pairs for a, p, b, q in pairs), shown  # each has two ends
    assert re.search(r"d0 port \d+ pirq v0 peer \d+:0", shown) and re.search(r"d0 port \d+ virq v0 peer 2:0", shown), shown
    shown = press(corbel, "D")
    mine = shown[shown.index(f"d{ids['tiny']} EPT, root 0x"):]
    pages = sum(int(n, 16) for n in re.findall(r"  gfn 0x[0-9a-f]+ \+0x([0-9a-f]+) -> frame 0x[0-9a-f]+ rwx", mine[:mine.index(f"d{ids['spin']} EPT")]))
    assert 4096 <= pages <= 4100, mine[:2000]
    assert "d0 grant frames 0" in press(corbel, "g")
    assert re.search(r"audit: clean \(\d+ checks; frames: \d+ free, \d+ root, \d+ guest; 8 domains\)", press(corbel, "A"))


def test_timers(corbel, ids):
    """While Dom0 sleeps its timer is armed: the key comes from the console meanwhile."""
    corbel.send("sleep 5\r\x01\x01\x01")
    corbel.expect("input goes to the hypervisor now")
    for _ in range(50):  # it sleeps soon
        corbel.send("a")
        armed = corbel.expect(r"d0v0 single-shot (\d+)(.*), poll").group(2) == ""
        assert corbel.expect(rf"d{ids['poweroff']}v0 single-shot 0(.*), poll").group(1) == " (off)"
        if armed:
            break
    corbel.send("\x01\x01\x01")
    assert armed
    corbel.expect("input goes to Dom0 now")
    corbel.expect("corbel> ")


def test_switching(corbel):
    """Three times Ctrl-A: to the hypervisor and back; fewer are for whoever listens."""
    corbel.send("\x01\x01\x01")
    corbel.expect("input goes to the hypervisor now")
    corbel.send("z")
    corbel.expect("no such key; h lists them, Ctrl-A three times returns to Dom0")
    mark = len(corbel.text)
    corbel.send("\r\n\x01\x01h")  # two, to the hypervisor: no such keys
    corbel.expect("no such key")
    corbel.expect("no such key")
    corbel.expect("keys: h this list, . all of them but R, R reboot the machine")
    corbel.expect("key A  audit")
    assert corbel.text[mark:].count("no such key") == 2
    corbel.send("\x01\x01\x01")
    corbel.audit()
