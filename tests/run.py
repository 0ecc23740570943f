#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""[HOST] Runs the suite two tests at a time (two emulators at most) and ends with `N passed, N failed`."""
import glob
import os
import subprocess
import sys
import xml.etree.ElementTree as xml

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# The longest first, so that no worker is left alone with one of them at the end.
LONG = ["system/test_debian", "system/test_smp", "system/test_lifecycle2", "system/test_linux", "system/test_kernels", "system/test_models", "system/test_leaks", "test_host", "system/test_net",
        "system/test_block", "system/test_bench", "system/test_sensitive", "system/test_dos", "system/test_attack", "system/test_two_hosts",
        "system/test_badblk", "system/test_vmx", "system/test_images", "system/test_dom0_net", "system/test_fair"]
QUICK = ["tests/test_host.py", "tests/system/test_quick.py", "-k", "not fuzz and not clang"]
UNIT = ["tests/test_host.py", "-k", "test_unit"]


def everything():
    long = [f"tests/{name}.py" for name in LONG]
    files = sorted(glob.glob("tests/**/test_*.py", root_dir=ROOT, recursive=True), key=lambda f: (long.index(f) if f in long else len(long), f))
    return [f for f in files if not f.startswith("tests/unit/")]


def main():
    args = sys.argv[1:]
    what = UNIT if args[:2] == ["--only", "unit"] else QUICK if args[:1] == ["--quick"] else everything()
    report = os.path.join(ROOT, "build", "report.xml")
    if os.path.exists(report):
        os.unlink(report)
    code = subprocess.run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n", "2", "--dist", "loadfile", "-v", "--tb=short", "-ra",
                           f"--junitxml={report}", *what], cwd=ROOT, check=False).returncode
    try:
        suites = xml.parse(report).getroot().iter("testsuite")
    except (OSError, xml.ParseError):
        print("error: tests: no report was written: see above")
        print("0 passed, 1 failed")
        sys.exit(1)
    total = bad = skipped = 0
    for s in suites:
        total += int(s.get("tests"))
        bad += int(s.get("failures")) + int(s.get("errors"))
        skipped += int(s.get("skipped"))
    passed = total - bad - skipped
    if code != 0 and bad == 0:
        bad = 1
    print(f"{passed} passed, {bad} failed" + (f", {skipped} skipped" if skipped else ""))
    sys.exit(1 if bad or not passed else 0)


if __name__ == "__main__":
    main()
