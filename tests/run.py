#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""[HOST] Runs the suite two tests at a time (two emulators at most) and ends with `N passed, N failed`."""
import os
import subprocess
import sys
import xml.etree.ElementTree as xml

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
QUICK = ["tests/test_host.py", "tests/system/test_quick.py", "-k", "not fuzz and not clang"]
UNIT = ["tests/test_host.py", "-k", "test_unit"]


def main():
    args = sys.argv[1:]
    what = UNIT if args[:2] == ["--only", "unit"] else QUICK if args[:1] == ["--quick"] else ["tests"]
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
