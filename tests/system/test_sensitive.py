# SPDX-License-Identifier: Apache-2.0
"""[HOST] Every sensitive instruction in every mode: a guest sees what the bare CPU shows, but for what the table in sensitive.py explains; what makes an
exit, and what does not, is as that table says; and docs/sensitive-instructions.md tells it. Two boots: without a hypervisor, and with Corbel."""
import pytest
import sensitive


@pytest.fixture(scope="module")
def bare():
    return sensitive.run("bare")


@pytest.fixture(scope="module")
def guest():
    return sensitive.run("guest")


def test_both_ran_all_of_it(bare, guest):
    assert list(bare) == list(guest) or sorted(bare) == sorted(guest)
    assert len(bare) > 1700 and {mode for _, mode in bare} == set(sensitive.MODES)
    listed = [name for _, members in sensitive.sections() for name in members]
    assert listed == [name for name in sensitive.names(bare) if name != "nop"]


def test_each_outcome_repeats(bare, guest):
    for found in (bare, guest):
        assert [key for key, (_, fields) in found.items() if int(fields[0], 16) > 255] == []


def test_without_a_hypervisor_nothing_exits(bare):
    assert [key for key, (exited, _) in bare.items() if exited] == []


def test_each_difference_is_explained(bare, guest):
    assert [(name, mode, bare[name, mode][1], guest[name, mode][1]) for name, mode in sensitive.unexplained(bare, guest)] == []


def test_no_explanation_is_stale(bare, guest):
    assert sensitive.stale(bare, guest) == []


def test_exits_are_those_of_the_table(guest):
    assert sensitive.wrong_mechanisms(guest) == []


def test_the_document_is_what_the_run_gives(bare, guest):
    with open(sensitive.DOCUMENT, encoding="utf-8") as f:
        assert f.read() == sensitive.document(bare, guest), "`make docs-sensitive` writes it anew"
