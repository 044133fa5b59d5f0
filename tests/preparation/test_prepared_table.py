import numpy as np
import pandas as pd
import pytest

from recsys_tf import DataConfig, NumericFeature, RunConfig, TableSchema, TaskSpec, TrainingConfig
from recsys_tf.config import EvaluationConfig, TableConfig
from recsys_tf.datasets import LabelledTable, split_table
from recsys_tf.preparation import PreparedTable, prepare_table
from recsys_tf.spec import SpecError

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


def of_rows(num_rows, published=None):
    numbers = np.arange(float(num_rows))
    return LabelledTable(SCHEMA, pd.DataFrame({"age": numbers, "buys": numbers % 2}), published)


def run(test_rows="drawn", **shares):
    data = DataConfig(split="random", **shares)
    return RunConfig(data=data, table=TableConfig(test_rows=test_rows))


def test_validation_share_is_of_the_rows_that_the_test_leaves():
    data = prepare_table(run(test_share=0.5, validation_share=0.2), of_rows(100))
    assert [len(data.test), len(data.validation), len(data.train)] == [50, 10, 40]


def test_published_test_rows_are_held_out_and_the_rest_is_drawn():
    table = of_rows(50, published=np.arange(40, 50))
    data = prepare_table(run("published", validation_share=0.25), table)
    assert data.test.tolist() == list(range(40, 50))
    assert [len(data.validation), len(data.train)] == [10, 30]
    assert sorted([*data.validation, *data.train]) == list(range(40))
    assert data.validation.tolist() != list(range(10))
    again = prepare_table(run("published", validation_share=0.25), table)
    np.testing.assert_array_equal(data.validation, again.validation)


def test_test_rows_that_were_never_published_are_told():
    with pytest.raises(SpecError, match=r"table.test_rows: must be drawn .* 'published'"):
        prepare_table(run("published"), of_rows(50))


def test_rows_are_drawn_as_ever():
    """The draw of a run that is trained already must hold out the same rows again."""
    data = prepare_table(run(test_share=0.25, validation_share=0.3), of_rows(50))
    for name, rows in zip(
        ("train", "validation", "test"), split_table(50, 0.25, 0.3 * 0.75, 42), strict=True
    ):
        np.testing.assert_array_equal(getattr(data, name), rows)


@pytest.mark.parametrize(
    ("config", "table", "text"),
    [
        (
            run(),
            of_rows(3),
            "received 2 training, 0 validation, 1 test rows by `data.test_share` 0.2 and "
            "`data.validation_share` 0.1 of 3 rows in all; give more rows, or other shares",
        ),
        (
            run("published"),
            of_rows(5, published=np.arange(2, 5)),
            "received 2 training, 0 validation, 3 test rows by `data.validation_share` 0.1 of 5",
        ),
    ],
)
def test_shares_that_leave_a_part_empty_are_told_as_they_were_given(config, table, text):
    with pytest.raises(ValueError, match=text):
        prepare_table(config, table)


@pytest.mark.parametrize("metric", ["gauc", "novelty"])
def test_further_metric_is_refused(metric):
    config = RunConfig(evaluation=EvaluationConfig(metrics=(metric,)))
    text = "evaluation.metrics: has no meaning for a table, received .*; leave it out"
    with pytest.raises(SpecError, match=text):
        PreparedTable(config, TABLE, np.array([0]), np.array([1]), np.array([2]))


def test_slice_by_what_is_no_category_is_told():
    config = run().model_copy(update={"evaluation": EvaluationConfig(slices=("age",))})
    with pytest.raises(SpecError, match=r"evaluation.slices: must be empty, .* 'age'"):
        prepare_table(config, of_rows(50))
