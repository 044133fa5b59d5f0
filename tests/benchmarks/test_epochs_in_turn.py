"""Processes train an epoch each in turn, and one that fails ends the program."""

import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.checkout

CHILD = """
import json, sys, time
from epoch_clock import EpochClock
clock, name = EpochClock(), sys.argv[1]
for epoch in range(4):
    with open(sys.argv[2], "a") as log:
        log.write(name)
    if name == "f" and epoch == 2:
        sys.exit(3)
    time.sleep(0.4 if name == "b" else 0.0)
    print("something else")
    clock.epoch_ended()
print(json.dumps({"name": name}))
"""


@pytest.fixture(scope="module")
def turns(load_script):
    return load_script("epochs_in_turn")


@pytest.fixture
def children(turns, tmp_path):
    """A function: names -> children that write their names to a log, an epoch a letter."""
    (tmp_path / "child.py").write_text(CHILD, encoding="utf-8")

    def make(names):
        return {
            name: turns.Child(
                [sys.executable, str(tmp_path / "child.py"), name, str(tmp_path / "log")],
                {"PYTHONPATH": str(Path(turns.__file__).parent)},
            )
            for name in names
        }

    return make


def test_each_waits_while_another_has_its_epoch(turns, children, tmp_path):
    trained = turns.epochs_in_turn(children("ab"), 3)
    # The first epoch of both, then three turns; what begins turns too.
    assert (tmp_path / "log").read_text(encoding="utf-8") == "abab" + "ba" + "ab"
    assert [each.told for each in trained.values()] == [{"name": "a"}, {"name": "b"}]
    # What one waits for the other is not its own time.
    assert trained["a"].seconds.min() < 0.4 <= trained["b"].seconds.min()


def test_ratio_is_the_median_of_the_turns(turns):
    ours, peer = (
        turns.Trained(np.array(each), None) for each in ([1.0, 2.0, 9.0], [2.0, 3.0, 9.0])
    )
    assert turns.ratio_of_speeds(ours, peer) == 1.5


def test_each_round_has_fresh_processes_and_another_that_begins(turns, children, tmp_path):
    rounds = list(turns.rounds_in_turn(children("ab"), 2, 3))
    assert [list(each) for each in rounds] == [["a", "b"], ["b", "a"]]
    assert (tmp_path / "log").read_text(encoding="utf-8") == "ababbaab" + "babaabba"


def test_process_that_fails_ends_the_program_and_the_others(turns, children):
    with pytest.raises(SystemExit, match="`f` failed with exit code 3"):
        turns.epochs_in_turn(children("af"), 3)
