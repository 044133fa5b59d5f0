"""Many features' vectors become one."""

import numpy as np
import pytest
from keras import ops

from recsys_tf.config import ModelConfig
from recsys_tf.encoders import make_fusion


def test_gated_fusion_starts_as_the_sum_and_tells_its_gates(rng):
    fusion = make_fusion(ModelConfig(fusion="gated"))
    features = {name: rng.normal(size=(5, 4)).astype("float32") for name in ("user", "hour")}
    found = ops.convert_to_numpy(fusion(features))
    np.testing.assert_allclose(found, features["user"] + features["hour"], rtol=1e-5, atol=1e-6)
    # Gates are in the order of the names: hour, user.
    fusion.gate.bias.assign([np.log(3.0), 0.0])
    gates = {name: ops.convert_to_numpy(each) for name, each in fusion.gates(features).items()}
    np.testing.assert_allclose(gates["hour"], [0.75] * 5, rtol=1e-6)
    np.testing.assert_allclose(gates["user"], [0.25] * 5, rtol=1e-6)
    found = ops.convert_to_numpy(fusion(features))
    wanted = 1.5 * features["hour"] + 0.5 * features["user"]
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["concat", "gated"])
def test_order_of_the_dictionary_does_not_matter(rng, name):
    fusion = make_fusion(ModelConfig(fusion=name))
    features = {name: rng.normal(size=(5, 4)).astype("float32") for name in ("b", "a", "c")}
    found = ops.convert_to_numpy(fusion(features))
    again = ops.convert_to_numpy(fusion(dict(sorted(features.items()))))
    np.testing.assert_array_equal(found, again)


def test_fusion_of_one_feature():
    x = np.ones([2, 3], "float32")
    for name in ("concat", "gated"):
        found = make_fusion(ModelConfig(fusion=name))({"user": x})
        np.testing.assert_allclose(ops.convert_to_numpy(found), x)
