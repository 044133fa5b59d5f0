import hashlib

import numpy as np
import pandas as pd
import pytest

from recsys_tf.config import DataConfig
from recsys_tf.datasets import attainable, load_dataset, load_synthetic, make_split, split_by_time
from recsys_tf.datasets.planted import DEVICES, SCENARIOS

TASKS = ("click", "like", "purchase")


@pytest.fixture(scope="module")
def data():
    return load_synthetic()


def test_default_size_is_about_what_was_asked_for(data):
    assert (len(data.users), len(data.items)) == (1000, 500)
    assert abs(len(data.events) - 40_000) < 5 * np.sqrt(40_000)
    assert load_dataset("synthetic", num_users=20, num_items=30, num_events=200).planted is not None


def test_same_arguments_give_the_same_data_and_another_seed_other_data():
    sizes = {"num_users": 30, "num_items": 40, "num_events": 300}
    one, two, other = (load_synthetic(**sizes, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one.events, two.events)
    pd.testing.assert_frame_equal(one.items, two.items)
    assert not one.events.equals(other.events)


def test_data_are_the_same_on_every_line_of_the_stack(data):
    """The digest was made once; both lines of NumPy and pandas must give it."""
    lines = data.events.drop(columns=["rating"]).astype(str).agg(",".join, axis=1)
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    assert digest[:16] == "4697fd35a8b7c607"


def test_labels_follow_each_other(data):
    events = data.events
    assert events[list(TASKS)].isin([0.0, 1.0]).all().all()
    is_clicked = events["click"] == 1
    assert events.loc[~is_clicked, "rating"].isna().all()
    assert events.loc[is_clicked, "rating"].isin([1, 2, 3, 4, 5]).all()
    assert (events.loc[~is_clicked, ["like", "purchase"]] == 0).all().all()
    assert not events.duplicated(["user_id", "item_id"]).any()
    assert events["timestamp"].is_monotonic_increasing
    assert set(events["surface"]) == set(SCENARIOS)
    assert set(events["device"]) == set(DEVICES)


def test_new_users_and_items_come_late(data):
    split = split_by_time(data.events)
    for key, least in (("user_id", 0.05), ("item_id", 0.05)):
        known = data.events[key].iloc[split.train].unique()
        share_new = 1 - data.events[key].iloc[split.test].isin(known).mean()
        assert share_new > least
    early = data.events["timestamp"] < data.events["timestamp"].quantile(0.5)
    assert data.events["user_id"][early].nunique() < 900


def test_titles_are_distinct_and_descriptions_tell_the_genre(data):
    assert data.items["title"].is_unique
    is_horror = np.array(["Horror" in genres for genres in data.items["genres"]])
    has_word = data.items["description"].str.contains("eerie|gory").to_numpy()
    # The feelings are those of the film's first and last genre.
    assert has_word[is_horror].mean() > 0.7
    assert not has_word[~is_horror].any()


@pytest.mark.parametrize("task", TASKS)
def test_labels_are_drawn_with_the_planted_probabilities(data, task):
    probabilities = data.planted.probabilities(data.events)[task]
    labels = data.events[task].to_numpy()
    order = np.argsort(probabilities)
    for rows in np.array_split(order, 10):
        p = probabilities[rows]
        spread = np.sqrt((p * (1 - p)).sum()) / len(rows)
        assert abs(labels[rows].mean() - p.mean()) < 4 * spread + 1e-9


def test_ratings_are_drawn_with_the_planted_probabilities(data):
    rated = data.events[data.events["rating"].notna()]
    shares = data.planted.rating_probabilities(rated)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, rtol=1e-12)
    drawn = np.array([(rated["rating"] == star).sum() for star in range(1, 6)])
    spread = np.sqrt((shares * (1 - shares)).sum(axis=0))
    assert (np.abs(drawn - shares.sum(axis=0)) < 4 * spread).all()
    np.testing.assert_allclose(data.planted.expected_rating(rated), shares @ [1, 2, 3, 4, 5])


