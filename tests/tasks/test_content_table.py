"""A table with a projected part gives every loss what the summed table gives it."""

import numpy as np
import pytest
import tensorflow as tf

from recsys_tf.tasks import RETRIEVAL_LOSSES, ContentTable, make_retrieval_loss

OPTIONS = {"hard_negatives": {"num_hard": 3, "num_candidates": 5, "skip_top": 1}}
M, N, D, F = 6, 20, 4, 3


@pytest.fixture(scope="module")
def parts():
    rng = np.random.default_rng(0)
    numbers = [rng.normal(size=size).astype("float32") for size in ((N, D), (N, F), (F, D), (M, D))]
    return [*map(tf.Variable, numbers), tf.constant(rng.integers(2, N, M))]


@pytest.mark.parametrize("name", RETRIEVAL_LOSSES)
def test_loss_and_gradients_are_those_of_the_sum(name, parts):
    own, content, kernel, queries, positives = parts
    found = []
    for is_whole in (False, True):
        tf.random.set_seed(3)
        loss = make_retrieval_loss(name, **OPTIONS.get(name, {}))
        with tf.GradientTape() as tape:
            table = own + content @ kernel if is_whole else ContentTable(own, content, kernel)
            value = loss(queries, positives, table)
        gradients = tape.gradient(value, [own, kernel, queries])
        if name != "full_softmax" and not is_whole:
            assert isinstance(gradients[0], tf.IndexedSlices)
        found.append([value, *map(tf.convert_to_tensor, gradients)])
    for parts_made, summed in zip(*found, strict=True):
        np.testing.assert_allclose(parts_made, summed, rtol=1e-4, atol=1e-5)


def test_another_width_is_refused(parts):
    own, content, kernel, _, positives = parts
    with pytest.raises(ValueError, match=r"\[N, D\] of the same D, .* \(6, 5\) and \(20, 4\)"):
        make_retrieval_loss("bpr")(
            tf.zeros([M, D + 1]), positives, ContentTable(own, content, kernel)
        )
