# SPDX-License-Identifier: Apache-2.0
"""[HOST] Dom0's own network against a stock Linux guest: ping both ways, DHCP and names from servers in the guest, files fetched from its web server and
compared on the host, what goes wrong on the way, a guest that floods. One boot."""
import hashlib
import json
import os
import re
import subprocess

import pytest

from corbel import ROOT, Corbel, clean, debian_files, make_image, vmx_text
from test_power_cut import fsck

FOLDER = os.path.join(ROOT, "build", "images", "test_dom0_net.parts")
MIB = 1 << 20
KEPT = {}  # what one test leaves for a later one


@pytest.fixture(scope="module")
def disk():
    os.makedirs(FOLDER, exist_ok=True)
    server = os.path.join(FOLDER, "dns_server")
    source = os.path.join(ROOT, "tests", "system", "dns_server.c")
    subprocess.run(["gcc", "-O1", "-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector", "-fno-builtin", "-s", "-o", server, source], check=True)
    with open(server, "rb") as f:
        program = f.read()
    more = ('corbel.ramdisk = "../debian/initrd.gz"\ncorbel.cmdline = "console=hvc0 quiet cryptomgr.notests"\nethernet0.present = "TRUE"\nscsi0.present = "TRUE"\n'
            'scsi0:0.present = "TRUE"\nscsi0:0.fileName = "/disks/dns.img"\nscsi0:0.readonly = "TRUE"\n')
    files = {**debian_files(), "\\corbel\\vm\\peer\\peer.vmx": vmx_text("peer", 160, "../debian/vmlinuz", more),
             "\\disks\\dns.img": program + bytes(-len(program) % 4096),
             "\\corbel\\corbel.cfg": b"exec = network-config ; network-config static 10.0.0.1/24 dns 10.0.0.2\n"}
    return make_image(os.path.join(ROOT, "build", "images", "test_dom0_net.img"), files, 192)


@pytest.fixture(scope="module")
def corbel(disk):
    machine = Corbel(disk, "test_dom0_net", private=False)
    try:
        yield machine.boot()
    finally:
        machine.close()


def answer(corbel, line):
    text = corbel.ok(line)
    return json.loads(text[min(text.index(c) for c in "[{" if c in text):])


def config(corbel):
    return answer(corbel, "network-config --json")


def own(corbel):
    """Dom0's port in `network-list`."""
    return next(c for c in answer(corbel, "network-list --json") if c["name"] == "Domain-0")


def heap(corbel):
    return answer(corbel, "info --json")["dom0_heap_bytes"] - answer(corbel, "info --json")["dom0_scrollback_bytes"]


def free(corbel):
    return next(v["free_bytes"] for v in answer(corbel, "df --json") if v["name"] == "hd0p1")


def say(corbel, port, text):
    """The guest answers the next connection to PORT with TEXT, and ends it."""
    corbel.inside("peer", f"(printf '{text}' | nc -l -p {port} > /tmp/asked-{port} &) ; sleep 1")


def test_the_configuration_of_corbel_cfg(corbel):
    corbel.expect(r"network-config static 10\.0\.0\.1/24 dns 10\.0\.0\.2[\s\S]*?corbel> ")
    before = clean(corbel.text)
    assert re.search(r"mode +: off\n[\s\S]*address +: none\n", before), before[-2000:]
    c = config(corbel)
    assert (c["mode"], c["address"], c["prefix"], c["gateway"], c["dns"], c["bridge"]) == ("static", "10.0.0.1", 24, "", "10.0.0.2", "bridge0")
    assert c["mac"].startswith("02:cb:") and own(corbel)["mac"] == c["mac"]
    assert own(corbel)["state"] == "connected" and own(corbel)["address"] == "10.0.0.1"
    KEPT["mac"] = c["mac"]


def test_what_cannot_be_is_refused_in_words(corbel):
    corbel.refused("network-config static 10.0.0.5", 1, "10.0.0.5/24")
    corbel.refused("network-config static 10.0.0.255/24", 1, "broadcast")
    corbel.refused("network-config static 10.0.0.5/24 gateway 10.0.1.1", 1, "same network")
    corbel.refused("network-config static 10.0.0.5/24 gate 10.0.0.2", 1, "not a setting")
    corbel.refused("network-config bridge", 2, "dhcp")
    corbel.refused("ping -c 1 10.0.0.9", 7, "no host with this address")
    corbel.refused("ping -c 1 192.168.7.7", 7, "could not be sent")
    corbel.refused("nslookup a..b", 1, "no host's name")
    corbel.refused("fetch https://10.0.0.2/x", 1, "https is not supported")
    corbel.refused("fetch http://10.0.0.2/", 2, "names no file")
    corbel.refused("fetch http://192.168.7.7/x", 1, "no gateway")
    assert config(corbel)["address"] == "10.0.0.1"
    out = corbel.ok("ping -c 2 10.0.0.1")
    assert "2 sent, 2 answered, 0% lost" in out


