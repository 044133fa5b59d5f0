"""The parts of a step are told apart, and the model is left as it was."""

import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from recsys_tf.step_profile import StepProfile, profile_step

FORWARD, LOSS, UPDATE, INPUT = 2.0, 6.0, 4.0, 3.0
CLOCK = types.SimpleNamespace(now=0.0)


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """A clock that goes on where somebody sleeps, and nowhere else."""
    fake = types.SimpleNamespace(perf_counter=lambda: CLOCK.now)
    monkeypatch.setattr("recsys_tf.step_profile.time", fake)


def _slept(values, seconds):
    """The values, so many seconds later."""

    def sleep(each):
        CLOCK.now += seconds
        return each

    slept = tf.numpy_function(sleep, [values], values.dtype)
    slept.set_shape(values.shape)
    return slept


class Sleeper(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1)
        self.dense.build((None, 2))
        self.built = True

    def call(self, inputs, training=False):
        return self.dense(inputs) + _slept(tf.zeros([]), FORWARD)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return tf.reduce_mean(tf.square(y_pred - y)) + _slept(tf.zeros([]), LOSS)


class SleepingSGD(keras.optimizers.SGD):
    def apply(self, grads, trainable_variables=None):
        delay = _slept(tf.zeros([]), UPDATE)
        return super().apply([each + delay for each in grads], trainable_variables)


def _batches(num_batches):
    rows = np.ones([2 * num_batches, 2], "float32")
    return tf.data.Dataset.from_tensor_slices((rows, rows[:, :1])).batch(2)


@pytest.fixture(scope="module")
def model():
    model = Sleeper()
    model.compile(SleepingSGD(0.5), jit_compile=False)
    return model


def test_each_part_is_told_apart_and_the_model_left_as_it_was(model):
    before = [np.array(each) for each in (*model.variables, *model.optimizer.variables)]
    options = tf.data.Options()
    options.autotune.enabled = False  # It would make batches ahead.
    slow = _batches(4).map(lambda x, y: (_slept(x, INPUT), y)).with_options(options)
    profile = profile_step(model, slow, num_rounds=3)
    seconds = [1e-3 * each for each in (*profile.parts.values(), profile.input)]
    assert seconds == pytest.approx([FORWARD, LOSS, 0.0, UPDATE, INPUT])
    assert profile.whole == pytest.approx(1e3 * (FORWARD + LOSS + UPDATE))
    after = [np.array(each) for each in (*model.variables, *model.optimizer.variables)]
    assert all(map(np.array_equal, before, after))


def test_parts_keep_their_order():
    profile = StepProfile(forward=1.0, loss=2.0, backward=3.0, update=4.0, input=5.0)
    assert list(profile.parts.items()) == [
        ("forward", 1.0),
        ("loss", 2.0),
        ("backward", 3.0),
        ("update", 4.0),
    ]
    assert profile.whole == 10
    assert profile.milliseconds == {**profile.parts, "whole": 10.0, "input": 5.0}


def test_a_trace_is_written(model, tmp_path):
    profile_step(model, _batches(2), num_rounds=1, trace_folder=tmp_path / "trace")
    assert list((tmp_path / "trace").rglob("*.xplane.pb"))


@pytest.mark.parametrize(
    ("num_batches", "num_rounds", "match"),
    [
        (0, 1, "must hold two batches or more, received 0; make them smaller"),
        (1, 1, "must hold two batches or more, received 1; make them smaller"),
        (2, 0, "1 or more, received 0"),
    ],
)
def test_too_little_is_refused(model, num_batches, num_rounds, match):
    begun = CLOCK.now
    with pytest.raises(ValueError, match=match):
        profile_step(model, _batches(2).take(num_batches), num_rounds=num_rounds)
    assert begun == CLOCK.now  # Before anything is timed.


def test_a_model_without_an_optimiser_is_refused():
    with pytest.raises(ValueError, match="must be compiled"):
        profile_step(Sleeper(), _batches(2))
