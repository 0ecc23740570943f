# SPDX-License-Identifier: Apache-2.0
"""[HOST] A stand-in for Dom0 (tests/standin) makes the requests that the real one never makes: each gets the error that is written down, and the audit
is clean. And how the machine ends when Dom0 does."""
import os
import re

import pytest
from corbel import ROOT, Corbel, guest_files, make_image

# corbel.cfg's exec: how Dom0 ends; what the hypervisor says then.
RESET = r"Dom0 ended \(reason {}\): the machine cannot go on without it and is reset"
ENDINGS = {"crash": RESET.format(3), "triple": r"last exit: reason 2,[\s\S]*" + RESET.format(3),
           "stray": r"d0 is stopped: access to memory that it does not have[\s\S]*" + RESET.format(64)}

# What the keys that it presses must show of what it has made.
SHOWN = [
    r"d\d+ dying, shutdown 255 , pause 1", r"d\d+ blocked, shutdown 255 , pause 0", r"d0 port \d+ interdomain v0 peer \d+:\d+ pending masked\s",
    r"d0 port \d+ virq v0 peer 0:0\s", r"d\d+ grant frames 1", r"ref 8 used by d0: 1 readers, 1 writers, frame 0x[0-9a-f]+",
    r"d\d+v0 single-shot 36\d{11}, poll 72\d{11}, now \d+ ns", r"d\d+v0 single-shot 0 \(off\), poll 0 \(off\), now", r"gfn 0xd0000 \+0x200 -> frame 0xd0000 rw- order 0",
    r"gfn 0xd0200 \+0x200 -> frame 0xd0200 rw- order 9", r"gfn 0x[0-9a-f]+ \+0x1 -> frame 0x[0-9a-f]+ r-- order 0", r"gfn 0x0 \+0x10 -> frame 0x[0-9a-f]+ rwx order 0",
]


def machine(ending):
    image = make_image(os.path.join(ROOT, "build", "images", f"test_standin_{ending}.img"),
                       {**guest_files("tiny"), "\\corbel\\corbel.cfg": f"loglvl = info\nexec = {ending}\n", "\\corbel\\dom0.elf": os.path.join(ROOT, "build", "standin.elf")})
    return Corbel(image, f"test_standin_{ending}")


def test_requests_that_dom0_never_makes():
    corbel = machine("poweroff")
    try:
        corbel.expect("standin: up", 60)
        counts = corbel.expect(r"standin: (\d+) passed, (\d+) failed")
        assert counts.group(2) == "0", "\n".join(re.findall(r"FAILED: .*", corbel.text))
        assert int(counts.group(1)) > 30000
        missing = [shown for shown in SHOWN if not re.search(shown, corbel.text)]
        assert not missing, missing
        corbel.expect("Dom0 asked for power off")
        assert "standin: still there" not in corbel.text
    finally:
        corbel.close()


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_machine_ends_with_dom0(ending):
    corbel = machine(ending)
    try:
        corbel.expect("standin: up", 60)
        corbel.expect(ENDINGS[ending], 60)
        assert "standin: still there" not in corbel.text
    finally:
        corbel.close()
