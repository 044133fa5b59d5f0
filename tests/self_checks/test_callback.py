"""Each self-check finds its planted fault; a sound run says nothing."""

import logging
import pkgutil
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import recsys_tf.self_checks
from recsys_tf import TaskSpec
from recsys_tf.models.metrics import TaskMetrics
from recsys_tf.models.predictions import predict_all
from recsys_tf.self_checks import (
    Finding,
    SelfChecks,
    blind_tasks,
    callback,
    dead_parts,
    disagreements,
    exact_auc,
    leaks,
    one_class,
    run_self_checks,
)
from recsys_tf.tasks import RankingTask

NAN = np.nan
MODULES = [each.name for each in pkgutil.iter_modules(recsys_tf.self_checks.__path__)]
TASKS = (
    TaskSpec(name="click", kind="binary", label="click"),
    TaskSpec(name="rating", kind="regression", label="rating", value_range=(1, 5)),
    TaskSpec(name="topic", kind="multiclass", label="topic"),
    TaskSpec(name="tags", kind="multilabel", label="tags"),
)


class TinyRanker(keras.Model):
    """Two towers and a head a task, with the interface that the checks ask for."""

    def __init__(self):
        super().__init__()
        self.schema = SimpleNamespace(tasks=TASKS, features=())
        self.user_tower = keras.layers.Embedding(12, 6, name="user_tower")
        self.item_tower = keras.layers.Dense(6, activation="tanh", name="item_tower")
        self.dropout = keras.layers.Dropout(0.3)
        widths = {"click": 1, "rating": 1, "topic": 3, "tags": 4}
        start = {"rating": keras.initializers.Constant(3)}
        self.heads = {
            name: keras.layers.Dense(
                width, bias_initializer=start.get(name, "zeros"), name=f"{name}_head"
            )
            for name, width in widths.items()
        }
        self.losses_by_task = {task.name: RankingTask(task.kind) for task in TASKS}
        self.task_metrics = TaskMetrics(TASKS)
        self.make_more()
        self({"user": np.zeros(1, "int64"), "item": np.zeros((1, 5), "float32")})

    def make_more(self):
        pass

    def build(self, inputs_shape=None):
        pass

    def call(self, features, training=False):
        towers = [self.user_tower(features["user"]), self.item_tower(features["item"])]
        hidden = self.dropout(ops.concatenate(towers, axis=1), training=training)
        outputs = {name: head(hidden) for name, head in self.heads.items()}
        return outputs | {name: outputs[name][:, 0] for name in ("click", "rating")}

    def task_losses(self, features, labels, outputs, weights):
        return {
            name: loss.loss(labels[name], outputs[name], weights[name])
            for name, loss in self.losses_by_task.items()
        }

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return sum(self.task_losses(x, y, y_pred, sample_weight).values())

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        self.task_metrics.update(y, y_pred, sample_weight)
        return self.get_metrics_result()

    def predict_step(self, data):
        return predict_all(TASKS, self(data, training=False))


def rows(num_rows=1200):
    rng = np.random.default_rng(0)
    user, item = rng.integers(0, 12, num_rows), rng.normal(size=(num_rows, 5)).astype("float32")
    taste = np.sin(user) + item[:, 0]
    noise, other_noise = rng.normal(size=(2, num_rows))
    labels = {
        "click": (taste + noise > 0.5).astype("float32"),
        "rating": np.clip(3 + taste + other_noise, 1, 5).round().astype("float32"),
        "topic": (taste + noise).round().clip(-1, 1).astype("int64"),  # -1 is missing
        "tags": (item[:, :4] + rng.normal(size=(num_rows, 4)) > 0).astype("float32"),
    }
    labels["topic"][noise > 1] = 2
    labels["rating"][::7] = NAN
    weights = {name: np.ones(num_rows, "float32") for name in labels}
    return {"user": user, "item": item}, labels, weights


def dataset(given):
    return tf.data.Dataset.from_tensor_slices(given).batch(300)


