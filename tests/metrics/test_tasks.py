import math
import warnings

import numpy as np
import pytest

from recsys_tf.metrics import (
    TASK_METRICS,
    UndefinedMetricWarning,
    auc,
    binary_accuracy,
    binary_f1,
    log_loss,
    macro_f1,
    mae,
    multiclass_accuracy,
    multiclass_log_loss,
    rmse,
)

NAN = math.nan
OF_ROWS = {
    "auc": auc,
    "log_loss": log_loss,
    "accuracy": binary_accuracy,
    "f1": binary_f1,
    "rmse": rmse,
    "mae": mae,
}


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("name", OF_ROWS)
def test_random_rows_with_ties_and_gaps_equal_the_plain_python_twin(name, is_weighted, tasks_twin):
    rng = np.random.default_rng(5)
    for _ in range(5):
        labels = rng.integers(0, 2, 80).astype(float)
        predictions = rng.integers(0, 7, 80) / 6  # ties, and probabilities of exactly 0 and 1
        weights = rng.random(80) if is_weighted else np.ones(80)
        is_missing = rng.random(80) < 0.2
        kept = [column[~is_missing].tolist() for column in (labels, predictions, weights)]
        labels[is_missing] = NAN
        predictions[is_missing & (rng.random(80) < 0.5)] = NAN  # of no matter without a label
        found = OF_ROWS[name](labels, predictions, weights if is_weighted else None)
        assert found == pytest.approx(getattr(tasks_twin, name)(*kept), abs=1e-12)


def test_random_classes_equal_the_plain_python_twin(tasks_twin):
    rng = np.random.default_rng(6)
    labels = rng.integers(-1, 4, 90)
    probabilities = rng.dirichlet(np.ones(6), size=90)
    weights = rng.random(90)
    kept = labels >= 0
    y, w, p = labels[kept].tolist(), weights[kept].tolist(), probabilities[kept]
    predicted = p.argmax(axis=1).tolist()
    total = math.fsum(w)
    right = math.fsum(each for a, b, each in zip(y, predicted, w, strict=True) if a == b)
    loss = -math.fsum(each * math.log(row[c]) for c, row, each in zip(y, p, w, strict=True))
    assert multiclass_accuracy(labels, probabilities, weights) == pytest.approx(
        right / total, abs=1e-12
    )
    assert multiclass_log_loss(labels, probabilities, weights) == pytest.approx(
        loss / total, abs=1e-12
    )
    assert macro_f1(labels, probabilities, weights) == pytest.approx(
        tasks_twin.macro_f1(y, predicted, w), abs=1e-12
    )


def test_auc_depends_on_the_order_only():
    rng = np.random.default_rng(7)
    labels, logits = rng.integers(0, 2, 200), rng.normal(size=200)
    assert auc(labels, logits) == auc(labels, 1 / (1 + np.exp(-logits)))


def test_auc_of_reversed_scores_is_the_complement():
    rng = np.random.default_rng(8)
    labels, scores = rng.integers(0, 2, 200), rng.integers(0, 5, 200).astype(float)
    assert auc(labels, -scores) == pytest.approx(1 - auc(labels, scores), abs=1e-15)


def test_auc_is_exact_on_a_million_rows_with_two_scores():
    # 3/4 of the positives and 1/4 of the negatives score 1: won 9/16 + (3/16 + 3/16) / 2.
    labels = np.repeat([1.0, 0.0], 500_000)
    scores = np.concatenate([np.repeat([1.0, 0.0], [375_000, 125_000])] * 2)
    scores[500_000:] = 1 - scores[500_000:]
    assert auc(labels, scores) == 0.75


@pytest.mark.parametrize("label", [0, 1])
def test_auc_of_one_class_is_nan_with_a_named_warning(label):
    with pytest.warns(
        UndefinedMetricWarning, match=rf"`auc` is undefined .* every label is {label}"
    ):
        assert math.isnan(auc([label, label], [0.1, 0.9]))


