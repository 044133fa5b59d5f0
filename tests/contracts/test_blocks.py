"""What every block keeps, whatever it computes."""

import json
import re

import keras
import numpy as np
import pytest
from keras import ops

from recsys_tf import layers
from recsys_tf.encoders import ENCODERS


def arrays(outputs):
    """Returns the outputs as float64 arrays, in a fixed order."""
    return [
        np.asarray(ops.convert_to_numpy(ops.cast(each, "float32")), "float64")
        for each in keras.tree.flatten(outputs)
    ]


def shapes(outputs):
    return keras.tree.map_structure(lambda each: tuple(each.shape), outputs)


def wanted_shapes(case, rows):
    if isinstance(case.row_shape, dict):
        return {name: (rows, *shape) for name, shape in case.row_shape.items()}
    return (rows, *case.row_shape)


def take(inputs, rows):
    return keras.tree.map_structure(lambda each: each[rows], inputs)


def make_model(layer, inputs):
    """Wraps a layer into a functional model of unknown batch size."""
    symbolic = keras.tree.map_structure(
        lambda each: keras.Input(each.shape[1:], dtype=str(each.dtype)), inputs
    )
    return keras.Model(keras.tree.flatten(symbolic), layer(*symbolic))


def call_model(model, inputs):
    return model(keras.tree.flatten(inputs))


def without_object_ids(config):
    """Leaves out the marks of shared objects, which are new for each object."""
    if isinstance(config, dict):
        return {k: without_object_ids(v) for k, v in config.items() if k != "shared_object_id"}
    if isinstance(config, list):
        return [without_object_ids(each) for each in config]
    return config


def assert_equal(left, right, tolerance=1e-5):
    for a, b in zip(arrays(left), arrays(right), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.fixture
def mixed_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


def test_every_layer_and_every_kind_of_feature_has_a_case(covered):
    assert covered["layers"] == set(layers.__all__)
    assert covered["kinds"] == set(ENCODERS)


def test_output_has_the_stated_shape(case, layer, rng):
    assert shapes(layer(*case.inputs(rng, 5))) == wanted_shapes(case, 5)


def test_rows_in_another_order_come_out_in_that_order(case, layer, rng):
    inputs, order = case.inputs(rng, 5), np.array([3, 0, 4, 1, 2])
    outputs = keras.tree.map_structure(lambda each: each[order], arrays(layer(*inputs)))
    assert_equal(layer(*take(inputs, order)), outputs)


def test_batch_of_one_equals_that_row_of_a_larger_batch(case, layer, rng):
    inputs = case.inputs(rng, 5)
    rows = [each[2:3] for each in arrays(layer(*inputs))]
    assert_equal(layer(*take(inputs, slice(2, 3))), rows)


def test_name_may_stand_at_the_root_of_a_graph(layer):
    # TensorFlow's rule; Keras makes the name of the class's.
    assert re.fullmatch(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*", layer.name)


def test_no_rows_give_no_rows(case, layer, rng):
    assert shapes(layer(*case.inputs(rng, 0))) == wanted_shapes(case, 0)


def test_functional_model_takes_any_number_of_rows(case, layer, rng):
    model = make_model(layer, case.inputs(rng, 2))
    assert shapes(model.output) == wanted_shapes(case, None)
    for rows in (0, 1, 7):
        inputs = case.inputs(rng, rows)
        assert shapes(call_model(model, inputs)) == wanted_shapes(case, rows)


def test_every_variable_gets_a_finite_gradient(case, layer, rng, gradients):
    found = gradients(layer, case.inputs(rng, 5))
    assert len(found) == len(layer.trainable_variables)
    for path, gradient in found.items():
        assert gradient is not None, f"{path} gets no gradient"
        assert np.all(np.isfinite(gradient)), path


def test_mixed_precision_stays_near_full_precision(case, rng, mixed_precision):
    inputs = case.inputs(rng, 5)
    half = keras.tree.map_structure(
        lambda each: each.astype("float16") if each.dtype == "float32" else each, inputs
    )
    layer = case.make()
    found = layer(*half)
    keras.config.set_dtype_policy("float32")
    exact = case.make()
    exact(*inputs)
    exact.set_weights(layer.get_weights())
    assert_equal(found, exact(*inputs), tolerance=0.05)
    for each in keras.tree.flatten(found):
        dtype = keras.backend.standardize_dtype(each.dtype)
        wanted = "float32" if case.is_full_precision else "bfloat16"
        assert dtype == wanted or dtype.startswith("int")


def test_config_makes_an_equal_layer(layer):
    config = json.loads(json.dumps(layer.get_config()))
    again = type(layer).from_config(config)
    assert without_object_ids(json.loads(json.dumps(again.get_config()))) == without_object_ids(
        config
    )


def test_saved_and_loaded_model_gives_equal_outputs(case, rng, tmp_path):
    inputs = case.inputs(rng, 5)
    model = make_model(case.make(), inputs)
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.models.load_model(path)
    assert_equal(call_model(loaded, inputs), call_model(model, inputs), tolerance=0)
    assert len(loaded.weights) == len(model.weights)
