import numpy as np
import pandas as pd
import pytest

from recsys_tf import CategoricalFeature, NumericFeature, RunConfig, TableSchema, TaskSpec
from recsys_tf.config import EvaluationConfig
from recsys_tf.datasets import LabelledTable
from recsys_tf.evaluation import TableMeasurements, measure_table
from recsys_tf.preparation import PreparedTable

SCHEMA = TableSchema(
    features=(
        NumericFeature(name="age", side="user"),
        CategoricalFeature(name="shop", side="context"),
    ),
    tasks=(
        TaskSpec(name="buys", kind="binary", label="buys"),
        TaskSpec(name="stars", kind="regression", label="stars"),
    ),
)
SHOPS = ["a", "b", "", "a", "b", "b"]
LABELS = np.array([0.0, 1.0, 1.0, 1.0, 0.0, 1.0])
STARS = np.array([1.0, 2.0, np.nan, 4.0, 5.0, 3.0])


@pytest.fixture
def measured():
    """Six test rows of three shops, behind two others; the third row has no stars."""
    rows = pd.DataFrame(
        {
            "age": np.arange(8.0),
            "shop": ["c", "c", *SHOPS],
            "buys": [0.0, 1.0, *LABELS],
            "stars": [1.0, 1.0, *STARS],
        }
    )
    config = RunConfig(evaluation=EvaluationConfig(slices=("shop",), confidence=0.8))
    parts = np.array([0]), np.array([1]), np.arange(2, 8)
    data = PreparedTable(config, LabelledTable(SCHEMA, rows), *parts)
    of_stars = STARS, np.full(6, 3.0), np.ones(6)
    scores = np.array([0.2, 0.9, 0.4, 0.7, 0.8, 0.6])
    return TableMeasurements(
        data, "test", {"buys": (LABELS, scores, np.ones(6)), "stars": of_stars}
    )


def test_metrics_are_those_of_the_tasks(measured):
    assert measured.metrics["stars/rmse"] == pytest.approx(np.sqrt((4 + 1 + 1 + 4) / 5))
    # Of 4 x 2 pairs the buyers of scores 0.4, 0.7 and 0.6 stand below the one of 0.8.
    assert measured.metrics["buys/auc"] == pytest.approx(5 / 8)


def test_slices_share_the_rows_between_them(measured):
    slices = measured.slices()
    assert set(slices) == {"shop=", "shop=a", "shop=b"}
    assert [slices[f"shop={name}"]["buys/num_rows"] for name in ("", "a", "b")] == [1, 2, 3]
    assert [slices[f"shop={name}"]["stars/num_rows"] for name in ("", "a", "b")] == [0, 2, 3]
    assert slices["shop=a"]["stars/rmse"] == pytest.approx(np.sqrt((4 + 1) / 2))
    assert np.isnan(slices["shop="]["buys/auc"])


def test_training_rows_are_refused(measured):
    with pytest.raises(ValueError, match="`part` must be validation or test, received 'train'"):
        measure_table(None, measured.data, "train")


def test_intervals_are_over_rows(measured):
    intervals = measured.intervals()
    assert set(intervals) == {"buys/auc", "stars/rmse", "stars/mae"}
    low, high = intervals["stars/mae"]
    assert low < measured.metrics["stars/mae"] < high
