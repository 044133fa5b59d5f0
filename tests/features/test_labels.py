from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from recsys_tf.features import check_labels, label_columns, make_labels
from recsys_tf.schema import CategoricalFeature, IdFeature, Schema, TaskSpec

NAN = float("nan")
SCHEMA = Schema(
    features=(
        IdFeature(name="user_id", side="user"),
        IdFeature(name="item_id", side="item"),
        CategoricalFeature(name="genres", side="item", is_multivalent=True),
        CategoricalFeature(name="device", side="context"),
    ),
    tasks=(
        TaskSpec(name="watch", kind="retrieval", label="rating", positive_at_least=4),
        TaskSpec(name="rating", kind="regression", label="rating", value_range=(1, 5)),
        TaskSpec(name="like", kind="binary", label="rating", positive_at_least=4),
        TaskSpec(name="click", kind="binary", label="click", sample_weight="weight"),
        TaskSpec(name="genre", kind="multilabel", label="genres", from_features=("item_id",)),
        TaskSpec(name="screen", kind="multiclass", label="device", from_features=("user_id",)),
    ),
)
COLUMNS = {
    "rating": np.array([5, 3, NAN], np.float32),
    "click": np.array([1, NAN, 0], np.float32),
    "weight": np.array([0, 0.5, 2], np.float32),
}
FEATURES = {
    "item_id": tf.constant([2, 1, 3], tf.int64),
    "genres": tf.constant([[2, 4], [0, 0], [1, 0]], tf.int64),
    "device": tf.constant([3, 0, 1], tf.int64),
}


@pytest.fixture(scope="module")
def made():
    labels, weights = make_labels(COLUMNS, FEATURES, SCHEMA, {"genres": 5, "device": 4})
    return (
        {name: value.numpy().tolist() for name, value in labels.items()},
        {name: value.numpy().tolist() for name, value in weights.items()},
    )


def test_raw_numbers_are_read_once_and_features_are_not():
    assert label_columns(SCHEMA) == ("rating", "click", "weight")


def test_regression_keeps_missing_as_nan(made):
    np.testing.assert_array_equal(made[0]["rating"], [5, 3, NAN])


def test_binary_label_is_cut_at_its_threshold(made):
    np.testing.assert_array_equal(made[0]["like"], [1, 0, NAN])
    np.testing.assert_array_equal(made[0]["click"], [1, NAN, 0])


def test_retrieval_weighs_positives_only(made):
    np.testing.assert_array_equal(made[0]["watch"], [1, 0, NAN])
    assert made[1]["watch"] == [1, 0, 0]


def test_retrieval_without_a_label_takes_every_row():
    schema = SCHEMA.model_copy(update={"tasks": (TaskSpec(name="watch", kind="retrieval"),)})
    labels, weights = make_labels({}, FEATURES, schema, {})
    assert labels["watch"].numpy().tolist() == weights["watch"].numpy().tolist() == [1, 1, 1]


def test_sample_weights_come_from_their_column(made):
    assert made[1]["click"] == [0, 0.5, 2]
    assert made[1]["rating"] == [1, 1, 1]


def test_multilabel_marks_known_values_and_a_row_without_any_is_missing(made):
    np.testing.assert_array_equal(made[0]["genre"], [[0, 0, 1, 0, 1], [NAN] * 5, [0, 0, 0, 0, 0]])


def test_class_that_is_missing_or_unknown_is_minus_one(made):
    assert made[0]["screen"] == [3, -1, -1]


def test_labels_of_no_rows():
    labels, weights = make_labels(
        {name: value[:0] for name, value in COLUMNS.items()},
        {name: value[:0] for name, value in FEATURES.items()},
        SCHEMA,
        {"genres": 5, "device": 4},
    )
    assert labels["genre"].shape == (0, 5)
    assert {value.shape[0] for value in (*labels.values(), *weights.values())} == {0}


def test_good_labels_pass():
    check_labels(COLUMNS, SCHEMA)


@pytest.mark.parametrize(
    ("name", "values", "text"),
    [
        ("rating", [np.inf, -np.inf, 3], "`rating` must be finite: 2 rows are not, the first inf"),
        ("rating", [0, 3, 6], "`rating` must be from 1.0 to 5.0 .*'rating': 2 rows .* first 0.0"),
        ("click", [0, 2, 1], "`click` must be 0 or 1 for the task 'click': 1 rows .* first 2.0"),
        ("weight", [NAN, -1, 1], "`weight` must be a finite weight >= 0: 2 rows are not"),
    ],
)
def test_labels_that_cannot_be_used_are_counted(name, values, text):
    with pytest.raises(ValueError, match=text):
        check_labels({**COLUMNS, name: np.array(values, np.float32)}, SCHEMA)


CHAIN = SCHEMA.model_copy(
    update={
        "tasks": (
            TaskSpec(name="like", kind="binary", label="rating", positive_at_least=4),
            TaskSpec(name="buy", kind="binary", label="buy", after="like"),
        )
    }
)


def check_chain(rating, buy):
    check_labels({"rating": np.array(rating), "buy": np.array(buy)}, CHAIN)


def test_labels_of_a_chain_pass_with_missing_ones():
    check_chain([5, 4, 3, NAN, 2], [1, 0, 0, 1, NAN])
    check_chain([5, 4], [1, NAN])
    check_chain([3, NAN], [NAN, NAN])


def test_successes_without_the_step_before_are_counted():
    rule = "`buy` must be no success of 'buy' in a row without 'like': 2 rows are not, the first 1"
    with pytest.raises(ValueError, match=rule):
        check_chain([5, 3, 1, 2], [1, 1, 1, 0])


def test_later_step_that_is_known_after_successes_only_is_refused():
    with pytest.raises(ValueError, match="`buy` must be known, as 0, in the rows without 'like'"):
        check_chain([5, 4, 3, 2], [1, 0, NAN, NAN])
