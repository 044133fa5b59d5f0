"""Losses over the whole catalogue teach the two towers what they say."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from recsys_tf import RetrievalConfig, SpecError
from recsys_tf.features import transform_catalogue
from recsys_tf.models import Recommender, grow_tables
from recsys_tf.models.block_options import check_blocks
from recsys_tf.preparation import prepare
from recsys_tf.tasks import RETRIEVAL_LOSSES, make_retrieval_loss
from recsys_tf.training import build_recommender

OPTIONS = {
    "sampled_softmax": {"num_negatives": 5},
    "mixed_negatives": {"num_negatives": 6},
    "gbce": {"num_negatives": 5},
    "hard_negatives": {"num_hard": 3, "num_candidates": 5, "skip_top": 1, "num_uniform": 4},
}


def retrieval(name, **changes):
    return RetrievalConfig(loss=name, loss_options=OPTIONS.get(name, {}), **changes)


@pytest.fixture(scope="module")
def data(small_data):
    """Generated rows of users' ids and items without texts, for a model that is soon built."""
    schema = small_data.schema
    features = tuple(
        each
        for each in schema.features
        if each.name == "user_id" or (each.side == "item" and each.kind != "text")
    )
    tasks = tuple(each for each in schema.tasks if each.name in ("watch", "rating"))
    changes = {"features": features, "tasks": tasks, "scenario": None}
    small = {"tower_dims": (), "multitask": "shared_bottom", "num_cross_layers": 0}
    model = small_data.config.model.model_copy(update=small)
    return dataclasses.replace(
        small_data,
        schema=schema.model_copy(update=changes),
        config=small_data.config.model_copy(update={"model": model}),
    )


@pytest.fixture(scope="module")
def columns(data):
    columns = transform_catalogue(data.catalogue, data.preprocessor, data.schema)
    # Numbers, categories and sets of them, and an item that training has not met.
    assert {len(each.shape) for each in columns.values()} == {1, 2}
    assert 1 in columns["item_id"]
    return columns


@pytest.fixture(scope="module")
def batch(data):
    whole = next(iter(data.dataset("train")))
    return tf.nest.map_structure(lambda values: values[:32], whole)


def build(data, name, **changes):
    config = data.config.model_copy(update={"retrieval": retrieval(name, **changes)})
    return build_recommender(dataclasses.replace(data, config=config))


@pytest.fixture(scope="module")
def full(data):
    return build(data, "full_softmax", temperature=0.5)


def watch_loss(model, batch):
    features, labels, weights = batch
    return float(model.task_losses(features, labels, model(features), weights)["watch"])


def expected_loss(model, columns, batch, temperature, correction=1.0):
    """The mean cross-entropy against all known items, from what the towers serve."""
    features, _, weights = batch
    items = features["item_id"].numpy()
    vectors = model.candidate_tower.predict(columns, verbose=0)["embedding"]
    is_known = columns["item_id"] >= 2
    scores = model(features)["query_embedding"].numpy() @ vectors[is_known].T / temperature
    probability = model.item_probability.numpy()[columns["item_id"][is_known]]
    scores -= (correction - 1) * np.log(probability)
    log_share = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    place = {index: at for at, index in enumerate(columns["item_id"][is_known])}
    own = [log_share[row, place[item]] if item >= 2 else 0.0 for row, item in enumerate(items)]
    weight = np.where(items >= 2, weights["watch"].numpy(), 0)
    return -(weight * own).sum() / weight.sum()


def test_full_softmax_is_over_all_items_that_the_tower_serves(full, columns, batch):
    found = watch_loss(full, batch)
    assert found == pytest.approx(expected_loss(full, columns, batch, 0.5), rel=1e-4)


def test_rows_of_unknown_items_teach_nothing(full, columns, batch):
    features, labels, weights = batch
    items = features["item_id"].numpy().copy()
    items[:16] = 1
    unknown = {**features, "item_id": tf.constant(items)}, labels, weights
    expected = expected_loss(full, columns, unknown, 0.5)
    assert watch_loss(full, unknown) == pytest.approx(expected, rel=1e-4)


