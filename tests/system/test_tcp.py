# SPDX-License-Identifier: Apache-2.0
"""[HOST] A stream over TCP between two guests (tcpbench, which has lwIP) and from a guest into a file of Dom0's: every byte arrives, no frame is lost. One boot, without input."""
import os
import re
import subprocess

import pytest

from corbel import ROOT, Corbel, make_image, vmx_text

IMAGE = os.path.join(ROOT, "build", "images", "test_tcp.img")
CFG = """loglvl = info
volume = \\guests
exec = create boot:/s.vmx;create boot:/t.vmx;wait t;network-config static 10.0.0.9/24;fetch http://10.0.0.1/a hd0p1:/a;fetch http://10.0.0.1/b hd0p1:/b;wait s;host-poweroff -f
"""


def card(last):
    return f'ethernet0.present = "TRUE"\nethernet0.addressType = "static"\nethernet0.address = "00:50:56:00:00:0{last}"\n'


@pytest.fixture(scope="module")
def console():
    files = {"\\corbel\\corbel.cfg": CFG.encode(), "\\guests\\tcpbench.elf": os.path.join(ROOT, "build", "guests", "tcpbench.elf"),
             "\\guests\\s.vmx": vmx_text("s", 16, "tcpbench.elf", card(3) + 'corbel.cmdline = "serve"\n'),
             "\\guests\\t.vmx": vmx_text("t", 16, "tcpbench.elf", card(4))}
    machine = Corbel(make_image(IMAGE, files, 96), "test_tcp", private=False)
    try:
        machine.expect(r"asked for power off", 400)
    finally:
        machine.close()
    return machine.text


def fetched(name):
    env = dict(os.environ, MTOOLS_SKIP_CHECK="1")
    return subprocess.run(["mtype", "-i", f"{IMAGE}@@1M", f"::/{name}"], check=True, capture_output=True, env=env).stdout


def test_nothing_is_lost_between_guests(console):
    for guest in ("tcpbench", "tcpbench-server"):
        assert re.search(rf"{guest}: [1-9]\d* passed, 0 failed", console), console[-3000:]


def test_every_row_is_there(console):
    rows = re.findall(r"BENCH (\S+) n=\d+ min=([1-9]\d*)", console)
    assert {name for name, _ in rows} == {"tcp_stream_kib", "tcp_stream_sender", "tcp_stream_receiver", "tcp_dom0_kib", "tcp_dom0_sender", "tcp_dom0_file_kib", "tcp_dom0_file_sender"}


def test_what_dom0_fetched_is_what_the_guest_sent(console):
    """The guest repeats 64 KiB of its own."""
    assert "1048576 bytes" in console and "49152 bytes" in console
    large, small = fetched("a"), fetched("b")
    assert len(large) == 1 << 20 and large == large[:65536] * 16
    assert small == large[:49152] and len(set(small)) == 256
