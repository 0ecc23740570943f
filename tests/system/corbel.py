# SPDX-License-Identifier: Apache-2.0
"""[HOST] A Corbel machine under test: its serial console as expect/send, and its CLI as calls."""
import codecs
import os
import re
import select
import struct
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))
from emulator import Machine  # noqa: E402

PROMPT = "corbel> "
# Wall-clock limits only end a hung run; nothing is concluded from time.
BOOT_LIMIT = 180
QUIET_LIMIT = 120


class Timeout(AssertionError):
    pass


class Corbel:
    def __init__(self, image, log_name, **how):
        self.machine = Machine(how.pop("kind", "bochs"), image, **how)
        self.text = ""       # everything since power-on
        self.at = 0          # how far expect() has consumed it
        self.asked = 0       # calls of inside()
        self.utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")  # a character may arrive in two parts
        os.makedirs(os.path.join(ROOT, "build", "logs"), exist_ok=True)
        self.log = open(os.path.join(ROOT, "build", "logs", log_name + ".log"), "wb")

    def close(self):
        with open(self.log.name + ".emulator", "w", encoding="utf-8") as f:
            f.write(self.machine.output_tail(40))
        self.machine.close()
        self.log.close()

    def pump(self, seconds):
        """Takes what arrives within SECONDS, returning at the first chunk; False: the machine is gone."""
        ready, _, _ = select.select([self.machine.sock], [], [], seconds)
        if not ready:
            return self.machine.running()
        try:
            data = self.machine.sock.recv(65536)
        except OSError:
            data = b""
        if not data:
            return False
        self.log.write(data)
        self.log.flush()
        self.text += self.utf8.decode(data)
        return True

    def expect(self, pattern, limit=QUIET_LIMIT):
        """Waits for the regular expression; consumes through its end; returns the match."""
        deadline = time.monotonic() + limit
        while True:
            m = re.compile(pattern, re.M).search(self.text, self.at)
            if m:
                self.at = m.end()
                return m
            if time.monotonic() > deadline:
                raise Timeout(f"no {pattern!r} within {limit} s; the console ends with:\n{self.text[-3000:]}")
            if not self.pump(0.2):
                while self.pump(0) and self.machine.running():
                    pass
                m = re.compile(pattern, re.M).search(self.text, self.at)
                if m:
                    self.at = m.end()
                    return m
                raise Timeout(f"the machine ended before {pattern!r}; the console ends with:\n{self.text[-3000:]}\n{self.machine.output_tail()}")

    def send(self, data):
        for b in data.encode() if isinstance(data, str) else data:
            self.machine.sock.setblocking(True)
            self.machine.sock.send(bytes([b]))
            self.machine.sock.setblocking(False)

    def boot(self):
        self.expect(r"corbel> ", BOOT_LIMIT)
        return self

    def run(self, line, limit=QUIET_LIMIT):
        """Types LINE at Dom0's prompt; returns what was printed until the next prompt, terminal control removed."""
        self.send(line + "\r")
        self.expect(re.escape(line[-20:]) + r"[^\n]*\n", limit)
        start = self.at
        end = self.expect(r"^([^\n]*\r\x1b\[K)?(\x1b\[[0-9;?]*[A-Za-z]|\r)*corbel> ", limit)  # behind progress that was erased, too
        return clean(self.text[start:end.start()])

    def ok_and(self, line, pattern, limit=QUIET_LIMIT):
        """LINE succeeds, and PATTERN appears: before its prompt or later."""
        mark = self.at
        self.ok(line, limit)
        after, self.at = self.at, mark
        found = self.expect(pattern, limit)
        self.at = max(after, self.at)
        return found

    def ok(self, line, limit=QUIET_LIMIT):
        out = self.run(line, limit)
        assert "error:" not in out, f"{line}: {out}"
        return out

    def refused(self, line, code, *words):
        """LINE must fail with exit code CODE and an error line that holds WORDS."""
        out = self.run(line)
        errors = [x for x in out.split("\n") if x.startswith("error: ")]
        assert errors, f"{line}: no error line in {out!r}"
        assert errors[0].count(": ") >= 3, f"{line}: not what, why and what to do: {errors[0]!r}"
        for word in words:
            assert word in errors[0], f"{line}: {word!r} is not in {errors[0]!r}"
        status = self.run("status")
        assert re.search(rf"\b{code}\b", status), f"{line}: exit code is not {code}: {status!r}"
        return errors[0]

    def attach(self, name, lines=None):
        """To the guest's console; of what it said before, at most LINES lines are shown."""
        self.send(f"console {name}\r" if lines is None else f"console -n {lines} {name}\r")
        self.expect(rf"\(console of {name}; Ctrl-\] leaves\)")

    def leave(self):
        self.send(b"\x1d")
        self.expect(r"\(left the console of ")
        self.expect(r"^(\x1b\[[0-9;?]*[A-Za-z]|\r)*corbel> ")

    def inside(self, name, line, limit=QUIET_LIMIT):
        """Types LINE at the shell of the guest NAME; returns what it printed, without the kernel's messages. What the terminal makes of the
        typed line does not matter (it wraps long ones): the shell prints the marks, and no two calls have the same."""
        self.asked += 1
        self.attach(name, 0)
        self.send(f"echo be''gin-{self.asked}; {line}; echo e''nd-{self.asked}\r")
        start = self.expect(rf"^begin-{self.asked}\s", limit).end()
        end = self.expect(rf"^end-{self.asked}\s", limit).start()
        out = self.text[start:end].replace("\r", "")
        self.leave()
        return "\n".join(x for x in out.split("\n") if not re.match(r"\[ *\d+\.\d+\] ", x)).strip()

    def audit(self):
        out = self.ok("audit")
        assert re.search(r"audit: ok", out), out
        return out

    def rows(self):
        """`list` as {name: (id, mem, vcpus, state)}."""
        found = re.findall(r"^(\S.*?) +(\d+) +(\d+) +(\d+) +([a-z-]{6}) ", self.ok("list"), re.M)  # a dying domain's name is "(domain 2)"
        return {name: (int(domid), int(mem), int(vcpus), state) for name, domid, mem, vcpus, state in found}


