import keras
import numpy as np
import pytest
from keras import ops

from recsys_tf.heads import TaskHeads


def inputs(rows=2, width=4):
    return {
        "click": np.zeros([rows, width], "float32"),
        "genre": np.zeros([rows, width], "float32"),
    }


def test_linear_head_by_hand():
    heads = TaskHeads({"rating": None})
    x = {"rating": np.array([[1.0, 2.0], [0.0, 1.0]], "float32")}
    heads(x)
    heads.set_weights([np.array([[3.0], [0.5]]), np.array([1.0])])
    np.testing.assert_allclose(ops.convert_to_numpy(heads(x)["rating"]), [5.0, 1.5])


def test_heads_start_at_the_given_biases():
    heads = TaskHeads(
        {"click": None, "genre": 3}, initial_biases={"click": -2.0, "genre": [0.1, 0.2, 0.3]}
    )
    found = heads(inputs())
    np.testing.assert_allclose(ops.convert_to_numpy(found["click"]), [-2.0, -2.0])
    np.testing.assert_allclose(ops.convert_to_numpy(found["genre"]), [[0.1, 0.2, 0.3]] * 2)


def test_one_number_for_all_classes_is_spread():
    heads = TaskHeads({"click": None, "genre": 3}, initial_biases={"genre": -1.0})
    found = heads(inputs())
    np.testing.assert_allclose(ops.convert_to_numpy(found["genre"]), [[-1.0] * 3] * 2)
    np.testing.assert_allclose(ops.convert_to_numpy(found["click"]), [0.0, 0.0])


def test_no_head_reads_the_vector_of_another_task():
    heads = TaskHeads({"click": None, "genre": 3}, hidden_dims=(5,))
    before = heads(inputs())
    changed = {**inputs(), "genre": np.ones([2, 4], "float32")}
    after = heads(changed)
    np.testing.assert_array_equal(
        *(ops.convert_to_numpy(each["click"]) for each in (before, after))
    )
    assert (ops.convert_to_numpy(after["genre"]) != ops.convert_to_numpy(before["genre"])).any()


def test_logits_of_mixed_precision_are_full():
    heads = TaskHeads(
        {"click": None, "genre": 3}, (5,), initial_biases={"click": -9.01}, dtype="mixed_bfloat16"
    )
    found = heads(inputs())
    # In bfloat16 the bias would be -9.
    np.testing.assert_allclose(ops.convert_to_numpy(found["click"]), [-9.01] * 2, rtol=1e-6)
    symbolic = heads({name: keras.Input((4,), name=name) for name in found})
    for each in (found, symbolic):
        assert {keras.backend.standardize_dtype(y.dtype) for y in each.values()} == {"float32"}
    assert heads.stacks["click"].compute_dtype == "bfloat16"


def test_one_class_and_one_row_keep_their_axes():
    found = TaskHeads({"click": None, "genre": 1})(inputs(rows=1))
    assert tuple(found["click"].shape) == (1,)
    assert tuple(found["genre"].shape) == (1, 1)


def test_order_of_the_tasks_survives_saving(tmp_path):
    heads = TaskHeads(
        {"b": None, "a": 3}, (5,), initial_biases={"a": [1.0, 2.0, 3.0]}, name="heads"
    )
    symbolic = {"a": keras.Input((4,), name="a"), "b": keras.Input((4,), name="b")}
    model = keras.Model(symbolic, heads(symbolic))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    x = {name: np.ones([2, 4], "float32") for name in ("a", "b")}
    found, wanted = loaded(x), model(x)
    assert list(loaded.get_layer("heads").num_classes) == ["b", "a"]
    for name in wanted:
        np.testing.assert_array_equal(*(ops.convert_to_numpy(e[name]) for e in (found, wanted)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TaskHeads({}), "`num_classes` must name at least one task"),
        (lambda: TaskHeads({"a": 0}), "`num_classes` must be an integer of at least 1, received 0"),
        (
            lambda: TaskHeads({"a": None}, initial_biases={"b": 1.0}),
            r"`initial_biases` must name tasks of `num_classes` \('a'\), received 'b'",
        ),
        (
            lambda: TaskHeads({"a": 3}, initial_biases={"a": [1.0, 2.0]}),
            r"`initial_biases\['a'\]` must be a number or 3 numbers, received shape \(2,\)",
        ),
        (
            lambda: TaskHeads({"a": None}, initial_biases={"a": float("nan")}),
            r"`initial_biases\['a'\]` must be finite, received nan",
        ),
        (
            lambda: TaskHeads({"a": None})(inputs()),
            r"`inputs` must hold the tasks \['a'\], received \['click', 'genre'\]",
        ),
    ],
)
def test_wrong_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
