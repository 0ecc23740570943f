# SPDX-License-Identifier: Apache-2.0
"""[HOST] Dom0's drivers of network cards, each against QEMU's device: Dom0's kernel as a plain PVH guest, without a hypervisor (and so polled). The other end of the wire is a
socket of this script (`-netdev dgram`), which says by frames of its own type what the kernel shall do (dom0/kernel/driver_test_net.c)."""
import os
import re
import socket
import struct
import time

import pytest

from test_disks import Monitor, run
from test_two_hosts import base_port

CARDS = {"e1000": "e1000", "e1000e": "e1000e", "virtio-net": "virtio-net-pci", "ne2k": "ne2k_pci"}
NO_LINK = ("ne2k",)  # its driver cannot tell
MAC = bytes.fromhex("525400c0ffee")
MINE = bytes.fromhex("020000000001")
OTHER = bytes.fromhex("000c29123456")  # a guest's behind the card, as it were
TYPE = b"\x88\xb5"


class Wire:
    """QEMU's end of the wire is a UDP port, and so is ours."""

    def __init__(self, kind, name, more=(), seconds=60):
        base = base_port(2)
        self.port = base
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.sock.bind(("127.0.0.1", base + 1))
        self.sock.settimeout(10)
        device = f"{CARDS[kind]},netdev=n,id=card,addr=0x10,mac={MAC.hex(':')}"
        netdev = f"dgram,id=n,local.type=inet,local.host=127.0.0.1,local.port={base},remote.type=inet,remote.host=127.0.0.1,remote.port={base + 1}"
        self.dom0 = Monitor(f"net={seconds}", ["-netdev", netdev, "-device", device, *more], f"{name}_{kind}")
        self.dom0.wait_for(": link up")

    def send(self, op, body=b"", size=60, to=MAC):
        self.sock.sendto((to + MINE + TYPE + op + body).ljust(size, b"\0"), ("127.0.0.1", self.port))

    def get(self, op, timeout=10):
        """The next answer to OP, whole; None: nothing comes."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            self.sock.settimeout(max(0.01, end - time.monotonic()))
            try:
                frame = self.sock.recv(4096)
            except (TimeoutError, ConnectionRefusedError):
                return None
            if frame[12:15] == TYPE + op:
                assert frame[:12] == MINE + MAC
                return frame
        return None

    def echo(self, size=60, timeout=10, to=MAC):
        body = os.urandom(min(size, 60) - 15)
        self.send(b"E", body, size, to)
        frame = self.get(b"E", timeout)
        return frame is not None and frame[15:] == body.ljust(size - 15, b"\0") and len(frame) == size

    def end(self):
        """Ends the test; the numbers of Dom0's last line."""
        self.send(b"X")
        out = self.dom0.end()
        self.sock.close()
        words = re.search(r"^test: net (.*)$", out, re.M)[1].split()
        return {"driver": words[1], "state": words[2], "sent": int(words[4]), "sent drops": int(words[6]), "long": int(words[8]), "sent errors": int(words[10]),
                "received": int(words[12]), "drops": int(words[14]), "errors": int(words[16]), "resets": int(words[18])}


def fnv(frames):
    h = 0xcbf29ce484222325
    for f in frames:
        for b in f[14:]:
            h = ((h ^ b) * 0x100000001b3) & (1 << 64) - 1
    return h


