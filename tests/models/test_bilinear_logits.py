"""The bilinear model of two features stands beside the heads, in both models."""

import keras
import numpy as np
import pytest

from recsys_tf import BilinearConfig, EmbeddingFeature, ModelConfig, TableSchema, TaskSpec
from recsys_tf.models import Ranker, Recommender
from recsys_tf.models.trunk import trunk_inputs

SIDES = {"query_feature": "history", "candidate_feature": "title"}
TASKS = ("click", "rating")


def recommender(small_data, **bilinear):
    config = small_data.config.model.model_copy(
        update={"bilinear": BilinearConfig(**{**SIDES, **bilinear})}
    )
    return Recommender(small_data.schema, small_data.state.num_indices_by_name, config)


@pytest.fixture(scope="module")
def features(small_data):
    return next(iter(small_data.dataset("validation")))[0]


@pytest.fixture(scope="module")
def matched(small_data):
    """A recommender whose matrices are drawn, so that no two units count alike."""
    model = recommender(small_data)
    rng = np.random.default_rng(0)
    for task in TASKS:
        model.trunk.get_layer(f"{task}_bilinear").kernel.assign(rng.normal(size=(16, 16)))
    return model


def test_logit_gains_the_product_of_history_matrix_and_text(matched, features):
    u = np.array(matched.query_tower(_inputs(matched.query_tower, features))["matched"])
    v = np.array(matched.candidate_tower(_inputs(matched.candidate_tower, features))["matched"])
    title = matched.candidate_tower.get_layer("title_once")
    np.testing.assert_allclose(v, title(features["title"]), rtol=1e-4, atol=1e-5)
    with_it = matched(features)
    kernels = {task: matched.trunk.get_layer(f"{task}_bilinear").kernel for task in TASKS}
    kept = {task: np.array(kernel) for task, kernel in kernels.items()}
    for kernel in kernels.values():
        kernel.assign(np.zeros((16, 16)))
    without = matched(features)
    for task, kernel in kernels.items():
        gain = np.array([row_u @ kept[task] @ row_v for row_u, row_v in zip(u, v, strict=True)])
        assert np.abs(gain).max() > 0.01
        found = np.array(with_it[task]) - np.array(without[task])
        np.testing.assert_allclose(found, gain, rtol=1e-3, atol=1e-4)
        kernel.assign(kept[task])


def test_trunk_judges_towers_outputs_as_the_model_does(matched, features):
    # So the served model does it, with the items' parts kept.
    of_query = matched.query_tower(_inputs(matched.query_tower, features))
    of_candidate = matched.candidate_tower(_inputs(matched.candidate_tower, features))
    logits = matched.trunk(trunk_inputs(of_query, of_candidate, matched.config))
    np.testing.assert_allclose(logits["click"], matched(features)["click"], rtol=1e-4, atol=1e-5)


def test_saved_and_loaded_model_predicts_equally(matched, features, tmp_path):
    matched.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.config.bilinear == BilinearConfig(**SIDES)
    np.testing.assert_allclose(again(features)["click"], matched(features)["click"], rtol=1e-4)


def test_matrix_of_a_task_is_its_own(matched):
    own = {each.path for each in matched.own_variables}
    assert {f"{task}_bilinear/kernel" for task in TASKS} <= own


def test_ranker_adds_the_product_of_any_two_features():
    schema = TableSchema(
        features=tuple(
            EmbeddingFeature(name=name, side="item", size=3) for name in ("question", "answer")
        ),
        tasks=(TaskSpec(name="helps", kind="binary", label="helps"),),
    )
    bilinear = BilinearConfig(
        query_feature="question", candidate_feature="answer", form="low_rank", rank=2
    )
    small = {"embedding_dim": 4, "trunk_dims": (), "expert_dim": 4, "head_dims": ()}
    model = Ranker(schema, {}, ModelConfig(**small, bilinear=bilinear))
    layer = model.core.get_layer("helps_bilinear")
    rng = np.random.default_rng(1)
    rows = {name: rng.normal(size=(5, 3)).astype("float32") for name in ("question", "answer")}
    u, v = (np.array(model.core.get_layer(f"{name}_encoder")(rows[name])) for name in rows)
    gain = ((u @ np.array(layer.u_kernel)) * (v @ np.array(layer.v_kernel))).sum(axis=1)
    with_it = np.array(model(rows)["helps"])
    layer.u_kernel.assign(np.zeros(layer.u_kernel.shape))
    np.testing.assert_allclose(with_it - np.array(model(rows)["helps"]), gain, atol=1e-5)


@pytest.mark.parametrize(
    ("bilinear", "text"),
    [
        ({"query_feature": "title"}, "`bilinear.query_feature` must be one of .*received 'title'"),
        ({"candidate_feature": "titel"}, "`bilinear.candidate_feature` .*Did you mean 'title'"),
    ],
)
def test_feature_of_the_other_side_is_refused(small_data, bilinear, text):
    with pytest.raises(ValueError, match=text):
        recommender(small_data, **bilinear)


def test_model_without_a_logit_to_add_to_is_refused(small_data):
    tasks = tuple(task for task in small_data.schema.tasks if task.kind == "retrieval")
    schema = small_data.schema.model_copy(update={"tasks": tasks})
    with pytest.raises(ValueError, match="`bilinear` must be None without a ranking task of one"):
        Recommender(schema, {}, ModelConfig(bilinear=BilinearConfig(**SIDES)))


def _inputs(tower, features):
    return {name: features[name] for name in tower.input}
