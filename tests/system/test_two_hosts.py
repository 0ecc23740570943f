# SPDX-License-Identifier: Apache-2.0
"""[HOST] Two hosts on one wire: two Bochs with Corbel, their network cards on Bochs' own hub (bxhub), a stock Linux guest behind each. Time runs with the host's here
(sync=slowdown): two machines that skip their idle time would each see the other as infinitely slow. Both emulators are one test.
Bochs' `ethmod=socket` lets through what is for everybody and for the card's own address, whatever the card is told about promiscuous mode: so each card here has the address
of the guest behind it."""
import json
import os
import re
import socket
import subprocess

import pytest

from corbel import ROOT, Corbel, debian_files, make_image, vmx_text

SIZE_MIB = 192
CARDS = {"alpha": "e1000", "beta": "ne2k"}
ADDRESS = {"alpha": "10.0.0.1", "beta": "10.0.0.2"}
MAC = {"alpha": "00:50:56:00:00:0a", "beta": "00:50:56:00:00:0b"}


def base_port(count):
    """COUNT UDP ports in a row that are free."""
    for base in range(41000, 60000, 64):
        taken = []
        try:
            for i in range(count):
                s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                taken.append(s)
                s.bind(("127.0.0.1", base + i))
            return base
        except OSError:
            continue
        finally:
            for s in taken:
                s.close()
    raise RuntimeError("no free UDP ports")


def image_of(name):
    more = 'corbel.ramdisk = "../debian/initrd.gz"\ncorbel.cmdline = "console=hvc0 quiet"\nethernet0.present = "TRUE"\n'
    more += f'ethernet0.addressType = "static"\nethernet0.address = "{MAC[name]}"\n'
    path = os.path.join(ROOT, "build", "images", f"two_hosts_{name}.img")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return make_image(path, {**debian_files(), f"\\corbel\\vm\\{name}\\{name}.vmx": vmx_text(name, 128, "../debian/vmlinuz", more)}, SIZE_MIB)


@pytest.fixture(scope="module")
def hosts():
    """{guest: its host}, both booted, the guests started and with addresses."""
    base = base_port(4)
    hub = subprocess.Popen(["bxhub", "-ports=2", f"-base={base}", "-loglev=0"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    machines = {}
    try:
        for i, (name, card) in enumerate(CARDS.items()):
            nic = (card, base + 2 * i, MAC[name])
            machines[name] = Corbel(image_of(name), f"test_two_hosts_{name}", sync="slowdown", nic=nic)
        for m in machines.values():
            m.boot()
        for name, m in machines.items():
            m.send(f"create {name}\r")
        for name, m in machines.items():
            m.expect(r"^(\x1b\[[0-9;?]*[A-Za-z]|\r)*corbel> ", 400)
        for name, m in machines.items():
            m.attach(name)
            m.expect(r"guest: up after [0-9.]+ s", 400)
            m.leave()
        for name, m in machines.items():
            # bxhub learns what is behind a port from broadcasts only: each asks for somebody who is not there
            m.inside(name, f"ip addr add {ADDRESS[name]}/24 dev eth0; ip link set eth0 up; ping -c 1 -w 2 10.0.0.99")
        yield machines
    finally:
        for m in machines.values():
            m.close()
        hub.kill()
        hub.wait()


def cards(host):
    text = host.ok("network-list --json")
    return {c["name"]: c for c in json.loads(text[text.index("["):]) if c["name"] != "Domain-0"}


def ping(host, name, to, more=""):
    return int(re.search(r"(\d+) packets received", host.inside(name, f"ping -c 3 -w 8 {more} {to}")).group(1))


def test_the_cards_are_ports_of_bridge0(hosts):
    for name, host in hosts.items():
        seen = cards(host)
        assert list(seen) == ["nic0", name]
        nic = seen["nic0"]
        assert (nic["driver"], nic["bridge"], nic["state"], nic["served"]) == (CARDS[name], "bridge0", "up", "by interrupts")
        assert nic["mac"] == seen[name]["mac"] == MAC[name]
        assert f"nic0 ({CARDS[name]})" in host.ok("network-list") and "nic0" not in host.ok(f"network-list {name}")


def test_guests_of_two_hosts_ping_each_other(hosts):
    assert ping(hosts["alpha"], "alpha", ADDRESS["beta"]) > 0
    assert ping(hosts["beta"], "beta", ADDRESS["alpha"], "-s 1400") > 0
    for name, host in hosts.items():
        nic = cards(host)["nic0"]
        assert min(nic["sent_packets"], nic["received_packets"], nic["interrupts"]) > 2


@pytest.mark.parametrize("sender", CARDS)
def test_tcp_between_the_hosts(hosts, sender):
    """What arrives is what was sent; the checksums that guests leave blank are right on the wire, since the other side's guest looks at them."""
    receiver = "beta" if sender == "alpha" else "alpha"
    hosts[receiver].inside(receiver, "nc -l -p 5000 > /tmp/got & true")
    sent = hosts[sender].inside(sender, f"head -c 262144 /dev/urandom > /tmp/x; nc {ADDRESS[receiver]} 5000 < /tmp/x; sha256sum < /tmp/x", 300)
    got = hosts[receiver].inside(receiver, "for i in 1 2 3 4 5 6 7 8 9; do test $(wc -c < /tmp/got) = 262144 && break; sleep 1; done; wc -c < /tmp/got; sha256sum < /tmp/got", 300)
    assert "262144" in got
    assert re.search(r"[0-9a-f]{64}", got).group() == re.search(r"[0-9a-f]{64}", sent).group()
    for host in hosts.values():
        nic = cards(host)["nic0"]
        assert nic["sent_errors"] == nic["received_errors"] == nic["resets"] == 0 and nic["served"] == "by interrupts"


def test_frames_too_long_for_the_wire_are_counted(hosts):
    alpha = hosts["alpha"]
    alpha.inside("alpha", "ip link set eth0 mtu 4000")
    before = cards(alpha)["nic0"]
    out = alpha.inside("alpha", f"ping -c 2 -w 3 -s 3000 {ADDRESS['beta']}")
    after = cards(alpha)["nic0"]
    alpha.inside("alpha", "ip link set eth0 mtu 1500")
    assert " 0 packets received" in out
    assert after["sent_too_long"] - before["sent_too_long"] >= 2 and after["sent_drops"] > before["sent_drops"]
    assert ping(alpha, "alpha", ADDRESS["beta"]) > 0


def test_books_are_in_order(hosts):
    for name, host in hosts.items():
        host.ok(f"destroy {name}")
        assert list(cards(host)) == ["nic0"]
        host.audit()
