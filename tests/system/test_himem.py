# SPDX-License-Identifier: Apache-2.0
"""[HOST] A guest with memory above 4 GiB, on a machine that has so much (Bochs offers 4 of 5 GiB, and keeps what is more than 2 GiB in
a file)."""
import re

from corbel import guest_files

MACHINE = {"memory_mib": 5120, "model": "tigerlake"}


def FILES():
    return guest_files("himem")


def test_a_guest_uses_memory_above_4_gib(corbel):
    free = int(re.search(r"free_memory +: (\d+)", corbel.ok("info")).group(1))
    assert free > 3900
    corbel.ok("create himem", 900)
    corbel.expect(r"himem: powered off")
    assert "himem: 3840 MiB and 32 MiB" in corbel.text
    assert re.search(r"himem: [1-9]\d* passed, 0 failed", corbel.text)
    corbel.run("")
    corbel.audit()
    assert free - int(re.search(r"free_memory +: (\d+)", corbel.ok("info")).group(1)) <= 2