def found(make=TinyRanker, given=None):
    """What the checks say of a model, all but untrained, which is no fault."""
    keras.utils.set_random_seed(1)
    model = make()
    # A few batches are looked at once: to trace the graphs would take most of the time.
    model.compile(optimizer="adam", run_eagerly=True)
    return run_self_checks(model, dataset(given or rows()))


def fitted(given, callbacks, *, run_eagerly=False):
    keras.utils.set_random_seed(1)
    model = TinyRanker()
    model.compile(optimizer="adam", run_eagerly=run_eagerly)
    return model, model.fit(dataset(given), epochs=2, callbacks=callbacks, verbose=0).history


def said(findings):
    return {(each.check, each.where) for each in findings}


def test_sound_run_says_nothing_and_is_not_changed(caplog):
    checks = SelfChecks(dataset(rows()))
    with caplog.at_level(logging.WARNING, "recsys_tf"):
        checked, history = fitted(rows(), [checks])
    assert checks.findings == []
    assert caplog.text == ""
    plain, expected = fitted(rows(), [])
    assert history == expected
    for with_checks, without in zip(checked.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(with_checks, without)


def test_sound_recommender_says_nothing(trained, small_data):
    model, _ = trained
    assert run_self_checks(model, small_data.dataset("train")) == []


def test_each_finding_is_one_warning_line(caplog):
    given = rows()
    given[1]["click"][:] = 1
    checks = SelfChecks(dataset(given))
    with caplog.at_level(logging.WARNING, "recsys_tf"):
        fitted(given, [checks], run_eagerly=True)  # Two epochs, looked at once.
    assert said(checks.findings) == {("one_class", "click")}
    assert [each.getMessage() for each in caplog.records if each.name.startswith("recsys_tf")] == [
        "self-check one_class, click: every label is 1 in the 1200 rows looked at; there is "
        "nothing to learn."
    ]


def test_findings_may_be_told_elsewhere(caplog, monkeypatch):
    finding = Finding("leak", "click", "planted.")
    monkeypatch.setattr(callback, "run_self_checks", lambda *_: [finding])
    told = []
    checks = SelfChecks(dataset(rows()), tell=told.append)
    with caplog.at_level(logging.WARNING, "recsys_tf"):
        checks.on_epoch_end(0)
    assert told == ["self-check leak, click: planted."]
    assert caplog.text == ""


def test_copy_of_a_label_among_the_features_is_found():
    given = rows()
    given[0]["will_click"] = given[1]["click"] * 2 - 1
    assert said(found(given=given)) == {("leak", "click")}


def test_head_that_always_says_the_same_is_found():
    class Constant(TinyRanker):
        def predict_step(self, data):
            return super().predict_step(data) | {
                "click": ops.full((ops.shape(data["user"])[0],), 0.3)
            }

    assert ("exact_auc", "click") in said(found(Constant))


def test_predict_that_is_unlike_evaluate_is_found():
    class Reversed(TinyRanker):
        def predict_step(self, data):
            outputs = super().predict_step(data)
            return outputs | {"click": 1 - outputs["click"], "rating": outputs["rating"] / 5}

    expected = {("predict_unlike_evaluate", f"{n}") for n in ("click_auc", "rating_rmse")}
    assert said(found(Reversed)) == expected


def test_rating_that_predict_keeps_inside_its_range_is_no_disagreement():
    class Wide(TinyRanker):
        def call(self, features, training=False):
            outputs = super().call(features, training)
            return outputs | {"rating": 9 * outputs["rating"] - 24}

    assert found(Wide) == []


def test_loss_that_does_not_see_its_labels_is_found():
    class Blind(TinyRanker):
        def task_losses(self, features, labels, outputs, weights):
            losses = super().task_losses(features, labels, outputs, weights)
            return losses | {"rating": ops.mean(ops.square(outputs["rating"]))}

    assert said(found(Blind)) == {("blind_loss", "rating")}


def test_tower_without_a_gradient_is_found():
    class Cut(TinyRanker):
        def call(self, features, training=False):
            item = ops.stop_gradient(self.item_tower(features["item"]))
            hidden = ops.concatenate([self.user_tower(features["user"]), item], axis=1)
            outputs = {name: head(hidden) for name, head in self.heads.items()}
            return outputs | {name: outputs[name][:, 0] for name in ("click", "rating")}

    findings = found(Cut)
    assert len(findings) == 1
    assert findings[0].check == "dead_part"
    assert findings[0].where.endswith("item_tower")
    assert "no gradient reaches its 2 variables" in str(findings[0])


def test_dead_layer_of_a_tower_is_told_from_the_other_towers_of_one_name():
    def tower(name, is_cut):
        inputs = keras.Input((5,))
        hidden = keras.layers.Dense(4, name="hidden")(inputs)
        return keras.Model(inputs, ops.stop_gradient(hidden) if is_cut else hidden, name=name)

    class Towers(TinyRanker):
        def make_more(self):
            self.towers = [tower("dead_tower", True), tower("live_tower", False)]
            self.click_bias = keras.layers.Dense(1)

        def call(self, features, training=False):
            outputs = super().call(features, training)
            hidden = ops.concatenate([each(features["item"]) for each in self.towers], axis=1)
            return outputs | {"click": outputs["click"] + self.click_bias(hidden)[:, 0]}

    assert said(found(Towers)) == {("dead_part", "dead_tower")}


def test_empty_dataset_and_no_batches_are_errors():
    with pytest.raises(ValueError, match="`dataset` must hold at least one batch"):
        run_self_checks(TinyRanker(), dataset(rows()).take(0))
    with pytest.raises(ValueError, match="`num_batches` must be at least 1, received 0"):
        SelfChecks(dataset(rows()), num_batches=0)


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


@pytest.mark.parametrize(
    ("predictions", "text"),
    [
        (np.full(600, 0.25), "every prediction is 0.25, so that AUC is exactly 0.5"),
        (LABELS, "AUC is exactly 1"),
        (-LABELS, "AUC is exactly 0"),
        (LABELS + np.random.default_rng(7).normal(size=600), None),
    ],
)
def test_auc_that_cannot_be_true_is_named(predictions, text):
    assert exact_auc(LABELS, predictions) == text


def test_ratings_of_one_prediction_are_named_and_few_rows_are_not():
    assert "every prediction is 3" in exact_auc(np.arange(100.0) % 5, np.full(100, 3.0))
    assert exact_auc(np.arange(100.0) % 5, np.arange(100.0)) is None
    assert exact_auc(LABELS[:20], LABELS[:20]) is None


def test_metrics_that_differ_are_named():
    first = {"a_auc": 0.7, "b_auc": 0.7, "c_rmse": 100.0, "d_auc": NAN, "in_one_only": 1.0}
    second = {"a_auc": 0.705, "b_auc": 0.72, "c_rmse": 103.0, "d_auc": 0.5}
    assert disagreements(first, second) == ["b_auc", "c_rmse", "d_auc"]
    assert disagreements({"auc": NAN}, {"auc": NAN}) == []


def test_task_of_one_class_is_not_called_blind():
    losses_of = lambda labels: {"click": 1.0}  # noqa: E731
    assert blind_tasks(losses_of, {"click": np.ones(5)}, {"click": np.ones(5)}) == []
    assert blind_tasks(losses_of, {"click": np.arange(5.0)}, {"click": np.ones(5)}) == ["click"]


def test_missing_labels_stay_missing_when_labels_change_places():
    seen = []
    labels = np.array([NAN, 1.0, 0.0, 0.0])
    blind_tasks(
        lambda x: seen.append(x["click"]) or {"click": 0.0}, {"click": labels}, {"click": None}
    )
    assert np.isnan(seen[1]).tolist() == [True, False, False, False]
    assert seen[1][1] == 0
    assert np.nansum(seen[1]) == 1


def test_dead_variables_are_named_by_the_part_that_holds_only_dead_ones():
    reached = {"q/a/k": False, "q/b/k": False, "c/a/k": False, "c/a/b": True, "top": False}
    assert dead_parts(reached) == {"q": ["q/a/k", "q/b/k"], "c/a/k": ["c/a/k"], "top": ["top"]}