def test_ping_both_ways(corbel):
    corbel.ok("create peer", 400)
    corbel.attach("peer")
    corbel.expect(r"guest: up after [0-9.]+ s", 400)
    corbel.leave()
    corbel.inside("peer", "ip addr add 10.0.0.2/24 dev eth0; ip link set eth0 up")
    out = corbel.ok("ping -c 3 10.0.0.2")
    assert re.search(r"64 bytes from 10\.0\.0\.2: seq=3 ttl=64 time=\d+\.\d{3} ms", out) and "3 sent, 3 answered, 0% lost; least" in out, out
    assert "3 packets received" in corbel.inside("peer", "ping -c 3 -w 5 10.0.0.1")
    assert KEPT["mac"] in corbel.inside("peer", "arp -n")
    corbel.refused(f"network-attach peer mac={KEPT['mac']}", 5, "taken by domain 0")
    seen = own(corbel)
    assert min(seen["sent_packets"], seen["received_packets"]) >= 7 and seen["received_errors"] == seen["received_drops"] == 0


def test_ctrl_c_ends_a_ping(corbel):
    corbel.send("ping -c 1000 10.0.0.2\r")
    corbel.expect(r"seq=2 ttl")
    corbel.send(b"\x03")
    m = corbel.expect(r"(\d+) sent, (\d+) answered, 0% lost")
    assert 2 <= int(m.group(1)) < 1000
    corbel.expect(r"corbel> ")


def test_an_address_by_dhcp(corbel):
    corbel.refused("network-config dhcp -w -t 2", 7, "no DHCP server gave an address")
    assert config(corbel)["mode"] == "dhcp" and own(corbel)["state"] == "asking"
    corbel.refused("ping -c 1 10.0.0.2", 4, "no address")
    lines = "start 10.0.0.50", "end 10.0.0.60", "interface eth0", "lease_file /tmp/leases", "option subnet 255.255.255.0", "option router 10.0.0.2", "option dns 10.0.0.2", "option lease 600"
    corbel.inside("peer", "touch /tmp/leases; printf '" + "\\n".join(lines) + "\\n' > /tmp/d.conf; udhcpd /tmp/d.conf")
    out = corbel.ok("network-config dhcp -w -t 60")
    assert re.search(r"Dom0 has 10\.0\.0\.5\d/24", out), out
    c = config(corbel)
    assert c["address"].startswith("10.0.0.5") and (c["prefix"], c["gateway"], c["dns"]) == (24, "10.0.0.2", "10.0.0.2")
    assert "2 packets received" in corbel.inside("peer", f"ping -c 2 -w 5 {c['address']}")
    corbel.ok("ping -c 1 10.0.0.2")


def test_names(corbel):
    corbel.refused("nslookup www.test", 7, "the name server 10.0.0.2 does not answer")
    corbel.inside("peer", "cat /dev/xvda > /tmp/dns; chmod +x /tmp/dns; (/tmp/dns &) ; sleep 1")
    assert "www.test has the address 10.0.0.2" in corbel.ok("nslookup www.test")
    corbel.refused("nslookup nowhere.test", 1, "knows no nowhere.test")
    assert "answered, 0% lost" in corbel.ok("ping -c 1 www.test")


def test_a_file_of_ten_mebibytes(corbel):
    out = corbel.inside("peer", "mkdir /tmp/w; cd /tmp/w; head -c 10485760 /dev/urandom > big; head -c 100000 /dev/urandom > small; sha256sum big small; httpd -h /tmp/w", 300)
    KEPT["sums"] = {name: sum for sum, name in re.findall(r"([0-9a-f]{64})  (\w+)", out)}
    assert set(KEPT["sums"]) == {"big", "small"}
    before = heap(corbel)
    out = corbel.ok("fetch http://www.test/big", 600)
    assert "hd0p1:/corbel/vm/big: 10485760 bytes, " in out
    assert re.search(r"fetching big: \d+ KiB of 10240 \(\d+%\), \d+ KiB/s, \d+ s left", corbel.text)
    assert heap(corbel) == before
    corbel.ok("fetch http://10.0.0.2/small hd0p1:/disks")
    corbel.ok("fetch http://10.0.0.2:80/small hd0p1:/disks/other.bin")
    assert own(corbel)["received_bytes"] > 10 * MIB