def test_retrieval_weighs_as_much_as_the_rows_that_its_loss_is_of(full, data, batch):
    features, labels, weights = batch
    items = features["item_id"].numpy().copy()
    items[:16] = 1
    weight = weights["watch"].numpy()
    for model, is_asked in ((full, items >= 2), (build(data, "in_batch"), items > 0)):
        found = model.label_weights({**features, "item_id": items}, labels, weights)
        assert float(found["watch"]) == pytest.approx(weight[is_asked].sum())
        is_rated = np.isfinite(labels["rating"])
        assert float(found["rating"]) == pytest.approx(weights["rating"].numpy()[is_rated].sum())


def test_popular_items_are_fewer_negatives_by_the_factor_of_the_batchs_softmax(
    data, full, columns, batch
):
    model = build(data, "full_softmax", temperature=0.5, popularity_correction=1.3)
    model.set_weights(full.get_weights())
    expected = expected_loss(model, columns, batch, 0.5, correction=1.3)
    assert watch_loss(model, batch) == pytest.approx(expected, rel=1e-4)
    assert abs(expected - expected_loss(model, columns, batch, 0.5)) > 0.01


def test_a_rare_item_is_corrected_alike_in_the_batch_and_over_the_catalogue(data, columns):
    # Each item as often in the batch as in the data, and the one asked for once: then the softmax
    # of the batch is that of the catalogue.
    indices = columns["item_id"]
    counts = np.bincount(indices[indices >= 2], minlength=data.state.num_indices("item_id")) * 80
    rare = indices[indices >= 2][0]
    counts[rare] = 1
    assert counts.sum() ** -2.0 < 1e-6
    rows = np.repeat(np.arange(len(indices)), counts[indices])
    features = {name: tf.constant(column[rows]) for name, column in columns.items()}
    features["user_id"] = tf.fill([len(rows)], tf.constant(2, tf.int64))
    ones = tf.ones([len(rows)])
    is_asked = tf.cast(features["item_id"] == rare, tf.float32)
    weights = {"watch": is_asked, "rating": ones}
    batch = features, {"watch": ones, "rating": ones}, weights
    losses, start = [], None
    for name in ("in_batch", "full_softmax"):
        model = build(data, name, temperature=0.5, popularity_correction=2.0)
        model.set_item_counts(counts)
        start = start or model.core.get_weights()
        model.core.set_weights(start)
        losses.append(watch_loss(model, batch))
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_grown_model_keeps_the_catalogue_of_its_own_items(data, full, columns):
    target = build(data, "full_softmax")
    own = {name: each if name == "item_id" else each[::-1] for name, each in columns.items()}
    target.set_catalogue(own)
    before = {name: np.array(each) for name, each in target.catalogue.columns.items()}
    grow_tables(full, target)
    for name, column in target.catalogue.columns.items():
        np.testing.assert_array_equal(column, before[name])
    mine, theirs = (each.candidate_tower.get_weights() for each in (target, full))
    assert all((a == b).all() for a, b in zip(mine, theirs, strict=True))


def test_many_draws_come_to_the_full_softmax(data, full, batch):
    keras.utils.set_random_seed(0)
    model = build(data, "full_softmax", temperature=0.5)
    model.set_weights(full.get_weights())
    loss = make_retrieval_loss("sampled_softmax", num_negatives=20_000, temperature=0.5)
    model.retrieval_loss = loss
    assert watch_loss(model, batch) == pytest.approx(watch_loss(full, batch), rel=0.02)


@pytest.mark.parametrize("name", [name for name in RETRIEVAL_LOSSES if name != "in_batch"])
def test_step_moves_both_towers(name, data, batch):
    model = build(data, name)
    assert type(model.retrieval_loss) is RETRIEVAL_LOSSES[name]
    model.compile("sgd")
    towers = {
        "candidate": model.candidate_tower.get_layer("candidate_output").kernel,
        "query": model.query_tower.get_layer("query_output").kernel,
    }
    before = {side: np.array(kernel) for side, kernel in towers.items()}
    logs = model.train_step(batch)
    assert np.isfinite(list(logs.values())).all()
    for side, kernel in towers.items():
        assert np.isfinite(np.array(kernel)).all()
        assert np.any(np.array(kernel) != before[side]), side


