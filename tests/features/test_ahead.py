"""Batches that are made ahead."""

from pathlib import Path

import pytest
import tensorflow as tf

import recsys_tf
from recsys_tf.features.ahead import made_ahead


def test_batches_and_their_number_stay_and_no_tuner_runs():
    batches = made_ahead(tf.data.Dataset.range(5).batch(2))
    assert [each.tolist() for each in batches.as_numpy_iterator()] == [[0, 1], [2, 3], [4]]
    assert int(batches.cardinality()) == 3
    assert batches.options().autotune.enabled is False
    # What follows has no tuner either.
    assert batches.take(1).options().autotune.enabled is False


@pytest.mark.checkout
def test_no_other_dataset_is_made_ahead():
    root = Path(recsys_tf.__file__).parents[1]
    files = [each for folder in ("recsys_tf", "pipeline") for each in (root / folder).rglob("*.py")]
    found = [each.name for each in files if ".prefetch(" in each.read_text("utf-8")]
    assert found == ["ahead.py"]
