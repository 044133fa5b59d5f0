"""One row gives the same bits in every place where it is preprocessed.

TensorFlow Transform is held to the same by tests/pipeline/test_trainer_module.py, in a run of the
pipeline.
"""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from recsys_tf.features import FeatureState, make_dataset
from recsys_tf.features.tf_example import parse_raw, read_examples, write_examples


@pytest.fixture(scope="module")
def eager(world):
    return world.eager_rows([world.raw(row) for row in world.train])


def assert_equal(found, wanted):
    assert set(found) == set(wanted)
    for name, value in wanted.items():
        assert np.asarray(found[name]).dtype == value.dtype
        assert np.asarray(found[name]).tobytes() == value.tobytes(), name


def test_dataset_equals_single_rows(world, eager):
    dataset = make_dataset(
        world.examples, world.catalogue, world.preprocessor, world.schema, batch_size=16
    )
    assert_equal(world.dataset_rows(dataset), eager)


def test_saved_model_on_tf_examples_equals_single_rows(world, eager, tmp_path):
    write_examples(world.examples, world.catalogue, world.schema, tmp_path / "rows")
    module = tf.Module()
    module.preprocessor = world.preprocessor
    module.serve = tf.function(
        lambda serialized: world.preprocessor(parse_raw(serialized, world.schema)),
        input_signature=[tf.TensorSpec([None], tf.string)],
    )
    tf.saved_model.save(module, str(tmp_path / "model"))
    serve = tf.saved_model.load(str(tmp_path / "model")).serve
    parts = [serve(batch) for batch in read_examples(tmp_path / "rows").batch(33)]
    found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    assert_equal(found, eager)


def test_loaded_state_equals_single_rows(world, eager, tmp_path):
    world.state.save(tmp_path)
    assert FeatureState.load(tmp_path) == world.state
