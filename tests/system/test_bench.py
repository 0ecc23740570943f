# SPDX-License-Identifier: Apache-2.0
"""[HOST] The benchmark, each boot once: the goals of a boot are reached, no row is longer than the baseline or has more of the dear instructions, and 64 idle domains change nothing."""
import os
import sys

import pytest

from corbel import ROOT

sys.path.insert(0, os.path.join(ROOT, "tests", "bench"))
import bench  # noqa: E402
import report  # noqa: E402

BOOTS = ["exits", "rings", "idle64", "counts"]


@pytest.fixture(scope="module")
def result():
    return report.gather({name: bench.one_run(name, "-test", bench.BOOTS_OF_TESTS.get(name)) for name in BOOTS})


def test_goals_of_a_boot_are_reached(result):
    for key, goal in report.FIGURE_GOALS.items():
        assert result["figures"][key]["value"] <= goal, f"{key}: {result['figures'][key]}, goal {goal}"


def test_nothing_is_missing_but_what_needs_two_cpus_and_tcp(result):
    """test_tcp looks at TCP; its rows are compared by `make bench`."""
    assert [line for line in report.missing(result) if not line.startswith(("ipi_other_cpu", "tcp_"))] == []


def test_no_row_is_longer_than_the_baseline(result):
    assert report.changed(result) == []


def test_64_idle_domains_change_nothing(result):
    assert any("with64" in row for row in result["rows"].values()), "the boot with 64 domains measured nothing"
    assert report.grown(result) == []


def test_a_trace_is_as_long_as_the_row(result):
    """Else the counts would be those of something else."""
    assert result["guest"] + report.root_instructions(result) == result["rows"]["cpuid"]["min"]
