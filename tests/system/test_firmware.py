# SPDX-License-Identifier: Apache-2.0
"""[HOST] The loader on machines and with files that cannot do: an error in words, then back to the firmware. QEMU without VT-x, and old CPUs in Bochs."""
import os

import pytest

from corbel import ROOT, Corbel, guest_files, make_image


def boot(name, files, pattern, limit=90, **how):
    path = os.path.join(ROOT, "build", "images", name + ".img")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    make_image(path, {**guest_files("tiny"), **files}, 96)
    machine = Corbel(path, name, **how)
    try:
        found = machine.expect(rf"(?:{pattern})\r?\n", limit).group(0)
        # Back in the firmware: it goes on to its shell or next boot option, on the same serial console.
        machine.expect(r"(?i)shell|boot manager|BdsDxe|Press|returning to the firmware", limit)
        return found, machine.text
    finally:
        machine.close()


TCG = {"kind": "tcg", "memory_mib": 512}


def test_qemu_without_vtx_is_refused_in_words():
    found, text = boot("no_vtx", {}, r"error: [^\n]*VT-x[^\n]*", **TCG)
    assert found.count(": ") >= 2


def test_vmx_without_ept_is_refused_in_words():
    boot("no_ept", {}, r"error: [^\n]*EPT[^\n]*", 150, kind="bochs", model="core2_penryn_t9600")


def test_svm_only_is_refused_in_words():
    boot("svm", {}, r"error: [^\n]*(SVM|AMD|VT-x)[^\n]*", 150, kind="bochs", model="ryzen")


@pytest.mark.parametrize("name,cfg,words", [
    ("cfg_key", "loglvel = info\n", r"error: [^\n]*loglvel[^\n]*loglvl[^\n]*"),
    ("cfg_value", "\n\ndom0_mem = lots\n", r"error: [^\n]*(line 3|:3)[^\n]*dom0_mem[^\n]*|error: [^\n]*dom0_mem[^\n]*(line 3|:3)[^\n]*"),
])
def test_a_wrong_configuration_is_refused(name, cfg, words):
    boot(name, {"\\corbel\\corbel.cfg": cfg.encode()}, words, **TCG)


def built(name):
    with open(os.path.join(ROOT, "build", name), "rb") as f:
        return f.read()


def hostile_elf():
    data = bytearray(built("corbel.elf"))
    data[0x28 - 8:0x28] = (0xfffffffffffffff0).to_bytes(8, "little")  # e_phoff
    return bytes(data)


@pytest.mark.parametrize("name,files,words", [
    ("no_root", {"\\corbel\\corbel.elf": None}, r"error: [^\n]*corbel\.elf[^\n]*"),
    ("no_dom0", {"\\corbel\\dom0.elf": None}, r"error: [^\n]*dom0\.elf[^\n]*"),
    ("cut_root", {"\\corbel\\corbel.elf": "cut"}, r"error: [^\n]*corbel\.elf[^\n]*"),
    ("hostile_root", {"\\corbel\\corbel.elf": "hostile"}, r"error: [^\n]*corbel\.elf[^\n]*"),
])
def test_a_missing_or_broken_image_is_refused(name, files, words):
    real = {k: (built("corbel.elf")[:3000] if v == "cut" else hostile_elf() if v == "hostile" else v) for k, v in files.items()}
    boot(name, real, words, **TCG)


def test_doctor_reports_and_boots_nothing():
    found, text = boot("doctor", {"\\corbel\\corbel.cfg": b"mode = doctor\n"}, r"[^\n]*[Dd]octor[^\n]*", **TCG)
    assert "EPT" in text and "VT-x" in text
