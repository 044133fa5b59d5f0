"""Lists, slices, intervals and paired tests are of one pass over the model."""

from dataclasses import replace

import numpy as np
import pytest

from recsys_tf import CategoricalFeature, SequenceConfig
from recsys_tf.config import EvaluationConfig
from recsys_tf.evaluation import (
    check_same_questions,
    compare,
    evaluate,
    measure,
    model_ranking,
)
from recsys_tf.metrics import FURTHER_METRICS, auc, bootstrap_interval, exposure_gini, mean_of_users
from recsys_tf.preparation import EventPairs


def with_evaluation(data, **fields):
    evaluation = EvaluationConfig(cutoffs=(5, 1), **fields)
    return replace(data, config=data.config.model_copy(update={"evaluation": evaluation}))


@pytest.fixture(scope="module")
def plain(trained, small_data):
    return evaluate(trained[0], with_evaluation(small_data), "test")


@pytest.fixture(scope="module")
def measured(trained, small_data):
    evaluation = {"metrics": FURTHER_METRICS, "slices": ("surface", "gender"), "confidence": 0.9}
    return measure(trained[0], with_evaluation(small_data, **evaluation), "test")


def test_further_metrics_stand_beside_the_others(measured, plain):
    found = measured.metrics
    # The coverage that the lists have by name is the one that is always told.
    assert {name: found[name] for name in plain} == pytest.approx(plain, abs=1e-6)
    further = {f"watch/{name}_at_{k}" for name in FURTHER_METRICS[:-2] for k in (1, 5)}
    further |= {
        f"{task}/{name}" for task in ("click", "like", "purchase") for name in ("gauc", "mce")
    }
    assert set(found) - set(plain) == further - {"watch/coverage_at_1", "watch/coverage_at_5"}
    # A list of one item has no diversity.
    assert np.isnan(found.pop("watch/intra_list_diversity_at_1"))
    assert np.isfinite(list(found.values())).all()


def test_diversity_is_not_of_the_items_biases(trained, small_data, add_to_item_biases):
    data = with_evaluation(small_data, metrics=("intra_list_diversity",))
    before = model_ranking(trained[0], data)
    add_to_item_biases(8.0)
    after = model_ranking(trained[0], data)
    np.testing.assert_array_equal(after.top_items, before.top_items)
    name = "intra_list_diversity_at_5"
    np.testing.assert_allclose(after.by_user[name], before.by_user[name], rtol=1e-6)


def test_lists_are_worth_what_their_items_are(measured, small_data):
    top_items = measured.ranking.top_items
    found, events = measured.metrics, small_data.interactions.events
    items = small_data.interactions.items["item_id"]
    assert top_items.shape == (len(measured.ranking.user_indexes), 5)
    assert found["watch/gini_at_5"] == exposure_gini(top_items, len(items))
    known = events.iloc[small_data.known_rows("test")]
    counts = items.map(known.groupby("item_id")["user_id"].nunique()).fillna(0).to_numpy()
    assert found["watch/mean_popularity_at_5"] == pytest.approx(counts[top_items].mean())
    bits = -np.log2(np.maximum(counts, 1) / known["user_id"].nunique())
    assert found["watch/novelty_at_1"] == pytest.approx(bits[top_items[:, 0]].mean())
    # What popularity would list first of what the user has not met.
    seen = known.groupby("user_id")["item_id"].agg(set)
    users = small_data.interactions.users["user_id"].iloc[measured.ranking.user_indexes]
    unexpected = []
    for user, first in zip(users, top_items[:, 0], strict=True):
        is_open = ~items.isin(seen.get(user, set())).to_numpy()
        unexpected.append(first != np.argmax(np.where(is_open, counts, -1)))
    assert found["watch/unexpectedness_at_1"] == pytest.approx(np.mean(unexpected))
    assert 0 <= found["watch/serendipity_at_1"] <= found["watch/unexpectedness_at_1"]


def test_grouped_auc_is_of_each_users_rows(measured, small_data):
    labels, predictions, _ = measured.rows["click"]
    users = small_data.interactions.events["user_id"].to_numpy()[small_data.rows("test")]
    total = weight = 0.0
    for user in np.unique(users):
        own = users == user
        if len(np.unique(labels[own])) == 2:
            total += own.sum() * auc(labels[own], predictions[own])
            weight += own.sum()
    assert measured.metrics["click/gauc"] == pytest.approx(total / weight, abs=1e-9)


@pytest.mark.parametrize("feature", ["surface", "gender"])
def test_slices_share_out_users_and_rows(measured, small_data, feature):
    own = {n: each for n, each in measured.slices().items() if n.startswith(f"{feature}=")}
    assert len(own) >= 2
    num_users = np.array([each["watch/num_users"] for each in own.values()])
    assert num_users.sum() == len(measured.ranking.user_indexes)
    assert sum(each["click/num_rows"] for each in own.values()) == len(small_data.rows("test"))
    by_slice = np.array([each["watch/ndcg_at_5"] for each in own.values()])
    assert by_slice[num_users > 0] @ num_users[num_users > 0] / num_users.sum() == pytest.approx(
        measured.metrics["watch/ndcg_at_5"]
    )
    assert not any(name.startswith("watch/gini") for each in own.values() for name in each)


