"""What is measured: the rows that count, each once, and nothing that was trained on."""

from dataclasses import replace

import numpy as np
import pytest

from recsys_tf import SequenceConfig
from recsys_tf.baselines import Popularity
from recsys_tf.evaluation import evaluate, evaluate_baselines, evaluate_tasks, ranking_problem
from recsys_tf.export.answer_lists import _requests
from recsys_tf.export.validation_rows import validation_rows
from recsys_tf.metrics import auc, rmse
from recsys_tf.preparation import prepare


@pytest.fixture(scope="module")
def disordered(small_data):
    """The same events, one after the other in no order."""
    events = small_data.interactions.events.sample(frac=1, random_state=0, ignore_index=True)
    return prepare(small_data.config, replace(small_data.interactions, events=events))


def with_watch(data, **changes):
    watch, *others = data.schema.tasks
    tasks = (watch.model_copy(update=changes), *others)
    return replace(data, schema=data.schema.model_copy(update={"tasks": tasks}))


def learned_popularity(data):
    made = Popularity()
    evaluate_baselines(data, "test", {"popularity": made})
    return dict(zip(data.interactions.items["item_id"], made.scores([-1])[0], strict=True))


@pytest.mark.parametrize("weight", [None, "like"])
def test_baselines_learn_from_the_positives_alone(small_data, weight):
    events = small_data.interactions.events.iloc[small_data.known_rows("test")]
    positives = events[events["click"] == 1]
    if weight is not None:
        positives = positives[positives[weight] > 0]
    found = learned_popularity(with_watch(small_data, sample_weight=weight))
    num_users = positives.groupby("item_id")["user_id"].nunique()
    assert {item: found[item] for item in num_users.index} == num_users.to_dict()
    assert sum(found.values()) == num_users.sum()


def test_baselines_of_sequences_are_told_as_their_model_is(small_data):
    _, *others = small_data.schema.tasks
    schema = small_data.schema
    bare = replace(small_data, schema=schema.model_copy(update={"tasks": tuple(others)}))
    assert evaluate_baselines(bare, "test", ["popularity"]) == {"popularity": {}}
    config = small_data.config.model_copy(update={"sequence": SequenceConfig()})
    found = evaluate_baselines(replace(bare, config=config), "test", ["popularity", "bias"])
    # All events of a sequence are positives.
    all_of_them = with_watch(small_data, label=None, positive_at_least=None)
    expected = evaluate_baselines(all_of_them, "test", ["popularity", "bias"])
    assert found["bias"] == expected["bias"]
    assert found["popularity"] == {
        name.replace("watch/", "retrieval/"): value
        for name, value in expected["popularity"].items()
    }


def test_what_was_shown_and_never_clicked_is_not_popular(small_data):
    events = small_data.interactions.events
    known = events.iloc[small_data.known_rows("test")]
    one, other = known["item_id"].value_counts().index[[0, 5]]
    click = np.where(events["item_id"] == one, 0.0, events["click"])
    click = np.where(events["item_id"] == other, 1.0, click)
    interactions = replace(small_data.interactions, events=events.assign(click=click))
    found = learned_popularity(replace(small_data, interactions=interactions))
    assert found[one] == 0 < found[other]


def test_shown_items_are_left_out_whether_clicked_or_not(small_data):
    problem = ranking_problem(small_data, "test")
    events = small_data.interactions.events.iloc[small_data.known_rows("test")]
    assert problem.seen.sum() == len(events)
    assert problem.known_positives.sum() == (events["click"] == 1).sum() < len(events)


def test_context_is_of_the_earliest_row_whatever_the_order_of_the_rows(disordered):
    events = disordered.interactions.events
    rows = disordered.rows("test")
    held_out = events.iloc[rows[events["click"].to_numpy()[rows] == 1]]
    earliest = held_out.groupby("user_id")["timestamp"].min()
    first = ranking_problem(disordered, "test").first_rows
    asked = events.iloc[first[first >= 0]].set_index("user_id")["timestamp"]
    assert asked.sort_index().to_dict() == earliest.to_dict()


def test_requests_are_of_the_earliest_row_whatever_the_order_of_the_rows(disordered):
    events = disordered.interactions.events
    held_out = events.iloc[disordered.rows("validation")]
    clicked = held_out["click"].to_numpy() == 1
    rows_of_data = validation_rows(disordered, "weights")
    requests, rows = _requests(rows_of_data, {"click": clicked}, 5000, seed=0)
    earliest = held_out.groupby("user_id")["timestamp"].min()
    assert len(rows) == held_out["user_id"][clicked].nunique()
    asked = held_out.iloc[rows]
    assert asked["timestamp"].tolist() == earliest[asked["user_id"]].tolist()
    # Each row of an asked user names the user's request.
    is_asked = requests >= 0
    np.testing.assert_array_equal(
        asked["user_id"].to_numpy()[requests[is_asked]], held_out["user_id"].to_numpy()[is_asked]
    )


def test_label_of_retrieval_may_stand_with_the_items(small_data):
    prices = small_data.interactions.items.set_index("item_id")["price"]
    data = with_watch(small_data, label="price", positive_at_least=prices.median())
    items = small_data.interactions.events["item_id"].iloc[small_data.rows("test")]
    is_dear = items.map(prices) >= prices.median()
    assert ranking_problem(data, "test").relevant.sum() == is_dear.sum() > 0


@pytest.mark.parametrize(
    ("part", "is_validation_trained"), [("train", False), ("validation", True)]
)
def test_rows_that_were_trained_on_are_not_ranked(small_data, part, is_validation_trained):
    data = replace(small_data, is_validation_trained=is_validation_trained)
    with pytest.raises(
        ValueError, match=f"`part` must be held out to be ranked, received '{part}'"
    ):
        ranking_problem(data, part)
    with pytest.raises(ValueError, match="`part` must be held out"):
        evaluate_baselines(data, part, ["popularity"])


def test_training_rows_meet_their_own_predictions(trained, small_data):
    found = evaluate_tasks(trained[0], small_data, "train")
    clicks, ratings = [], []
    for features, labels, _ in small_data.dataset("train"):
        predicted = trained[0].predict_on_batch(features)
        clicks.append((labels["click"], predicted["click"]))
        ratings.append((labels["rating"], predicted["rating"]))
    for name, metric, rows in (("click/auc", auc, clicks), ("rating/rmse", rmse, ratings)):
        labels, predicted = map(np.concatenate, zip(*rows, strict=True))
        assert found[name] == pytest.approx(metric(labels, predicted), abs=1e-6)
    with pytest.raises(ValueError, match="`part` must be held out"):
        evaluate(trained[0], small_data, "train")
