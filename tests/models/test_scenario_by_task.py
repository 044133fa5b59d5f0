"""What a scenario changes may differ by task: the scenario block works in the tasks' heads too."""

import keras
import numpy as np
import pytest

from recsys_tf import (
    CategoricalFeature,
    IdFeature,
    ModelConfig,
    NumericFeature,
    ScenarioSpec,
    SpecError,
    TableSchema,
    TaskSpec,
)
from recsys_tf.models import Ranker, Recommender
from recsys_tf.optimizers import FusedAdam

SCHEMA = TableSchema(
    features=(
        IdFeature(name="user", side="user"),
        NumericFeature(name="age", side="user"),
        CategoricalFeature(name="shop", side="context"),
    ),
    tasks=tuple(TaskSpec(name=name, kind="binary", label=name) for name in ("click", "buy")),
    scenario=ScenarioSpec(feature="shop"),
)
NUM_INDICES = {"user": 9, "shop": 4}
BLOCK = {"multiscenario": "pepnet", "scenario_dim": 8, "scenario_by_task": True, "head_dims": (8,)}
SMALL = {"embedding_dim": 4, "trunk_dims": (), "expert_dim": 8, "dropout": 0.0, **BLOCK}
NUM_ROWS = 400


@pytest.fixture(scope="module")
def batch():
    """Rows whose clicks follow the age, and whose purchases do in one of the two shops alone."""
    rng = np.random.default_rng(0)
    age, shop = rng.normal(size=NUM_ROWS), rng.integers(2, 4, NUM_ROWS)
    features = {
        "user": rng.integers(0, 9, NUM_ROWS),
        "age": np.stack([age, np.ones(NUM_ROWS)], axis=1).astype("float32"),
        "shop": shop,
    }
    labels = {"click": age > 0, "buy": (age > 0) == (shop == 2)}
    return features, {name: each.astype("float32") for name, each in labels.items()}


def make(**changes):
    keras.utils.set_random_seed(3)
    return Ranker(SCHEMA, NUM_INDICES, ModelConfig(**{**SMALL, **changes}))


@pytest.fixture(scope="module")
def trained(batch):
    model = make(scenario_prior=("user",), multitask="shared_bottom")
    model.compile(FusedAdam(0.02))
    model.fit(*batch, batch_size=NUM_ROWS, epochs=150, shuffle=False, verbose=0)
    return model


def test_gate_reads_scenario_and_prior_beside_what_the_tasks_read(trained):
    towers = trained.core.get_layer("task_towers")
    # Of the scenario 8, of the user's vector 4, of what the multi-task block read 8.
    assert towers.gates[0].inner.kernel.shape == (8 + 4 + 8, 8)
    assert trained.core.get_layer("heads").hidden_dims == ()


def test_towers_drop_what_the_model_does():
    assert make(dropout=0.3).core.get_layer("task_towers").dropout == 0.3


def test_task_that_turns_with_the_scenario_is_learned_beside_one_that_does_not(trained, batch):
    found = trained.predict(batch[0], verbose=0)
    for task, labels in batch[1].items():
        assert np.mean((found[task] > 0.5) == (labels > 0.5)) > 0.95, task


def test_saved_and_loaded_model_predicts_equally(trained, batch, tmp_path):
    trained.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert (again.config.scenario_by_task, again.config.scenario_prior) == (True, ("user",))
    for task in batch[1]:
        np.testing.assert_allclose(again(batch[0])[task], trained(batch[0])[task], rtol=1e-5)


def test_saved_configuration_without_the_fields_makes_what_it_made(batch):
    old = ModelConfig(**{**SMALL, "scenario_by_task": False}).to_dict()
    for field in ("scenario_by_task", "scenario_prior"):
        del old[field]
    model = Ranker(SCHEMA, NUM_INDICES, ModelConfig.from_dict(old))
    assert "task_towers" not in {each.name for each in model.core.layers}
    assert model.core.get_layer("heads").hidden_dims == (8,)


def test_meta_towers_learn_it_too(batch):
    model = make(multiscenario="m2m", multitask="shared_bottom")
    model.compile(FusedAdam(0.02))
    model.fit(*batch, batch_size=NUM_ROWS, epochs=150, shuffle=False, verbose=0)
    found = model.predict(batch[0], verbose=0)
    assert all(np.mean((found[k] > 0.5) == (each > 0.5)) > 0.95 for k, each in batch[1].items())


def test_recommender_reads_the_prior_of_both_sides(small_data, tmp_path):
    names = ("user_id", "item_id")
    changes = {**BLOCK, "scenario_prior": names}
    config = small_data.config.model.model_copy(update=changes)
    schema = small_data.schema
    features = tuple(each for each in schema.features if each.kind != "text")
    tasks = tuple(each for each in schema.tasks if each.name != "genres_from_text")
    schema = schema.model_copy(update={"features": features, "tasks": tasks})
    model = Recommender(schema, small_data.state.num_indices_by_name, config)
    batch = next(iter(small_data.dataset("train")))
    towers = model.query_tower, model.candidate_tower
    for tower, name in zip(towers, names, strict=True):
        given = {each: batch[0][each] for each in tower.input}
        vectors = tower.get_layer(f"{name}_encoder")(given[name])
        np.testing.assert_allclose(tower(given)["prior"], vectors, rtol=1e-5, atol=1e-6)
    inner = model.trunk.get_layer("task_towers").gates[0].inner
    assert inner.kernel.shape[0] == 8 + 2 * 16 + 8
    model.compile("adam")
    losses = model.train_on_batch(*batch, return_dict=True)
    assert all(np.isfinite(each) for each in losses.values())
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again(batch[0])["click"], model(batch[0])["click"], rtol=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"multiscenario": None}, "scenario_by_task: has no meaning without `multiscenario`"),
        ({"head_dims": ()}, r"head_dims: must hold a width with `scenario_by_task`.*received \(\)"),
        (
            {"scenario_by_task": False, "scenario_prior": ("user",)},
            "scenario_prior: has no meaning without `scenario_by_task`",
        ),
    ],
)
def test_fields_without_their_base_are_refused(changes, message):
    with pytest.raises(SpecError, match=message):
        ModelConfig.from_dict({**SMALL, **changes})


def test_block_without_a_part_in_the_heads_is_refused():
    with pytest.raises(
        SpecError, match="scenario_by_task: must be False with 'star', .*choose among .*'pepnet'"
    ):
        make(multiscenario="star")


def test_prior_that_the_block_does_not_read_is_refused():
    with pytest.raises(
        SpecError, match=r"scenario_prior: must be empty with 'm2m'.*\('user',\)"
    ) as e:
        make(multiscenario="m2m", scenario_prior=("user",), head_dims=(8, 3))
    # With the other fault, and a way out.
    assert "choose among 'pepnet'." in str(e.value)
    assert "model.head_dims: must repeat expert_dim (8)" in str(e.value)
    assert "received (8, 3)" in str(e.value)


def test_unknown_prior_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="`scenario_prior` must be one of .*Did you mean 'user'"):
        make(scenario_prior=("users",))