def test_rows_without_a_label_are_not_counted(measured, small_data):
    labels, predictions, weights = measured.rows["click"]
    genres, others, _ = measured.rows["genres_from_text"]
    labels, genres = labels.copy(), genres.copy()
    labels[:10], genres[:4], genres[4, 0] = np.nan, np.nan, np.nan
    # A weight of 0 leaves a row out as well.
    weights = np.where(np.arange(len(weights)) < 12, 0.0, weights)
    ones = np.ones(len(genres))
    rows = {
        "click": (labels, predictions, np.ones(len(labels))),
        "like": (measured.rows["like"][0], measured.rows["like"][1], weights),
        "genres_from_text": (genres, others, ones),
    }
    slices = replace(
        measured, rows=rows, data=with_evaluation(small_data, slices=("surface",))
    ).slices()
    counts = {task: sum(each[f"{task}/num_rows"] for each in slices.values()) for task in rows}
    num_rows = len(small_data.rows("test"))
    assert counts == {
        "click": num_rows - 10,
        "like": num_rows - 12,
        "genres_from_text": num_rows - 4,
    }


def test_slices_by_an_item_tell_of_rows_alone(measured, small_data):
    frames, schema = small_data.interactions, small_data.schema
    colours = [("red", "blue", None)[place % 3] for place in range(len(frames.items))]
    colour = CategoricalFeature(name="colour", side="item", values=("red", "blue"))
    coloured = replace(
        small_data,
        interactions=replace(frames, items=frames.items.assign(colour=colours)),
        schema=schema.model_copy(update={"features": (*schema.features, colour)}),
    )
    found = replace(measured, data=with_evaluation(coloured, slices=("colour",))).slices()
    assert list(found) == ["colour=", "colour=blue", "colour=red"]
    of_items = dict(zip(frames.items["item_id"], colours, strict=True))
    rows = frames.events["item_id"].iloc[small_data.rows("test")].map(of_items) == "red"
    labels, predictions, _ = (each[rows.to_numpy()] for each in measured.rows["click"])
    assert found["colour=red"]["click/auc"] == pytest.approx(auc(labels, predictions))
    assert not any(name.startswith("watch/") for name in found["colour=red"])


def test_users_asked_are_found_once_for_all_slices(measured, monkeypatch):
    calls, first_rows = [], EventPairs.first_rows
    monkeypatch.setattr(
        EventPairs, "first_rows", lambda *each: calls.append(1) or first_rows(*each)
    )
    assert len(replace(measured).slices()) > 2
    assert calls == [1]


def test_intervals_hold_the_values(measured, plain):
    found, values = measured.intervals(), measured.metrics
    assert {"watch/ndcg_at_5", "watch/novelty_at_5", "click/auc", "rating/rmse"} <= set(found)
    assert "watch/gini_at_5" not in found
    for name in ("watch/ndcg_at_5", "watch/hit_at_5", "click/auc", "rating/rmse"):
        low, high = found[name]
        assert low < values[name] < high
    by_user = mean_of_users(measured.ranking.by_user["ndcg_at_5"])
    alone = bootstrap_interval(by_user, 0.9)
    assert found["watch/ndcg_at_5"] == pytest.approx((alone.low, alone.high), abs=1e-12)
    unasked = replace(measured, data=with_evaluation(measured.data))
    assert unasked.intervals() == unasked.slices() == {}


def test_models_are_compared_on_the_same_users(measured):
    labels, predictions, weights = measured.rows["click"]
    rows = {**measured.rows, "click": (labels, 1 - predictions, weights)}
    by_user = {name: each * 0.5 for name, each in measured.ranking.by_user.items()}
    other = replace(measured, rows=rows, ranking=replace(measured.ranking, by_user=by_user))
    names = ["watch/ndcg_at_5", "watch/hit_at_5", "click/auc", "rating/rmse"]
    found = compare(measured, other, names)
    for name in names[:2]:
        assert found[name].difference == pytest.approx(measured.metrics[name] / 2)
        assert found[name].low > 0
        assert found[name].p_value < 0.05
    value = measured.metrics["click/auc"]
    assert found["click/auc"].difference == pytest.approx(2 * value - 1)
    assert found["rating/rmse"].difference == 0
    assert found["rating/rmse"].p_value == 1
    assert found["watch/ndcg_at_5"].num_users == len(measured.ranking.user_indexes)


