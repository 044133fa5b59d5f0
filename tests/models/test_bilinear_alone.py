"""The bilinear model of language vectors by itself: two texts, a matrix, a bias, and no more."""

import keras
import numpy as np
import pytest

from recsys_tf import BilinearConfig, ModelConfig, SpecError, TableSchema, TaskSpec
from recsys_tf.config import TextConfig
from recsys_tf.models import Ranker, Recommender
from recsys_tf.schema import CategoricalFeature, IdFeature, TextFeature

pytest.importorskip("keras_nlp")

SCHEMA = TableSchema(
    features=(
        TextFeature(name="wish", side="user", max_tokens=6),
        TextFeature(name="title", side="item", max_tokens=4),
        CategoricalFeature(name="city", side="user"),
        IdFeature(name="shop", side="item"),
    ),
    tasks=(
        TaskSpec(name="click", kind="binary", label="click"),
        TaskSpec(name="stars", kind="regression", label="stars"),
    ),
)
NUM_INDICES = {"wish": 64, "title": 64, "city": 5, "shop": 7}
TEXT = TextConfig(num_layers=1, num_heads=2, hidden_dim=8, intermediate_dim=8, dropout=0.0)
BIASES = {"click": -1.5, "stars": 3.5}
FORMS = ("free", "low_rank", "diagonal")


def config(form="free", **changes):
    pair = BilinearConfig(
        query_feature="wish",
        candidate_feature="title",
        form=form,
        rank=2 if form == "low_rank" else None,
        is_alone=True,
    )
    return ModelConfig(**{"embedding_dim": 4, "text": TEXT, "bilinear": pair, **changes})


@pytest.fixture(scope="module", params=FORMS)
def model(request):
    made = Ranker(SCHEMA, NUM_INDICES, config(request.param), initial_biases=BIASES)
    rng = np.random.default_rng(0)
    for task in BIASES:
        for each in made.core.get_layer(f"{task}_bilinear").weights:
            if len(each.shape):
                each.assign(rng.normal(size=each.shape))
    return made


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(1)
    features = {
        "wish": rng.integers(2, 64, (9, 6)),
        "title": rng.integers(2, 64, (9, 4)),
        "city": rng.integers(0, 5, 9),
        "shop": rng.integers(0, 7, 9),
    }
    labels = {
        "click": (rng.random(9) < 0.5).astype("float32"),
        "stars": rng.normal(3, 1, 9).astype("float32"),
    }
    return features, labels


def matrix(layer):
    if layer.form == "low_rank":
        return np.array(layer.u_kernel) @ np.array(layer.v_kernel).T
    return np.diag(layer.kernel) if layer.form == "diagonal" else np.array(layer.kernel)


def test_logit_is_the_product_of_two_texts_and_the_bias_of_the_task(model, rows):
    features = rows[0]
    u, v = (np.array(model.core.get_layer(f"{n}_once")(features[n])) for n in ("wish", "title"))
    assert u.shape == v.shape == (9, 4)
    logits = model(features)
    for task, bias in BIASES.items():
        layer = model.core.get_layer(f"{task}_bilinear")
        expected = np.einsum("bi,ij,bj->b", u, matrix(layer), v) + bias
        np.testing.assert_allclose(logits[task], expected, rtol=1e-4, atol=1e-4)
        assert np.std(expected) > 0.01


def test_prediction_of_a_binary_task_is_the_sigmoid(model, rows):
    found = model.predict(rows[0], verbose=0)["click"]
    expected = 1 / (1 + np.exp(-np.array(model(rows[0])["click"])))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_nothing_else_is_built(model):
    found = {each.name for each in model.core.layers if each.weights}
    assert found == {"wish_once", "title_once", "click_bilinear", "stars_bilinear"}


def test_saved_and_loaded_model_predicts_equally(model, rows, tmp_path):
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.config.bilinear.is_alone
    for task in BIASES:
        np.testing.assert_allclose(again(rows[0])[task], model(rows[0])[task], rtol=1e-5)


