"""The script of ten times the interactions, on figures by hand and on a few events."""

import io

import numpy as np
import pytest

pytestmark = pytest.mark.checkout


@pytest.fixture(scope="module")
def script(load_script):
    return load_script("more_interactions")


def test_every_user_and_item_occurs(script):
    data = script.generate(num_events=60, num_users=40, num_items=50)
    assert len(data) == 60
    assert data.events["user_id"].nunique() == 40
    assert data.events["item_id"].nunique() == 50
    assert data.events["timestamp"].tolist() == list(range(60))


def test_too_few_events_are_refused(script):
    with pytest.raises(ValueError, match="must be at least the number of users and of items, rec"):
        script.generate(num_events=49, num_users=40, num_items=50)


def test_both_sizes_have_tables_of_one_size(script):
    small, large = (script.prepared(n, 8, 9, num_epochs=1) for n in (20, 200))
    assert small.state.num_indices_by_name == large.state.num_indices_by_name
    assert (len(small.train_examples), len(large.train_examples)) == (20, 200)


def test_time_and_memory_are_held_to_their_bounds(script):
    def trained(seconds, data_mb, training_mb):
        told = {"data_mb": data_mb, "training_mb": training_mb}
        return script.Trained(np.array(seconds), told)

    rounds = [
        {100: trained([1.0, 2.0], 5, 200), 1000: trained([10.0, 21.0], 50, 210)},
        {100: trained([1.0, 1.0], 5, 200), 1000: trained([11.0, 11.0], 50, 240)},
        {100: trained([2.0, 2.0], 5, 200), 1000: trained([20.0, 20.0], 50, 220)},
    ]
    rows = {row.name: row for row in script.rows_of(rounds, 100)}
    # Medians of the rounds' medians by turn: 10.25, 11 and 10; and of 1.05, 1.2 and 1.1.
    time = rows["time of an epoch, ten times the events"]
    assert (time.value, time.spread, time.holds) == (10.25, 0.5, True)
    memory = rows["memory of training, ten times the events"]
    assert (memory.value, memory.holds) == (pytest.approx(1.1), True)
    assert rows["an epoch, 100 events"].value == 1.5
    assert rows["the data's own memory, 1,000 events"].value == 50


def test_process_tells_what_it_trained_and_its_memory(script, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("\n\n"))
    told = script.be_child(num_events=100, num_epochs=2, sizes=[8, 9])
    assert capsys.readouterr().out.count("epoch took ") == 2
    assert told["events"] == 100
    assert told["training_mb"] >= 0
    # One epoch more than the timed ones.
    assert script.command_of(100, 1, [8, 9]).command[-5:] == ["--child", "100", "2", "8", "9"]
