# SPDX-License-Identifier: Apache-2.0
"""[HOST] The quick subset: one boot, one tiny guest."""
import json
import re

from corbel import guest_files


def FILES():
    return guest_files("tiny", "poweroff")


def exits(corbel, domain=""):
    return {r["name"]: r for r in json.loads(re.search(r"\[[\s\S]*\]", corbel.ok(f"perf --json {domain}")).group(0))}


def test_boot_create_destroy(corbel):
    corbel.ok("create tiny")
    assert "tiny" in corbel.rows()
    corbel.audit()
    reasons = exits(corbel, "tiny")
    assert reasons["hypercall"]["count"] > 0 and all(r["ticks"] >= 50 * r["count"] for r in reasons.values()), reasons
    assert set(reasons) <= set(exits(corbel)) and exits(corbel, "Domain-0")["hypercall"]["count"] > reasons["hypercall"]["count"]
    assert re.search(r"^all +\d+ +\d+ +100\.0 +\d+\s*$", corbel.ok("perf"), re.M)
    corbel.refused("perf nobody", 3, "nobody")
    corbel.ok("destroy tiny")
    corbel.audit()


def test_a_guest_powers_itself_off(corbel):
    corbel.ok_and("create poweroff", r"poweroff: powered off")
    corbel.run("")
    corbel.audit()
