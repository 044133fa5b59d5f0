"""What `fit` reports of a task is what the whole of its rows would give."""

import numpy as np
import pytest
import tensorflow as tf

from recsys_tf import TaskSpec
from recsys_tf.evaluation import evaluate_tasks
from recsys_tf.metrics import auc
from recsys_tf.models.first_broken_step import FirstBrokenStep
from recsys_tf.models.logit_auc import LogitAUC
from recsys_tf.models.metrics import TaskMetrics


def events(rng, share, num_rows=200_000):
    """Labels of a share of positives, and the logits of a model that tells them apart in part."""
    labels = (rng.uniform(size=num_rows) < share).astype("float32")
    logits = np.log(share / (1 - share)) + rng.normal(size=num_rows) + 0.8 * labels
    return labels, logits.astype("float32")


@pytest.mark.parametrize("spread", [1.0, 0.2])
@pytest.mark.parametrize("share", [2e-4, 0.01, 0.3, 0.99])
def test_auc_of_training_is_near_the_exact_one(rng, share, spread):
    labels, logits = events(rng, share)
    logits = np.log(share / (1 - share)) + spread * (logits - np.log(share / (1 - share)))
    metrics = TaskMetrics([TaskSpec(name="click", kind="binary", label="click")])
    weights = rng.uniform(size=len(labels)).astype("float32")
    labels[::9] = np.nan
    for rows in np.array_split(np.arange(len(labels)), 4):
        metrics.update({"click": labels[rows]}, {"click": logits[rows]}, {"click": weights[rows]})
    (metric,) = metrics.of_task["click"]
    assert metric.name == "click_auc"
    assert float(metric.result()) == pytest.approx(auc(labels, logits, weights), abs=2e-3)


def test_auc_of_several_labels_is_that_of_all_together(rng):
    labels, logits = (each.reshape(-1, 4) for each in events(rng, 2e-3, 40_000))
    metrics = TaskMetrics([TaskSpec(name="tags", kind="multilabel", label="tags")])
    metrics.update({"tags": labels}, {"tags": logits}, {"tags": np.ones(10_000, "float32")})
    (metric,) = metrics.of_task["tags"]
    # The first two are no labels: of padding, and of unknown values.
    exact = auc(labels[:, 2:].reshape(-1), logits[:, 2:].reshape(-1))
    assert float(metric.result()) == pytest.approx(exact, abs=2e-3)


def test_evaluation_leaves_out_labels_that_no_row_can_have(trained, small_data):
    model, _ = trained
    found = evaluate_tasks(model, small_data)["genres_from_text/accuracy"]
    predictions = model.predict(small_data.dataset("test").map(lambda x, *_: x), verbose=0)
    labels = np.concatenate([y["genres_from_text"] for _, y, _ in small_data.dataset("test")])
    is_right = (predictions["genres_from_text"] > 0.5) == (labels == 1)
    is_given = np.isfinite(labels[:, 0])
    assert found == pytest.approx(is_right[is_given][:, 2:].mean(), abs=1e-6)
    assert found != pytest.approx(is_right[is_given].mean(), abs=1e-4)


def test_logits_of_any_size_are_put_in_order():
    metric = LogitAUC("auc")
    metric.update_state([0.0, 0.0, 1.0, 1.0], [-1e9, -15.9, -15.8, 1e9])
    assert float(metric.result()) == pytest.approx(1.0)


def test_first_broken_loss_is_remembered_until_the_reset():
    first = FirstBrokenStep(["click", "price", "topic"])
    assert first.earliest() is None
    for values in ((1.0, 1.0, 1.0), (1.0, np.nan, np.inf), (np.nan, 1.0, 1.0)):
        first.update_state(dict(zip(("click", "price", "topic"), values, strict=True)))
    assert first.earliest() == (2, ["price", "topic"], True)
    assert first.result() == {}
    first.reset_state()
    first.update_state({"click": np.nan, "price": 1.0, "topic": 1.0})
    assert first.earliest() == (1, ["click"], True)


def test_first_broken_gradient_is_told_where_no_loss_broke_by_then():
    first, sound = FirstBrokenStep(["click", "price"]), {"click": 1.0, "price": 2.0}
    first.update_state(sound)
    first.mark_gradients({"click": True, "price": True})
    assert first.earliest() is None
    first.update_state(sound)
    first.mark_gradients({"click": True, "price": False})
    first.update_state({"click": np.nan, "price": 2.0})
    first.mark_gradients({"click": False, "price": True})
    assert first.earliest() == (2, ["price"], False)
    first.reset_state()
    first.update_state({"click": np.nan, "price": 2.0})
    first.mark_gradients({"click": False, "price": False})
    assert first.earliest() == (1, ["click"], True)


def test_no_threshold_is_compared_with_every_row():
    metric, num_rows = LogitAUC("auc"), 64
    rows = tf.TensorSpec([num_rows], tf.float32)
    update = tf.function(metric.update_state, autograph=False).get_concrete_function(rows, rows)
    made = [each for op in update.graph.get_operations() for each in op.outputs]
    assert max(each.shape.num_elements() or 0 for each in made) <= metric.num_thresholds
