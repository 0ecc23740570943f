# SPDX-License-Identifier: Apache-2.0
"""[HOST] Two guests of four CPUs each throw random operations at the hypervisor (tests/guest/fuzz), in batches; after each one the invariants are checked. A third guest
asks Dom0 things and must always be answered, and the prompt goes on. One boot on two CPUs.

`make fuzz-guest SECONDS=N` is the same without end: this file as a program. A batch is tried again with the seed and number that its line has (--seed, --first)."""
import argparse
import os
import re
import sys
import time

from corbel import ROOT, CorbelApart, Timeout, guest_files, make_image, vmx_text

SEEDS = {"fuzz": 1000, "fuzz2": 2000}
OPERATIONS = 20000
BATCHES = 6
AT_LEAST = 200000
MACHINE = {"cpus": 2}
KIND = CorbelApart
# A guest may end itself, by giving away the pages that it lives on, or by a triple fault; not otherwise, and not often.
OWN_FAULT = "access to memory that it does not have"
MAX_DEATHS = 6
LINE = r"fuzz: seed (\d+) batch (\d+): (\d+) operations, (\d+) done, (\d+) refused, (\d+) wrong, (\d+) mapped, sum ([0-9a-f]+)\s"
EVENT = rf"{LINE}|fuzz: the end\s|unexpected exception[^\n]*\n|d(\d+) is stopped: ([^\r\n]*)|d(\d+) crashed|panic[^\n]*\n"


def files_with(seeds, batches, first=1, fixed=False):
    files = {**guest_files("gauge", gauge='corbel.cmdline = "ask"\n'), "\\corbel\\vm\\fuzz\\fuzz.elf": "build/guests/fuzz.elf"}
    for name, seed in seeds.items():
        cmdline = f"seed={seed} ops={OPERATIONS} batches={batches} first={first}{' fix' if fixed else ''}"
        files[f"\\corbel\\vm\\{name}\\{name}.vmx"] = vmx_text(name, 16, "../fuzz/fuzz.elf", f'corbel.cmdline = "{cmdline}"\ncorbel.on_crash = "restart"\n', 4)
    return files


def FILES():
    return files_with(SEEDS, BATCHES)


class Attack:
    """What the fuzzing guests have told so far."""

    def __init__(self, corbel):
        self.corbel = corbel
        self.seen = len(corbel.told)
        self.operations = self.done = self.mapped = self.ends = self.crashes = 0
        self.stopped = set()

    def deaths(self):
        return len(self.stopped) + self.crashes

    def batch(self, m):
        operations, done, refused, wrong, mapped = (int(m.group(i)) for i in range(3, 8))
        assert wrong == 0, f"{m.group(0)}: answers that cannot be"
        assert done > operations // 4 and refused > operations // 8, f"{m.group(0)}: the generator lost its way"
        self.operations += operations
        self.done += done
        self.mapped += mapped
        self.corbel.audit()

    def step(self):
        """Takes the next thing that happens; after each batch, the audit."""
        try:
            m = self.corbel.expect_told(EVENT, self.seen, 120)
        except Timeout as e:
            raise AssertionError(f"{e}\n{self.where_they_are()}") from e
        self.seen = m.end()
        text = m.group(0).strip()
        if text.startswith("fuzz: seed"):
            self.batch(m)
        elif text == "fuzz: the end":
            self.ends += 1
        elif m.group(9):
            assert m.group(10) == OWN_FAULT, self.corbel.told[m.start() - 500:][:4000]
            self.stopped.add(m.group(9))
        else:
            assert m.group(11), f"{text}\n{self.corbel.told[m.start() - 500:][:4000]}"
            self.crashes += 1
        return text

    def where_they_are(self):
        """Of guests that say nothing any more: the state of each virtual CPU."""
        corbel, mark = self.corbel, len(self.corbel.told)
        listed = corbel.run("vcpu-list")
        for name in SEEDS:
            corbel.run(f"pause {name}")
        corbel.run("debug-keys v")
        corbel.pump(5)
        return f"{listed}\n{corbel.told[mark:]}"

    def others_go_on(self):
        corbel = self.corbel
        corbel.expect_told(r"gauge: asked \d+ times, longest \d+ ticks", len(corbel.told))
        corbel.run("")
        assert "gauge" in corbel.rows()
        corbel.audit()


def test_random_operations(corbel):
    corbel.ok("create gauge")
    attack = Attack(corbel)
    for name in SEEDS:
        corbel.ok(f"create {name}")
    for _ in range(4):
        attack.step()
    corbel.ok("destroy fuzz")  # whatever it has of its neighbour, and the neighbour of it
    corbel.audit()
    corbel.ok("create fuzz")
    while attack.ends < len(SEEDS):
        attack.step()
    attack.others_go_on()
    assert attack.operations >= AT_LEAST, attack.operations
    assert attack.mapped > 0, "neither guest ever had a page of the other's"
    assert attack.deaths() <= MAX_DEATHS, attack.stopped
    assert not re.search(r"ERROR|BUG|panic", corbel.told + corbel.text), corbel.told[-2000:]


def test_nothing_is_left_of_them(corbel):
    corbel.run("")
    assert not set(SEEDS) & set(corbel.rows())


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seconds", type=int, default=600)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--first", type=int, default=1)
    p.add_argument("--batches", type=int, default=0)
    a = p.parse_args()
    seed = a.seed or time.time_ns() % 1000000000
    seeds = {"fuzz": seed} if a.seed else {"fuzz": seed, "fuzz2": seed + 1000}
    print(f"fuzz-guest: seed {seed}, {OPERATIONS} operations in a batch, for {a.seconds} s", flush=True)
    path = os.path.join(ROOT, "build", "images", "fuzz_guest.img")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    corbel = CorbelApart(make_image(path, files_with(seeds, a.batches, a.first, fixed=bool(a.seed))), "fuzz_guest", **MACHINE)
    attack = Attack(corbel)
    try:
        corbel.boot().ok("create gauge")
        for name in seeds:
            corbel.ok(f"create {name}")
        end = time.monotonic() + a.seconds
        while time.monotonic() < end and attack.ends < len(seeds):
            text = attack.step()
            print(f"fuzz-guest: {text}", flush=True)
            if not text.startswith("fuzz: ") and attack.ends == 0:  # restarts have an end (docs/cli.md); a fuzzer goes on
                for name in set(seeds) - set(corbel.rows()):
                    corbel.run(f"create {name}")
        attack.others_go_on()
        print(f"fuzz-guest: {attack.operations} operations, {attack.done} done, {attack.deaths()} guests that ended themselves, every audit ok")
    except AssertionError as e:
        print(f"error: fuzz-guest: seed {seed}: {e}")
        print("The console is in build/logs/fuzz_guest.log. To try a batch again: tests/system/test_attack.py --seed SEED --first BATCH --batches 1, as its line has them")
        sys.exit(1)
    finally:
        corbel.close()


if __name__ == "__main__":
    main()
