#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""[HOST] Writes the inputs in tests/fuzz/corpus that no fuzzer comes to by itself in reasonable time: whole images and disks whose parts must agree (tables that
lie where a header says, checksums). They are committed; this says what they are. The other inputs there were found by the fuzzers."""
import os
import struct
import zlib

CORPUS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")
X, W, R = 1, 2, 4


def put(target, name, data):
    os.makedirs(os.path.join(CORPUS, target), exist_ok=True)
    with open(os.path.join(CORPUS, target, name), "wb") as f:
        f.write(data)


def elf(kind, entry, segments, body):
    """SEGMENTS: type, flags, offset in BODY, address, bytes in the file, bytes in memory."""
    start = 64 + 56 * len(segments)
    head = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", kind, 62, 1, entry, 64, 0, 0, 64, 56, len(segments), 0, 0, 0)
    table = b"".join(struct.pack("<IIQQQQQQ", kind, flags, start + at, address, address, size, memory, 4096) for kind, flags, at, address, size, memory in segments)
    return head + table + body


def note(entry, size):
    return struct.pack("<III4s", 4, size, 18, b"Xen") + entry.to_bytes(size, "little")


def elfs():
    code = bytes(range(64))
    root = elf(2, 16, [(1, R | X, 0, 0, 64, 64), (1, R, 0, 0x1000, 32, 4096), (1, R | W, 8, 0x2000, 16, 0x3000)], code)
    low = 16 << 20
    dom0 = elf(2, 0, [(1, R | X, 0, low, 64, 64), (1, R | W, 8, low + 0x1000, 16, 0x2000), (4, R, 64, 0, 24, 24)], code + note(low + 4, 8))
    twice = elf(3, 0, [(1, R | X, 0, low, 64, 64), (4, R, 64, 0, 40, 40)], code + note(low, 4) + note(low + 8, 4))
    put("elf", "seed-root", root)
    put("elf", "seed-dom0", dom0)
    put("elf", "seed-two-notes", twice)
    put("image", "seed-elf", dom0)
    put("image", "seed-two-notes", twice)


def bzimage():
    image = bytearray(1024 + 64)
    image[0x1f1] = 1
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", image, 0x206, 0x20f)
    struct.pack_into("<II", image, 0x248, 16, 40)
    image[1040:1042] = b"\x1f\x8b"
    put("image", "seed-bzimage", bytes(image))


def fat(first):
    """A volume of 8 sectors: two reserved, two FATs of one, a root folder with a file and an empty one."""
    volume = bytearray(8 * 512)
    volume[0:22] = b"\xeb\x58\x90corbel  \x00\x02\x01\x02\x00\x02\x00\x00\x00\x00\xf8"
    struct.pack_into("<II", volume, 28, first, 8)
    struct.pack_into("<IIIH", volume, 36, 1, 0, 2, 1)
    volume[510:512] = b"\x55\xaa"
    struct.pack_into("<I", volume, 512, 0x41615252)
    struct.pack_into("<III", volume, 512 + 484, 0x61417272, 0xffffffff, 0xffffffff)
    struct.pack_into("<I", volume, 512 + 508, 0xaa550000)
    for table in (1024, 1536):
        struct.pack_into("<IIII", volume, table, 0x0ffffff8, 0x0fffffff, 0x0fffffff, 0x0fffffff)
    for i, (name, cluster, size) in enumerate(((b"A       TXT", 3, 300), (b"EMPTY      ", 0, 0))):
        struct.pack_into("<11sB8xHIHI", volume, 2048 + 32 * i, name, 0x20, 0, 0, cluster, size)
    return bytes(volume)


def disks():
    mbr = bytearray(512)
    struct.pack_into("<4xB3xII", mbr, 446, 12, 1, 8)
    mbr[510:512] = b"\x55\xaa"
    put("fat32", "seed-mbr", b"\0" + bytes(mbr) + fat(1))
    entry = struct.pack("<16s16sQQQ72s", bytes.fromhex("a2a0d0ebe5b9334487c068b6b72699c7"), b"a partition's id", 3, 4, 0, "p".encode("utf-16-le"))
    table = entry + bytes(128 * 3)

    def header(own, other, entries):
        h = struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, own, other, 3, 4, b"the disk's own id", entries, 4, 128, zlib.crc32(table))
        return (h[:16] + struct.pack("<I", zlib.crc32(h)) + h[20:]).ljust(512, b"\0")
    mbr[450] = 0xee
    struct.pack_into("<II", mbr, 454, 1, 5)
    put("fat32", "seed-gpt", b"\0" + bytes(mbr) + header(1, 5, 2) + table + bytes(512) + header(5, 1, 2))


elfs()
bzimage()
disks()
