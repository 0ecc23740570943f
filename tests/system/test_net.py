# SPDX-License-Identifier: Apache-2.0
"""[HOST] Network cards: two stock Linux guests on one bridge talk, cannot pretend to be another, and come and go; Dom0's books close. One boot for all."""
import json
import re

from corbel import debian_files, guest_files, vmx_text

SIZE_MIB = 192
BULK = 10 << 20
KEPT = {}  # what one test leaves for a later one


def guest(name, cards):
    more = 'corbel.ramdisk = "../debian/initrd.gz"\ncorbel.cmdline = "console=hvc0 quiet cryptomgr.notests"\n'
    return {f"\\corbel\\vm\\{name}\\{name}.vmx": vmx_text(name, 128, "../debian/vmlinuz", more + cards)}


def FILES():
    plain = 'ethernet0.present = "TRUE"\n'
    static = plain + 'ethernet0.addressType = "static"\nethernet0.address = "00:50:56:00:00:0b"\n'
    return {**debian_files(), **guest("one", plain), **guest("two", static), **guest("twin", static), **guest_files("badnet", badnet=plain + 'ethernet1.present = "TRUE"\n')}


def cards(corbel, who=""):
    """`network-list` as {name: {…}}, for guests' first cards; without ports of the host."""
    text = corbel.ok(f"network-list --json {who}".strip())
    return {c["name"]: c for c in json.loads(text[text.index("["):]) if c.get("id") and c["device"] == 0}


def books(corbel):
    text = corbel.ok("info --json")
    info = json.loads(text[text.index("{"):])
    keys = ("dom0_event_channels", "dom0_foreign_pages", "dom0_grants", "xenstore_nodes", "xenstore_watches", "xenstore_bytes")
    return {**{k: info[k] for k in keys}, "heap": info["dom0_heap_bytes"] - info["dom0_scrollback_bytes"]}


def ping(corbel, name, to, count=2):
    """How many of COUNT pings were answered."""
    return int(re.search(r"(\d+) packets received", corbel.inside(name, f"ping -c {count} -w 3 {to}")).group(1))


def address(corbel, name, last):
    corbel.inside(name, f"ip addr add 10.0.0.{last}/24 dev eth0; ip link set eth0 up")


def test_two_guests_with_cards(corbel):
    corbel.ok("create two", 400)  # its kernel is kept from here on, and the folder of disks is in the store, so that the books can be compared
    corbel.ok("block-attach two memory:4")
    corbel.ok("block-detach -f two xvda")
    corbel.ok("destroy two")
    KEPT["books"] = books(corbel)
    corbel.ok("create one", 400)
    corbel.ok("create two", 400)
    corbel.refused("create twin", 5, "00:50:56:00:00:0b", "taken by domain")
    assert "twin" not in corbel.rows()
    for name in ("one", "two"):
        corbel.attach(name)
        corbel.expect(r"guest: up after [0-9.]+ s", 400)
        corbel.leave()
    seen = cards(corbel)
    assert seen["one"]["mac"].startswith("00:0c:29:") and seen["two"]["mac"] == "00:50:56:00:00:0b"
    assert seen["one"]["bridge"] == seen["two"]["bridge"] == "bridge0"
    assert "ether " + seen["one"]["mac"] in corbel.inside("one", "ip link show eth0")
    KEPT["mac"] = seen["one"]["mac"]


def test_they_ping_each_other(corbel):
    address(corbel, "one", 1)
    address(corbel, "two", 2)
    assert ping(corbel, "one", "10.0.0.2") == 2
    assert ping(corbel, "two", "10.0.0.1") == 2
    seen = cards(corbel)
    assert seen["one"]["state"] == seen["two"]["state"] == "connected"
    assert min(seen[n][k] for n in ("one", "two") for k in ("sent_packets", "received_packets")) >= 4


