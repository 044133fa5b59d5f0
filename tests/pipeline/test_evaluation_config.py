"""What blocks a model: chance, bounds that were set, and the model in service."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.evaluators import metrics_validator

from pipeline.evaluation_config import evaluation_config
from pipeline.measures import columns, measures, row_values, slice_values
from pipeline.results import _reason
from pipeline.row_metrics import RowCombiner, described
from recsys_tf import (
    EvaluationConfig,
    HistoryFeature,
    IdFeature,
    PipelineConfig,
    RunConfig,
    Schema,
    TaskSpec,
)
from recsys_tf.features import FeatureState, Preprocessor

IDS = IdFeature(name="user_id", side="user"), IdFeature(name="item_id", side="item")
WATCH = TaskSpec(name="watch", kind="retrieval")
SCHEMA = Schema(features=IDS, tasks=(WATCH,))
ABOVE_CHANCE = "watch/hit_above_chance_at_100"


def run_config(**bounds):
    return RunConfig(
        evaluation=EvaluationConfig(cutoffs=(10, 100)), pipeline=PipelineConfig(**bounds)
    )


def reasons_against(value, baseline):
    """Judges a model of which every column has a value against one of another, as TFMA does."""
    config = tfma.utils.update_eval_config_with_defaults(
        evaluation_config(SCHEMA, run_config()), has_baseline=True
    )
    found = measures(SCHEMA, run_config())
    metrics = {}
    for model, of_model in ((tfma.CANDIDATE_KEY, value), (tfma.BASELINE_KEY, baseline)):
        combiner = RowCombiner(columns(found), described(found), model)
        row = [1.0 if name == "watch/weight" else of_model for name in columns(found)]
        sums = combiner.create_accumulator()
        sums.rows.append(np.array(row))
        metrics |= combiner.extract_output(sums)
    for key in [each for each in metrics if each.model_name == tfma.CANDIDATE_KEY]:
        other = metrics[key.make_baseline_key(tfma.BASELINE_KEY)]
        metrics[key.make_diff_key()] = metrics[key] - other
    result = metrics_validator.validate_metrics(((), metrics), config)
    failures = [each for one in result.metric_validations_per_slice for each in one.failures]
    return [_reason(each) for each in failures]


@pytest.mark.parametrize("pair", [(0.3, 0.0), (0.3, 0.3), (0.0, 0.0), (0.3, 0.302)])
def test_a_model_that_is_as_good_passes_whatever_the_blessed_one_had(pair):
    assert reasons_against(*pair) == []


@pytest.mark.parametrize(
    ("value", "baseline", "reason"),
    [
        (0.2, 0.3, "watch/ndcg_at_10 differs by -0.1 from the blessed model, more than 2.0% worse"),
        (0.3, np.nan, "watch/ndcg_at_10 is not a number, here or in the blessed model"),
    ],
)
def test_a_model_that_is_worse_does_not(value, baseline, reason):
    assert reason in reasons_against(value, baseline)


def lowest(name, **bounds):
    (specs,) = evaluation_config(SCHEMA, run_config(**bounds)).metrics_specs
    (of_metric,) = specs.per_slice_thresholds[name].thresholds
    return of_metric.threshold.value_threshold.lower_bound.value


def test_hits_are_held_against_chance_at_the_longest_list():
    assert lowest(ABOVE_CHANCE) == 0.0
    assert lowest("watch/hit_at_100") < -1e6
    assert lowest("watch/hit_at_10") < -1e6


def test_a_bound_that_was_set_takes_the_place_of_chance():
    bounds = {"watch/hit_at_100": 0.2}
    assert lowest("watch/hit_at_100", min_metrics=bounds) == 0.2
    assert lowest(ABOVE_CHANCE, min_metrics=bounds) < -1e6


def example(**lists):
    feature = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[each.encode() for each in ids]))
        for name, ids in lists.items()
    }
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def test_a_rows_hit_is_held_against_its_own_chance():
    preprocessor = Preprocessor(SCHEMA, FeatureState({"user_id": ("u",), "item_id": ("i",)}, {}))
    found = measures(SCHEMA, run_config())
    outputs = {
        f"watch_{part}{metric}_at_{k}": tf.constant([1.0, 0.0, 0.0])
        for part in ("", "answered_")
        for metric in ("hit", "ndcg")
        for k in (10, 100)
    }
    # A hit, a miss, and an item that cannot be answered.
    outputs |= {f"watch_chance_at_{k}": tf.constant([k / 125, k / 125, 0.0]) for k in (10, 100)}
    rows = row_values(lambda _: outputs, SCHEMA, preprocessor, found)
    values = rows(tf.constant([example()] * 3))["rows"].numpy()
    excess = values[:, columns(found).index(ABOVE_CHANCE)]
    np.testing.assert_allclose(excess, [0.2, -0.8, 0.0], atol=1e-6)


def test_activity_counts_events_that_the_model_no_longer_reads():
    history = HistoryFeature(name="history", side="user", of="item_id", max_length=5)
    schema = Schema(features=(*IDS, history), tasks=(WATCH,))
    preprocessor = Preprocessor(schema, FeatureState({"user_id": ("u",), "item_id": ("i",)}, {}))
    rows = [example(history=["i", "", "x"] * num) for num in (0, 1, 15, 30)]
    found = slice_values(schema, preprocessor)(tf.constant(rows))["activity"]
    names = ["no events", "1-10 events", "11-50 events", "more than 50 events"]
    assert [each.decode() for each in found.numpy()] == names