def test_exposure_sums_to_the_events_of_each_user(data):
    counts = data.events["user_id"].value_counts().reindex(data.planted.users, fill_value=0)
    expected = data.planted.exposure.sum(axis=1)
    # A little less than asked for: nobody is shown more than four fifths of the films.
    assert 0.99 * 40_000 < expected.sum() < 40_001
    assert (np.abs(counts - expected) < 6 * np.sqrt(expected) + 3).all()


def test_ranking_scores_are_expected_clicks(data):
    scores = data.planted.ranking_scores(data.planted.users)
    assert scores.shape == (1000, 500)
    clicks = data.events["click"].sum()
    assert abs(scores.sum() - clicks) < 5 * np.sqrt(clicks)
    # Of the last fifth of the days at most the share that falls into them.
    since = data.planted.end - 24 * 86_400
    late = data.planted.ranking_scores(data.planted.users[:5], since)
    assert (late <= scores[:5] + 1e-12).all()
    drawn = data.events.loc[data.events["timestamp"] >= since, "click"].sum()
    expected = data.planted.ranking_scores(data.planted.users, since).sum()
    assert abs(expected - drawn) < 5 * np.sqrt(drawn)


@pytest.mark.parametrize("method", ["time", "random"])
def test_planted_model_beats_whatever_is_not_it(data, method):
    split = make_split(data, DataConfig(split=method))
    since = int(data.events["timestamp"].iloc[split.test].min()) if method == "time" else None
    seen = np.concatenate([split.train, split.validation])
    best = attainable(data.planted, data.events, split.test, seen, since, cutoffs=(10,))
    assert 0.80 < best["click/auc"] < 0.95
    assert best["rating/rmse"] < 0.7 * data.events["rating"].std()
    test = data.events.iloc[split.test]
    for task in TASKS:
        share = test[task].mean()
        prior = -(share * np.log(share) + (1 - share) * np.log(1 - share))
        assert best[f"{task}/log_loss"] < 0.85 * prior
    reversed_truth = data.planted.__class__(
        **{**data.planted.__dict__, "exposure": 1 - data.planted.exposure}
    )
    worse = attainable(reversed_truth, data.events, split.test, seen, since, cutoffs=(10,))
    assert best["watch/ndcg_at_10"] > 0.2
    assert worse["watch/ndcg_at_10"] < 0.5 * best["watch/ndcg_at_10"]


def test_attainable_agrees_with_plain_loops(data):
    rows, seen_rows = np.arange(30_000, 31_000), np.arange(30_000)
    best = attainable(data.planted, data.events, rows, seen_rows, cutoffs=(5,))
    part, seen = data.events.iloc[rows], data.events.iloc[seen_rows]
    p = data.planted.probabilities(part)["click"]
    positive, negative = p[part["click"] == 1], p[part["click"] == 0]
    pairs = (positive[:, None] > negative).mean() + 0.5 * (positive[:, None] == negative).mean()
    assert best["click/auc"] == pytest.approx(pairs)
    values = []
    all_scores = data.planted.ranking_scores(data.planted.users)
    by_user = dict(zip(data.planted.users, all_scores, strict=True))
    for user, own in part[part["click"] == 1].groupby("user_id"):
        scores = pd.Series(by_user[user], index=data.planted.items)
        scores = scores.drop(seen.loc[seen["user_id"] == user, "item_id"])
        listed = scores.sort_values(ascending=False).index[:5]
        gains = [item in set(own["item_id"]) for item in listed]
        discounts = 1 / np.log2(np.arange(5) + 2)
        values.append(gains @ discounts / discounts[: min(5, len(own))].sum())
    assert best["watch/ndcg_at_5"] == pytest.approx(np.mean(values))


def test_unknown_value_is_named(data):
    events = data.events.head(3).assign(device="fridge")
    with pytest.raises(ValueError, match="`device` holds 'fridge', which was never generated"):
        data.planted.probabilities(events)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folder": "here"}, "`folder` must be None for generated data, received 'here'"),
        ({"num_users": 1}, "`num_users` must be at least 10, received 1"),
        ({"num_days": 3}, "`num_days` must be at least 10, received 3"),
        ({"num_users": 10, "num_items": 20, "num_events": 101}, "at most half of all 200 pairs"),
    ],
)
def test_impossible_sizes_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        load_synthetic(**options)
