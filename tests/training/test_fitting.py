"""Training ends well, or says why it does not."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from recsys_tf import (
    ModelConfig,
    NumericFeature,
    RunConfig,
    SequenceConfig,
    TableSchema,
    TaskSpec,
    TrainingConfig,
)
from recsys_tf.layers import EmbeddingTable, table_memory
from recsys_tf.models import Ranker, SequenceRecommender
from recsys_tf.preparation import SequenceData
from recsys_tf.training import (
    NonFiniteLossError,
    build_recommender,
    build_sequence_recommender,
    compile_model,
    fit,
)
from recsys_tf.training.callbacks import EpochCheckpoint, ResumableEarlyStopping


def small_model(seed=1, dropout=0.0):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Dropout(dropout)(inputs)))
    model.compute_loss = lambda x, y, y_pred, *_, **__: keras.ops.mean((y - y_pred) ** 2)
    return model


def dataset(num_rows=64, broken=False, slope=1.0, is_shuffled=False):
    random = np.random.default_rng(0)
    x = random.normal(size=(num_rows, 3)).astype("float32")
    y = slope * x.sum(axis=1, keepdims=True)
    if broken:
        y[40] = np.inf
    rows = tf.data.Dataset.from_tensor_slices((x, y))
    if is_shuffled:
        # The second shuffle asks the first one for rows only when it is asked itself.
        rows = rows.shuffle(num_rows, seed=1).shuffle(8, seed=2)
    return rows.batch(16)


def test_sequential_recommender_is_built_as_the_run_says(small_data):
    sequence = SequenceConfig(embedding_dim=8, max_length=5, content_features=("genres",))
    training = TrainingConfig(seed=3, is_mixed_precision=True)
    run = RunConfig(data=small_data.config.data, sequence=sequence, training=training)
    data = SequenceData(replace(small_data, config=run))
    assert data.config is sequence
    one, other = build_sequence_recommender(data), build_sequence_recommender(data)
    assert (one.config, one.num_indices, one.num_rows) == (
        sequence,
        data.num_indices,
        data.num_rows,
    )
    assert one.dtype_policy.compute_dtype == "bfloat16"
    np.testing.assert_array_equal(one.item_vectors, other.item_vectors)
    with pytest.raises(ValueError, match="`data` must be of a run without `sequence`"):
        build_recommender(data.data)
    assert SequenceData(small_data).config == SequenceConfig()


def test_slots_larger_than_memory_are_refused_before_training(monkeypatch):
    model = keras.Sequential([keras.Input([], dtype="int64"), EmbeddingTable(1000, 8)])
    monkeypatch.setattr(table_memory, "free_bytes", lambda: 50_000)
    with pytest.raises(MemoryError, match=r"1,000 rows x 8 numbers x 4 bytes x \(1 \+ 2 of the"):
        fit(model, dataset(), None, TrainingConfig())


def test_empty_dataset_is_refused():
    with pytest.raises(ValueError, match="`train` must hold at least one batch"):
        fit(small_model(), dataset(0), None, TrainingConfig())


def test_loss_that_is_not_finite_ends_training():
    with pytest.raises(NonFiniteLossError, match="^loss stopped being finite at step"):
        fit(small_model(), dataset(broken=True), None, TrainingConfig(), verbose=0)


def test_step_is_traced_once():
    model = small_model()
    loss, num_traces = model.compute_loss, []
    model.compute_loss = lambda *args, **kwargs: num_traces.append(1) or loss(*args, **kwargs)
    fit(model, dataset(), None, TrainingConfig(epochs=2), verbose=0)
    assert len(num_traces) == 1


def table_of_clicks(kind="binary", is_turned=False):
    schema = TableSchema(
        features=(NumericFeature(name="age", side="user", scaling="none"),),
        tasks=(TaskSpec(name="click", kind=kind, label="click"),),
    )
    model = Ranker(schema, {}, ModelConfig(embedding_dim=2, trunk_dims=(), expert_dim=2))
    ages = tf.constant([[-1.0, 1.0], [1.0, 1.0]] * 8)
    labels = {"click": tf.constant([1.0, 0.0] * 8 if is_turned else [0.0, 1.0] * 8)}
    return model, tf.data.Dataset.from_tensor_slices(({"age": ages}, labels)).batch(8)


def test_training_may_follow_the_loss_of_a_task():
    model, rows = table_of_clicks()
    config = TrainingConfig(epochs=5, learning_rate=1e-30, patience=1, monitor="val_click_loss")
    # Steps so small that no loss changes in its last bit: the second epoch is no better.
    assert fit(model, rows, rows, config, verbose=0).epoch == [0, 1]


def test_training_may_follow_an_error_that_is_no_loss():
    keras.utils.set_random_seed(3)
    model, rows = table_of_clicks("regression")
    _, turned = table_of_clicks("regression", is_turned=True)
    # What is learned is the opposite of what is held out: no epoch is better than the first.
    config = TrainingConfig(epochs=9, learning_rate=0.05, patience=2, monitor="val_click_rmse")
    values = fit(model, rows, turned, config, verbose=0).history["val_click_rmse"]
    assert len(values) == 3
    assert values[0] < values[-1]
    assert model.evaluate(turned, return_dict=True, verbose=0)["click_rmse"] == values[0]


def test_training_may_follow_a_metric_that_is_better_the_higher():
    keras.utils.set_random_seed(3)
    model = SequenceRecommender(60, SequenceConfig(embedding_dim=4, max_length=3))
    histories, items = {"items": tf.constant([[2, 3, 4]] * 4)}, tf.constant([[0, 0, 5]] * 4)
    rows = tf.data.Dataset.from_tensor_slices((histories, items)).batch(2)
    config = TrainingConfig(epochs=9, learning_rate=0.003, patience=2, monitor="val_ndcg_at_10")
    values = fit(model, rows, rows, config, verbose=0).history["val_ndcg_at_10"]
    assert values[0] < max(values)
    assert model.evaluate(rows, return_dict=True, verbose=0)["ndcg_at_10"] == max(values)
    config = TrainingConfig(patience=1, monitor="val_ndcg_at_1")
    with pytest.raises(ValueError, match=r"Did you mean 'val_ndcg_at_10'"):
        fit(model, rows, rows, config, verbose=0)


def test_what_training_does_not_measure_is_neither_reported_nor_followed():
    model = SequenceRecommender(60, SequenceConfig(embedding_dim=4, max_length=3))
    histories, items = {"items": tf.constant([[2, 3, 4]] * 4)}, tf.constant([[0, 0, 5]] * 4)
    rows = tf.data.Dataset.from_tensor_slices((histories, items)).batch(2)
    history = fit(model, rows, rows, TrainingConfig(epochs=1), verbose=0).history
    assert set(history) == {"loss", "val_loss", "val_hit_at_10", "val_ndcg_at_10"}
    config = TrainingConfig(patience=1, monitor="ndcg_at_10")
    with pytest.raises(ValueError, match=r"`training.monitor` must .* 'val_ndcg_at_10'"):
        fit(model, rows, rows, config, verbose=0)


def test_what_no_task_reports_cannot_be_followed():
    model, rows = table_of_clicks()
    config = TrainingConfig(patience=1, monitor="val_click_los")
    with pytest.raises(ValueError, match=r"`training.monitor` must .* Did you mean 'val_click_lo"):
        fit(model, rows, rows, config, verbose=0)


@pytest.mark.parametrize(("options", "window_steps"), [({}, 7), ({"window_steps": 3}, 3)])
def test_window_of_dwa_is_an_epoch_unless_given(options, window_steps):
    clicks, likes = (TaskSpec(name=name, kind="binary", label=name) for name in ("click", "like"))
    features = (NumericFeature(name="age", side="user", scaling="none"),)
    schema = TableSchema(features=features, tasks=(clicks, likes))
    model = Ranker(schema, {}, ModelConfig(embedding_dim=2, trunk_dims=(), expert_dim=2))
    config = TrainingConfig(weighting="dwa", weighting_options={"temperature": 1.0, **options})
    compile_model(model, config, steps_per_epoch=7)
    assert model.weighting.window_steps == window_steps
    assert model.weighting.temperature == 1.0


class Killed(Exception):
    """Stands for a kill between two epochs."""


class KillAfter(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise Killed


@pytest.mark.parametrize(("is_shuffled", "dropout"), [(False, 0.0), (True, 0.0), (True, 0.5)])
def test_killed_run_goes_on_to_the_same_weights(tmp_path, is_shuffled, dropout):
    config = TrainingConfig(epochs=4, learning_rate=0.05)
    folder = tmp_path / "state"

    def trained(model, **options):
        return fit(model, dataset(is_shuffled=is_shuffled), None, config, verbose=0, **options)

    whole = small_model(dropout=dropout)
    trained(whole)
    with pytest.raises(Killed):
        trained(small_model(dropout=dropout), checkpoint_folder=folder, callbacks=[KillAfter(2)])
    resumed = small_model(dropout=dropout)  # The seed of the process decides on orders, too.
    resumed.set_weights([np.zeros_like(each) for each in resumed.get_weights()])
    assert trained(resumed, checkpoint_folder=folder).epoch == [2, 3]
    for weight, expected in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(weight, expected, rtol=1e-6)
    assert [each.name for each in folder.iterdir()] == ["epoch-000004-final"]


def test_folder_for_checkpoints_changes_nothing_of_the_training(tmp_path):
    config = TrainingConfig(epochs=2, learning_rate=0.05)
    models = [small_model(), small_model()]
    for model, folder in zip(models, (None, tmp_path), strict=True):
        rows = dataset(is_shuffled=True)
        fit(model, rows, None, config, checkpoint_folder=folder, verbose=0)
    for weight, expected in zip(*(each.get_weights() for each in models), strict=True):
        np.testing.assert_array_equal(weight, expected)


def test_patience_without_held_out_rows_is_told():
    with pytest.warns(UserWarning, match="`training.patience` of 2 needs held-out rows"):
        fit(small_model(), dataset(), None, TrainingConfig(epochs=1, patience=2), verbose=0)


def test_finished_run_that_was_not_saved_is_not_trained_again(tmp_path):
    config = TrainingConfig(epochs=2, learning_rate=0.05, patience=1)
    folder = tmp_path / "state"
    first, second = small_model(), small_model(seed=2)
    fit(first, dataset(), dataset(), config, checkpoint_folder=folder, verbose=0)
    history = fit(second, dataset(), dataset(), config, checkpoint_folder=folder, verbose=0)
    assert history.epoch == []
    for weight, expected in zip(second.get_weights(), first.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)


PATIENT = TrainingConfig(epochs=9, learning_rate=0.05, schedule="constant", patience=3)


def fit_past_its_best(model, folder=None, callbacks=(), config=PATIENT):
    """The weights grow from 0 to 1; the validation rows are met best half way, in epoch 3."""
    model.set_weights([np.zeros_like(each) for each in model.get_weights()])
    return fit(
        model,
        dataset(),
        dataset(slope=0.5),
        config,
        checkpoint_folder=folder,
        callbacks=callbacks,
        verbose=0,
    )


class KillAtEnd(keras.callbacks.Callback):
    """Stands for a kill before the best weights are taken back."""

    def on_train_end(self, logs=None):
        raise Killed


@pytest.fixture(scope="module")
def patient_run():
    model = small_model()
    history = fit_past_its_best(model)
    values = history.history["val_loss"]
    assert (int(np.argmin(values)), history.epoch[-1]) == (2, 5)
    return model.get_weights(), values


@pytest.mark.parametrize("killer", [KillAfter(2), KillAfter(4), KillAfter(5), KillAtEnd()])
def test_killed_run_keeps_its_best_epoch_and_the_patience_left(killer, patient_run, tmp_path):
    weights, values = patient_run
    with pytest.raises(Killed):
        fit_past_its_best(small_model(), tmp_path, [killer])
    (state,) = tmp_path.iterdir()
    first = int(state.name.split("-")[1])
    resumed = small_model(seed=2)
    history = fit_past_its_best(resumed, tmp_path)
    assert history.epoch == list(range(first, 6))
    np.testing.assert_array_equal(history.history.get("val_loss", []), values[first:])
    for weight, expected in zip(resumed.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(weight, expected)


def test_killed_run_without_patience_used_up_ends_with_its_best_epoch(patient_run, tmp_path):
    weights, _ = patient_run
    short = PATIENT.model_copy(update={"epochs": 4})
    with pytest.raises(Killed):
        fit_past_its_best(small_model(), tmp_path, [KillAtEnd()], short)
    resumed = small_model(seed=2)
    assert fit_past_its_best(resumed, tmp_path, config=short).epoch == []
    for weight, expected in zip(resumed.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(weight, expected)


def test_checkpoint_without_the_best_of_the_monitor_is_told(tmp_path, caplog):
    model = small_model()
    early_stopping = ResumableEarlyStopping("val_loss", patience=1)
    early_stopping.restore(tmp_path, model)
    assert "does not know the best `val_loss` so far" in caplog.text
    early_stopping.on_train_begin()
    early_stopping.save(tmp_path)
    caplog.clear()
    early_stopping.restore(tmp_path, model)
    assert caplog.text == ""
    ResumableEarlyStopping("val_click_loss", patience=1).restore(tmp_path, model)
    assert "does not know the best `val_click_loss` so far" in caplog.text


def test_best_weights_of_bfloat16_come_back(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, dtype="bfloat16")])
    early_stopping = ResumableEarlyStopping("val_loss", patience=1)
    early_stopping.on_train_begin()
    early_stopping.best_weights = model.get_weights()
    early_stopping.save(tmp_path)
    resumed = ResumableEarlyStopping("val_loss", patience=1)
    resumed.restore(tmp_path, model)
    resumed.on_train_begin()
    for weight, expected in zip(resumed.best_weights, model.get_weights(), strict=True):
        assert weight.dtype == expected.dtype
        np.testing.assert_array_equal(weight, expected)


def test_half_written_state_is_not_read(tmp_path):
    (tmp_path / "writing").mkdir()
    (tmp_path / "writing" / "state.weights.h5").write_bytes(b"half")
    model = small_model()
    model.compile("adam")
    assert EpochCheckpoint(tmp_path).restore(model, dataset().element_spec) == 0


def test_state_of_another_model_is_left_aside(tmp_path, caplog):
    (tmp_path / "epoch-000002").mkdir()
    inputs = keras.Input((5,))
    other = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    other.save_weights(tmp_path / "epoch-000002" / "state.weights.h5")
    model = small_model()
    model.compile("adam")
    assert EpochCheckpoint(tmp_path).restore(model, dataset().element_spec) == 0
    assert "is of another model" in caplog.text


def test_nothing_of_another_models_state_stays(tmp_path):
    def two_layers(width):
        inputs = keras.Input((3,))
        hidden = keras.layers.Dense(1, name="fits")(inputs)
        return keras.Model(inputs, keras.layers.Dense(width, name="does_not")(hidden))

    (tmp_path / "epoch-000002").mkdir()
    two_layers(2).save_weights(tmp_path / "epoch-000002" / "state.weights.h5")
    model = two_layers(3)
    model.compile("adam")
    before = model.get_weights()
    assert EpochCheckpoint(tmp_path).restore(model, dataset().element_spec) == 0
    for weight, expected in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, expected)
