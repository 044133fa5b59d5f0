"""In a recommender STEM reads the features' own vectors, whatever the towers make of them."""

import numpy as np
import pytest
import tensorflow as tf

from recsys_tf.models import Recommender

TASKS = ("click", "rating")


@pytest.fixture(
    params=[
        {"tower_dims": (6,)},
        {"tower_dims": (5,)},
        {"fusion": "gated"},
        {"fusion": "gated", "tower_dims": (5,)},
        {"num_cross_layers": 2, "trunk_dims": (8,), "cross": "dcn_v2", "multiscenario": "hinet"},
        {},
    ],
    ids=str,
)
def model(request, small_data):
    schema = small_data.schema
    features = tuple(each for each in schema.features if each.kind != "text")
    tasks = tuple(each for each in schema.tasks if each.name in ("watch", *TASKS))
    schema = schema.model_copy(update={"features": features, "tasks": tasks})
    changes = {
        "multitask": "stem",
        "embedding_dim": 6,
        "tower_dims": (),
        "num_cross_layers": 0,
        **request.param,
    }
    config = small_data.config.model.model_copy(update=changes)
    return Recommender(schema, small_data.state.num_indices_by_name, config)


@pytest.fixture(scope="module")
def features(small_data):
    return next(iter(small_data.dataset("validation")))[0]


@pytest.mark.parametrize("task", TASKS)
def test_no_gradient_of_a_task_reaches_the_embeddings_of_another(model, features, task):
    table = model.query_tower.get_layer("user_id_encoder").table.value
    given = {each.name: features[each.name] for each in model.core.inputs}
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(model(given)[task])
    gradient = np.array(tf.convert_to_tensor(tape.gradient(total, table)))
    # A shared part, and one a task in their order.
    shared, *of_tasks = np.abs(gradient.reshape(-1, 3, 2)).max(axis=(0, 2))
    assert shared > 0
    assert {name: size > 0 for name, size in zip(TASKS, of_tasks, strict=True)} == {
        name: name == task for name in TASKS
    }


def test_trunk_gets_each_features_vector_as_its_encoder_made_it(model, features):
    tower = model.candidate_tower
    rows = {name: features[name] for name in tower.input}
    found = np.array(tower(rows)["features"])
    fields = sorted(each.name for each in model.schema.candidate_features)
    found = found.reshape(-1, len(fields), 6)
    ids = tower.get_layer("item_id_encoder")(features["item_id"])
    np.testing.assert_allclose(found[:, fields.index("item_id")], ids, rtol=1e-6)