def test_what_servers_answer(corbel):
    say(corbel, 8001, "HTTP/1.1 302 Found\\r\\nLocation: http://www.test/small\\r\\n\\r\\n")
    assert "/moved: 100000 bytes" in corbel.ok("fetch http://10.0.0.2:8001/x moved")
    say(corbel, 8002, "HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n6\\r\\nhello\\n\\r\\n0\\r\\n\\r\\n")
    corbel.ok("fetch http://10.0.0.2:8002/dir/chunks?x=y")
    assert corbel.ok("cat chunks").strip() == "hello"
    asked = corbel.inside("peer", "cat /tmp/asked-8002")
    assert "GET /dir/chunks?x=y HTTP/1.1" in asked and "Host: 10.0.0.2:8002" in asked
    before = free(corbel)
    say(corbel, 8003, "HTTP/1.1 200 OK\\r\\nContent-Length: 100\\r\\n\\r\\nonly a part")
    corbel.refused("fetch http://10.0.0.2:8003/chunks", 1, "before the file was complete")
    assert corbel.ok("cat chunks").strip() == "hello"  # what was there is there
    say(corbel, 8004, "HTTP/1.1 302 Found\\r\\nLocation: https://www.test/small\\r\\n\\r\\n")
    corbel.refused("fetch http://10.0.0.2:8004/x", 1, "https is not supported")
    say(corbel, 8005, "nonsense\\r\\n")
    corbel.refused("fetch http://10.0.0.2:8005/x", 1, "no HTTP/1 answer")
    corbel.refused("fetch http://10.0.0.2/none", 1, "404 Not Found")
    corbel.refused("fetch http://10.0.0.2:9/x", 1, "refuses the connection")
    assert free(corbel) == before


def test_ctrl_c_leaves_nothing(corbel):
    before = free(corbel)
    corbel.inside("peer", "((printf 'HTTP/1.1 200 OK\\r\\n\\r\\n'; cat /dev/zero) | nc -l -p 8006 > /dev/null 2>&1 &) ; sleep 1")
    corbel.send("fetch http://10.0.0.2:8006/endless\r")
    corbel.expect(r"fetching endless: \d+ KiB, \d+ KiB/s")
    corbel.send(b"\x03")
    corbel.expect(r"error: fetch http://10\.0\.0\.2:8006/endless: interrupted")
    corbel.expect(r"corbel> ")
    assert "endless" not in corbel.ok("ls")
    assert free(corbel) == before


def test_a_guest_that_floods(corbel):
    address = config(corbel)["address"]
    before = heap(corbel)
    corbel.inside("peer", f"for i in 1 2 3 4 5 6; do (ping -A -q -s 1400 {address} > /dev/null &) ; done")
    first = own(corbel)["received_packets"]
    corbel.ok("sleep 2")
    assert own(corbel)["received_packets"] - first > 100
    assert "answered, 0% lost" in corbel.ok("ping -c 2 10.0.0.2")
    corbel.ok("fetch http://10.0.0.2/small flooded", 300)
    assert heap(corbel) == before
    corbel.inside("peer", "killall ping")
    corbel.audit()


def test_off_and_the_end_of_the_guest(corbel):
    address = config(corbel)["address"]
    corbel.ok("network-config off")
    assert own(corbel)["state"] == "off"
    seen = own(corbel)["received_packets"]
    assert "0 packets received" in corbel.inside("peer", f"ping -c 2 -w 3 {address}")
    assert own(corbel)["received_packets"] == seen
    corbel.refused("fetch http://10.0.0.2/small", 4, "no address")
    corbel.ok("network-config static 10.0.0.7/24 gateway 10.0.0.2")
    assert "2 packets received" in corbel.inside("peer", "ping -c 2 -w 5 10.0.0.7")
    corbel.ok("destroy peer")
    corbel.refused("ping -c 1 10.0.0.2", 7, "error: ping 10.0.0.2")
    corbel.audit()


def test_the_files_on_the_host(corbel, disk):
    """The last: the machine is switched off."""
    corbel.machine.close()
    assert fsck(disk), "the FAT volume has findings"
    env = {**os.environ, "MTOOLS_SKIP_CHECK": "1"}
    for path, name in (("corbel/vm/big", "big"), ("disks/small", "small"), ("disks/other.bin", "small"), ("corbel/vm/moved", "small"), ("corbel/vm/flooded", "small")):
        r = subprocess.run(["mtype", "-i", f"{disk}@@1M", f"::/{path}"], capture_output=True, env=env, check=True)
        assert hashlib.sha256(r.stdout).hexdigest() == KEPT["sums"][name], path
