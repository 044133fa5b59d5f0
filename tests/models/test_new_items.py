"""Items that training has not met are read and recommended by their content."""

from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from recsys_tf import SequenceConfig
from recsys_tf.evaluation import sequence_scores
from recsys_tf.export import ServedSequences
from recsys_tf.models import SequenceRecommender, with_content
from recsys_tf.preparation import SequenceData

NUM_INDICES = 10  # Items 2 to 5 are of the one kind, 6 to 9 of the other.
ONE, OTHER = [1.0, 0.0], [0.0, 1.0]
CONTENT = np.array([[0, 0], [0, 0], *[ONE] * 4, *[OTHER] * 4], "float32")
NEW = np.vstack([CONTENT, [ONE, OTHER, ONE]]).astype("float32")
OF_ONE, OF_OTHER, ANOTHER_OF_ONE = 10, 11, 12
SIZES = {"embedding_dim": 8, "max_length": 4, "dropout": 0.0}


def make_model(content, **fields):
    keras.utils.set_random_seed(0)
    return SequenceRecommender(NUM_INDICES, SequenceConfig(**{**SIZES, **fields}), content)


@pytest.fixture(scope="module")
def trained():
    """Users who stay with their kind have taught it; new items came after them."""
    model = make_model(CONTENT, encoder="gru4rec", event_dropout=0.3)
    rng = np.random.default_rng(0)
    first = rng.choice([2, 6], size=(128, 1))
    events = first + rng.integers(0, 4, size=(128, 5))
    model.compile(keras.optimizers.Adam(0.03))
    batch = {"items": events[:, :-1]}, events[:, 1:]
    model.fit(tf.data.Dataset.from_tensors(batch).repeat(40), verbose=0)
    return with_content(model, NEW), model


def scores(model, history):
    return model.scores({"items": np.array([history])}).numpy()[0]


def test_new_item_like_what_was_liked_stands_before_one_unlike_it(trained):
    model, _ = trained
    liked_one, liked_other = scores(model, [2, 4, 3]), scores(model, [7, 9, 6])
    assert liked_one[OF_ONE] > liked_one[OF_OTHER]
    assert liked_other[OF_OTHER] > liked_other[OF_ONE]
    # And before what training has met of the other kind.
    assert liked_one[OF_ONE] > liked_one[6:10].max()


def test_new_item_is_read_by_its_content(trained):
    model, _ = trained
    by_one, by_other = scores(model, [OF_ONE]), scores(model, [OF_OTHER])
    assert by_one[2:6].min() > by_one[6:10].max()
    assert by_other[6:10].min() > by_other[2:6].max()
    # Without an id of its own it is read as any other of its content.
    np.testing.assert_array_equal(by_one, scores(model, [ANOTHER_OF_ONE]))


def test_items_that_training_has_met_are_answered_as_before(trained):
    model, before = trained
    expected = scores(before, [2, 7])
    assert len(expected) == NUM_INDICES
    np.testing.assert_allclose(scores(model, [2, 7])[:NUM_INDICES], expected, rtol=1e-5)


def test_new_items_score_is_that_of_its_content_alone(trained):
    model, _ = trained
    kernel = np.array(model.item_content.kernel)
    np.testing.assert_allclose(model.item_vectors[OF_OTHER], kernel[1], rtol=1e-6)
    assert model.item_vectors.shape == (13, 8)


@pytest.mark.parametrize("loss", ["full_softmax", "sampled_softmax"])
def test_training_takes_new_items_neither_for_negatives_nor_for_positives(loss):
    model, without = (make_model(content, loss=loss) for content in (NEW, CONTENT))
    found = []
    for each, labels in ((model, [[3, OF_ONE]]), (without, [[3, 1]])):
        tf.random.set_seed(1)
        with tf.GradientTape() as tape:
            states = each({"items": np.array([[2, 3]])})
            value = each.compute_loss({}, np.array(labels), states)
        sources = [each.item_encoder.table.value, each.item_content.kernel.value]
        found.append([value, *map(tf.convert_to_tensor, tape.gradient(value, sources))])
    for with_new, expected in zip(*found, strict=True):
        np.testing.assert_allclose(with_new, expected, rtol=1e-5, atol=1e-7)


