import numpy as np
import pandas as pd
import pytest

from recsys_tf import NumericFeature, RunConfig, TableSchema, TaskSpec, TrainingConfig
from recsys_tf.datasets import LabelledTable
from recsys_tf.preparation import PreparedTable

SCHEMA = TableSchema(
    features=(NumericFeature(name="age", side="user"),),
    tasks=(TaskSpec(name="buys", kind="binary", label="buys"),),
)
TABLE = LabelledTable(
    SCHEMA, pd.DataFrame({"age": [1.0, 3.0, 100.0, 200.0], "buys": [0.0, 1.0, 1.0, 0.0]})
)


def make(train, validation, test):
    return PreparedTable(RunConfig(), TABLE, *map(np.array, (train, validation, test)))


def test_preprocessing_is_learned_from_the_training_rows_alone():
    data = make([0, 1], [2], [3])
    assert data.state.moments["age"] == (2.0, 1.0)
    ((features, labels, _),) = data.dataset("test").as_numpy_iterator()
    assert features["age"].tolist() == [[198.0, 1.0]]
    assert labels["buys"].tolist() == [0.0]


def test_rows_in_two_parts_are_refused():
    with pytest.raises(ValueError, match="must share no row, received 2 rows more than once"):
        make([0, 1, 2], [2], [3, 0])


def test_empty_part_is_refused():
    with pytest.raises(ValueError, match="`validation` must hold at least one row"):
        make([0, 1], [], [3])


@pytest.mark.parametrize(
    ("test", "text"),
    [([-1], r"`test` must hold .* \[0, 4\), received -1"), ([1, 9], r"\[0, 4\), received 9")],
)
def test_positions_outside_the_table_are_refused(test, text):
    with pytest.raises(ValueError, match=text):
        make([0, 1], [2], test)


@pytest.mark.parametrize("test", [[False, False, False, True], [3.0], [[3]]])
def test_parts_that_are_no_positions_are_refused(test):
    with pytest.raises(TypeError, match=r"`test` must be positions, .*`np.flatnonzero\(mask\)`"):
        make([0, 1], [2], test)


def test_weights_by_age_are_refused():
    config = RunConfig(training=TrainingConfig(recency_half_life_days=3))
    text = r"`training.recency_half_life_days` must be None for a table, .*; received 3\."
    with pytest.raises(ValueError, match=text):
        PreparedTable(config, TABLE, np.array([0]), np.array([1]), np.array([2]))
