# SPDX-License-Identifier: Apache-2.0
"""[HOST] The quick subset: one boot, one tiny guest."""
from corbel import guest_files


def FILES():
    return guest_files("tiny", "poweroff")


def test_boot_create_destroy(corbel):
    corbel.ok("create tiny")
    assert "tiny" in corbel.rows()
    corbel.audit()
    corbel.ok("destroy tiny")
    corbel.audit()


def test_a_guest_powers_itself_off(corbel):
    corbel.ok_and("create poweroff", r"poweroff: powered off")
    corbel.run("")
    corbel.audit()
