# SPDX-License-Identifier: Apache-2.0
"""[HOST] The machines Corbel runs in, for `make run` and the tests: Bochs (VT-x in software), QEMU/KVM with nested VMX, QEMU/TCG (no VT-x).

A Machine owns its emulator, a private working folder and the console connection, and leaves nothing behind when it is closed.
"""
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

OVMF = "/usr/share/ovmf/OVMF.fd"
# Built by tools/build-bochs, without the debugger; where it is not there Debian's is taken.
FAST_BOCHS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "build", "bochs", "bochs")
BOCHS_HOST_MIB = 2048  # more cannot be; what a bigger machine uses beyond goes to a file, slowly
SOUND = "sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy\nspeaker: enabled=1, mode=system"  # Debian's build has both, and dies without these words
VGABIOS = "/usr/share/vgabios/vgabios.bin"


def nested_kvm_reason():
    """(True, why) when this host's KVM can run VMX guests, else (False, why not)."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False, "/dev/kvm is not there or not accessible"
    try:
        with open("/sys/module/kvm_intel/parameters/nested", encoding="ascii") as f:
            value = f.read().strip()
    except OSError:
        return False, "this is not KVM on an Intel CPU"
    if value not in ("Y", "1"):
        return False, "KVM's nested VMX is switched off (kvm_intel nested=0)"
    return True, "KVM offers nested VMX"


def die_with_parent():
    """In the child: the kernel ends the emulator when whoever started it dies, however that happens (Linux: PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Machine:
    """An emulator with Corbel's image in it; its first serial port is `self.sock` (or a file)."""

    def __init__(self, kind, image, memory_mib=1024, cpus=1, model="corei7_skylake_x", sync="none", com1_file=None, private=True, nic=None, stock=False, debugger=False):
        """NIC (Bochs): (card, UDP port, address), e.g. ("e1000", 40000, "b0:c4:20:00:00:01"): the card receives at the port and sends to the port after it, as bxhub
        has it. STOCK: Debian's Bochs, whatever else there is. DEBUGGER (of Debian's Bochs): the guest stops the machine by XCHG BX,BX, its prompt reads `self.proc.stdin`,
        what it says comes from `self.proc.stdout`."""
        self.kind = kind
        self.work = tempfile.mkdtemp(prefix="corbel-")
        self.sock = None
        self.com1_file = com1_file and os.path.abspath(com1_file)
        self.proc = None
        self.log_path = os.path.join(self.work, "emulator.log")
        self.image = os.path.abspath(image)
        if private:
            self.image = os.path.join(self.work, "disk.img")
            subprocess.run(["cp", "--sparse=always", image, self.image], check=True)
        elif os.path.exists(self.image + ".lock"):
            os.unlink(self.image + ".lock")  # left by a killed Bochs; it would refuse the image
        self.port = free_port()
        self.debugger = debugger
        self.start_limit = 30 if memory_mib <= BOCHS_HOST_MIB else 300  # Bochs prepares the file, for tens of seconds
        if kind == "bochs":
            self._start_bochs(memory_mib, cpus, model, sync, nic, stock or debugger or not os.path.exists(FAST_BOCHS))
        else:
            self._start_qemu(memory_mib, cpus, kind)

    def _start_bochs(self, memory_mib, cpus, model, sync, nic, stock):
        size = os.path.getsize(self.image)
        cylinders = size // (16 * 63 * 512)
        com1 = f"mode=file, dev={self.com1_file}" if self.com1_file else f"mode=socket-server, dev=localhost:{self.port}"
        slot = f", slot2={nic[0]}" if nic else ""
        card = f"{nic[0]}: card=0, enabled=1, {'type=pci, ' if nic[0] == 'ne2k' else ''}mac={nic[2]}, ethmod=socket, ethdev={nic[1]}" if nic else ""
        rc = f"""
cpu: model={model}, count={cpus}, ips=50000000, reset_on_triple_fault=0
memory: guest={memory_mib}, host={min(memory_mib, BOCHS_HOST_MIB)}
romimage: file={OVMF}, address=0xffe00000, options=none
vgaromimage: file={VGABIOS}
vga: extension=vbe
display_library: rfb, options="timeout=0"
{SOUND if stock else ""}
pci: enabled=1, chipset=i440fx, slot1=pcivga{slot}
{card}
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=disk, path={self.image}, mode=flat, cylinders={cylinders}, heads=16, spt=63
boot: disk
clock: sync={sync}, time0=1700000000
com1: enabled=1, {com1}
port_e9_hack: enabled=1
{f"magic_break: enabled={int(self.debugger)}" if stock else ""}
log: {self.log_path}
panic: action=fatal
error: action=report
info: action=ignore
debug: action=ignore
mouse: enabled=0
"""
        rc_path = os.path.join(self.work, "bochsrc")
        with open(rc_path, "w", encoding="ascii") as f:
            f.write(rc)
        go = os.path.join(self.work, "go")
        with open(go, "w", encoding="ascii") as f:
            f.write("c\n")
        self._spawn(["bochs-bin", "-q", "-f", rc_path, "-rc", go] if stock else [FAST_BOCHS, "-q", "-f", rc_path])

    def _start_qemu(self, memory_mib, cpus, kind):
        accel = ["-accel", "kvm", "-cpu", "host,+vmx"] if kind == "kvm" else ["-accel", "tcg"]
        serial = ["-serial", f"file:{self.com1_file}"] if self.com1_file else \
            ["-chardev", f"socket,id=c,host=127.0.0.1,port={self.port},server=on,wait=on", "-serial", "chardev:c"]
        self._spawn(["qemu-system-x86_64", *accel, "-m", str(memory_mib), "-smp", str(cpus), "-bios", OVMF, "-display", "none",
                     "-drive", f"file={self.image},format=raw,if=ide", "-no-reboot", "-monitor", "none", *serial])

    def _spawn(self, argv):
        with open(os.path.join(self.work, "emulator.out"), "wb") as out:
            pipe = subprocess.PIPE if self.debugger else None
            self.proc = subprocess.Popen(argv, stdin=pipe or subprocess.DEVNULL, stdout=pipe or out, stderr=subprocess.STDOUT, cwd=self.work, start_new_session=True, preexec_fn=die_with_parent)
        if self.com1_file:
            return
        deadline = time.monotonic() + self.start_limit
        while True:
            try:
                self.sock = socket.create_connection(("127.0.0.1", self.port), timeout=5)
                self.sock.setblocking(False)
                return
            except OSError:
                if self.proc.poll() is not None or time.monotonic() > deadline:
                    tail = self.output_tail()
                    self.close()
                    raise RuntimeError("the emulator did not start:\n" + tail) from None
                time.sleep(0.05)

    def running(self):
        return self.proc is not None and self.proc.poll() is None

    def output_tail(self, lines=15):
        text = ""
        for name in ("emulator.out", "emulator.log"):
            try:
                with open(os.path.join(self.work, name), encoding="utf-8", errors="replace") as f:
                    text += "".join(f.readlines()[-lines:])
            except OSError:
                pass
        return text

    def emulator_log(self):
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def close(self):
        if self.sock:
            self.sock.close()
            self.sock = None
        if self.proc and self.proc.poll() is None:
            try:
                os.killpg(self.proc.pid, signal.SIGTERM)
                self.proc.wait(timeout=3)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                try:
                    os.killpg(self.proc.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                self.proc.wait()
        if os.path.exists(self.image + ".lock"):
            os.unlink(self.image + ".lock")
        keep = os.environ.get("CORBEL_KEEP_OUTPUT")  # a folder: what the emulator itself printed (port 0xe9 among it) is kept there
        if keep and os.path.exists(os.path.join(self.work, "emulator.out")):
            shutil.copy(os.path.join(self.work, "emulator.out"), os.path.join(keep, os.path.basename(self.work)))
        shutil.rmtree(self.work, ignore_errors=True)
