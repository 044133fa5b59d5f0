"""The sequential recommender: what it asks, what it learns and what it answers."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from recsys_tf import SequenceConfig, SpecError, TrainingConfig
from recsys_tf.features import Sequences, make_question_dataset, make_sequence_dataset
from recsys_tf.models import SequenceRecommender
from recsys_tf.models.question_metrics import num_before
from recsys_tf.sequences import SEQUENCE_ENCODERS
from recsys_tf.tasks import make_retrieval_loss
from recsys_tf.training import fit

NUM_INDICES, LENGTH = 9, 6
RANKS = "recsys_tf.models.question_metrics.num_before"
SIZES = {"embedding_dim": 8, "max_length": LENGTH, "dropout": 0.0}


@pytest.fixture(scope="module", params=["sasrec", "bert4rec"])
def model(request):
    keras.utils.set_random_seed(0)
    return SequenceRecommender(NUM_INDICES, SequenceConfig(encoder=request.param, **SIZES))


def rings(num_users: int = 40) -> Sequences:
    """Everybody goes round 2, 3, ..., 8, 2, ... from a place of his own."""
    items = (np.arange(num_users)[:, None] + np.arange(LENGTH + 1)) % 7 + 2
    ends = (np.arange(num_users) + 1) * (LENGTH + 1)
    return Sequences(items.reshape(-1).astype(np.int32), np.arange(items.size), ends - 7, ends)


def test_a_state_stands_at_each_event_and_zero_at_padding(model):
    states = model({"items": np.array([[3, 4, 0]])}).numpy()
    assert states.shape == (1, 3, 8)
    assert np.abs(states[0, :2]).min(axis=-1).max() > 0
    assert (states[0, 2] == 0).all()


def test_scores_are_products_with_the_one_table(model):
    history = {"items": np.array([[3, 4, 0]])}
    scores = model.predict(history, verbose=0)
    state = model.last_states(history).numpy()
    np.testing.assert_allclose(scores[:, 2:], state @ model.item_vectors[2:].T, rtol=1e-5)
    assert (scores[:, :2] == scores.min()).all()
    assert scores[:, :2].max() < -1e20


def test_padding_before_a_history_changes_nothing(model):
    left, right = ({"items": np.array([row])} for row in ([0, 3, 4], [3, 4, 0]))
    np.testing.assert_allclose(model.scores(left), model.scores(right), rtol=1e-5, atol=1e-6)


def test_an_empty_history_scores_all_items_alike_but_for_a_mask(model):
    scores = model.scores({"items": np.zeros((2, 3), np.int32)}).numpy()
    assert np.isfinite(scores[:, 2:]).all()
    if model.is_causal:
        assert (scores[:, 2:] == 0).all()


def test_longer_histories_than_training_had_are_answered(model):
    scores = model.scores({"items": np.full((1, LENGTH + 5), 3)}).numpy()
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("encoder", SEQUENCE_ENCODERS)
def test_every_encoder_is_asked_with_the_defaults(encoder):
    config = SequenceConfig(embedding_dim=8, max_length=5, dropout=0.3, encoder=encoder)
    model = SequenceRecommender(NUM_INDICES, config)
    assert model.sequence_encoder.get_config()["dropout"] == 0.3
    scores = model.scores({"items": np.array([[3, 4, 0, 5, 6], [7, 0, 0, 0, 0]])}).numpy()
    assert scores.shape == (2, NUM_INDICES)
    assert np.isfinite(scores).all()


def test_a_ring_is_learned(model):
    training = TrainingConfig(epochs=1, learning_rate=0.01)
    # Of all lengths, since a mask is asked for where the row ends.
    users = rings()
    users = replace(users, starts=users.ends - 3 - np.arange(len(users)) % 5)
    train = make_sequence_dataset(
        users, LENGTH, 4, seed=0, mask_index=model.mask_index, masked_share=0.4
    )
    fit(model, train.repeat(90), None, training, verbose=0)
    histories = np.array([[2, 3, 4, 5], [8, 2, 3, 4]])
    scores = model.predict({"items": histories}, verbose=0)
    assert scores.argmax(axis=1).tolist() == [6, 5]
    after = (rings().items[LENGTH :: LENGTH + 1] - 1) % 7 + 2
    questions = make_question_dataset(
        rings().newest(4), after, LENGTH, 16, mask_index=model.mask_index
    )
    values = model.evaluate(questions, verbose=0, return_dict=True)
    assert values["ndcg_at_10"] == 1.0


def test_the_position_of_the_question_is_learned():
    model = SequenceRecommender(NUM_INDICES, SequenceConfig(encoder="bert4rec", **SIZES))
    ((items, labels),) = make_sequence_dataset(
        rings(), LENGTH, 40, seed=0, mask_index=model.mask_index
    )
    with tf.GradientTape() as tape:
        loss = model.compute_loss(items, labels, model(items, training=True))
    table = model.sequence_encoder.positions.table
    gradient = tf.convert_to_tensor(tape.gradient(loss, table.value)).numpy()
    # After as many events as are read, the mask stands in the last row.
    assert len(gradient) == LENGTH + 1
    assert (np.abs(gradient).max(axis=1) > 0).all()


def test_only_items_outside_the_row_stand_before_the_answer():
    scores = tf.constant([[9.0, 9.0, 5.0, 4.0, 3.0, 2.0]] * 3)  # by index
    # Item 5 stands behind 2, 3 and 4, of which the rows have seen two, one of them twice, and none.
    seen = tf.constant([[2, 3, 0], [3, 3, 1], [0, 0, 0]])
    assert num_before(scores, tf.constant([5, 5, 5]), seen).numpy().tolist() == [1, 2, 3]


@pytest.mark.parametrize("encoder", ["sasrec", "bert4rec"])
def test_what_was_seen_before_what_is_read_is_no_rival(encoder):
    config = SequenceConfig(**{**SIZES, "max_length": 2}, encoder=encoder)
    model = SequenceRecommender(30, config)
    model.compile("adam")
    model.item_encoder.table.assign(np.random.default_rng(0).normal(size=(30, 8)))
    # Of twenty items met two are read; asked for is what has the lowest score of the eight others.
    items = np.arange(5, 25, dtype=np.int32)
    scores = model.scores({"items": items[np.newaxis, -2:]}).numpy()[0]
    others = np.setdiff1d(np.arange(2, 30), items)
    asked = others[scores[others].argmin()]
    rivals = {None: [*items[:-2], *others], True: others, False: np.arange(2, 30)}
    ranks = {}
    for flag, of_flag in rivals.items():
        questions = make_question_dataset(
            Sequences(items, np.arange(20), np.array([0]), np.array([20])),
            np.array([asked]),
            max_length=2,
            batch_size=4,
            mask_index=model.mask_index,
            is_seen_excluded=flag,
        )
        values = model.evaluate(questions, verbose=0, return_dict=True)
        ranks[flag] = int((scores[of_flag] > scores[asked]).sum())
        is_hit = ranks[flag] < 10
        assert values["hit_at_10"] == is_hit
        assert values["ndcg_at_10"] == pytest.approx(is_hit / np.log2(ranks[flag] + 2))
        if model.is_causal:
            # Whom it is measured against is nothing that is read.
            found = model.predict(questions, verbose=0)[0]
            np.testing.assert_allclose(found, scores, rtol=1e-4, atol=1e-6)
    assert ranks[True] == 7
    assert min(ranks[None], ranks[False]) > 7


def test_ties_and_scores_that_are_no_numbers_stand_before_the_answer():
    scores = tf.constant([[9.0, 9.0, 1.0, 1.0, 2.0, np.nan, 0.0]] * 2)
    # Before item 2 stand 3, 4 and 5, of which the second row has seen one; and itself nowhere.
    found = num_before(scores, tf.constant([2, 2]), tf.constant([[0, 0], [3, 2]]))
    assert found.numpy().tolist() == [3, 2]
    assert num_before(scores, tf.constant([5, 6]), tf.zeros([2, 1])).numpy().tolist() == [np.inf, 4]


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_items_that_no_score_tells_apart_are_not_found(value):
    model = SequenceRecommender(30, SequenceConfig(**SIZES))
    model.compile("adam")
    model.item_encoder.table.assign(np.full((30, 8), value, "float32"))
    values = model.test_step(({"items": np.array([[2]])}, np.array([[5]])))
    assert float(values["hit_at_10"]) == float(values["ndcg_at_10"]) == 0


def test_hits_are_weighed_as_the_loss_weighs_their_questions(monkeypatch):
    model = SequenceRecommender(30, SequenceConfig(**SIZES))
    model.compile("adam")
    monkeypatch.setattr(RANKS, lambda *_: tf.constant([0.0, 20.0]))
    weights = np.array([[9.0, 3.0], [1.0, 9.0]])
    rows = {"items": np.array([[2, 3], [4, 0]])}, np.array([[0, 5], [6, 0]]), weights
    values = model.test_step(rows)
    assert float(values["hit_at_10"]) == float(values["ndcg_at_10"]) == 3 / (3 + 1)


def test_ndcg_is_taken_from_the_rank(monkeypatch):
    model = SequenceRecommender(30, SequenceConfig(**SIZES))
    model.compile("adam")
    ranks = tf.constant([0.0, 2.0, 10.0])
    monkeypatch.setattr(RANKS, lambda *_: ranks)
    rows = {"items": np.array([[2], [3], [4]])}, np.array([[5], [5], [5]])
    values = model.test_step(rows)
    assert float(values["hit_at_10"]) == pytest.approx(2 / 3)
    assert float(values["ndcg_at_10"]) == pytest.approx((1 + 1 / np.log2(4)) / 3)


def test_an_item_that_training_has_not_met_is_never_found(monkeypatch):
    model = SequenceRecommender(30, SequenceConfig(**SIZES))
    model.compile("adam")
    monkeypatch.setattr(RANKS, lambda *_: tf.constant([0.0, 0.0]))
    values = model.test_step(({"items": np.array([[2], [3]])}, np.array([[1], [5]])))
    assert float(values["hit_at_10"]) == float(values["ndcg_at_10"]) == 0.5


def test_losses_find_items_alone_in_the_table(model):
    # One number an index, as `SequenceData.popularity` counts them: the mask is no item.
    counts = [0.0, 0.0, *range(1, NUM_INDICES - 1)]
    loss = make_retrieval_loss("sampled_softmax", num_negatives=4, popularity=counts)
    states = model({"items": np.array([[3, 4]])})
    value = loss(states[0], tf.constant([4, 5]), model.item_table)
    assert np.isfinite(float(value))
    assert tuple(model.item_table.shape) == (NUM_INDICES, 8)


def test_a_masked_event_is_neither_padding_nor_an_item():
    model = SequenceRecommender(NUM_INDICES, SequenceConfig(encoder="bert4rec", **SIZES))
    items = np.array([[3, model.mask_index], [3, 0], [3, 4]])
    masked, padded, known = model({"items": items}).numpy()
    assert np.abs(masked[1]).max() > 0
    assert (padded[1] == 0).all()
    assert not np.allclose(masked[1], known[1])
    model.mask_vector.assign(np.arange(8.0))  # a shift alike in all units would be normalised away
    moved, *others = model({"items": items}).numpy()
    assert not np.allclose(moved[1], masked[1])
    np.testing.assert_array_equal(others, [padded, known])


def test_a_question_of_weight_zero_gives_no_gradient():
    model = SequenceRecommender(NUM_INDICES, SequenceConfig(**SIZES))
    items, labels = np.array([[2, 3]]), np.array([[3, 4]])

    def gradient(weights, labels=labels):
        with tf.GradientTape() as tape:
            states = model({"items": items}, training=True)
            loss = model.compute_loss({}, labels, states, weights)
        return tape.gradient(loss, model.sequence_encoder.trainable_variables[0].value)

    weighted = gradient(tf.constant([[1.0, 0.0]]))
    np.testing.assert_allclose(weighted, gradient(None, np.array([[3, 0]])), rtol=1e-5)


def test_unknown_labels_and_rows_without_questions_give_a_loss_of_zero():
    model = SequenceRecommender(NUM_INDICES, SequenceConfig(**SIZES))
    items = np.array([[2, 3]])
    for labels in ([[0, 0]], [[1, 1]]):
        loss = model.compute_loss({}, np.array(labels), model({"items": items}))
        assert float(loss) == 0.0


@pytest.mark.parametrize("labels", [[[0, 0]], [[0, 1]]], ids=["no question", "unknown item"])
def test_rows_of_which_nothing_is_asked_weigh_nothing_in_the_loss(labels):
    model = SequenceRecommender(NUM_INDICES, SequenceConfig(**SIZES))
    model.compile("adam")
    items = {"items": np.array([[2, 3]])}
    expected = float(model.test_step((items, np.array([[0, 4]])))["loss"])
    assert expected > 1
    found = model.test_step((items, np.array(labels)))
    assert float(found["loss"]) == pytest.approx(expected)


def test_the_reported_loss_is_a_mean_over_questions_by_their_weights():
    model = SequenceRecommender(NUM_INDICES, SequenceConfig(**SIZES))
    model.compile("adam")
    items, labels = np.array([[2, 3], [3, 4], [5, 6]]), np.array([[3, 4], [0, 5], [0, 7]])
    weights = np.array([[1.0, 2.0], [0.0, 3.0], [0.0, 0.5]])
    whole = float(model.test_step(({"items": items}, labels, weights))["loss"])
    model.reset_metrics()
    for rows in (slice(0, 2), slice(2, 3)):
        found = model.test_step(({"items": items[rows]}, labels[rows], weights[rows]))
    assert float(found["loss"]) == pytest.approx(whole)


@pytest.mark.parametrize("encoder", SEQUENCE_ENCODERS)
def test_a_batch_of_empty_histories_is_measured(encoder):
    model = SequenceRecommender(NUM_INDICES, SequenceConfig(encoder=encoder, **SIZES))
    model.compile("adam", run_eagerly=True)
    nothing = Sequences(*np.zeros([2, 0], np.int32), *np.zeros([2, 3], np.int64))
    questions = make_question_dataset(
        nothing, np.array([3, 4, 5]), LENGTH, 3, mask_index=model.mask_index
    )
    values = model.evaluate(questions, verbose=0, return_dict=True)
    assert np.isfinite(list(values.values())).all()


def test_hidden_events_are_still_asked_for():
    config = SequenceConfig(**SIZES, event_dropout=0.9)
    model = SequenceRecommender(NUM_INDICES, config)
    items = np.full((50, 4), 5)
    shown = model({"items": items}, training=False).numpy()
    hidden = model({"items": items}, training=True).numpy()
    assert (np.abs(hidden).max(axis=-1) > 0).all()
    assert not np.allclose(shown, hidden)


def test_a_saved_model_answers_as_before(model, tmp_path):
    path = tmp_path / "model.keras"
    model.save(path)
    again = keras.models.load_model(path)
    history = {"items": np.array([[3, 4, 5]])}
    np.testing.assert_array_equal(
        model.predict(history, verbose=0), again.predict(history, verbose=0)
    )
    assert again.config == model.config


def test_all_faults_of_the_blocks_are_told_at_once():
    config = SequenceConfig(encoder="sasrek", loss="full_softmax", loss_options={"temprature": 1})
    with pytest.raises(SpecError, match=r"(?s)'sasrek'.*'sasrec'.*'temprature'.*'temperature'"):
        SequenceRecommender(NUM_INDICES, config)


def test_a_table_without_an_item_is_refused():
    with pytest.raises(ValueError, match="must be more than the 2 reserved indices, received 2"):
        SequenceRecommender(2)


def test_losses_and_metrics_are_not_given(model):
    with pytest.raises(ValueError, match="`loss` must be left out: the model's questions give"):
        model.compile("adam", loss="mse")
    with pytest.raises(ValueError, match="`metrics` must be left out"):
        model.compile("adam", metrics=["mae"])


@pytest.mark.parametrize("weights", [[1.0, 2.0], [[[1.0]], [[2.0]]]])
def test_weights_that_are_not_of_questions_are_refused(weights):
    model = SequenceRecommender(30, SequenceConfig(**SIZES))
    model.compile("adam", run_eagerly=True)
    rows = {"items": np.array([[2], [3]])}, np.array([[5], [6]]), np.array(weights)
    for step in (model.test_step, model.train_step):
        with pytest.raises(ValueError, match=r"`sample_weight` must be \[B, L\].*received rank"):
            step(rows)


def test_weights_that_are_set_are_mined_anew():
    options = {"num_hard": 2, "num_candidates": 4, "skip_top": 1}
    config = SequenceConfig(**{**SIZES, "loss": "hard_negatives", "loss_options": options})
    model = SequenceRecommender(30, config)
    model.compile("adam")
    model.test_step(({"items": np.array([[2]])}, np.array([[5]])))
    assert int(model.retrieval_loss._age) == 0
    model.set_weights(model.get_weights())
    assert int(model.retrieval_loss._age) == -1
