# SPDX-License-Identifier: Apache-2.0
"""[HOST] A thousand domains come and go: not a frame, byte, node, port or mapping is lost, neither in the hypervisor nor in Dom0. One boot."""
import json
import re

from corbel import guest_files

MACHINE = {"cpus": 2}
ROUNDS = 1000
BOOKS = ("dom0_heap_bytes", "dom0_scrollback_bytes", "dom0_event_channels", "dom0_foreign_pages", "dom0_grants",
         "xenstore_nodes", "xenstore_watches", "xenstore_bytes", "domains", "hypervisor_memory", "dom0_memory")


def FILES():
    return guest_files("tiny", "poweroff", "race")


def books(corbel):
    """All counters, once the last domain is gone for good; the audit agrees with them."""
    info = json.loads(re.search(r"\{.*\}", corbel.ok("info --json")).group(0))
    audit = json.loads(re.search(r"\{.*\}", corbel.ok("audit --json")).group(0))
    assert audit["audit"] == "ok"
    out = {key: info[key] for key in BOOKS}
    out.update({key: audit[key] for key in ("frames_free", "frames_root", "frames_guest", "domains")})
    return out


def settle(corbel):
    """Enough domains that the consoles of the last ones, which are kept, are all there are."""
    corbel.ok("repeat 5 create tiny; destroy tiny", 600)


def test_a_living_domain_is_in_the_books(corbel):
    settle(corbel)
    before = books(corbel)
    corbel.ok("create tiny")
    during = books(corbel)
    assert during["dom0_event_channels"] == before["dom0_event_channels"] + 2  # its store and its console
    assert during["dom0_foreign_pages"] == before["dom0_foreign_pages"] + 2    # the rings of both
    assert during["xenstore_nodes"] > before["xenstore_nodes"] + 10
    assert during["frames_free"] < before["frames_free"] - 4096
    corbel.ok("destroy tiny")
    assert books(corbel) == before


def test_a_thousand_domains_lose_nothing(corbel):
    settle(corbel)
    before = books(corbel)
    corbel.ok(f"repeat {ROUNDS} create tiny; destroy tiny", 3600)
    assert books(corbel) == before


def test_a_guest_whose_cpus_race_loses_nothing(corbel):
    for again in (False, True):  # the first brings its console, which is kept, and what four virtual CPUs take of the pools
        settle(corbel)
        before = books(corbel)
        m = corbel.ok_and("create race", r"race: (\d+) passed, (\d+) failed[\s\S]*?race: powered off", 400)
        assert int(m.group(1)) >= 27 and m.group(2) == "0", corbel.text[-4000:]
        corbel.run("")
        assert books(corbel) == before or not again


def test_domains_that_end_by_themselves_lose_nothing(corbel):
    corbel.ok("repeat 2 create poweroff; sleep 1", 600)
    before = books(corbel)
    corbel.ok("repeat 50 create poweroff; sleep 1", 1200)
    assert books(corbel) == before


def test_creations_that_fail_lose_nothing(corbel):
    corbel.ok("create tiny")
    corbel.refused("create tiny", 4, "taken")
    before = books(corbel)
    for _ in range(20):
        corbel.refused("create tiny", 4, "taken")
        corbel.refused("create nothing-here", 1, "nothing-here")
    assert books(corbel) == before
    corbel.ok("destroy tiny")


def test_repeat_stops_at_the_first_failure(corbel):
    assert "error: repeat: round 2 of 7 failed: " in corbel.run("repeat 7 create tiny")
    assert re.search(r"\b4\b", corbel.run("status"))
    corbel.ok("destroy tiny")
    corbel.refused("repeat 3", 2)
    corbel.refused("repeat 2 repeat 2 version", 2)