def test_step_of_training_moves_matrices_and_encoders_and_lowers_the_loss(rows):
    model = Ranker(SCHEMA, NUM_INDICES, config(), initial_biases=BIASES)
    model.compile(keras.optimizers.Adam(0.003))
    before = {each.path: np.array(each) for each in model.trainable_variables}
    losses = [float(model.test_on_batch(*rows, return_dict=True)["loss"])]
    model.train_on_batch(*rows)
    model.reset_metrics()
    losses.append(float(model.test_on_batch(*rows, return_dict=True)["loss"]))
    assert losses[1] < losses[0]
    for name in ("click_bilinear/kernel", "click_bilinear/bias", "wish_once", "title_once"):
        moved = [
            np.abs(np.array(each) - before[each.path]).max()
            for each in model.trainable_variables
            if name in each.path
        ]
        assert max(moved) > 0, name


def test_weighting_of_gradients_shares_the_encoders_only(rows):
    model = Ranker(SCHEMA, NUM_INDICES, config())
    model.compile("sgd", weighting="pcgrad")
    assert not any("bilinear" in each.path for each in model.shared_variables)
    assert np.isfinite(model.train_on_batch(*rows, return_dict=True)["loss"])


def test_ids_that_are_not_read_have_no_rows_to_grow(model):
    assert model.id_variables == {}


def test_recommender_judges_by_the_product_and_ranks_by_its_towers(small_data):
    pair = BilinearConfig(query_feature="history", candidate_feature="title", is_alone=True)
    sizes = {"embedding_dim": 16, "output_dim": 16, "text": small_data.config.model.text}
    sizes["head_dims"] = (4,)  # Of the auxiliary tasks.
    model = Recommender(
        small_data.schema,
        small_data.state.num_indices_by_name,
        ModelConfig(bilinear=pair, **sizes),
        initial_biases={"rating": 3.0},
    )
    with pytest.raises(ValueError, match="for tasks among none, received 'rating' of shape"):
        model.set_label_biases("query", {"rating": np.zeros(3)})
    batch = next(iter(small_data.dataset("train")))
    towers = [
        tower({name: batch[0][name] for name in tower.input})
        for tower in (model.query_tower, model.candidate_tower)
    ]
    u, v = (np.array(each["matched"]) for each in towers)
    kernel = np.array(model.trunk.get_layer("rating_bilinear").kernel)
    found = model(batch[0])
    expected = np.einsum("bi,ij,bj->b", u, kernel, v) + 3.0
    np.testing.assert_allclose(found["rating"], expected, rtol=1e-3, atol=1e-3)
    tasks = ("click", "like", "purchase", "rating")
    found = {each.name for each in model.trunk.layers if each.weights}
    assert found == {f"{task}_bilinear" for task in tasks}
    assert not any("label_bias" in each.path for each in model.variables)
    model.compile("adam")
    losses = model.train_on_batch(*batch, return_dict=True)
    assert all(np.isfinite(each) for each in losses.values())


@pytest.mark.parametrize(
    ("field", "value"),
    [("multitask", "ple"), ("cross", "fm"), ("trunk_dims", (8,)), ("chain", "esmm")],
)
def test_what_would_not_be_built_is_refused(field, value):
    with pytest.raises(SpecError, match=f"{field}: must be left out with `bilinear.is_alone`, who"):
        ModelConfig.from_dict({**config().to_dict(), field: value})


@pytest.mark.parametrize(("field", "value"), [("head_dims", (8,)), ("dropout", 0.5)])
def test_sizes_of_heads_that_no_task_has_are_refused(field, value):
    rule = f"`{field}` must be left out with `bilinear.is_alone` where no task is an auxiliary"
    with pytest.raises(ValueError, match=rule):
        Ranker(SCHEMA, NUM_INDICES, config(**{field: value}))


def test_nothing_in_place_of_a_block_is_taken():
    found = config(trunk_dims=(), num_cross_layers=0)
    assert ModelConfig.from_dict(found.to_dict()) == found


def test_task_of_several_numbers_is_refused():
    task = TaskSpec(name="kind", kind="multiclass", label="shop")
    schema = SCHEMA.model_copy(update={"tasks": (*SCHEMA.tasks, task)})
    with pytest.raises(ValueError, match="`bilinear.is_alone` must be False .* received 'kind'"):
        Ranker(schema, NUM_INDICES, config())
