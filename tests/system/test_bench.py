# SPDX-License-Identifier: Apache-2.0
"""[HOST] One run of the benchmark: every goal is reached, and the exit path stays far below the peers'."""
import os
import sys

from corbel import ROOT

sys.path.insert(0, os.path.join(ROOT, "tests", "bench"))
import bench  # noqa: E402


def test_goals_are_reached():
    figures, rows = bench.one_run("test")
    for key, goal in bench.GOALS.items():
        assert figures[key] <= goal, f"{key}: {figures[key]}, goal {goal}"
    assert rows["cpuid"]["min"] <= 150 and rows["hypercall_xen"]["min"] <= 260, rows
