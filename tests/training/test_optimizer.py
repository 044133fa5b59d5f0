"""Each part of a model is stepped by the optimiser that the configuration gives it."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from recsys_tf import SequenceConfig, TrainingConfig
from recsys_tf.crosses import CROSSES
from recsys_tf.encoders import HISTORY_BLOCKS, BagHistoryEncoder
from recsys_tf.layers import EmbeddingTable, table_memory
from recsys_tf.models import Ranker, Recommender, SequenceRecommender
from recsys_tf.multiscenario import SCENARIO_BLOCKS
from recsys_tf.multitask import MULTITASK_BLOCKS
from recsys_tf.optimizers import (
    TABLE_OPTIMIZERS,
    FusedAdamW,
    RowWiseAdagrad,
    RowWiseAdam,
    RowWiseFtrl,
)
from recsys_tf.sequences import SEQUENCE_ENCODERS
from recsys_tf.target_attention import TARGET_ATTENTIONS
from recsys_tf.training import build_recommender, fit
from recsys_tf.training.optimizer import check_slots, make_optimizer
from recsys_tf.weighting import make_weighting


def test_learning_rate_rises_and_falls():
    config = TrainingConfig(learning_rate=0.1, warmup_share=0.1)
    rate = make_optimizer(config, 100)._learning_rate
    assert float(rate(0)) == 0.0
    assert float(rate(10)) == pytest.approx(0.1)
    assert float(rate(100)) == pytest.approx(0.0, abs=1e-6)


DECAY = TrainingConfig(learning_rate=0.1, schedule="constant", weight_decay=0.5)


def decayed(variables, optimizer=None):
    """Which variables, all at 1, a step without a gradient makes smaller."""
    for each in variables:
        each.assign(tf.ones(each.shape))
    optimizer = optimizer or make_optimizer(DECAY, 10)
    optimizer.apply([tf.zeros(each.shape) for each in variables], variables)
    factors = [np.unique(np.array(each)) for each in variables]
    for factor in factors:
        assert factor == pytest.approx(0.95) or factor == 1
    return [each for each, factor in zip(variables, factors, strict=True) if factor != 1]


def dense_model():
    table = EmbeddingTable(5, 3, name="table")
    layers = [keras.Input((2,), dtype="int32"), table, keras.layers.Flatten()]
    return keras.Sequential([*layers, keras.layers.Dense(1, name="bias_and_beta")])


def test_weight_decay_is_of_the_kernels_alone():
    variables = dense_model().trainable_variables
    (found,) = decayed(variables)
    assert found.path.endswith("bias_and_beta/kernel")


@pytest.mark.parametrize("name", [None, "adagrad"])
def test_loaded_optimizer_decays_what_the_saved_one_did(name, tmp_path):
    model = dense_model()
    config = DECAY.model_copy(update={"table_optimizer": name})
    model.compile(make_optimizer(config, 10), "mse", jit_compile=False)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    variables = again.trainable_variables
    assert [each.name for each in decayed(variables, again.optimizer)] == ["kernel"]


# The first of the numbers of indices, which no layer here has for its width.
MANY = 700


def check_decay(variables, sizes):
    """Checks that exactly the kernels are decayed, and that none of them is a table of `sizes`."""
    found = {each.path for each in decayed(variables)}
    # A scenario block has no rows for the two reserved indices, `bst` one more than positions.
    sizes = {size + more for size in (MANY, *sizes) for more in (-2, 0, 1)}
    tables = {
        each.path for each in variables if len(each.shape) in (1, 2) and each.shape[0] in sizes
    }
    assert tables
    assert not found & tables
    assert found == {each.path for each in variables if "kernel" in each.name}


def every(blocks, number):
    return sorted(blocks)[number % len(blocks)]


@pytest.mark.parametrize("number", range(len(HISTORY_BLOCKS)), ids=list(HISTORY_BLOCKS))
def test_no_table_of_a_recommender_is_decayed(number, small_data):
    schema = small_data.schema
    # One with texts, whose encoder takes long.
    left_out = () if number == 0 else ("text",)
    features = tuple(
        each.model_copy(update={"max_length": MANY} if each.kind == "history" else {})
        for each in schema.features
        if each.kind not in left_out
    )
    schema = schema.model_copy(update={"features": features, "tasks": schema.ranking_tasks})
    config = small_data.config.model.model_copy(
        update={
            "embedding_dim": 2,
            "history_encoder": list(HISTORY_BLOCKS)[number],
            "target_attention": every(TARGET_ATTENTIONS, number),
            "cross": every(CROSSES, number),
            "multiscenario": every(SCENARIO_BLOCKS, number),
            # `stem` goes without target attention, and needs wider embeddings.
            "multitask": every(MULTITASK_BLOCKS.keys() - {"stem"}, number),
            "fusion": every(("concat", "gated"), number),
        }
    )
    names = ["text", *(each.name for each in features)]
    num_indices = {name: MANY + 4 * place for place, name in enumerate(names)}
    kind = Recommender if number % 2 == 0 else Ranker
    check_decay(kind(schema, num_indices, config).trainable_variables, num_indices.values())


@pytest.mark.parametrize("encoder", SEQUENCE_ENCODERS)
def test_no_table_of_a_sequence_recommender_is_decayed(encoder):
    config = SequenceConfig(
        embedding_dim=8, max_length=MANY, encoder=encoder, has_times=True, actions=("buy", "see")
    )
    content = np.ones([MANY + 9, 3], "float32")
    check_decay(SequenceRecommender(MANY, config, content).trainable_variables, [])


def test_learned_weights_of_tasks_are_not_decayed():
    weighting = make_weighting("uncertainty", {"click": 1.0, "rating": 1.0})
    assert len(weighting.trainable_variables) == 1
    assert decayed(weighting.trainable_variables) == []


@pytest.mark.parametrize(
    ("name", "kind", "rate"),
    [("adam", RowWiseAdam, 0.05), ("adagrad", RowWiseAdagrad, 0.1), ("ftrl", RowWiseFtrl, 0.1)],
)
def test_tables_have_the_optimizer_of_their_own(name, kind, rate):
    config = TrainingConfig(
        learning_rate=0.05, schedule="constant", table_optimizer=name, weight_decay=0.5
    )
    optimizer = make_optimizer(config, 10)
    assert type(optimizer.tables) is kind
    assert type(optimizer.dense) is FusedAdamW
    assert float(optimizer.tables.learning_rate) == pytest.approx(rate)
    assert optimizer.global_clipnorm == config.clip_norm


def test_unknown_optimizer_of_tables_is_answered_with_the_nearest():
    with pytest.raises(
        ValueError, match="`training.table_optimizer` must be .* Did you mean 'adagrad'"
    ):
        make_optimizer(TrainingConfig(table_optimizer="adagrd"), 10)


def test_rate_of_tables_follows_the_schedule_with_adam_alone():
    config = TrainingConfig(table_optimizer="adam", table_learning_rate=0.2, warmup_share=0.1)
    assert float(make_optimizer(config, 100).tables._learning_rate(10)) == pytest.approx(0.2)
    config = TrainingConfig(table_optimizer="ftrl", table_learning_rate=0.2)
    assert float(make_optimizer(config, 100).tables.learning_rate) == pytest.approx(0.2)


def test_constant_rate_stays():
    optimizer = make_optimizer(TrainingConfig(learning_rate=0.1, schedule="constant"), 100)
    assert float(optimizer.learning_rate) == pytest.approx(0.1)


def test_slots_of_a_bags_tables_are_counted(monkeypatch):
    ids = keras.Input([3], dtype="int64")
    model = keras.Model(ids, BagHistoryEncoder(1000, 8, name="bag")(ids))
    monkeypatch.setattr(table_memory, "free_bytes", lambda: 50_000)
    # They are multiplied as a whole, so that the optimiser of the dense layers steps them.
    config = TrainingConfig(table_optimizer="adagrad")
    with pytest.raises(MemoryError, match=r"'bag/items' takes 1,000 .* \(1 \+ 2 of the optimiser"):
        check_slots(model, make_optimizer(config, 10))


@pytest.fixture(scope="module")
def two_ids(small_data):
    """Generated rows of users and items alone: what is met is a step, and little is traced."""
    schema = small_data.schema
    features = [each for each in schema.features if each.kind == "id"]
    tasks = [each for each in schema.tasks if each.name in ("watch", "rating")]
    changes = {"features": tuple(features), "tasks": tuple(tasks), "scenario": None}
    schema = schema.model_copy(update=changes)
    small = {"tower_dims": (), "multitask": "shared_bottom", "num_cross_layers": 0}
    model = small_data.config.model.model_copy(update=small)
    config = small_data.config.model_copy(update={"model": model})
    return dataclasses.replace(small_data, schema=schema, config=config)


def loss_of(model, batch):
    features, labels, weights = batch
    return float(model.compute_loss(features, labels, model(features), weights, training=False))


@pytest.mark.parametrize("name", TABLE_OPTIMIZERS)
def test_recommender_with_an_optimizer_of_its_tables_learns_and_is_taken_up(
    name, two_ids, tmp_path
):
    training = two_ids.config.training.model_copy(
        update={"epochs": 1, "batch_size": 64, "table_optimizer": name}
    )
    config = two_ids.config.model_copy(update={"training": training})
    data = dataclasses.replace(two_ids, config=config)
    model, again = build_recommender(data), build_recommender(data)
    before = [np.array(each) for each in model.trainable_variables]
    sample = next(iter(two_ids.dataset("validation")))
    loss_before = loss_of(model, sample)
    rows = data.dataset("train")
    fit(model, rows, None, training, checkpoint_folder=tmp_path, verbose=0)
    assert loss_of(model, sample) < loss_before
    assert {getattr(each, "is_table", False) for each in model.trainable_variables} == {True, False}
    for variable, start in zip(model.trainable_variables, before, strict=True):
        assert np.any(np.array(variable) != start), variable.path
    # The last epoch is kept, so that nothing is left to train.
    history = fit(again, rows, None, training, checkpoint_folder=tmp_path, verbose=0)
    assert history.epoch == []
    for found, kept in (
        (again.weights, model.weights),
        (again.optimizer.variables, model.optimizer.variables),
    ):
        for variable, expected in zip(found, kept, strict=True):
            np.testing.assert_array_equal(variable, expected, err_msg=variable.path)
