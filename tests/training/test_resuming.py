"""A training that was killed goes on where it was, or says why it cannot."""

import keras
import numpy as np
import pytest
from small_training import dataset, small_model

from recsys_tf import TrainingConfig
from recsys_tf.training import fit
from recsys_tf.training.callbacks import EpochCheckpoint, ResumableEarlyStopping


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
