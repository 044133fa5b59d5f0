"""The rows of the step's profile, and the step that XLA is given."""

import numpy as np
import pytest

from recsys_tf.step_profile import StepProfile


@pytest.fixture(scope="module")
def script(load_script):
    return load_script("step_profile")


def test_every_part_the_whole_and_the_input_have_a_row(script):
    profile = StepProfile(forward=1.0, loss=2.0, backward=3.0, update=4.0, input=0.5)
    rows = {row.name: (row.value, row.unit) for row in script.rows_of("SASRec", profile)}
    assert rows == {
        "SASRec, forward": (1.0, "ms"),
        "SASRec, loss": (2.0, "ms"),
        "SASRec, backward": (3.0, "ms"),
        "SASRec, update": (4.0, "ms"),
        "SASRec, whole": (10.0, "ms"),
        "SASRec, input": (0.5, "ms"),
    }


def test_xla_computes_the_gradients_that_tensorflow_does(script, monkeypatch):
    for name, size in {"NUM_ITEMS": 9, "LENGTH": 4, "WIDTH": 8, "BATCH_SIZE": 2}.items():
        monkeypatch.setattr(script, name, size)
    model, batches = script.sasrec(num_batches=2)
    model.sequence_encoder.dropout_layer.rate = 0.0
    for block in model.sequence_encoder.blocks:
        for dropout in block.dropouts.values():
            dropout.rate = 0.0
    features, labels = next(iter(batches))
    assert labels.shape == (2, 4)
    steps = [script.encoder_step(model, features, each) for each in (False, True)]
    plain, compiled = (step() for step in steps)
    assert np.abs(plain[0]).max() > 1e-3
    for own, other in zip(plain, compiled, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-3, atol=1e-5)
    rows = script.xla_rows("SASRec", *steps, num_rounds=1)
    assert [row.unit for row in rows] == ["ms", "ms", "x", "s"]
    assert all(row.value > 0 for row in rows)


@pytest.mark.parametrize("name", ["PLE", "DCNv2"])
def test_a_ranker_learns_the_same_with_xla(script, monkeypatch, name):
    for size, value in {"NUM_FIELDS": 3, "NUM_VALUES": 5, "NUM_ROWS": 8}.items():
        monkeypatch.setattr(script, size, value)
    losses = []
    for is_compiled in (False, True):
        step = script.ranker_step(name, is_compiled)
        losses.append([float(step()) for _ in range(3)])
    assert losses[0][2] < losses[0][0]
    np.testing.assert_allclose(*losses, rtol=1e-3)