def test_every_part_of_the_candidates_side_learns(data, full, batch):
    features, labels, weights = batch
    tower = full.candidate_tower
    with tf.GradientTape() as tape:
        outputs = full(features, training=True)
        loss = full.task_losses(features, labels, outputs, weights, training=True)["watch"]
    variables = [each for each in tower.trainable_variables if "label_bias" not in each.path]
    for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
        assert gradient is not None, variable.path
        assert np.isfinite(tf.convert_to_tensor(gradient)).all(), variable.path


def test_saved_and_loaded_model_has_the_same_loss(full, batch, tmp_path):
    full.compile("adam")
    full.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert watch_loss(again, batch) == pytest.approx(watch_loss(full, batch), rel=1e-5)
    for name, column in full.catalogue.columns.items():
        np.testing.assert_array_equal(again.catalogue.columns[name], column)
    assert np.isfinite(list(again.train_step(batch).values())).all()


def test_other_weights_are_mined_anew(data, batch, tmp_path):
    model = build(data, "hard_negatives")
    model.save_weights(tmp_path / "of.weights.h5")
    for change in (
        lambda: model.load_weights(tmp_path / "of.weights.h5"),
        lambda: model.set_weights(model.get_weights()),
        lambda: grow_tables(model, model),
    ):
        watch_loss(model, batch)
        assert int(model.retrieval_loss._age) == 0
        change()
        assert int(model.retrieval_loss._age) == -1


def test_loss_of_the_batch_reads_no_catalogue(data, columns):
    model = build_recommender(data)
    assert model.catalogue is None
    assert not [each.path for each in model.variables if "catalogue" in each.path]
    with pytest.raises(ValueError, match="no meaning where `retrieval.loss` is 'in_batch'"):
        model.set_catalogue(columns)


def test_items_that_have_but_an_id_need_no_catalogue(data, batch):
    kept = tuple(
        each for each in data.schema.features if each.side != "item" or each.name == "item_id"
    )
    schema = data.schema.model_copy(update={"features": kept})
    num_indices = data.state.num_indices_by_name
    model = Recommender(schema, num_indices, data.config.model, retrieval("full_softmax"))
    ids = {"item_id": np.arange(2, num_indices["item_id"])}
    assert watch_loss(model, batch) == pytest.approx(expected_loss(model, ids, batch, 1), rel=1e-4)


def test_needed_catalogue_must_be_given(data):
    with pytest.raises(ValueError, match="`catalogue` must hold the items' features where"):
        Recommender(
            data.schema, data.state.num_indices_by_name, data.config.model, retrieval("bpr")
        )


def test_catalogue_that_cannot_be_is_refused(full, columns):
    without = {name: each for name, each in columns.items() if name != "price"}
    with pytest.raises(ValueError, match="received none named 'price'"):
        full.set_catalogue(without)
    with pytest.raises(ValueError, match=r"`catalogue` must hold 'price' in the shape \(60, 2\)"):
        full.set_catalogue({**columns, "price": columns["price"][:, :1]})
    twice = columns["item_id"].copy()
    twice[twice == 6] = 5
    with pytest.raises(ValueError, match="each item once, received 2 rows of the index 5"):
        full.set_catalogue({**columns, "item_id": twice})
    with pytest.raises(ValueError, match="from 0 to below"):
        full.set_catalogue({**columns, "item_id": columns["item_id"] + 1000})


def test_wrong_choices_are_told_with_their_path_before_data_are_split(data):
    wrong = RetrievalConfig(loss="full_softmx", loss_options={"temperature": 2.0})
    config = data.config.model_copy(update={"retrieval": wrong})
    with pytest.raises(SpecError, match=r"retrieval.loss: .* Did you mean 'full_softmax'"):
        prepare(config, data.interactions)
    for name, options, text in (
        ("in_batch", {"num_negatives": 5}, "must be empty, as 'in_batch' has no options"),
        ("gbce", {"temperature": 2.0}, "'temperature', which the field `temperature` gives"),
    ):
        chosen = RetrievalConfig(loss=name, loss_options=options)
        with pytest.raises(SpecError, match=f"retrieval.loss_options: .* {text}"):
            check_blocks(data.config.model, retrieval=chosen)