def test_models_that_were_asked_something_else_are_not_compared(measured):
    with pytest.raises(ValueError, match="on the test rows, as `first` is, received validation"):
        compare(measured, replace(measured, part="validation"))
    split = replace(measured.data.split, test=measured.data.split.test[1:])
    with pytest.raises(ValueError, match="rows that are not the same; compare models of the same"):
        compare(measured, replace(measured, data=replace(measured.data, split=split)))
    schema = measured.data.schema
    tasks = [
        t.model_copy(update={"label": "like"}) if t.name == "click" else t for t in schema.tasks
    ]
    changed = replace(measured.data, schema=schema.model_copy(update={"tasks": tuple(tasks)}))
    with pytest.raises(ValueError, match="the task 'click' must have the same kind, label"):
        compare(measured, replace(measured, data=changed))
    seen = with_evaluation(measured.data, is_seen_excluded=False)
    with pytest.raises(ValueError, match="`evaluation.is_seen_excluded` must be the same"):
        compare(measured, replace(measured, data=seen))


def exchanged(frames, frame, column):
    """The same data set with the first two different ids of a column in each other's place."""
    values = getattr(frames, frame)[column]
    one, other = values.unique()[:2]
    changed = values.replace({one: other, other: one})
    return replace(frames, **{frame: getattr(frames, frame).assign(**{column: changed})})


@pytest.mark.parametrize(
    ("frame", "column", "named"),
    [
        ("users", "user_id", "users"),
        ("items", "item_id", "items"),
        ("events", "user_id", "users of the test rows"),
        ("events", "item_id", "items of the test rows"),
    ],
)
def test_users_of_other_data_are_not_paired_by_their_places(measured, frame, column, named):
    frames = measured.data.interactions
    # Of the events those that are measured are what is asked.
    rows = measured.data.rows("test")
    events = frames.events.iloc[[*rows, *np.setdiff1d(np.arange(len(frames.events)), rows)]]
    frames = replace(frames, events=events.reset_index(drop=True))
    split = replace(measured.data.split, test=np.arange(len(rows)))
    data = replace(measured.data, interactions=frames, split=split)
    other = replace(data, interactions=exchanged(frames, frame, column))
    check_same_questions(data, replace(data), "test")
    with pytest.raises(ValueError, match=f"on the {named} of `first`, received other ids"):
        compare(replace(measured, data=data), replace(measured, data=other))


@pytest.mark.parametrize(
    ("column", "what"),
    [
        ("click", "positives of the lists 'watch'"),
        ("like", "labels of the task 'like'"),
        ("worth", "weights of the task 'like'"),
    ],
)
def test_models_whose_answers_differ_are_not_compared(small_data, column, what):
    tasks = tuple(
        task.model_copy(update={"sample_weight": "worth"}) if task.name == "like" else task
        for task in small_data.schema.tasks
    )
    events = small_data.interactions.events.assign(worth=1.0)
    rating = events["rating"].astype(float)
    rating[small_data.rows("test")[:2]] = np.nan  # A label that both lack is the same one.

    def with_events(events):
        return replace(
            small_data,
            schema=small_data.schema.model_copy(update={"tasks": tasks}),
            interactions=replace(small_data.interactions, events=events),
        )

    events = events.assign(rating=rating)
    data = with_events(events)
    check_same_questions(data, with_events(events.copy()), "test")
    values = events[column].to_numpy(dtype=float).copy()
    values[small_data.rows("validation")[0]] = 1 - values[small_data.rows("validation")[0]]
    check_same_questions(data, with_events(events.assign(**{column: values})), "test")
    values[small_data.rows("test")[0]] = 1 - values[small_data.rows("test")[0]]
    with pytest.raises(ValueError, match=f"by the {what} of `first`, received others"):
        check_same_questions(data, with_events(events.assign(**{column: values})), "test")


def test_lists_of_one_name_and_other_positives_are_not_compared(small_data):
    watch, *others = small_data.schema.tasks
    named = (watch.model_copy(update={"name": "retrieval"}), *others)
    first = replace(small_data, schema=small_data.schema.model_copy(update={"tasks": named}))
    # All events of a sequence are positives, and its lists are told by the same name.
    second = replace(
        small_data,
        config=small_data.config.model_copy(update={"sequence": SequenceConfig()}),
        schema=small_data.schema.model_copy(update={"tasks": tuple(others)}),
    )
    with pytest.raises(ValueError, match="by the positives of the lists 'retrieval' of `first`"):
        check_same_questions(first, second, "test")
    # Under a name of their own nothing of the two is held against each other.
    check_same_questions(small_data, second, "test")


def test_lists_without_a_retrieval_task_are_compared(measured):
    schema = measured.data.schema
    tasks = tuple(task for task in schema.tasks if task.kind != "retrieval")
    config = measured.data.config.model_copy(
        update={"sequence": SequenceConfig(), "evaluation": EvaluationConfig(cutoffs=(5, 1))}
    )
    data = replace(measured.data, config=config, schema=schema.model_copy(update={"tasks": tasks}))
    bare = replace(measured, data=data, rows={})
    assert bare.metrics["retrieval/ndcg_at_5"] == measured.metrics["watch/ndcg_at_5"]
    assert compare(bare, bare)["retrieval/ndcg_at_5"].difference == 0
