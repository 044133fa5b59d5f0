"""The script of the input's speed, on figures by hand and on a small data set."""

import numpy as np
import pytest

pytestmark = pytest.mark.checkout


@pytest.fixture(scope="module")
def script(load_script):
    return load_script("input_speed")


def test_rows_are_medians_and_waiting_is_held_to_its_bound(script):
    alone = np.array([[0.1, 0.5], [0.2, 1.0], [0.4, 2.0]])
    steps = np.array([0.02, 0.01, 0.04])
    trained = {
        "memory": np.array([[4.0, 0.0], [3.0, 0.15], [5.0, 0.05]]),
        "files": np.array([[4.0, 0.4], [4.0, 0.8], [6.0, 0.3]]),
    }
    rows = script.rows_of(1000, alone, steps, trained, batch_size=10)
    assert [(row.name, row.value, row.holds) for row in rows] == [
        ("input alone, memory", 5000, None),
        ("input alone, files", 1000, None),
        ("the training step alone", 500, None),
        ("share of an epoch that waits, memory", pytest.approx(0.01), True),
        # 100 steps of 20 ms are 2 s.
        ("epoch over its steps alone, memory", 2.0, None),
        ("share of an epoch that waits, files", pytest.approx(0.1), False),
        ("epoch over its steps alone, files", 2.0, None),
    ]
    # Half of the way between the middles of 2,500 to 5,000 and 5,000 to 10,000.
    assert rows[0].spread == 1875


def test_waiting_is_the_time_until_the_next_batch(script, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(script.time, "perf_counter", lambda: clock[0])

    def batches():
        for seconds in (3.0, 0.0, 1.0):
            clock[0] += seconds
            yield ()
        clock[0] += 0.5  # Until it is known that there is no further batch.

    def step():
        clock[0] += 10.0

    assert script.train_epoch(step, batches()) == (34.5, 4.5)


def test_another_input_begins_each_round(script):
    taken = []

    class Batches:
        def __init__(self, name):
            self.name = name

        def __iter__(self):
            taken.append(self.name)
            return iter([()])

    found = script.waiting_in_turn(lambda: None, {n: Batches(n) for n in "abc"}, num_rounds=2)
    assert "".join(taken) == "abcbca"
    assert {name: seconds.shape for name, seconds in found.items()} == dict.fromkeys("abc", (2, 2))


def test_a_few_events_go_the_whole_way(script, load_script, tmp_path):
    data = load_script("more_interactions").prepared(2_100, 8, 9, num_epochs=1)
    rows = script.measure(data, tmp_path, num_rounds=1)
    assert len(rows) == 10
    assert min(row.value for row in rows if row.unit == "examples/s") > 0
    assert max(row.value for row in rows if row.unit == "share") < 1