def test_row_of_weight_zero_is_as_if_absent():
    with pytest.warns(UndefinedMetricWarning, match="every label is 1"):
        assert math.isnan(auc([1, 0], [0.1, 0.9], [1.0, 0.0]))
    assert rmse([1.0, 5.0], [2.0, NAN], [1.0, 0.0]) == 1.0


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, table in TASK_METRICS.items() for name in table]
)
def test_rows_without_labels_give_nan_and_a_warning(kind, name):
    labels, predictions = np.array([NAN, NAN]), np.array([0.5, 0.5])
    if kind == "multiclass":
        labels, predictions = np.array([-1, -1]), np.full((2, 3), 1 / 3)
    if kind == "multilabel":
        labels, predictions = np.full((2, 3), NAN), np.full((2, 3), 0.5)
    with pytest.warns(UndefinedMetricWarning, match=f"`{name}` is undefined"):
        assert math.isnan(TASK_METRICS[kind][name](labels, predictions))


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, table in TASK_METRICS.items() for name in table]
)
def test_weights_of_one_change_nothing_and_warn_nothing(kind, name):
    rng = np.random.default_rng(9)
    labels, predictions = rng.integers(0, 2, 40).astype(float), rng.random(40)
    if kind == "multiclass":
        predictions = rng.dirichlet(np.ones(3), size=40)
    if kind == "multilabel":
        labels, predictions = labels.reshape(20, 2), predictions.reshape(20, 2)
    metric = TASK_METRICS[kind][name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain = metric(labels, predictions)
        assert metric(labels, predictions, np.ones(len(labels))) == pytest.approx(plain, abs=1e-15)


def test_multilabel_counts_present_labels_only():
    labels = [[1, 0, NAN], [NAN, NAN, NAN], [0, 1, 1]]
    probabilities = [[0.9, 0.9, 0.1], [0.9, 0.9, 0.9], [0.1, 0.9, 0.2]]
    assert binary_accuracy(labels, probabilities) == pytest.approx((1 / 2 + 2 / 3) / 2, abs=1e-15)
    assert binary_f1(labels, probabilities) == pytest.approx(4 / 6, abs=1e-15)  # TP 2, FP 1, FN 1
    expected = -(math.log(0.9) + math.log(0.1)) / 2 - (2 * math.log(0.9) + math.log(0.2)) / 3
    assert log_loss(labels, probabilities) == pytest.approx(expected / 2, abs=1e-12)


def test_certain_mistake_costs_much_but_not_infinitely():
    assert log_loss([1.0], [0.0]) == pytest.approx(-math.log(1e-7), abs=1e-9)


def test_f1_without_any_positive_is_nan_and_without_a_hit_zero():
    with pytest.warns(UndefinedMetricWarning, match="there is no 1 among labels and predictions"):
        assert math.isnan(binary_f1([0, 0], [0.1, 0.2]))
    assert binary_f1([1, 0], [0.1, 0.9]) == 0


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: auc([0, 2], [0.1, 0.2]), r"`labels` must be 0 or 1, received 2.0"),
        (lambda: binary_f1([0.5], [0.1]), r"`labels` must be 0 or 1, received 0.5"),
        (lambda: rmse([1.0], [NAN]), r"`predictions` must not be NaN .* in 1 of 1 rows"),
        (lambda: rmse([1.0, 2.0], [[1.0], [2.0]]), r"shape of `labels`, \(2,\), received \(2, 1\)"),
        (lambda: mae([1.0], [1.0], [-1.0]), r"`weights` must be finite and at least 0, received"),
        (lambda: mae([1.0], [1.0], [1.0, 1.0]), r"`weights` must hold one number a row"),
        (lambda: log_loss([1.0], [1.5]), r"between 0 and 1, received 1.5; logits go through"),
        (lambda: log_loss([3.0], [0.5]), r"`labels` must lie between 0 and 1, received 3.0"),
        (lambda: macro_f1([3], [[0.5, 0.5]]), r"class indexes from 0 to 1, or -1 .* received 3.0"),
        (lambda: macro_f1([0.5], [[0.5, 0.5]]), r"class indexes from 0 to 1"),
        (lambda: multiclass_log_loss([0], [0.5]), r"`labels` must be \[B\] and the predictions"),
        (lambda: multiclass_log_loss([0], [[-0.5, 1]]), r"between 0 and 1, received -0.5"),
        (lambda: multiclass_accuracy([0, 1], [[1.0]]), r"as many rows as `labels`"),
    ],
)
def test_wrong_argument_is_named(call, text):
    with pytest.raises(ValueError, match=text):
        call()
