#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""[HOST] `make run`: boots build/corbel.img in the best emulator there is, with the machine's console on this terminal."""
import os
import re
import select
import signal
import sys
import termios
import time
import tty

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from emulator import Machine, nested_kvm_reason  # noqa: E402

QUIT = b"\x1c"  # Ctrl-backslash
CONTROL = re.compile(rb"\x1b\[[0-9;=?]*[A-Za-z]")
CUT_CONTROL = re.compile(rb"\x1b(\[[0-9;=?]*)?$")


def say(text):
    sys.stdout.write(f"[run] {text}\r\n")
    sys.stdout.flush()


def plain(data):
    """DATA without terminal control (the firmware would clear what was written above), and the cut sequence at its end."""
    data = CONTROL.sub(b"", data)
    m = CUT_CONTROL.search(data)
    return (data[:m.start()], m.group(0)) if m else (data, b"")


def relay(machine, interactive):
    """Bytes both ways until the machine ends or the operator leaves. Returns why."""
    start = time.monotonic()
    seen_output = loader_seen = False
    shown = -1
    held = line = b""
    inputs = [machine.sock] + ([sys.stdin.fileno()] if interactive or not sys.stdin.isatty() else [])
    while True:
        ready, _, _ = select.select(inputs, [], [], 0.5)
        if not seen_output:
            seconds = int(time.monotonic() - start)
            if seconds != shown and sys.stdout.isatty():
                shown = seconds
                sys.stdout.write(f"\r[run] the firmware starts: {seconds} s (about 15 under Bochs) ")
                sys.stdout.flush()
        if machine.sock in ready:
            try:
                data = machine.sock.recv(65536)
            except OSError:
                data = b""
            if not data:
                return "the machine ended"
            if not seen_output:
                seen_output = True
                sys.stdout.write("\r\n" if sys.stdout.isatty() else "")
            if not loader_seen:
                data, held = plain(held + data)
                line += data
                loader_seen = b"corbel: " in line
                line = line[-8:]
            os.write(sys.stdout.fileno(), data)
        if sys.stdin.fileno() in ready:
            data = os.read(sys.stdin.fileno(), 4096)
            if not data:
                inputs.remove(sys.stdin.fileno())
            elif QUIT in data and interactive:
                return "left by Ctrl-\\"
            else:
                send(machine, data)
        if not machine.running() and machine.sock not in ready:
            return "the machine ended"


def send(machine, data):
    """All of DATA, at the pace at which the emulated UART takes it."""
    for i in range(len(data)):
        select.select([], [machine.sock], [])
        machine.sock.send(data[i:i + 1])


def main():
    image = sys.argv[1] if len(sys.argv) > 1 else "build/corbel.img"
    kvm, why = nested_kvm_reason()
    kind = os.environ.get("CORBEL_EMULATOR") or ("kvm" if kvm else "bochs")
    name = {"kvm": "QEMU with KVM and nested VMX", "bochs": "Bochs (VT-x in software)", "tcg": "QEMU without VT-x"}[kind]
    say(f"{name}: {why if not os.environ.get('CORBEL_EMULATOR') else 'as CORBEL_EMULATOR says'}")
    say(f"disk {image}; Ctrl-\\ ends the machine and this program")
    try:
        machine = Machine(kind, image, sync="slowdown", private=False, stock=True)
    except RuntimeError as e:
        sys.exit(f"error: emulator: {e}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    interactive = sys.stdin.isatty()
    saved = termios.tcgetattr(sys.stdin.fileno()) if interactive else None
    try:
        if interactive:
            tty.setraw(sys.stdin.fileno())
        reason = relay(machine, interactive)
    except KeyboardInterrupt:
        reason = "interrupted"
    finally:
        if saved:
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, saved)
        tail = machine.output_tail(5) if machine.proc.poll() not in (None, 0, 1) else ""
        machine.close()
    sys.stdout.write("\r\n")
    say(reason + (":\r\n" + tail if tail else ""))


if __name__ == "__main__":
    main()
