from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from recsys_tf.features import FeatureState, Preprocessor
from recsys_tf.schema import (
    CategoricalFeature,
    EmbeddingFeature,
    HistoryFeature,
    IdFeature,
    NumericFeature,
    Schema,
    TaskSpec,
)

SCHEMA = Schema(
    features=(
        IdFeature(name="user_id", side="user"),
        HistoryFeature(
            name="history",
            side="user",
            of="item_id",
            max_length=3,
            values_name="ratings",
            times_name="moments",
            actions_name="kinds",
            actions=("buy", "view"),
            action_column="kind",
        ),
        NumericFeature(name="age", side="user"),
        NumericFeature(name="income", side="user", scaling="log"),
        NumericFeature(name="share", side="user", scaling="none"),
        NumericFeature(name="gain", side="user", scaling="none", num_bins=2),
        IdFeature(name="item_id", side="item"),
        CategoricalFeature(name="genres", side="item", is_multivalent=True, max_values=2),
        EmbeddingFeature(name="image", side="item", size=2),
    ),
    tasks=(TaskSpec(name="watch", kind="retrieval"),),
)
STATE = FeatureState(
    vocabularies={"user_id": ("a", "b"), "item_id": ("x", "y", "z"), "genres": ("g", "h")},
    moments={"age": (30.0, 10.0), "income": (1.0, 2.0)},
    boundaries={"gain": (0.5, 2.5)},
)


@pytest.fixture(scope="module")
def preprocessor():
    return Preprocessor(SCHEMA, STATE)


def test_ids_are_missing_0_unknown_1_known_from_2(preprocessor):
    found = preprocessor({"user_id": tf.constant(["b", "", "c", "a", "b" * 10_000])})
    assert found["user_id"].dtype == tf.int64
    assert found["user_id"].numpy().tolist() == [3, 0, 1, 2, 1]


def test_multivalent_keeps_the_first_values_and_skips_missing_ones(preprocessor):
    raw = tf.constant([["h", "", "g", "h"], ["", "", "", "?"], ["", "", "", ""]])
    assert preprocessor({"genres": raw})["genres"].numpy().tolist() == [[3, 2], [1, 0], [0, 0]]


def test_history_keeps_the_newest_and_aligns_left(preprocessor):
    raw = tf.constant([["x", "y", "z", "x", "y"], ["", "y", "", "?", ""], [""] * 5])
    assert preprocessor({"history": raw})["history"].numpy().tolist() == [
        [4, 2, 3],
        [3, 1, 0],
        [0, 0, 0],
    ]


def test_history_values_follow_their_events(preprocessor):
    raw = {
        "history": tf.constant([["x", "y", "z", "x"], ["", "y", "", "?"]]),
        "ratings": tf.constant([[1.0, 2.0, float("nan"), 4.0], [9.0, 5.0, 9.0, 3.0]]),
    }
    assert preprocessor(raw)["ratings"].numpy().tolist() == [[2, 0, 4], [5, 3, 0]]


@pytest.mark.parametrize("width", [0, 1, 7])
def test_values_shorter_or_longer_than_the_history_are_fitted(preprocessor, width):
    raw = {"history": tf.constant([["x", "y"]]), "ratings": tf.ones([1, width])}
    assert preprocessor(raw)["ratings"].numpy().tolist() == [
        [float(width > 0), float(width > 1), 0.0]
    ]


def test_history_without_what_is_told_of_it_gets_zeros(preprocessor):
    found = preprocessor({"history": tf.constant([["x"]])})
    for name in ("ratings", "kinds", "moments"):
        assert found[name].numpy().tolist() == [[0, 0, 0]]


def test_kinds_and_times_follow_their_events(preprocessor):
    second = 2**33 + 1  # No float32, and beyond 32 bits.
    raw = {
        "history": tf.constant([["x", "y", "z", "x"], ["", "y", "", "?"]]),
        "kinds": tf.constant([["view", "buy", "sell", "view"], ["buy", "", "view", "buy"]]),
        "moments": tf.constant([[1, 2, 3, second], [5, 6, 7, -8]], tf.int64),
    }
    found = preprocessor(raw)
    # 0 missing, 1 unknown, then the kinds in their order.
    assert found["kinds"].numpy().tolist() == [[2, 1, 3], [0, 2, 0]]
    assert found["moments"].numpy().tolist() == [[2, 3, second], [6, -8, 0]]
    assert found["kinds"].dtype == found["moments"].dtype == tf.int64


