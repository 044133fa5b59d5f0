"""The Evaluator's sums are the package's metrics, however the rows are cut and joined."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from pipeline.measures import Measure, columns, measures, row_values
from pipeline.row_metrics import RowCombiner, described
from recsys_tf import ExportConfig, IdFeature, RunConfig, Schema, TaskSpec
from recsys_tf.features import FeatureState, Preprocessor
from recsys_tf.metrics import auc

MEASURES = (
    Measure("rating/rmse", "root_mean", ("squared", "weight")),
    Measure("rating/mae", "mean", ("absolute", "weight")),
    Measure("click/auc", "auc", ("label", "score", "weight")),
)
NAMES = columns(MEASURES)


def result(rows, parts=1):
    combiner = RowCombiner(NAMES, described(MEASURES))
    sums = []
    for part in np.array_split(rows, parts):
        accumulator = combiner.create_accumulator()
        for row in part:
            element = SimpleNamespace(get_predictions=lambda model_name, row=row: row)
            accumulator = combiner.add_input(accumulator, element)
        sums.append(accumulator)
    output = combiner.extract_output(combiner.merge_accumulators(sums))
    return {key.name: value for key, value in output.items()}


def test_columns_stand_once_in_the_order_of_the_measures():
    assert NAMES == ("squared", "weight", "absolute", "label", "score")


def test_lists_with_what_was_met_stand_in_columns_of_their_own():
    ids = IdFeature(name="user_id", side="user"), IdFeature(name="item_id", side="item")
    schema = Schema(features=ids, tasks=(TaskSpec(name="watch", kind="retrieval"),))
    preprocessor = Preprocessor(schema, FeatureState({"user_id": ("u",), "item_id": ("i",)}, {}))
    without, with_seen = (
        measures(schema, RunConfig(export=ExportConfig(is_seen_excluded=flag)))
        for flag in (True, False)
    )
    # One name in results and thresholds; a model of the other kind is no baseline.
    assert [each.name for each in without] == [each.name for each in with_seen]
    assert set(columns(without)) & set(columns(with_seen)) == {"watch/weight"}
    keys = [name.replace("/", "_") for name in columns(without) if name != "watch/weight"]
    values = {key: tf.constant([float(place)]) for place, key in enumerate(keys)}
    values |= {f"watch_chance_at_{k}": tf.constant([0.0]) for k in RunConfig().evaluation.cutoffs}
    example = tf.constant([tf.train.Example().SerializeToString()])
    rows = [
        row_values(lambda _: values, schema, preprocessor, found)(example)["rows"].numpy()
        for found in (without, with_seen)
    ]
    assert rows[0].shape == (1, len(columns(without)))
    np.testing.assert_array_equal(*rows)


def test_weighted_means_by_hand():
    rows = np.array([[4, 1, 2, 0, 0.1], [16, 3, 4, 1, 0.9], [99, 0, 99, 1, 0.0]], np.float32)
    values = result(rows)
    assert values["rating/rmse"] == pytest.approx(np.sqrt((4 + 3 * 16) / 4))
    assert values["rating/mae"] == pytest.approx((2 + 3 * 4) / 4)
    assert values["click/auc"] == 1.0


def test_equal_scores_are_half_right():
    rows = np.array([[0, 1, 0, 0, 0.5], [0, 1, 0, 1, 0.5]], np.float32)
    assert result(rows)["click/auc"] == 0.5


@pytest.mark.parametrize("parts", [1, 3])
def test_auc_is_near_the_exact_one_however_the_rows_are_cut(parts):
    rng = np.random.default_rng(0)
    rows = rng.random((5000, 5)).astype(np.float32)
    rows[:, 3] = rng.random(5000) < rows[:, 4]
    exact = auc(rows[:, 3], rows[:, 4], rows[:, 1])
    assert result(rows, parts)["click/auc"] == pytest.approx(exact, abs=2e-4)


def test_auc_tells_rare_events_apart():
    rng = np.random.default_rng(0)
    num, rate = 200_000, 1e-4
    logits = rng.normal(np.log(rate), 1.5, num)
    rows = np.ones((num, 5), np.float32)
    rows[:, 4] = 1 / (1 + np.exp(-logits))
    rows[:, 3] = rng.random(num) < rows[:, 4]
    exact = auc(rows[:, 3], rows[:, 4], rows[:, 1])
    assert exact > 0.8
    assert result(rows)["click/auc"] == pytest.approx(exact, abs=1e-3)
    for low, high in ((1e-5, 9e-5), (0.5001, 0.5005)):
        two = np.array([[0, 1, 0, 0, low], [0, 1, 0, 1, high]], np.float32)
        assert result(two)["click/auc"] == 1.0


def test_probabilities_of_nought_and_one_stand_at_the_ends():
    rows = np.ones((4, 5), np.float32)
    rows[:, 3], rows[:, 4] = [0, 0, 1, 1], [0.0, 0.3, 0.6, 1.0]
    assert result(rows)["click/auc"] == 1.0


# Labels are never NaN: a missing one has the weight 0.
@pytest.mark.parametrize("column", [name for name in NAMES if name != "label"])
def test_one_row_that_is_no_number_shows(column):
    rows = np.tile(np.array([[1, 1, 1, 0, 0.2], [1, 1, 1, 1, 0.7]], np.float32), (3, 1))
    rows[0, NAMES.index(column)] = np.nan
    touched = {each.name for each in MEASURES if column in each.columns}
    values = result(rows)
    assert {name for name, value in values.items() if np.isnan(value)} == touched


def test_a_measure_without_rows_that_count_is_no_number():
    assert all(np.isnan(value) for value in result(np.zeros((2, 5), np.float32)).values())