@pytest.mark.parametrize("kind", CARDS)
def test_card(kind):
    """Every size there is, addresses that are others', what is too long, ten thousand frames, and bursts both ways."""
    w = Wire(kind, "card")
    out = w.dom0.text()
    assert re.search(rf"^nic0: .*, {kind}, 52:54:00:c0:ff:ee, polled$", out, re.M), out
    for size in list(range(60, 70)) + list(range(250, 262)) + list(range(508, 516)) + list(range(1020, 1028)) + list(range(1490, 1515)):
        assert w.echo(size), size
    assert w.echo(to=OTHER) and w.echo(to=b"\xff" * 6) and w.echo(to=bytes.fromhex("01005e000001")) and w.echo(to=bytes.fromhex("333300000001"))
    # Ten thousand, eight at a time: each ring goes round many times.
    sent, answered = 0, 0
    while answered < 10000:
        while sent < 10000 and sent - answered < 8:
            w.send(b"E", struct.pack(">I", sent), 60 + sent * 7 % 400)
            sent += 1
        frame = w.get(b"E")
        assert frame is not None and struct.unpack(">I", frame[15:19])[0] == answered, (answered, w.dom0.text()[-500:])
        assert len(frame) == 60 + answered * 7 % 400
        answered += 1
    # Five hundred are counted, and their bytes summed up, without an answer to each.
    counted = [MAC + MINE + TYPE + b"C" + os.urandom(45 + i % 200) for i in range(500)]
    for i, f in enumerate(counted):
        w.sock.sendto(f, ("127.0.0.1", w.port))
        if i % 8 == 7:
            assert w.echo()
    w.send(b"Q")
    n, total = struct.unpack(">IQ", w.get(b"Q")[16:28])
    assert (n, total) == (500, fnv(counted))
    # From Dom0: two hundred of the longest in a row, in order; then three that no wire takes.
    w.send(b"B", struct.pack(">xHH", 200, 1514))
    for i in range(200, 0, -1):
        frame = w.get(b"B")
        assert frame is not None and len(frame) == 1514 and struct.unpack(">I", frame[16:20])[0] == i
    w.send(b"B", struct.pack(">xHH", 3, 1515))
    assert w.get(b"B", 1) is None
    assert w.echo()
    last = w.end()
    assert last["driver"] == kind and last["state"] == "up" and last["long"] == 3
    assert last["sent"] > 10000 + 200 and last["received"] > 10000 + 500
    assert (last["sent errors"], last["errors"], last["resets"]) == (0, 0, 0)


@pytest.mark.parametrize("kind", CARDS)
def test_flood(kind):
    """More at once than the rings hold: what has no room is lost, and the card goes on."""
    w = Wire(kind, "flood")
    for _ in range(3):
        for i in range(400):
            w.send(b"C", struct.pack(">I", i), 1514)
        w.send(b"E", b"after")
        while (frame := w.get(b"E", 3)) is None or frame[15:20] != b"after":
            w.send(b"E", b"after")
        while w.get(b"E", 0.2) is not None:
            pass
    w.send(b"Q")
    n = struct.unpack(">I", w.get(b"Q")[16:20])[0]
    assert 24 <= n <= 1200  # the smallest ring, of ne2k, holds eight or nine of them, and the machine may be too slow to take one meanwhile
    assert all(w.echo(size) for size in (60, 700, 1514))
    last = w.end()
    assert last["resets"] == 0 and last["state"] == "up"


@pytest.mark.parametrize("kind", CARDS)
def test_link_goes_down_and_comes_back(kind):
    w = Wire(kind, "link")
    assert w.echo()
    w.dom0.say("set_link card off")
    if kind in NO_LINK:
        assert not w.echo(timeout=1)
    else:
        w.dom0.wait_for("nic0: link down")
        assert not w.echo(timeout=1)
    w.dom0.say("set_link card on")
    if kind not in NO_LINK:
        end = time.monotonic() + 20
        while w.dom0.text().count("nic0: link up") < 2:
            assert time.monotonic() < end, w.dom0.text()[-500:]
            time.sleep(0.1)
    while w.get(b"E", 0.5) is not None:
        pass
    assert w.echo() and w.echo(1514)
    assert w.end()["resets"] == 0


@pytest.mark.parametrize("kind", CARDS)
def test_card_pulled_out(kind):
    """device_del, and then the ejection that a guest with ACPI would do, while frames come: said in words, once."""
    w = Wire(kind, "out")
    assert w.echo()
    w.dom0.say("device_del card", "o /w 0xae10 0", "o /w 0xae08 0x10000")
    out = w.dom0.end()
    assert out.count("nic0: the device is gone: not used any more") == 1
    assert re.search(rf"^test: net nic0 {kind} gone ", out, re.M)


def test_cards_that_cannot_be_driven():
    """Virtio's legacy interface alone, and a card that no driver is for: one clear line each, and the rest of the machine goes on."""
    out = run("", ["-device", "virtio-net-pci,disable-modern=on", "-device", "e1000", "-device", "rtl8139"])
    assert re.search(r"^network card 00:0\d\.0 \(10ec:8139\): there is no driver for it: left aside$", out, re.M) and out.count("left aside") == 3  # and the CD-ROM
    assert re.search(r"^network card 00:0\d\.0 \(virtio-net\): it has no modern interface \(virtio 1\.0\) that can be reached: left aside$", out, re.M)
    assert re.search(r"^nic0: Intel 82540EM, e1000, ", out, re.M)
