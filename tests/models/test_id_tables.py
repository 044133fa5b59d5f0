"""A model whose ids have no row each is trained, saved and loaded as any other."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from recsys_tf import ModelConfig, RetrievalConfig, RunConfig, SpecError
from recsys_tf.layers import CompositionalTable, EmbeddingTable, HashedTable
from recsys_tf.models import Ranker, Recommender, grow_tables
from recsys_tf.models.block_options import check_blocks
from recsys_tf.training import build_recommender, fit

TABLES = {"user_id": "hashed", "item_id": "compositional", "genres": "hashed", "hour": "hashed"}
OPTIONS = {"user_id": {"num_buckets": 20, "num_hashes": 3}, "item_id": {"operation": "add"}}
GATES = {"user_id": 3, "surface": 2}
CHOSEN = {"id_tables": TABLES, "id_table_options": OPTIONS, "frequency_gates": GATES}
FEATURES = ("user_id", "history", "hour", "surface", "item_id", "genres")
TASKS = ("watch", "click", "rating")


@pytest.fixture(scope="module")
def chosen(small_data):
    """Generated data without texts, and a configuration that names tables and gates."""
    schema = small_data.schema
    update = {
        "features": tuple(each for each in schema.features if each.name in FEATURES),
        "tasks": tuple(schema.task(name) for name in TASKS),
    }
    training = small_data.config.training.model_copy(
        update={"epochs": 1, "table_optimizer": "adagrad"}
    )
    model = small_data.config.model.model_copy(update={**CHOSEN, "target_attention": "din"})
    config = small_data.config.model_copy(update={"model": model, "training": training})
    return dataclasses.replace(small_data, schema=schema.model_copy(update=update), config=config)


@pytest.fixture(scope="module")
def learned(chosen):
    model = build_recommender(chosen)
    before = [np.array(each) for each in model.trainable_variables]
    fit(model, chosen.dataset("train"), None, chosen.config.training, verbose=0)
    return model, before


@pytest.fixture(scope="module")
def batch(chosen):
    return next(iter(chosen.dataset("validation")))


def encoder(model, feature):
    towers = (model.query_tower, model.candidate_tower)
    names = [layer.name for tower in towers for layer in tower.layers]
    name = f"{feature}_encoder"
    assert name in names
    return next(t for t in towers if name in [each.name for each in t.layers]).get_layer(name)


def test_both_sides_have_the_tables_that_are_named(learned):
    model, _ = learned
    user, item = encoder(model, "user_id").embedding, encoder(model, "item_id").embedding
    assert user.id_assignment == (20, 3, 0)
    assert (type(item), item.operation) == (CompositionalTable, "add")
    assert type(encoder(model, "genres").table.embedding) is HashedTable
    assert type(encoder(model, "hour").table.embedding) is HashedTable
    assert type(encoder(model, "surface").table.embedding) is EmbeddingTable
    # The history and the target attention read the item's own.
    assert encoder(model, "history").item_encoder is encoder(model, "item_id")
    events = model.query_tower.get_layer("target_attention_events")
    assert events.item_encoder is encoder(model, "item_id")


def test_all_their_rows_are_trained_by_the_tables_optimizer(learned):
    model, before = learned
    user, item = encoder(model, "user_id").embedding, encoder(model, "item_id").embedding
    for table in (user.buckets, item.quotients, item.remainders):
        assert table.embeddings.is_table
        place = [id(each) for each in model.trainable_variables].index(id(table.embeddings))
        assert np.abs(np.array(table.embeddings) - before[place]).max() > 1e-4


def test_gate_has_counted_every_training_row_once(learned, chosen):
    model, _ = learned
    indices = np.concatenate([each[0]["user_id"] for each in chosen.dataset("train")])
    expected = np.bincount(indices, minlength=chosen.state.num_indices_by_name["user_id"])
    np.testing.assert_array_equal(encoder(model, "user_id").gate.counts, expected)


def test_loaded_model_predicts_equally(learned, batch, tmp_path):
    model, _ = learned
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    expected = model(batch[0])
    for name, values in again(batch[0]).items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-5, atol=1e-6, err_msg=name)
    counts = [np.array(encoder(each, "user_id").gate.counts) for each in (again, model)]
    np.testing.assert_array_equal(*counts)


def test_every_variable_gets_a_finite_gradient(chosen, batch):
    model = build_recommender(chosen)
    features, labels, weights = batch
    with tf.GradientTape() as tape:
        outputs = model(features, training=True)
        losses = model.task_losses(features, labels, outputs, weights, training=True)
        total = sum(losses.values())
    sources = [each.value for each in model.trainable_variables]
    for variable, gradient in zip(
        model.trainable_variables, tape.gradient(total, sources), strict=True
    ):
        assert gradient is not None, variable.path
        assert np.isfinite(tf.convert_to_tensor(gradient)).all(), variable.path


@pytest.mark.parametrize("loss", ["full_softmax", "sampled_softmax"])
def test_loss_over_the_catalogue_reads_the_items_through_their_tables(chosen, batch, loss):
    config = chosen.config.model_copy(update={"retrieval": RetrievalConfig(loss=loss)})
    model = build_recommender(dataclasses.replace(chosen, config=config))
    features, labels, weights = batch
    with tf.GradientTape() as tape:
        outputs = model(features, training=True)
        value = model.task_losses(features, labels, outputs, weights, training=True)["watch"]
    table = encoder(model, "item_id").embedding.quotients.embeddings
    assert np.isfinite(float(value))
    assert np.abs(tf.convert_to_tensor(tape.gradient(value, table.value))).max() > 0


def test_gate_of_an_item_is_refused_where_the_loss_reads_items_of_no_row(chosen):
    model = chosen.config.model.model_copy(update={"frequency_gates": {"item_id": 2}})
    config = chosen.config.model_copy(
        update={"model": model, "retrieval": RetrievalConfig(loss="full_softmax")}
    )
    with pytest.raises(SpecError, match="model.frequency_gates: must not hold 'item_id' where"):
        build_recommender(dataclasses.replace(chosen, config=config))


def test_ranker_takes_them_and_joins_the_other_categories(chosen, batch):
    schema = chosen.schema.model_copy(
        update={"tasks": tuple(chosen.schema.task(name) for name in ("click", "rating"))}
    )
    sizes = chosen.state.num_indices_by_name
    config = chosen.config.model.model_copy(update={"target_attention": None})
    nothing = {field: {} for field in CHOSEN}
    plain = Ranker(schema, sizes, config.model_copy(update=nothing), name="plain")
    model = Ranker(schema, sizes, config)
    names = [{layer.name for layer in each.core.layers} for each in (plain, model)]
    assert "hour_to_surface_encoder" in names[0]
    assert "hour_to_surface_encoder" not in names[1]
    assert {"hour_encoder", "surface_encoder"} <= names[1]
    found = model.predict_on_batch(batch[0])
    assert all(np.isfinite(each).all() for each in found.values())
    again = Ranker.from_config(model.get_config())
    assert again.config == config
    assert type(again.core.get_layer("user_id_encoder").embedding) is HashedTable


def test_all_faults_are_told_before_data_are_read():
    model = ModelConfig(
        id_tables={"user_id": "hash", "item_id": "hashed", "genres": "compositional"},
        id_table_options={
            "item_id": {"num_bucket": 5, "embedding_dim": 3},
            "genres": {"num_buckets": 5},
        },
    )
    with pytest.raises(SpecError) as error:
        check_blocks(model)
    assert str(error.value).splitlines() == [
        "The choice of blocks has 4 faults:",
        "  model.id_tables.user_id: `id_tables.user_id` must be one of 'compositional', 'hashed', "
        "received 'hash'. Did you mean 'hashed'?",
        "  model.id_table_options.item_id: `id_table_options.item_id` must be one of "
        "'initial_stddev', 'num_buckets', 'num_hashes', 'seed', received 'num_bucket'. Did you "
        "mean 'num_buckets' or 'num_hashes'?",
        "  model.id_table_options.item_id: `id_table_options.item_id` must not hold "
        "'embedding_dim', which the field `embedding_dim` gives.",
        "  model.id_table_options.genres: `id_table_options.genres` must be one of "
        "'initial_stddev', 'num_remainders', 'operation', received 'num_buckets'.",
    ]


def test_options_without_a_table_and_a_norm_beside_one_are_faults():
    with pytest.raises(SpecError) as error:
        ModelConfig.from_dict(
            {
                "id_tables": {"item_id": "hashed"},
                "id_table_options": {"user_id": {"seed": 1}},
                "l2_regularization": 0.1,
            }
        )
    text = str(error.value)
    assert "id_table_options.user_id: has no meaning without `id_tables.user_id`" in text
    assert "l2_regularization: must be 0 with `id_tables`" in text


def test_fields_survive_yaml(tmp_path):
    run = RunConfig.from_dict({"model": CHOSEN})
    run.to_yaml(tmp_path / "run.yaml")
    assert RunConfig.from_yaml(tmp_path / "run.yaml") == run


def test_feature_without_ids_is_told_with_the_nearest(chosen):
    config = chosen.config.model.model_copy(
        update={"id_tables": {"item": "hashed", "history": "hashed"}, "id_table_options": {}}
    )
    with pytest.raises(SpecError) as error:
        Recommender(chosen.schema, chosen.state.num_indices_by_name, config)
    text = str(error.value)
    assert text.startswith("The tables of ids has 2 faults:")
    assert "model.id_tables: `id_tables` must be one of 'genres', 'hour', 'item_id'" in text
    assert "received 'item'. Did you mean 'item_id'" in text
    assert "received 'history'" in text


def tables(kind, num_rows, **options):
    keras.utils.set_random_seed(num_rows)
    table = kind(num_rows, 2, name="item", **options)
    return keras.Sequential([keras.Input([], dtype="int64"), table])


@pytest.mark.parametrize(
    ("kind", "options"),
    [(HashedTable, {"num_buckets": 6}), (CompositionalTable, {"num_remainders": 4})],
)
def test_grown_model_answers_known_ids_alike(kind, options):
    small, large = tables(kind, 9, **options), tables(kind, 14, **options)
    drawn = large(np.arange(14)).numpy()
    grow_tables(small, large)
    ids = np.arange(9)
    np.testing.assert_array_equal(large(ids), small(ids))
    if kind is CompositionalTable:
        # Of 12 and 13 the remainders' rows are learned; the quotient's is drawn, no other id's.
        of_new = np.array(large.layers[0].quotients.embeddings)[3]
        learned = np.array(small.layers[0].remainders.embeddings)[:2]
        np.testing.assert_allclose(large(np.array([12, 13])), of_new * learned, rtol=1e-5)
        assert (drawn[12:] != large(np.array([12, 13])).numpy()).all()


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [
        (HashedTable, {}, {}),
        (HashedTable, {"num_buckets": 6}, {"num_buckets": 6, "seed": 1}),
        (CompositionalTable, {}, {}),
    ],
)
def test_rows_that_are_chosen_otherwise_are_not_taken_over(kind, first, second):
    small, large = tables(kind, 9, **first), tables(kind, 40, **second)
    before = [np.array(each) for each in large.weights]
    with pytest.raises(ValueError, match="`target` must choose the rows of its ids as `source`"):
        grow_tables(small, large)
    for weight, value in zip(large.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_rows_of_many_ids_follow_no_new_numbering():
    small, large = (tables(HashedTable, n, num_buckets=6) for n in (9, 14))
    with pytest.raises(ValueError, match="`old_rows` must not hold 'item', whose rows several"):
        grow_tables(small, large, old_rows={"item": np.arange(14)})
