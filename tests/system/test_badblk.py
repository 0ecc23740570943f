# SPDX-License-Identifier: Apache-2.0
"""[HOST] Hostile disks and devices that come and go: guest `badblk` breaks each rule of the block protocol, beside one that is served all the time;
a thousand attachments leave nothing behind. One small boot for all."""
import re
import struct

from corbel import guest_files
from test_net import books

SIZE_MIB = 96
DISKS = """scsi0.present = "TRUE"
scsi0:0.present = "TRUE"
scsi0:0.fileName = "/disks/bad.img"
ide1:0.present = "TRUE"
ide1:0.deviceType = "cdrom-image"
ide1:0.fileName = "/disks/bad.iso"
"""
LINE = r"disk xvda of domain \d+: no longer served: ([^\n]*?)(?: \(and (\d+) lines about disks that were not shown\))?\n"


def numbered(sectors):
    return b"".join(struct.pack("<Q", i) * 64 for i in range(sectors))


def FILES():
    return {**guest_files("badblk", "spin", "plug", badblk=DISKS), "\\disks\\bad.img": numbered(2048), "\\disks\\bad.iso": numbered(200), "\\disks\\hot.img": bytes(1 << 16)}


def test_every_rule_is_broken(corbel):
    mark = corbel.at
    m = corbel.ok_and("create badblk", r"badblk: (\d+) passed, (\d+) failed[\s\S]*?badblk: powered off", 400)
    text = corbel.text[mark:].replace("\r", "").replace("\x1b[K", "")
    assert m.group(2) == "0", re.findall(r"FAILED:[^\n]*\n[^\n]*", text)
    cases = re.split(r"badblk case \d+ ", text)[1:]
    assert len(cases) == int(re.search(r"badblk cases: (\d+)", text).group(1)) > 80
    drops = shown = hidden = must = 0
    for case in cases:
        head, said = case.split("\n", 1)
        name, words = head.split(" -> ")
        lines = re.findall(LINE, said)
        must += words != "" and not words.startswith("?")
        shown += len(lines)
        hidden += sum(int(n or 0) for _, n in lines)
        assert len(lines) <= 1 or words == "?", case
        assert all(words.lstrip("?") in why and words != "" for why, _ in lines), case
    drops = int(re.search(r"badblk drops: (\d+)", text).group(1))
    assert shown + hidden == drops >= must > 50  # each is one line, printed or counted
    assert shown >= 5
    assert "error: " not in text
    corbel.audit()


def test_a_thousand_attachments_leave_nothing(corbel):
    corbel.ok("create spin")
    corbel.ok("create plug")
    rounds = {"spin": ("", 375), "plug": ("sleep 20ms; ", 125)}
    kept = {}
    for name, (wait, times) in rounds.items():
        disk = f"block-attach {name} hd0p1:/disks/hot.img; {wait}block-detach {name} xvda"
        card = f"network-attach {name}; {wait}network-detach {name} 0"
        for warm in (True, False):
            for line in (disk, card):
                corbel.ok(f"repeat {3 if warm else times} {line}", 400)
            if warm:
                kept = books(corbel)
        assert books(corbel) == kept, name
    assert int(re.findall(r"plug: connected (\d+) times", corbel.text)[-1]) >= 150  # of 256
    corbel.ok("destroy spin")
    corbel.ok("destroy plug")
    corbel.audit()
