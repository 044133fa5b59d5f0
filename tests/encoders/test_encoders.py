import numpy as np
import pytest
from keras import ops

from recsys_tf import schema
from recsys_tf.config import ModelConfig
from recsys_tf.encoders import (
    BagHistoryEncoder,
    CategoricalEncoder,
    EmbeddingEncoder,
    IdEncoder,
    NumericEncoder,
    make_encoder,
    make_fusion,
)
from recsys_tf.types import UNKNOWN_INDEX

ITEM = schema.IdFeature(name="item_id", side="item")
HISTORY = schema.HistoryFeature(name="history", side="user", of="item_id", values_name="ratings")
NUM_INDICES = {"item_id": 30, "genres": 9}
CONFIG = ModelConfig(embedding_dim=4)


def test_missing_id_is_zero_and_unknown_id_is_learned():
    encoder = IdEncoder(10, 4)
    found = ops.convert_to_numpy(encoder(np.array([0, UNKNOWN_INDEX, 7])))
    table = ops.convert_to_numpy(encoder.embedding.embeddings)
    np.testing.assert_array_equal(found, [np.zeros(4), table[UNKNOWN_INDEX], table[7]])


def test_hidden_id_gets_the_vector_of_the_unknown():
    encoder = IdEncoder(10, 4, id_dropout=0.5)
    found = ops.convert_to_numpy(encoder(np.full(1000, 7), training=True))
    table = ops.convert_to_numpy(encoder.embedding.embeddings)
    is_hidden = (found == table[UNKNOWN_INDEX]).all(axis=1)
    assert 0.4 < is_hidden.mean() < 0.6
    np.testing.assert_array_equal(found[~is_hidden], np.tile(table[7], ((~is_hidden).sum(), 1)))


def test_regularization_is_the_squared_norm_of_the_table():
    encoder = IdEncoder(10, 4, l2_regularization=0.5)
    encoder(np.array([3]))
    table = ops.convert_to_numpy(encoder.embedding.embeddings)
    np.testing.assert_allclose(
        ops.convert_to_numpy(encoder.losses[0]), 0.5 * (table**2).sum(), 1e-5
    )
    assert IdEncoder(10, 4).losses == []


def test_set_of_values_is_their_mean():
    encoder = CategoricalEncoder(10, 4, is_multivalent=True)
    found = ops.convert_to_numpy(encoder(np.array([[3, 0, 5], [0, 0, 0]])))
    table = ops.convert_to_numpy(encoder.table.embedding.embeddings)
    np.testing.assert_allclose(found, [(table[3] + table[5]) / 2, np.zeros(4)], rtol=1e-6)


@pytest.mark.parametrize("is_multivalent", [False, True])
def test_unknown_category_starts_as_a_missing_one(is_multivalent):
    encoder = CategoricalEncoder(10, 4, is_multivalent=is_multivalent)
    values = np.arange(10)[:, None] if is_multivalent else np.arange(10)
    found = np.abs(ops.convert_to_numpy(encoder(values))).max(axis=1)
    assert (found > 0).tolist() == [False, False] + [True] * 8


def test_first_bin_of_a_number_is_no_unknown_value():
    encoder = NumericEncoder(4, num_indices=5)
    encoder.build((None, 3))
    table = np.abs(ops.convert_to_numpy(encoder.table.table)).max(axis=1)
    assert (table > 0).all()


def test_missing_number_is_told_from_zero():
    found = ops.convert_to_numpy(NumericEncoder(8)(np.array([[0.0, 1.0], [0.0, 0.0]], "float32")))
    assert np.abs(found[0] - found[1]).max() > 1e-3


def test_number_with_bins_by_hand():
    encoder = NumericEncoder(1, num_indices=4)
    encoder.build((None, 3))
    weights = [[[2.0], [1.0]], [-1.0], [[3.0]], [0.5], [[9.0], [10.0], [20.0], [30.0]]]
    encoder.set_weights([np.array(each) for each in weights])
    # relu(2 v + p - 1) * 3 + 0.5, and the vector of the bin, which a missing number has not.
    numbers = np.array([[0.5, 1, 1], [-4, 1, 3], [0, 0, 0]], "float32")
    np.testing.assert_allclose(ops.convert_to_numpy(encoder(numbers)), [[13.5], [30.5], [0.5]])


def test_bins_are_told_apart_in_bfloat16():
    encoder = NumericEncoder(1, num_indices=300, dtype="mixed_bfloat16")
    encoder.build((None, 3))
    table = np.zeros([300, 1])
    table[257] = 1  # bfloat16 would round 257 to 256.
    encoder.set_weights([np.zeros([2, 1]), np.zeros(1), np.zeros([1, 1]), np.zeros(1), table])
    numbers = np.array([[0, 1, 256], [0, 1, 257], [0, 1, 258]], "float32")
    found = ops.convert_to_numpy(ops.cast(encoder(numbers), "float32"))
    assert found[:, 0].tolist() == [0, 1, 0]


def test_number_by_hand():
    encoder = NumericEncoder(1)
    encoder.build((None, 2))
    weights = [[[2.0], [1.0]], [-1.0], [[3.0]], [0.5]]
    encoder.set_weights([np.array(each) for each in weights])
    # relu(2 v + p - 1) * 3 + 0.5
    found = encoder(np.array([[0.5, 1.0], [-4.0, 1.0], [0.0, 0.0]], "float32"))
    np.testing.assert_allclose(ops.convert_to_numpy(found), [[3.5], [0.5], [0.5]])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: make_encoder(ITEM, {"item": 3}, CONFIG), "`num_indices` must .*'item_id'.*'item'"),
        (
            lambda: make_encoder(HISTORY, NUM_INDICES, ModelConfig(history_encoder="men")),
            "`history_encoder` must be one of .*Did you mean 'mean'",
        ),
        (
            lambda: make_fusion(ModelConfig(fusion="gate")),
            "`fusion` must be one of 'concat', 'gated', received 'gate'. Did you mean 'gated'",
        ),
        (
            lambda: make_fusion(ModelConfig(fusion="gated"))(
                {"a": np.ones([2, 3], "float32"), "b": np.ones([2, 4], "float32")}
            ),
            "`features` must have equal widths to be summed.*choose the fusion 'concat'",
        ),
        (
            lambda: make_fusion(ModelConfig())(np.ones([2, 3], "float32")),
            "`features` must be a dictionary of at least one tensor",
        ),
        (
            lambda: make_encoder(HISTORY, NUM_INDICES, CONFIG)(np.ones([2, 3], "int64")),
            "`values` must be given exactly where `has_values` is true",
        ),
        (
            lambda: BagHistoryEncoder(9, 4, has_values=True)(np.ones([2, 3], "int64")),
            "`values` must be given exactly where `has_values` is true",
        ),
        (
            lambda: NumericEncoder(4)(np.ones([2, 3], "float32")),
            r"`numbers` must hold the scaled value and whether it is given, \[B, 2\]",
        ),
        (
            lambda: NumericEncoder(4, num_indices=3)(np.ones([2, 2], "float32")),
            r"whether it is given, and its bin, \[B, 3\], received shape \(2, 2\)",
        ),
        (
            lambda: EmbeddingEncoder(4)(np.ones([2], "float32")),
            "`vectors` must have rank 2, received rank 1",
        ),
        (
            lambda: CategoricalEncoder(9, 4)(np.ones([2, 3], "int64")),
            "`values` must have rank 1, received rank 2",
        ),
    ],
)
def test_wrong_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
