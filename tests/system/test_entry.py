# SPDX-License-Identifier: Apache-2.0
"""[HOST] VM entries that the CPU refuses: each is explained, in the same sense as by the emulator; only the guest's domain ends."""
import re

import pytest
from corbel import clean, guest_files

CFG = "loglvl = info\ndebug = on\n"


def FILES():
    return guest_files("tiny", "spin", "poweroff")


def test_experiment(corbel):
    corbel.ok("create -p tiny")
    print(corbel.run("debug-vmwrite tiny 0 0x6804 0"))
    print(corbel.run("unpause tiny"))
    corbel.expect("killed|stopped")
    corbel.run("")
    print(corbel.run("dmesg"))
    print(corbel.machine.output_tail())
    assert 0