def test_ten_mebibytes_each_way_arrive_as_they_were_sent(corbel):
    for sender, receiver, to in (("one", "two", "10.0.0.2"), ("two", "one", "10.0.0.1")):
        before = cards(corbel)
        corbel.inside(receiver, "nc -l -p 5000 > /tmp/got & true")
        sent = corbel.inside(sender, f"head -c {BULK} /dev/urandom > /tmp/x; nc {to} 5000 < /tmp/x; sha256sum < /tmp/x", 600)
        got = corbel.inside(receiver, "sleep 1; wc -c < /tmp/got; sha256sum < /tmp/got", 300)
        assert re.search(r"[0-9a-f]{64}", got).group() == re.search(r"[0-9a-f]{64}", sent).group()
        after = cards(corbel)
        assert after[sender]["sent_bytes"] - before[sender]["sent_bytes"] > BULK
        assert after[receiver]["received_bytes"] - before[receiver]["received_bytes"] > BULK
        assert after[receiver]["sent_packets"] > before[receiver]["sent_packets"]
        assert after[sender]["sent_errors"] == after[receiver]["received_errors"] == 0
        for name in (sender, receiver):
            corbel.inside(name, "rm /tmp/x /tmp/got 2>/dev/null")


def test_large_frames_use_more_than_one_page(corbel):
    for name in ("one", "two"):
        corbel.inside(name, "ip link set eth0 mtu 9000")
    out = corbel.inside("one", "ping -c 2 -w 4 -s 8000 10.0.0.2")
    assert "2 packets received" in out and "8008 bytes from" in out, out
    for name in ("one", "two"):
        corbel.inside(name, "ip link set eth0 mtu 1500")


def test_a_guest_that_lies_in_its_rings(corbel):
    mark = corbel.at
    before = corbel.text.count("no longer served")
    m = corbel.ok_and("create badnet", r"badnet: (\d+) passed, (\d+) failed[\s\S]*?badnet: powered off", 400)
    assert m.group(2) == "0", re.findall(r"FAILED:[^\n]*\n[^\n]*", corbel.text[mark:])
    assert int(m.group(1)) > 700 and int(re.search(r"badnet cases: (\d+)", corbel.text[mark:]).group(1)) >= 70
    said = re.findall(r"network card [01] of domain \d+: the guest [^\n]*: no longer served", corbel.text[mark:])
    assert 5 <= len(said) == corbel.text.count("no longer served") - before
    assert ping(corbel, "one", "10.0.0.2") == 2
    seen = cards(corbel)
    assert sorted(seen) == ["one", "two"] and seen["one"]["state"] == seen["two"]["state"] == "connected"
    corbel.audit()


def test_nobody_sends_from_anothers_address(corbel):
    out = corbel.inside("one", "ip link set eth0 down; ip link set eth0 address 00:16:3e:66:66:66; ip link set eth0 up; sleep 1; ip link show eth0")
    assert "00:16:3e:66:66:66" in out
    before = cards(corbel)  # only now: until the address changed, the guest had things of its own to say
    answered = ping(corbel, "one", "10.0.0.2")
    after = cards(corbel)
    corbel.inside("one", f"ip link set eth0 down; ip link set eth0 address {KEPT['mac']}; ip link set eth0 up")
    back = ping(corbel, "one", "10.0.0.2")
    assert answered == 0 and back > 0
    assert after["one"]["sent_spoofed"] > before["one"]["sent_spoofed"]
    assert after["one"]["sent_drops"] - before["one"]["sent_drops"] == after["one"]["sent_spoofed"] - before["one"]["sent_spoofed"]
    assert after["two"]["received_packets"] == before["two"]["received_packets"]