class CorbelApart(Corbel):
    """The hypervisor's log, and with it the lines of guests, goes to TOLD: where guests talk all the time, TEXT, the terminal's, would be cut anywhere by them."""
    LOG = "(CBL) ["

    def __init__(self, *args, **how):
        super().__init__(*args, **how)
        self.told = self.waiting = ""

    def pump(self, seconds):
        before = len(self.text)
        alive = super().pump(seconds)
        fresh, self.text = self.waiting + self.text[before:], self.text[:before]
        while (at := fresh.find(self.LOG)) >= 0 and (end := fresh.find("\n", at)) >= 0:
            self.told += fresh[at:end + 1]
            fresh = fresh[:at] + fresh[end + 1:]
        if at < 0:  # the end may be the beginning of one
            at = next((i for i in range(max(0, len(fresh) - len(self.LOG)), len(fresh)) if self.LOG.startswith(fresh[i:])), len(fresh))
        self.text += fresh[:at]
        self.waiting = fresh[at:]
        return alive

    def expect_told(self, pattern, mark, limit=300):
        """The regular expression in TOLD behind MARK."""
        deadline = time.monotonic() + limit
        while not (m := re.compile(pattern).search(self.told, mark)):
            alive = self.pump(0.2)
            if not alive or time.monotonic() > deadline:
                raise Timeout(f"no {pattern!r} within {limit} s; the log ends with:\n{self.told[-3000:]}\nthe console:\n{self.text[-1000:]}\n{self.machine.output_tail()}")
        return m


def clean(text):
    text = re.sub(r"[^\n]*\r\x1b\[K", "", text)  # a progress line that was erased
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", text)


