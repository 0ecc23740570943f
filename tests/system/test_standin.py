# SPDX-License-Identifier: Apache-2.0
"""[HOST] A stand-in for Dom0 (tests/standin) makes the requests that the real one never makes: each gets the error that is written down, and the audit
is clean. And how the machine ends when Dom0 does."""
import os
import re

import pytest
from corbel import ROOT, Corbel, guest_files, make_image

# corbel.cfg's exec: how it ends; what the hypervisor says then.
AND_RESET = r"Dom0 ended \(reason {}\): the machine cannot go on without it and is reset"
ENDINGS = {"poweroff": "Dom0 asked for power off", "crash": AND_RESET.format(3), "triple": AND_RESET.format(3), "stray": AND_RESET.format(64)}


@pytest.mark.parametrize("ending", ENDINGS)
def test_requests_that_dom0_never_makes(ending):
    image = make_image(os.path.join(ROOT, "build", "images", f"test_standin_{ending}.img"),
                       {**guest_files("tiny"), "\\corbel\\corbel.cfg": f"loglvl = info\nexec = {ending}\n", "\\corbel\\dom0.elf": os.path.join(ROOT, "build", "standin.elf")})
    corbel = Corbel(image, f"test_standin_{ending}")
    try:
        corbel.expect("standin: up", 60)
        counts = corbel.expect(r"standin: (\d+) passed, (\d+) failed", 60)
        assert counts.group(2) == "0", "\n".join(re.findall(r"FAILED: .*", corbel.text))
        assert int(counts.group(1)) > 900
        corbel.expect(ENDINGS[ending], 60)
        assert "standin: still there" not in corbel.text
    finally:
        corbel.close()