def test_times_with_a_point_are_refused(preprocessor):
    raw = {"history": tf.constant([["x"]]), "moments": tf.constant([[1.5]])}
    with pytest.raises(TypeError, match="`moments` must hold whole numbers, received float32"):
        preprocessor(raw)


def test_numbers_are_scaled_and_tell_whether_they_were_there(preprocessor):
    raw = {
        "age": tf.constant([50.0, float("nan"), float("inf")]),
        "income": tf.constant([np.e - 1, 0.0, 1 - np.e], tf.float64),
        "share": tf.constant([7, 8, 9]),
    }
    found = preprocessor(raw)
    assert found["age"].numpy().tolist() == [[2, 1], [0, 0], [0, 0]]
    np.testing.assert_allclose(found["income"], [[0, 1], [-0.5, 1], [-1, 1]], atol=1e-7)
    assert found["share"].numpy().tolist() == [[7, 1], [8, 1], [9, 1]]
    assert {each.dtype for each in found.values()} == {tf.float32}


def test_number_with_bins_tells_its_bin(preprocessor):
    # Below 0.5, from there to below 2.5, and from 2.5 on; 0 is missing.
    raw = {"gain": tf.constant([-1e38, 0.0, 0.5, 1.0, 2.5, 1e38, float("nan"), float("inf")])}
    found = preprocessor(raw)["gain"].numpy()
    assert found[:, 2].tolist() == [1, 1, 2, 2, 3, 3, 0, 0]
    assert found[:, 1].tolist() == [1, 1, 1, 1, 1, 1, 0, 0]


def test_constant_has_one_bin():
    schema = Schema.model_construct(features=(SCHEMA.feature("gain"),))
    preprocess = Preprocessor(schema, FeatureState(boundaries={"gain": ()}))
    found = preprocess({"gain": tf.constant([2.0, float("nan"), 4.0])})["gain"]
    assert found.numpy()[:, 2].tolist() == [1, 0, 1]


def test_embedding_that_is_not_finite_becomes_zeros(preprocessor):
    found = preprocessor({"image": tf.constant([[1.0, 2.0], [float("nan"), 2.0]])})
    assert found["image"].numpy().tolist() == [[1, 2], [0, 0]]


def test_only_what_is_given_comes_back(preprocessor):
    assert list(preprocessor({"user_id": tf.constant(["a"]), "age": None, "x": 1})) == ["user_id"]


@pytest.mark.parametrize("form", ["ragged", "sparse"])
def test_ragged_and_sparse_lists_equal_dense_ones(preprocessor, form):
    ragged = {
        "history": tf.ragged.constant([["x", "y", "z", "y"], [], ["?"]]),
        "ratings": tf.ragged.constant([[1.0, 2.0, 3.0, 4.0], [], [5.0]]),
        "kinds": tf.ragged.constant([["buy", "", "view", "buy"], [], ["sell"]]),
        "moments": tf.ragged.constant([[1, 2, 3, 4], [], [5]], tf.int64),
        "genres": tf.ragged.constant([["g", "h", "g"], ["h"], []]),
        "image": tf.ragged.constant([[1.0, 2.0], [], [3.0, 4.0]]),
    }
    missing = {tf.string: "", tf.int64: 0, tf.float32: float("nan")}
    dense = {name: value.to_tensor(missing[value.dtype]) for name, value in ragged.items()}
    given = ragged if form == "ragged" else {k: v.to_sparse() for k, v in ragged.items()}
    wanted, found = preprocessor(dense), preprocessor(given)
    for name in wanted:
        np.testing.assert_array_equal(found[name], wanted[name])


def test_sparse_scalars_of_transform_become_rows(preprocessor):
    ids = tf.sparse.SparseTensor([[0, 0], [2, 0]], ["b", "?"], [3, 1])
    ages = tf.ragged.constant([[50.0], [], [30.0]])
    found = preprocessor({"user_id": ids, "age": ages})
    assert found["user_id"].numpy().tolist() == [3, 0, 1]
    assert found["age"].numpy().tolist() == [[2, 1], [0, 0], [0, 1]]