GUESTS = {  # name: (memsize, extra .vmx lines)
    "tiny": 16, "poweroff": 16, "spin": 16, "crash": 16, "triple": 16, "reboot": 16, "chatty": 16, "deny": 16, "bench": 64,
    "regress-0003": 8, "regress-0004": 8, "regress-0005": 8, "regress-0006": 8, "regress-0007": 16, "endings": 16, "himem": 3872, "fpu": 8, "badnet": 8, "race": 16,
    "badblk": 8, "plug": 8, "blkbench": 16, "flusher": 8, "gauge": 8, "regress-0010": 64, "regress-0011": 8, "sensitive": 16,
}


def vmx_text(name, memsize, kernel, extra="", vcpus=1):
    return f'displayName = "{name}"\nmemsize = "{memsize}"\nnumvcpus = "{vcpus}"\ncorbel.kernel = "{kernel}"\n{extra}'


CYLINDER = 16 * 63 * 512  # Bochs's geometry: what is behind the last whole one is not there


def add_partition(path, source):
    """A second partition (Linux, hd0p2) on the image PATH, with the contents of the file SOURCE; returns the byte where it begins."""
    start, size = os.path.getsize(path), os.path.getsize(source)
    os.truncate(path, (start + size + CYLINDER - 1) // CYLINDER * CYLINDER)
    with open(path, "r+b") as disk, open(source, "rb") as data:
        disk.seek(446 + 16)
        disk.write(struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", 0x83, b"\xfe\xff\xff", start // 512, size // 512))
        disk.seek(start)
        disk.write(data.read())
    return start


def make_image(path, files, size_mib=128):
    """An image with the built loader, hypervisor and Dom0 and FILES {destination: source path or bytes}."""
    build = os.path.join(ROOT, "build")
    work = path + ".files"
    os.makedirs(work, exist_ok=True)
    all_files = {
        "\\EFI\\BOOT\\BOOTX64.EFI": os.path.join(build, "BOOTX64.EFI"),
        "\\corbel\\corbel.elf": os.environ.get("CORBEL_ROOT_ELF", os.path.join(build, "corbel.elf")),
        "\\corbel\\dom0.elf": os.path.join(build, "dom0.elf"),
        "\\corbel\\corbel.cfg": os.path.join(ROOT, "boot", "corbel.cfg"),
        **files,
    }
    args = []
    for i, (dest, source) in enumerate(all_files.items()):
        if source is None:
            continue
        if isinstance(source, (bytes, str)) and not (isinstance(source, str) and os.path.exists(source)):
            name = os.path.join(work, str(i))
            with open(name, "wb") as f:
                f.write(source.encode() if isinstance(source, str) else source)
            source = name
        args.append(f"{source}:{dest}")
    subprocess.run([os.path.join(ROOT, "tools", "mkimage"), path, str(size_mib), *args], check=True, capture_output=True)
    return path


def guest_files(*names, **extra):
    """The .vmx and ELF files of the tiny guests NAMES."""
    files = {}
    for name in names:
        cpus = {"race": 4, "badblk": 2, "badnet": 2, "regress-0010": 2}.get(name, 1)
        files[f"\\corbel\\vm\\{name}\\{name}.vmx"] = vmx_text(name, GUESTS[name], f"{name}.elf", extra.get(name, ""), cpus)
        files[f"\\corbel\\vm\\{name}\\{name}.elf"] = os.path.join(ROOT, "build", "guests", f"{name}.elf")
    return files


def debian_files():
    base = os.path.join(ROOT, "build", "vm", "debian")
    return {f"\\corbel\\vm\\debian\\{n}": os.path.join(base, n) for n in ("debian.vmx", "vmlinuz", "initrd.gz")}


def generic_files(name="generic", vcpus=1):
    """Debian's generic kernel, packed with XZ, with the same ramdisk. This one tests its ciphers at boot, with all vector registers that there are."""
    folder = f"\\corbel\\vm\\{name}\\"
    cmdline = 'corbel.ramdisk = "initrd.gz"\ncorbel.cmdline = "console=hvc0"\n'
    return {folder + f"{name}.vmx": vmx_text(name, 256, "vmlinuz", cmdline, vcpus),
            folder + "vmlinuz": os.path.join(ROOT, "build", "debian-generic", "vmlinuz"),
            folder + "initrd.gz": os.path.join(ROOT, "build", "debian-generic", "initrd.gz")}
