"""A model takes over what a smaller one has learned, and its optimiser's state."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from recsys_tf import (
    HistoryFeature,
    IdFeature,
    ModelConfig,
    NumericFeature,
    Schema,
    SequenceConfig,
    TableSchema,
    TaskSpec,
)
from recsys_tf.layers import EmbeddingTable, FrequencyGate
from recsys_tf.models import Ranker, Recommender, SequenceRecommender, grow_tables
from recsys_tf.optimizers import FusedAdam, RowWiseAdagrad, RowWiseFtrl, TableOptimizer


def model(num_rows, width=3, tables=None):
    keras.utils.set_random_seed(num_rows)
    table = EmbeddingTable(num_rows, width, name="item")
    made = keras.Sequential([keras.Input([], dtype="int64"), table, keras.layers.Dense(1)])
    optimizer = TableOptimizer(tables or RowWiseAdagrad(0.1), FusedAdam(0.01))
    made.compile(optimizer, "mse", jit_compile=False)
    made.optimizer.build(made.trainable_variables)
    return made


def learn(made):
    made.fit(np.array([1, 2, 3, 4]), np.ones([4, 1]), verbose=0)
    return made


@pytest.fixture(scope="module")
def small():
    return learn(model(5))


def test_grown_model_answers_known_ids_alike_and_new_ones_as_unknown(small):
    large = model(8)
    grow_tables(small, large)
    known, answer = np.arange(5), small(np.arange(5))
    np.testing.assert_allclose(large(known), answer, rtol=1e-6)
    np.testing.assert_allclose(large(np.array([5, 6, 7])), np.repeat(answer[1:2], 3, 0), rtol=1e-6)


def test_slots_of_known_rows_are_kept_and_those_of_new_ones_fresh(small):
    large = model(8)
    grow_tables(small, large)
    found = np.array(large.optimizer.tables._accumulators[0])
    np.testing.assert_array_equal(found[:5], small.optimizer.tables._accumulators[0])
    np.testing.assert_allclose(found[5:], 0.1)
    assert int(large.optimizer.dense.iterations) == 1
    large.fit(np.array([5, 6]), np.ones([2, 1]), verbose=0)


def test_rows_follow_a_new_numbering(small):
    large = model(6)
    numbers = np.array([0, 1, 4, -1, 2, 3])
    grow_tables(small, large, old_rows={"item": numbers})
    old, new = np.array(small.layers[0].embeddings), np.array(large.layers[0].embeddings)
    np.testing.assert_array_equal(new[[0, 1, 2, 4, 5]], old[[0, 1, 4, 2, 3]])
    np.testing.assert_array_equal(new[3], old[1])
    slots = [np.array(each.optimizer.tables._accumulators[0]) for each in (small, large)]
    np.testing.assert_array_equal(slots[1][[0, 1, 2, 4, 5]], slots[0][[0, 1, 4, 2, 3]])
    np.testing.assert_allclose(slots[1][3], 0.1)


def test_new_rows_may_keep_what_the_initializer_drew(small):
    large = model(8)
    drawn = np.array(large.layers[0].embeddings)
    grow_tables(small, large, new_rows="initial")
    np.testing.assert_array_equal(np.array(large.layers[0].embeddings)[5:], drawn[5:])


@pytest.mark.parametrize(
    "options",
    [{"is_start_kept": True}, {"l1_regularization_strength": 0.01, "beta": 0.5}],
    ids=["start_kept", "l1"],
)
def test_new_rows_of_ftrl_learn_from_the_vector_of_the_unknown_id(options):
    source = learn(model(5, tables=RowWiseFtrl(0.1, **options)))
    # A callback may have set it; what the sums stand for goes by the rate of now.
    source.optimizer.tables.learning_rate = 0.05
    target = model(8, tables=RowWiseFtrl(0.1, **options))
    grow_tables(source, target)
    table = target.layers[0].embeddings
    start, gradient = np.array(table), np.array([[0.5, -0.2, 0.0]], "float32")
    np.testing.assert_array_equal(start[5:], np.repeat(np.array(source.weights[0])[1:2], 3, 0))
    slices = tf.IndexedSlices(tf.constant(gradient), tf.constant([6]), table.shape)
    target.optimizer.tables.apply([slices], [table])
    # w' = w - g / q, where n' = 0.1 + g^2 and q = (sqrt(n') + beta) / r.
    q = (np.sqrt(0.1 + gradient**2) + options.get("beta", 0.0)) / 0.05
    expected = start.copy()
    expected[6] -= (gradient / q)[0]
    np.testing.assert_allclose(table, expected, rtol=1e-4, atol=1e-6)


def test_smaller_or_other_models_are_refused_and_nothing_is_written(small):
    for other in (model(4), model(8, width=2)):
        before = [np.array(each) for each in other.variables]
        with pytest.raises(ValueError, match="`target` must have at least the rows of `source`"):
            grow_tables(small, other)
        for variable, value in zip(other.variables, before, strict=True):
            np.testing.assert_array_equal(variable, value)


def test_numbers_beyond_the_old_table_and_unknown_names_are_refused(small):
    with pytest.raises(ValueError, match="`old_rows` must be below the 5 rows"):
        grow_tables(small, model(6), old_rows={"item": np.array([0, 1, 2, 3, 4, 9])})
    with pytest.raises(ValueError, match="`old_rows` must be named by parts .* 'user'"):
        grow_tables(small, model(6), old_rows={"user": np.arange(6)})


@pytest.mark.parametrize("num_rows", [5, 6])
def test_numbering_of_another_number_of_rows_is_refused_and_nothing_is_written(small, num_rows):
    large = model(num_rows)
    before = [np.array(each) for each in large.variables]
    text = rf"`old_rows` must tell each row .*received 4 rows for 'item': '.*' has {num_rows}\."
    with pytest.raises(ValueError, match=text):
        grow_tables(small, large, old_rows={"item": np.array([0, 1, 3, 2])})
    for variable, value in zip(large.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


def sequences(num_indices, num_rows):
    keras.utils.set_random_seed(num_rows)
    content = np.random.default_rng(num_indices).normal(size=(num_rows, 2))
    config = SequenceConfig(embedding_dim=4, max_length=3, encoder="gru4rec")
    return SequenceRecommender(num_indices, config, content)


@pytest.mark.parametrize("num_rows", [12, 14, 11])
def test_content_stays_that_of_the_targets_own_items(num_rows):
    # Items of the rows 10 and 11 were known by content alone; the target's row 10 is another item.
    source, target = sequences(10, 12), sequences(11, num_rows)
    content = np.array(target.item_content.content)
    grow_tables(source, target)
    np.testing.assert_array_equal(target.item_content.content, content)
    np.testing.assert_array_equal(target.item_content.kernel, source.item_content.kernel)
    old, new = (np.array(each.item_encoder.table) for each in (source, target))
    np.testing.assert_array_equal(new, old[[*range(10), 1]])


def counted(num_rows):
    gate, table = FrequencyGate(num_rows, min_count=2, name="gate"), EmbeddingTable(num_rows, 1)
    return keras.Sequential([keras.Input([], dtype="int64"), gate, table])


def test_new_ids_have_been_met_by_nobody():
    small, large = counted(5), counted(7)
    small(np.array([3, 3, 1, 1, 1]), training=True)
    grow_tables(small, large)
    # Those of the unknown id are no new one's.
    assert np.array(large.layers[0].counts).tolist() == [0, 3, 0, 2, 0, 0, 0]
    numbers = np.array([0, 1, 3, -1, 2])
    again = counted(5)
    with pytest.raises(ValueError, match="'.*embeddings' has as many rows as what is named"):
        grow_tables(small, again, old_rows={"gate": numbers})
    grow_tables(small, again, old_rows={"gate": numbers, "embeddings": numbers})
    assert np.array(again.layers[0].counts).tolist() == [0, 3, 2, 0, 0]


SCHEMA = Schema(
    features=(
        IdFeature(name="user_id", side="user"),
        HistoryFeature(
            name="history", side="user", of="item_id", max_length=2, values_name="ratings"
        ),
        IdFeature(name="item_id", side="item"),
    ),
    tasks=(
        TaskSpec(name="watch", kind="retrieval"),
        TaskSpec(name="rating", kind="regression", label="rating"),
    ),
)


def recommender(num_items):
    keras.utils.set_random_seed(num_items)
    config = ModelConfig(
        embedding_dim=4,
        output_dim=4,
        tower_dims=(),
        trunk_dims=(),
        num_experts=1,
        expert_dim=4,
        head_dims=(),
        history_encoder="bag",
        frequency_gates={"item_id": 1},
    )
    made = Recommender(SCHEMA, {"user_id": 6, "item_id": num_items}, config)
    made.set_item_counts(np.arange(num_items) + 1.0)
    made.compile(FusedAdam(0.05))
    made.optimizer.build(made.trainable_variables)
    return made


def rows(items, histories):
    return {
        "user_id": np.array([2, 3, 4]),
        "item_id": np.array(items),
        "history": np.array(histories),
        "ratings": np.array([[3.0, 1.0], [2.0, 5.0], [4.0, 0.0]], "float32"),
    }


def test_items_are_numbered_anew_in_everything_that_has_a_row_for_each():
    small, large = recommender(6), recommender(7)
    labels = {"watch": np.ones(3, "float32"), "rating": np.array([1.0, 5.0, 3.0], "float32")}
    for _ in range(3):
        small.train_on_batch(rows([2, 3, 4], [[5, 3], [2, 4], [3, 0]]), labels)
    # The old items 2, 3, 4 and 5 are 5, 4, 6 and 2 now, and 3 is new.
    numbers = np.array([0, 1, 5, -1, 3, 2, 4])
    with pytest.raises(ValueError, match=r"each 'item_id'; the names leave .*Name them by 'item_i"):
        grow_tables(small, large, old_rows={"item_id_encoder": numbers})
    shares = np.array(large.item_probability)
    grow_tables(small, large, old_rows={"item_id": numbers})
    expected = small(rows([2, 3, 4], [[5, 3], [2, 4], [3, 0]]))
    found = large(rows([5, 4, 6], [[2, 4], [5, 6], [4, 0]]))
    for name in ("watch", "rating"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-6)
    # What was counted of the rows of the larger one is its own.
    np.testing.assert_array_equal(large.item_probability, shares)
    # Both towers' biases have the same path; the items' moments follow them, the users' stay.
    for tower, order in (("query_tower", None), ("candidate_tower", numbers)):
        moments = []
        for each in (small, large):
            table = getattr(each, tower).get_layer("label_bias").embeddings
            index = each.optimizer._get_variable_index(table)
            moments.append(np.array(each.optimizer._momentums[index]))
        assert np.abs(moments[0]).max() > 0
        kept = moments[0] if order is None else np.where(order >= 0, moments[0][order, 0], 0)
        np.testing.assert_array_equal(np.ravel(moments[1]), np.ravel(kept))


def test_models_of_other_steps_are_refused():
    tasks = tuple(
        TaskSpec(name=name, kind="binary", label=name, after=after)
        for name, after in (("buy", "click"), ("click", None))
    )
    schema = TableSchema(features=(NumericFeature(name="age", side="user"),), tasks=tasks)
    sizes = ModelConfig(embedding_dim=2, expert_dim=2, trunk_dims=(), multitask="aitm")
    options = {"multitask_options": {"steps": ("buy", "click")}}
    models = [Ranker(schema, {}, each) for each in (sizes, sizes.model_copy(update=options))]
    with pytest.raises(ValueError, match=r"hand on .* received \['buy', 'click'\]"):
        grow_tables(*models)
    others = schema.model_copy(update={"tasks": tasks[::-1]})
    with pytest.raises(ValueError, match=r"tasks .* in their order, received \['click', 'buy'\]"):
        grow_tables(models[0], Ranker(others, {}, sizes))
    # The same steps, told and not told.
    told = sizes.model_copy(update={"multitask_options": {"steps": ("click", "buy")}})
    grow_tables(*(Ranker(others, {}, each) for each in (told, sizes)))


def test_an_auxiliary_task_of_another_name_is_refused():
    def made(name):
        seen = TaskSpec(name=name, kind="binary", label=name, from_features=("history",))
        schema = SCHEMA.model_copy(update={"tasks": (*SCHEMA.tasks, seen)})
        sizes = ModelConfig(embedding_dim=2, output_dim=2, expert_dim=2, tower_dims=())
        return Recommender(schema, {"user_id": 4, "item_id": 4}, sizes)

    with pytest.raises(ValueError, match=r"tasks of `source`.* received \['rating', 'left'\] and"):
        grow_tables(made("stayed"), made("left"))
