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
from recsys_tf import (
    CategoricalFeature,
    ModelConfig,
    NumericFeature,
    ScenarioSpec,
    TableSchema,
    TaskSpec,
    TrainingConfig,
)
from recsys_tf.models import Ranker
from recsys_tf.models.metrics import TaskMetrics
from recsys_tf.models.predictions import predict_all
from recsys_tf.self_checks import (
    Finding,
    SeenBatches,
    SelfChecks,
    callback,
    run_self_checks,
)
from recsys_tf.tasks import RankingTask
from recsys_tf.training import fit
from recsys_tf.weighting import WEIGHTINGS

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


def warnings(caplog):
    """What the package has logged; TensorFlow has words of its own about retraced graphs."""
    return [each.getMessage() for each in caplog.records if each.name.startswith("recsys_tf")]


def said(findings):
    return {(each.check, each.where) for each in findings}


def test_sound_run_says_nothing_and_is_not_changed(caplog):
    checks = SelfChecks(dataset(rows()))
    with caplog.at_level(logging.WARNING, "recsys_tf"):
        checked, history = fitted(rows(), [checks])
    assert checks.findings == []
    assert warnings(caplog) == []
    plain, expected = fitted(rows(), [])
    assert history == expected
    for with_checks, without in zip(checked.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(with_checks, without)


def test_sound_recommender_says_nothing(trained, small_data):
    model, _ = trained
    assert run_self_checks(model, small_data.dataset("train")) == []


def test_loss_of_retrieval_that_does_not_see_its_items_is_found(trained, small_data, monkeypatch):
    model, _ = trained
    blind = lambda query, candidate, *_: ops.mean(ops.square(query)) + ops.mean(candidate)  # noqa: E731
    monkeypatch.setattr(model.retrieval_task, "loss", blind)
    findings = run_self_checks(model, small_data.dataset("train"), num_batches=1)
    assert ("blind_loss", small_data.schema.retrieval_task.name) in said(findings)


SCHEMA = TableSchema(
    features=(
        NumericFeature(name="age", side="user", scaling="none"),
        CategoricalFeature(name="city", side="user"),
    ),
    tasks=(
        TaskSpec(name="click", kind="binary", label="click"),
        TaskSpec(name="price", kind="regression", label="price"),
    ),
    scenario=ScenarioSpec(feature="city"),
)


def table(rng, num_cities, num_rows=800):
    """Rows of a number and a city, indices from 2 on, and what depends on them and on chance."""
    age, city = rng.normal(size=num_rows), rng.integers(2, 2 + num_cities, num_rows)
    noise = rng.normal(size=(2, num_rows))
    features = {"age": np.stack([age, np.ones(num_rows)], axis=1).astype("float32"), "city": city}
    labels = {
        "click": (age + city / 3 + noise[0] > 1).astype("float32"),
        "price": (age - city / 3 + noise[1]).astype("float32"),
    }
    weights = {name: np.ones(num_rows, "float32") for name in labels}
    return features, labels, weights


def ranker(rng, num_cities, **changes):
    """A ranker whose weights have left their starts, as after an epoch."""
    sizes = {"embedding_dim": 4, "trunk_dims": (), "expert_dim": 4, "head_dims": ()}
    config = ModelConfig(**{**sizes, "multitask": "shared_bottom", **changes})
    model = Ranker(SCHEMA, {"city": 2 + num_cities}, config)
    for each in model.core.trainable_variables:
        each.assign(each + 0.3 * rng.normal(size=each.shape))
    return model


def test_no_weighting_is_found_fault_with(rng):
    model, given = ranker(rng, num_cities=5), dataset(table(rng, num_cities=5))
    for name in WEIGHTINGS:
        model.compile("adam", weighting=name, run_eagerly=True)
        assert run_self_checks(model, given, num_batches=2) == [], name


@pytest.mark.parametrize(
    ("num_cities", "changes"),
    [
        (1, {"multiscenario": "hinet", "multiscenario_options": {"num_scenario_experts": 1}}),
        (2, {"multiscenario": "hinet", "multitask": "mmoe", "num_experts": 1}),
        (2, {"multiscenario": "m2m", "multiscenario_options": {"num_experts": 1}}),
    ],
    ids=["hinet of one scenario", "hinet of two, mmoe of one expert", "m2m of one expert"],
)
def test_choice_of_one_is_no_fault(rng, num_cities, changes):
    model = ranker(rng, num_cities, scenario_dim=6, **changes)
    model.compile("adam", run_eagerly=True)
    assert run_self_checks(model, dataset(table(rng, num_cities)), num_batches=2) == []


def one_sided(data):
    """A training dataset in random order whose clicks are all 1, and its order's seed."""
    features, labels, weights = data
    labels = {**labels, "click": np.ones_like(labels["click"])}
    rows = tf.data.Dataset.from_tensor_slices((features, labels, weights))
    return rows.shuffle(800, seed=1).batch(100)


CLICK = "self-check one_class, click: every label is 1"


@pytest.mark.parametrize("is_on", [True, False])
def test_fit_checks_where_the_configuration_asks_and_trains_alike(rng, caplog, is_on):
    given = table(rng, num_cities=5)

    def weights(**changes):
        keras.utils.set_random_seed(1)
        model = ranker(np.random.default_rng(1), num_cities=5)
        fit(model, one_sided(given), None, TrainingConfig(epochs=2, **changes), verbose=0)
        return model.get_weights()

    with caplog.at_level(logging.WARNING, "recsys_tf"):
        found = weights(self_checks=is_on)
    assert len([each for each in warnings(caplog) if each.startswith(CLICK)]) == is_on
    if is_on:
        # The rows of the second epoch come in the order that they have without the look.
        for left, right in zip(found, weights(self_checks=False), strict=True):
            np.testing.assert_array_equal(left, right)


def test_fit_tells_its_findings_where_it_is_asked_to(rng, caplog):
    told = []
    with caplog.at_level(logging.WARNING, "recsys_tf"):
        given = one_sided(table(rng, num_cities=5))
        fit(ranker(rng, 5), given, None, TrainingConfig(epochs=1), tell=told.append, verbose=0)
    assert [each.startswith(CLICK) for each in told] == [True]
    assert warnings(caplog) == []


class Killed(Exception):
    """Stands for a kill of the process."""


class KillAfter(keras.callbacks.Callback):
    """Ends the training when an epoch is to begin."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise Killed


def test_resumed_fit_checks_by_itself_and_goes_on_alike(rng, caplog, tmp_path):
    given, config = table(rng, num_cities=5), TrainingConfig(epochs=3, self_checks=True)

    def trained(**options):
        """What one process does: its weights, and how often it says what is wrong."""
        caplog.clear()
        keras.utils.set_random_seed(1)  # The seed of the process decides on orders, too.
        model = ranker(np.random.default_rng(1), num_cities=5)
        with caplog.at_level(logging.WARNING, "recsys_tf"):
            try:
                fit(model, one_sided(given), None, config, verbose=0, **options)
            except Killed:
                model = None
        said = len([each for each in warnings(caplog) if each.startswith(CLICK)])
        return model and model.get_weights(), said

    whole, said = trained()
    assert said == 1
    assert trained(checkpoint_folder=tmp_path, callbacks=[KillAfter(1)]) == (None, 1)
    resumed, said = trained(checkpoint_folder=tmp_path)
    assert said == 1
    for left, right in zip(resumed, whole, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-7)


def test_fit_checks_once_where_checks_are_brought(rng, caplog):
    given, told = one_sided(table(rng, num_cities=5)), []
    checks = SelfChecks(given, tell=told.append)
    with caplog.at_level(logging.WARNING, "recsys_tf"):
        model = ranker(rng, num_cities=5)
        fit(model, given, None, TrainingConfig(epochs=1), callbacks=[checks], verbose=0)
    assert [each.startswith(CLICK) for each in told] == [True]
    assert warnings(caplog) == []


def test_batches_without_weights_are_checked(rng):
    model = ranker(rng, num_cities=5)
    model.compile("adam", run_eagerly=True)
    given = one_sided(table(rng, num_cities=5)).map(lambda x, y, w: (x, y))
    assert ("one_class", "click") in said(run_self_checks(model, given, num_batches=2))


def test_first_batch_without_a_label_is_no_fault_of_the_checks(rng):
    model = ranker(rng, num_cities=5)
    model.compile("adam", run_eagerly=True)
    features, labels, weights = table(rng, num_cities=5)
    labels["price"][:300] = NAN
    assert run_self_checks(model, dataset((features, labels, weights))) == []


def test_seen_batches_are_those_that_were_read():
    dataset = tf.data.Dataset.range(40).shuffle(40, seed=1).batch(4)
    seen = SeenBatches(dataset.map(lambda each: ({"x": each}, each)), num_batches=3)
    assert int(seen.dataset.cardinality()) == 10
    assert seen.batches == []
    read = [y.numpy() for _, y in seen.dataset]
    list(seen.dataset)  # A second epoch is not kept.
    assert len(seen.batches) == 3
    for (x, y), wanted in zip(seen.batches, read[:3], strict=True):
        np.testing.assert_array_equal(y, wanted)
        np.testing.assert_array_equal(x["x"], wanted)


def test_each_finding_is_one_warning_line(caplog):
    given = rows()
    given[1]["click"][:] = 1
    checks = SelfChecks(dataset(given))
    with caplog.at_level(logging.WARNING, "recsys_tf"):
        fitted(given, [checks], run_eagerly=True)  # Two epochs, looked at once.
    assert said(checks.findings) == {("one_class", "click")}
    assert warnings(caplog) == [
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
    assert warnings(caplog) == []


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
