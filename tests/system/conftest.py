# SPDX-License-Identifier: Apache-2.0
"""[HOST] Shared boots: one machine per test module."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from corbel import ROOT, Corbel, make_image  # noqa: E402


@pytest.fixture(scope="module")
def image(request):
    """The module's image: from its FILES (and CFG, a corbel.cfg text)."""
    files = dict(request.module.FILES())
    cfg = getattr(request.module, "CFG", None)
    if cfg is not None:
        files["\\corbel\\corbel.cfg"] = cfg.encode()
    path = os.path.join(ROOT, "build", "images", request.module.__name__ + ".img")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return make_image(path, files, getattr(request.module, "SIZE_MIB", 128))


@pytest.fixture(scope="module")
def corbel(request, image):
    """The module's machine (of the class KIND), booted to Dom0's prompt."""
    machine = getattr(request.module, "KIND", Corbel)(image, request.module.__name__, **getattr(request.module, "MACHINE", {}))
    try:
        yield machine.boot()
    finally:
        machine.close()
