import keras
import numpy as np
import pytest
from keras import ops

from recsys_tf.layers import Bilinear

FORMS = {"free": {}, "low_rank": {"rank": 3}, "diagonal": {}}


def run(layer, u, v):
    return ops.convert_to_numpy(layer(u, v))


@pytest.fixture
def pair(rng):
    """Vectors of 200 rows and width 6."""
    return rng.normal(size=(2, 200, 6)).astype("float32")


def test_free_form_by_hand():
    layer = Bilinear()
    u, v = np.array([[1.0, 2.0]], "float32"), np.array([[3.0, 4.0, 5.0]], "float32")
    layer(u, v)
    layer.set_weights([np.array([[1.0, 0.0, 2.0], [0.0, 1.0, -1.0]]), np.array(0.5)])
    # u Q = [1, 2, 2 - 2]; times v 3 + 8 + 0; plus b.
    np.testing.assert_allclose(run(layer, u, v), [11.5])


def test_low_rank_by_hand():
    layer = Bilinear("low_rank", rank=1)
    u, v = np.array([[1.0, 2.0]], "float32"), np.array([[3.0, 4.0, 5.0]], "float32")
    layer(u, v)
    layer.set_weights([np.array([[1.0], [2.0]]), np.array([[1.0], [0.0], [-1.0]]), np.array(1.0)])
    # u U = 1 + 4 and v V = 3 - 5, their product plus b.
    np.testing.assert_allclose(run(layer, u, v), [-9.0])


@pytest.mark.parametrize("form", FORMS)
def test_form_equals_the_product_with_its_matrix(rng, pair, form):
    layer = Bilinear(form, **FORMS[form])
    layer(*pair)
    for each in layer.weights:
        each.assign(rng.normal(size=each.shape))
    weights = {each.name: ops.convert_to_numpy(each) for each in layer.weights}
    matrix = {
        "free": lambda: weights["kernel"],
        "low_rank": lambda: weights["u_kernel"] @ weights["v_kernel"].T,
        "diagonal": lambda: np.diag(weights["kernel"]),
    }[form]()
    wanted = [u @ matrix @ v + weights["bias"] for u, v in zip(*pair, strict=True)]
    np.testing.assert_allclose(run(layer, *pair), wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "layer", [Bilinear(), Bilinear("diagonal"), Bilinear("low_rank", rank=6)], ids=FORMS
)
def test_start_is_the_scaled_dot_product(pair, layer):
    wanted = np.sum(pair[0] * pair[1], axis=1) / np.sqrt(6)
    np.testing.assert_allclose(run(layer, *pair), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_logits_of_mixed_precision_are_full(form, pair):
    layer = Bilinear(form, **FORMS[form], dtype="mixed_bfloat16")
    before = layer(*pair)
    layer.bias.assign(9.01)
    # In bfloat16 the bias would be 9, and the sum would be rounded again.
    raised = ops.convert_to_numpy(layer(*pair)) - ops.convert_to_numpy(before)
    np.testing.assert_allclose(raised, 9.01, rtol=1e-6)
    symbolic = layer(keras.Input((6,)), keras.Input((6,)))
    for each in (before, symbolic):
        assert keras.backend.standardize_dtype(each.dtype) == "float32"


@pytest.mark.parametrize("form", ["free", "diagonal"])
def test_scale_of_the_start_can_be_given(pair, form):
    wanted = 2.5 * np.sum(pair[0] * pair[1], axis=1)
    found = run(Bilinear(form, initial_scale=2.5), *pair)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_low_rank_starts_symmetric_and_on_a_projection(pair):
    layer = Bilinear("low_rank", rank=3, initial_scale=1.0)
    layer(*pair)
    left, right = (ops.convert_to_numpy(each) for each in (layer.u_kernel, layer.v_kernel))
    np.testing.assert_array_equal(left, right)
    np.testing.assert_allclose(left.T @ left, np.eye(3), atol=1e-5)


@pytest.mark.parametrize(
    ("form", "rank", "u_width", "v_width"),
    [("free", None, 6, 30), ("free", None, 30, 6), ("low_rank", 5, 6, 30), ("low_rank", 5, 9, 9)],
)
def test_logits_start_with_a_variance_of_one(rng, form, rank, u_width, v_width):
    u, v = rng.normal(size=(4000, u_width)), rng.normal(size=(4000, v_width))
    found = run(Bilinear(form, rank), u.astype("float32"), v.astype("float32"))
    # 4000 products of normal numbers: the standard error of the variance is below 0.06.
    assert 0.8 < found.var() < 1.2


def test_low_rank_of_full_rank_can_equal_the_free_form(rng, pair):
    free, thin = Bilinear(), Bilinear("low_rank", rank=6)
    thin(*pair)
    free(*pair)
    matrix = rng.normal(size=(6, 6))
    free.kernel.assign(matrix)
    thin.u_kernel.assign(matrix)
    thin.v_kernel.assign(np.eye(6))
    np.testing.assert_allclose(run(thin, *pair), run(free, *pair), rtol=1e-4, atol=1e-4)


def test_number_of_weights_is_that_of_the_form():
    sizes = {"free": 8 * 8, "low_rank": 3 * (8 + 8), "diagonal": 8}
    for form, size in sizes.items():
        layer = Bilinear(form, use_bias=False, **FORMS[form])
        layer.build((None, 8), (None, 8))
        assert layer.count_params() == size


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Bilinear("lowrank"), "`form` must be one of .*Did you mean 'low_rank'"),
        (lambda: Bilinear("low_rank"), "`rank` must be an integer of at least 1, received None"),
        (
            lambda: Bilinear("free", rank=2),
            "`rank` must be None for the form 'free', received 2. Choose the form 'low_rank'",
        ),
        (
            lambda: Bilinear(initial_scale=0.0),
            "`initial_scale` must be a finite number above 0, received 0.0",
        ),
        (lambda: Bilinear(initial_bias=np.inf), "`initial_bias` must be finite, received inf"),
        (
            lambda: Bilinear("low_rank", rank=4)(np.ones([2, 5], "f4"), np.ones([2, 3], "f4")),
            r"`rank` must be at most the smaller width \(3\), received 4",
        ),
        (
            lambda: Bilinear("diagonal")(np.ones([2, 5], "f4"), np.ones([2, 3], "f4")),
            r"`v` must have the width of `u` \(5\) in the form 'diagonal', received shape \(2, 3\)",
        ),
        (
            lambda: Bilinear()(np.ones([2, 5], "f4"), np.ones([2, 3, 1], "f4")),
            "`v` must have rank 2, received rank 3",
        ),
    ],
)
def test_wrong_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
