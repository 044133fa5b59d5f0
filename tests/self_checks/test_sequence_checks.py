"""The self-checks of a model that says what comes next."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from recsys_tf import SequenceConfig
from recsys_tf.features import Sequences, make_sequence_dataset
from recsys_tf.models import SequenceRecommender
from recsys_tf.self_checks import run_self_checks
from recsys_tf.sequences import SEQUENCE_ENCODERS

NUM_INDICES, LENGTH = 40, 6


def sequences(num_users=60):
    rng = np.random.default_rng(0)
    ends = np.cumsum(rng.integers(3, LENGTH + 2, num_users))
    items = rng.integers(2, NUM_INDICES, ends[-1]).astype("int32")
    return Sequences(items, np.arange(len(items)), np.array([0, *ends[:-1]]), ends)


def model_of(encoder="sasrec", make=SequenceRecommender, **changes):
    keras.utils.set_random_seed(1)
    sizes = {"embedding_dim": 8, "max_length": LENGTH, "encoder": encoder}
    model = make(NUM_INDICES, SequenceConfig(**{**sizes, **changes}))
    # Not traced: a few batches are looked at once.
    model.compile("adam", run_eagerly=True)
    rng = np.random.default_rng(0)
    for each in model.trainable_variables:  # Away from their starts, as after an epoch.
        each.assign(each + 0.1 * rng.normal(size=each.shape))
    return model


def batches(model, rows=None, **options):
    options = {"mask_index": model.mask_index, "masked_share": 0.4, **options}
    rows = sequences() if rows is None else rows
    return make_sequence_dataset(rows, LENGTH, 16, seed=0, **options)


def said(model, dataset):
    return {(each.check, each.where) for each in run_self_checks(model, dataset)}


ROWS = [(name, False) for name in SEQUENCE_ENCODERS]
ROWS += [(name, True) for name, block in SEQUENCE_ENCODERS.items() if block.is_packable]


@pytest.mark.parametrize(("encoder", "is_packed"), ROWS)
def test_sound_model_of_every_encoder_says_nothing(encoder, is_packed):
    model = model_of(encoder)
    before = model.get_weights()
    assert run_self_checks(model, batches(model, is_packed=is_packed)) == []
    for left, right in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_faults_of_batches_with_weights_are_found():
    model = model_of()
    sound = batches(model).map(lambda x, y: (x, y, tf.ones(tf.shape(y))))
    assert said(model, sound) == set()
    leaking = sound.map(lambda x, y, weights: (x, x["items"], weights))
    assert said(model, leaking) == {("leak", "items")}
    unweighted = sound.map(lambda x, y, weights: (x, y, 0 * weights))
    assert ("blind_loss", "items") in said(model, unweighted)


def test_labels_that_are_the_items_read_are_a_leak():
    model = model_of()
    given = batches(model).map(lambda x, y: (x, x["items"]))
    assert said(model, given) == {("leak", "items")}


def test_one_item_asked_for_is_nothing_to_learn():
    model = model_of()
    given = batches(model).map(lambda x, y: (x, tf.where(y > 0, 5, 0)))
    assert ("one_class", "items") in said(model, given)
    nothing = batches(model).map(lambda x, y: (x, tf.zeros_like(y)))
    assert ("one_class", "items") in said(model, nothing)


def test_loss_that_does_not_see_its_items_is_found():
    class Blind(SequenceRecommender):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            scores = tf.einsum("bld,nd->bln", y_pred, tf.convert_to_tensor(self.item_table))
            return tf.reduce_mean(tf.square(scores))

    model = model_of(make=Blind)
    assert said(model, batches(model)) == {("blind_loss", "items")}


def test_encoder_without_a_gradient_is_found():
    class Cut(SequenceRecommender):
        def call(self, inputs, training=False):
            return tf.stop_gradient(super().call(inputs, training))

    model = model_of(make=Cut)
    (finding,) = run_self_checks(model, batches(model))
    assert finding.check == "dead_part"
    assert "no gradient reaches its" in str(finding)


@pytest.mark.parametrize("encoder", ["sasrec", "bert4rec"])
def test_predict_that_is_unlike_evaluate_is_found(encoder):
    class Reversed(SequenceRecommender):
        def predict_step(self, data):
            return -super().predict_step(data)

    model = model_of(encoder, make=Reversed)
    wanted = {("predict_unlike_evaluate", name) for name in ("hit_at_10", "ndcg_at_10")}
    assert said(model, batches(model)) == wanted


@pytest.mark.parametrize("encoder", ["sasrec", "bert4rec"])
def test_packed_rows_that_are_read_as_one_history_are_found(encoder):
    class Unaware(SequenceRecommender):
        def call(self, inputs, training=False):
            return super().call({n: inputs[n] for n in inputs if n != "positions"}, training)

    model = model_of(encoder, make=Unaware)
    assert said(model, batches(model)) == set()
    found = said(model, batches(model, is_packed=True))
    assert {check for check, _ in found} == {"predict_unlike_evaluate"}
