"""Labels that a feature gives away, and labels of one class."""

import numpy as np
import pytest

from recsys_tf.self_checks import leaks, one_class

NAN = np.nan
LABELS = (np.random.default_rng(2).random(600) < 0.3).astype(float)


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("copy", LABELS),
        ("opposite", 5 - 3 * LABELS),
        ("number that orders them", LABELS * 2 + np.random.default_rng(3).random(600)),
        ("number that is there for positives only", np.where(LABELS == 1, 0.5, NAN)),
        ("index that tells them", 2 + 4 * LABELS.astype(int) + np.arange(600) % 4),
        ("one place of a list", np.stack([np.arange(600) % 3, LABELS.astype(int) + 2], axis=1)),
        ("presence beside a number", np.stack([np.zeros(600), LABELS], axis=1)),
    ],
)
def test_feature_that_gives_the_label_away_is_found(name, column):
    honest = {"honest": np.random.default_rng(4).normal(size=600) + 2 * LABELS}
    assert leaks(LABELS, {**honest, name: column}) == [name]


@pytest.mark.parametrize(
    "column",
    [
        np.arange(600),  # a value of its own for each row tells nothing of the others
        np.zeros(600),
        np.random.default_rng(5).integers(0, 5, 600),
        np.array(["text"] * 600),
    ],
)
def test_honest_feature_is_not_found(column):
    assert leaks(LABELS, {"honest": column}) == []


def test_few_rows_of_a_class_prove_nothing_but_a_copy():
    labels = np.r_[np.ones(5), np.zeros(300)]
    assert leaks(labels, {"ordered": np.r_[np.ones(5), np.linspace(0, 0.9, 300)]}) == []
    assert leaks(labels, {"copy": labels}) == ["copy"]


def test_rows_without_label_or_weight_are_no_evidence():
    labels, feature = LABELS.copy(), LABELS.copy()
    feature[:300] = 1 - feature[:300]
    assert leaks(labels, {"half": feature}) == []
    assert leaks(labels, {"half": feature}, (np.arange(600) >= 300) * 1.0) == ["half"]
    labels[:300] = NAN
    assert leaks(labels, {"half": feature}) == ["half"]


def test_ratings_classes_and_sets_leak_too():
    rng = np.random.default_rng(6)
    ratings = rng.integers(1, 6, 500).astype(float)
    assert leaks(ratings, {"scaled": (ratings - 3) / 1.4, "noise": rng.random(500)}) == ["scaled"]
    classes = rng.integers(0, 4, 500)
    renamed = np.array([7, 3, 9, 2])[classes]
    names = leaks(classes, {"renamed": renamed, "noise": rng.integers(0, 4, 500)})
    assert names == ["renamed"]
    sets = rng.integers(2, 8, (500, 3))
    hot = np.zeros((500, 8))
    np.put_along_axis(hot, sets, 1, axis=1)
    assert leaks(hot, {"sets": sets, "other": sets[::-1]}) == ["sets"]


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ([1.0, 1.0, NAN], "every label is 1"),
        ([NAN, NAN], "no row has a label"),
        (np.array([2, -1, 2]), "every label is 2"),
        ([[0.0, 1.0], [0.0, 1.0], [NAN, NAN]], "every row has the same labels"),
        ([1.0, 0.0], None),
        (np.array([2, 0]), None),
        ([[0.0, 1.0], [1.0, 1.0]], None),
    ],
)
def test_labels_of_one_class_are_named(labels, text):
    assert one_class(labels) == text


def test_class_of_weight_zero_is_absent():
    assert one_class([1.0, 0.0], [1.0, 0.0]) == "every label is 1"