RAW = {
    "user_id": ["a", "?", ""],
    "history": [["x", "y", "", ""], ["", "", "", ""], ["z", "x", "y", "?"]],
    "ratings": [[1.0, 2.0, 0, 0], [0, 0, 0, 0], [1, 2, 3, 4.0]],
    "kinds": [["buy", "view", "", ""], ["", "", "", ""], ["?", "buy", "view", "buy"]],
    "moments": [[1, 2, 0, 0], [0, 0, 0, 0], [1, 2, 3, 4]],
    "age": [1.5, float("nan"), 2.5],
    "income": [3.5, float("nan"), 1e30],
    "gain": [3.5, float("nan"), 0.7],
    "item_id": ["x", "?", ""],
    "genres": [["g"], [""], ["h"]],
    "image": [[1.0, 2], [3, 4], [5, 6]],
}


@pytest.mark.parametrize("size", [0, 1, 2, 3])
def test_each_row_is_the_same_in_a_batch_of_any_size(preprocessor, size):
    wanted = preprocessor({name: tf.constant(value) for name, value in RAW.items()})
    part = preprocessor({name: tf.constant(value)[:size] for name, value in RAW.items()})
    for name, value in wanted.items():
        assert part[name].shape == (size, *value.shape[1:])
        np.testing.assert_array_equal(part[name], value[:size])


def test_saved_model_takes_any_batch_size(preprocessor, tmp_path):
    tensors = {name: tf.constant(value) for name, value in RAW.items()}
    specs = {
        name: tf.TensorSpec([None] * len(value.shape), value.dtype)
        for name, value in tensors.items()
    }
    specs["image"] = tf.TensorSpec([None, 2], tf.float32)
    module = tf.Module()
    module.preprocessor = preprocessor
    module.serve = tf.function(lambda raw: preprocessor(raw), input_signature=[specs])
    tf.saved_model.save(module, str(tmp_path))
    assert module.serve.get_concrete_function().structured_outputs["history"].shape == [None, 3]
    serve = tf.saved_model.load(str(tmp_path)).serve
    for size in (0, 1, 3):
        part = {name: tf.constant(value)[:size] for name, value in RAW.items()}
        wanted, found = preprocessor(part), serve(part)
        for name in wanted:
            np.testing.assert_array_equal(found[name], wanted[name])


def test_logarithm_does_not_depend_on_the_place_in_the_batch(preprocessor):
    values = np.random.default_rng(0).lognormal(2, 3, 999).astype(np.float32)
    together = preprocessor({"income": tf.constant(values)})["income"].numpy()
    ones = [tf.constant(values[place : place + 1]) for place in range(0, 999, 7)]
    alone = [preprocessor({"income": each})["income"][0] for each in ones]
    np.testing.assert_array_equal(together[::7], alone)


def test_graph_and_eager_round_alike():
    state = FeatureState(
        STATE.vocabularies,
        {"age": (1.37, 2.713), "income": (0.123, 1.717)},
        boundaries={"gain": (-33.1, 0.7, 44.4)},
    )
    preprocessor = Preprocessor(SCHEMA, state)
    values = tf.constant(np.random.default_rng(1).normal(0, 99, 5000).astype(np.float32))
    raw = {"age": values, "income": values, "gain": values}
    eager, graph = preprocessor(raw), tf.function(lambda x: preprocessor(x))(raw)
    for name in raw:
        np.testing.assert_array_equal(graph[name], eager[name])


@pytest.mark.parametrize(
    ("raw", "error", "text"),
    [
        ({"user_id": [["a"]]}, ValueError, r"`user_id`: expected rank 1, \[B\], got 2"),
        ({"history": ["x"]}, ValueError, r"`history`: expected rank 2, \[B, any length\], got 1"),
        ({"image": [[1.0]]}, ValueError, r"`image` must hold 2 numbers a row, .* \(1, 1\)"),
        ({"image": [1.0, 2.0]}, ValueError, r"`image`: expected rank 2, \[B, 2\], got 1"),
        ({"user_id": [7]}, TypeError, "`user_id` must hold strings, received int32. Ids and"),
        ({"age": ["7"]}, TypeError, "`age` must hold numbers, received string"),
    ],
)
def test_wrong_rank_and_type_are_named(preprocessor, raw, error, text):
    with pytest.raises(error, match=text):
        preprocessor({name: tf.constant(value) for name, value in raw.items()})


def test_state_of_another_schema_is_refused():
    with pytest.raises(
        ValueError, match="lacks the vocabulary of 'user_id', the moments of 'age', the moments"
    ):
        Preprocessor(SCHEMA, FeatureState({"item_id": (), "genres": ()}))