def test_a_card_goes_and_another_comes(corbel):
    corbel.ok("network-detach two 00:50:56:00:00:0b")
    assert "two" not in cards(corbel)
    assert "eth0" not in corbel.inside("two", "sleep 1; ip link")
    corbel.refused("network-detach two 0", 1, "no such card")
    corbel.refused(f"network-attach two mac={KEPT['mac']}", 5, "taken by domain")
    corbel.refused("network-attach two mac=01:00:5e:00:00:01", 1, "group")
    corbel.refused("network-attach two mac=zebra", 1, "six bytes")
    corbel.refused("network-attach two bridge=a/b", 1, "15 letters")
    corbel.refused("network-attach two colour=red", 1, "bridge=NAME")
    corbel.ok("network-attach two bridge=bridge0 mac=00:16:3e:00:00:02")
    assert "00:16:3e:00:00:02" in corbel.inside("two", "sleep 1; ip link show eth0")
    address(corbel, "two", 2)
    assert ping(corbel, "two", "10.0.0.1") > 0  # the other learns the new address by this
    corbel.ok("network-attach two bridge=island")  # a second card, with nobody else there
    corbel.inside("two", "sleep 1; ip addr add 10.0.1.2/24 dev eth1; ip link set eth1 up")
    assert ping(corbel, "two", "10.0.1.1") == 0
    corbel.ok("network-detach two 1")
    corbel.audit()


def moved(corbel):
    """Bytes that guest one has sent, once they have grown."""
    before = cards(corbel)["one"]["sent_bytes"]
    for _ in range(20):
        corbel.ok("sleep 1")
        now = cards(corbel)["one"]["sent_bytes"]
        if now > before:
            return now
    raise AssertionError("nothing moves")


def test_devices_come_and_go_while_traffic_runs(corbel):
    corbel.inside("two", "nc -l -p 5002 > /dev/null & true")
    corbel.inside("one", "nc 10.0.0.2 5002 < /dev/zero & true")
    moved(corbel)
    for _ in range(3):
        corbel.ok("network-attach one bridge=island")
        assert "xvda" in corbel.ok("block-attach one memory:4")
        moved(corbel)
        both = "ls -d /dev/xvda /sys/class/net/eth1 2>/dev/null | wc -l"
        assert corbel.inside("one", f"for i in 1 2 3 4 5 6 7 8 9; do test $({both}) = 2 && break; sleep 1; done; {both}") == "2"
        assert "1+0 records out" in corbel.inside("one", "dd if=/dev/urandom of=/dev/xvda bs=64k count=1 conv=fsync 2>&1")
        corbel.ok("network-detach one 1")
        corbel.ok("block-detach one xvda")
        moved(corbel)
    corbel.audit()


def test_one_is_destroyed_in_the_middle(corbel):
    moved(corbel)  # still that stream
    corbel.ok("destroy two")
    assert list(cards(corbel)) == ["one"]
    assert "still-42" in corbel.inside("one", "echo still-$((40+2))")
    corbel.audit()


def test_a_reboot_keeps_the_card_and_a_crash_ends_it(corbel):
    corbel.attach("one", 0)
    corbel.send("reboot -f\r")
    corbel.expect(r"one: rebooted: now domain", 200)
    corbel.send(b"\x1d\r")
    corbel.expect(r"corbel> ")
    corbel.attach("one")
    corbel.expect(r"guest: up after [0-9.]+ s", 400)
    corbel.leave()
    assert f"ether {KEPT['mac']}" in corbel.inside("one", "ip link set eth0 up; sleep 1; ip link show eth0")
    assert cards(corbel)["one"]["state"] == "connected"
    corbel.attach("one", 0)
    corbel.send("echo c > /proc/sysrq-trigger\r")
    corbel.expect(r"one: crashed", 200)
    corbel.send(b"\x1d\r")
    corbel.expect(r"corbel> ")
    corbel.run("")
    assert cards(corbel) == {} and "c" in corbel.rows()["one"][3]
    corbel.audit()


def test_the_books_close(corbel):
    corbel.ok("destroy one")
    assert cards(corbel) == {}
    assert books(corbel) == KEPT["books"]
    corbel.audit()
