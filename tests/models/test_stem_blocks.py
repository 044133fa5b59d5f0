"""Crosses, dense layers and scenario blocks before STEM read its parts one at a time."""

import numpy as np
import pytest
import tensorflow as tf

from recsys_tf import IdFeature, ModelConfig, ScenarioSpec, TableSchema, TaskSpec
from recsys_tf.crosses import CROSSES
from recsys_tf.models import Ranker
from recsys_tf.multiscenario import SCENARIO_BLOCKS
from recsys_tf.schema import CategoricalFeature

TASKS = ("click", "buy")
SCHEMA = TableSchema(
    features=(
        IdFeature(name="user", side="user"),
        IdFeature(name="item", side="item"),
        CategoricalFeature(name="shop", side="context"),
    ),
    tasks=tuple(TaskSpec(name=name, kind="binary", label=name) for name in TASKS),
    scenario=ScenarioSpec(feature="shop"),
)
SMALL = {
    "multitask": "stem",
    "embedding_dim": 6,
    "num_cross_layers": 0,
    "trunk_dims": (),
    "cross_dims": (6,),
    "scenario_dim": 6,
    "num_experts": 2,
    "expert_dim": 6,
    "head_dims": (5,),
    "dropout": 0.2,
}
SOUND = [name for name, block in SCENARIO_BLOCKS.items() if not block.reads_batch]
ROWS = {"user": np.arange(12) % 9, "item": np.arange(12) % 7, "shop": np.arange(12) % 5}


def make(**changes):
    model = Ranker(SCHEMA, {"user": 9, "item": 7, "shop": 5}, ModelConfig(**{**SMALL, **changes}))
    rng = np.random.default_rng(0)
    for each in model.trainable_variables:  # Away from gates of 0, which would let nothing pass.
        each.assign(rng.normal(size=each.shape))
    return model


@pytest.mark.parametrize(
    "changes",
    [
        {"num_cross_layers": 2, "trunk_dims": (7, 5)},
        *({"cross": name} for name in CROSSES),
        *({"multiscenario": name} for name in SOUND),
        {"multiscenario": "pepnet", "scenario_by_task": True, "trunk_dims": (7,), "cross": "fm"},
    ],
    ids=str,
)
def test_no_gradient_of_a_task_reaches_the_embeddings_of_another(changes):
    model = make(**changes)
    table = model.core.get_layer("user_encoder").table.value
    for place, task in enumerate(TASKS, start=1):
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(model(ROWS, training=True)[task])
        gradient = np.array(tf.convert_to_tensor(tape.gradient(total, table)))
        by_part = np.abs(gradient.reshape(-1, 3, 2)).max(axis=(0, 2))
        assert [bool(size > 0) for size in by_part] == [part in (0, place) for part in range(3)]


def test_scenario_and_layers_are_those_of_the_row_and_the_same_for_its_parts():
    model = make(multiscenario="pepnet", trunk_dims=(6,), dropout=0.0)
    core = model.core
    fields = [core.get_layer(f"{n}_encoder")(ROWS[n]) for n in ("user", "item", "shop")]
    parts = np.stack(fields, axis=1).reshape(12, 3, 3, 2)
    hidden = [
        core.get_layer("multiscenario")(
            core.get_layer("trunk_layers")(parts[:, :, place].reshape(12, 6)), ROWS["shop"]
        )
        for place in range(3)
    ]
    of_tasks = core.get_layer("multitask")(np.concatenate(hidden, axis=1))
    expected = core.get_layer("heads")(of_tasks)
    found = model(ROWS)
    for task in TASKS:
        np.testing.assert_allclose(found[task], expected[task], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", sorted(set(SCENARIO_BLOCKS) - set(SOUND)))
def test_block_with_statistics_over_the_batch_is_refused(name):
    with pytest.raises(ValueError, match=f"without statistics over a batch, received {name!r}"):
        make(multiscenario=name)


def test_prior_of_whole_vectors_is_refused():
    with pytest.raises(ValueError, match=r"`scenario_prior` must be empty, received \('user',\)"):
        make(multiscenario="pepnet", scenario_by_task=True, scenario_prior=("user",))