def test_an_encoder_of_both_directions_masks_by_an_index_of_no_item():
    model = make_model(NEW, encoder="bert4rec")
    assert model.mask_index == len(NEW)
    assert scores(model, [2, OF_ONE]).shape == (len(NEW),)


def test_question_for_a_new_item_is_measured(trained):
    model = with_content(trained[1], NEW)
    model.compile("adam")
    values = model.test_step((({"items": np.array([[2, 4, 3]])}), np.array([[0, 0, OF_ONE]])))
    # Four of its kind that are known or alike may stand before it, no other.
    assert float(values["hit_at_10"]) == 1
    assert float(values["ndcg_at_10"]) > 1 / np.log2(6)


def test_saved_model_keeps_new_items(trained, tmp_path):
    model, _ = trained
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(scores(again, [2, OF_OTHER]), scores(model, [2, OF_OTHER]))


@pytest.mark.parametrize(
    ("content", "fault"),
    [(NEW[:5], r"`content` must be \[N, 2\] with 10 rows or more"), (NEW[:, :1], "shape .13, 1")],
)
def test_content_that_does_not_fit_is_refused(trained, content, fault):
    with pytest.raises(ValueError, match=fault):
        with_content(trained[1], content)


def test_model_without_content_knows_no_new_items():
    with pytest.raises(ValueError, match="`model` must have content"):
        with_content(make_model(None), NEW)


@pytest.fixture(scope="module")
def grown(small_data):
    """Data with two more items and, in the test rows, an event of one of them."""
    config = SequenceConfig(**SIZES, content_features=("genres",))
    before = SequenceData(small_data, config)
    items, events = small_data.interactions.items, small_data.interactions.events.copy()
    genre = small_data.state.vocabularies["genres"][0]
    more = items.iloc[[0, 0]].assign(item_id=["new", "blank"], genres=[[genre], ["none"]])
    last = small_data.rows("test")[-1]
    events.loc[events.index[last], "item_id"] = "new"
    interactions = replace(small_data.interactions, items=pd.concat([items, more]), events=events)
    return before, SequenceData(replace(small_data, interactions=interactions), config), last


def test_items_of_content_have_indices_behind_the_trained_ones(grown):
    before, data, last = grown
    *others, new, blank = data.catalogue_items
    assert others == before.catalogue_items.tolist()
    assert new == before.num_rows == data.num_rows - 1
    assert blank == 1  # Of its genre training knows nothing, and so of it.
    assert data.event_items[last] == new
    np.testing.assert_array_equal(data.content[:-1], before.content)
    assert data.content[new].tolist() == [1.0] + [0.0] * (data.content.shape[1] - 1)
    assert data.catalogue_popularity[-2] == 0
    plain = SequenceData(data.data, SequenceConfig(**SIZES))
    assert (plain.catalogue_items[-2], plain.event_items[last]) == (1, 1)


def test_new_items_are_served_and_ranked_as_the_model_scores_them(grown):
    before, data, _ = grown
    model = SequenceRecommender(before.num_indices, before.config, before.content)
    with pytest.raises(ValueError, match="put it over these by `with_content`"):
        ServedSequences(model, data)
    model = with_content(model, data.content)
    served = ServedSequences(model, data)
    known = data.data.interactions.items["item_id"].iloc[0]
    answer = served.recommend(tf.constant([["", known], ["new", ""]]), tf.constant([100]))
    ids = answer["item_ids"].numpy().astype(str)
    new = data.num_rows - 1
    place = ids[0].tolist().index("new")
    expected = scores(model, [data.catalogue_items[0]])[new]
    assert answer["scores"].numpy()[0, place] == pytest.approx(expected, abs=1e-6)
    assert "new" not in ids[1]
    assert "blank" not in ids
    expected = scores(model, [new])[data.catalogue_items[0]]
    place = ids[1].tolist().index(known)
    assert answer["scores"].numpy()[1, place] == pytest.approx(expected, abs=1e-6)
    ranked = sequence_scores(model, data, "test")(np.arange(5))
    assert (ranked[:, -1] == np.float32(-1e30)).all()
    assert (ranked[:, -2] > -1e29).all()
