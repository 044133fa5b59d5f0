"""Training ends well, or says why it does not."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_training import dataset, small_model

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


def test_patience_without_held_out_rows_is_told():
    with pytest.warns(UserWarning, match="`training.patience` of 2 needs held-out rows"):
        fit(small_model(), dataset(), None, TrainingConfig(epochs=1, patience=2), verbose=0)
