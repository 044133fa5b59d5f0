"""Fits a model: early end, and checkpoints that survive a kill."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from recsys_tf.config import TrainingConfig
from recsys_tf.export.config_faults import check_export_config, check_export_labels, check_seen
from recsys_tf.features import id_indices, transform_catalogue
from recsys_tf.models import MultitaskModel, Ranker, Recommender, SequenceRecommender
from recsys_tf.models.first_broken_step import FirstBrokenStep
from recsys_tf.naming import known_arguments, look_up, unknown_name_message
from recsys_tf.preparation import (
    PreparedData,
    PreparedTable,
    SequenceData,
    history_content,
)
from recsys_tf.self_checks import NUM_BATCHES, SeenBatches, SelfChecks
from recsys_tf.training.callbacks import (
    EpochCheckpoint,
    ResumableEarlyStopping,
    StopAtNonFiniteLoss,
)
from recsys_tf.training.initialization import layers_dtype, new_ranker, new_recommender
from recsys_tf.training.optimizer import check_slots, make_optimizer
from recsys_tf.types import UNKNOWN_INDEX
from recsys_tf.weighting import WEIGHTINGS, Weighting, make_weighting


def build_recommender(data: PreparedData) -> Recommender:
    """Builds the model of a run over its fitted preprocessing.

    It starts at the labels' means and the items' popularity; see `new_recommender`.

    Args:
        data: The data; its configuration gives sizes and blocks.

    Returns:
        The model, with fresh weights drawn from `training.seed`.

    Raises:
        SpecError: If the configuration's `export` names what there is not, answers another list
            than is measured, or the validation rows do not define its calibrations or its goal,
            which would be known too late after training.
        ValueError: If the run has a `sequence`, which is another model.
    """
    if data.config.sequence is not None:
        raise ValueError(
            "`data` must be of a run without `sequence`, which names a sequential recommender; "
            "`build_sequence_recommender(SequenceData(data))` builds that one."
        )
    check_export_config(data.config.export, data.schema, data.config.evaluation)
    check_export_labels(data.config.export, data)
    rows = data.train_examples
    catalogue = None
    if data.config.retrieval.is_over_catalogue:
        catalogue = transform_catalogue(data.catalogue, data.preprocessor, data.schema)
    item_id = data.schema.item_id
    indices = {
        name: id_indices(name, rows, data.preprocessor, data.schema)
        for name in (data.schema.user_id, item_id)
    }
    rare = rows.columns[item_id][indices[item_id] == UNKNOWN_INDEX]
    return new_recommender(
        data.config,
        data.schema,
        data.state.num_indices_by_name,
        indices,
        rows.columns,
        data.row_weights(rows),
        catalogue,
        num_unknown_items=max(len(set(rare)), 1),
        history_content=history_content(
            data.config.model, data.schema, data.catalogue, data.preprocessor
        ),
    )


def build_sequence_recommender(data: SequenceData) -> SequenceRecommender:
    """Builds a sequential recommender over the sequences of a run.

    Args:
        data: The data; its configuration gives sizes and blocks.

    Returns:
        The model, with fresh weights drawn from `training.seed`.

    Raises:
        SpecError: If a block or an option is not known, or another list is answered than is
            measured; the text lists every fault.
        ValueError: If no item has an index, or the configuration names a feature that there is not.
    """
    run = data.data.config
    check_seen(run.export, run.evaluation)
    training = run.training
    keras.utils.set_random_seed(training.seed)
    return SequenceRecommender(
        data.num_indices, data.config, data.content, dtype=layers_dtype(training)
    )


def build_ranker(data: PreparedTable) -> Ranker:
    """Builds a ranker over a table's fitted preprocessing; see `new_ranker`.

    Args:
        data: The data; its configuration gives sizes and blocks.

    Returns:
        The model, with fresh weights drawn from `training.seed`.
    """
    columns = data.train_examples.columns
    return new_ranker(data.config, data.schema, data.state.num_indices_by_name, columns)


def compile_model(model: keras.Model, config: TrainingConfig, steps_per_epoch: int) -> None:
    """Compiles a model as `fit` trains it.

    Args:
        model: A `Recommender`, a `Ranker`, or another Keras model with a loss of its own.
        config: Optimiser, schedule and weighting. `window_steps` of `dwa` is an epoch's steps
            where `weighting_options` does not give it.
        steps_per_epoch: Batches of an epoch, 1 or more.

    Raises:
        ValueError: If the weighting or an option of it is not known.
        MemoryError: If what the optimiser keeps beside the tables does not fit into memory.
    """
    weighting = {}
    if isinstance(model, MultitaskModel):
        weighting["weighting"] = _make_weighting(model, config, steps_per_epoch)
    model.compile(
        optimizer=make_optimizer(config, steps_per_epoch * config.epochs),
        **weighting,
        # One call runs whole groups of steps; the last group may be shorter.
        steps_per_execution=min(config.steps_per_execution, steps_per_epoch),
        # Keras would choose XLA by itself: minutes of compilation for look-ups it does not speed.
        jit_compile=False,
    )
    if model.built:
        check_slots(model, model.optimizer)
        # Moments that are made while the step is traced make TensorFlow trace it a second time.
        model.optimizer.build(model.trainable_variables)


def fit(
    model: keras.Model,
    train: Any,
    validation: Any | None,
    config: TrainingConfig,
    *,
    checkpoint_folder: str | Path | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    tell: Callable[[str], object] | None = None,
    verbose: int | str = "auto",
) -> keras.callbacks.History:
    """Compiles and fits a model, from its last checkpoint where there is one.

    Args:
        model: A `Recommender`, a `Ranker`, or another Keras model with a loss of its own.
        train: `tf.data.Dataset` of known length.
        validation: The same for the held-out rows, or None: then `patience` has nothing to follow,
            of which a warning is given.
        config: How to train. `self_checks` looks for faults after the first epoch, in the first
            batches that it has read, and tells each in a line; see `recsys_tf.self_checks`.
        checkpoint_folder: Where the state is kept after each epoch; None keeps none. A folder
            with the state of an earlier run is taken up where that run ended, with the
            best epoch so far and the patience left; its epochs' orders of the rows are not drawn
            again, so that a dataset made anew goes on with the next. Delete it once the model is
            saved.
        callbacks: Further Keras callbacks. With a `SelfChecks` among them, `self_checks` adds none.
        tell: Takes the line of each fault that `self_checks` finds; None logs it as a warning.
        verbose: As in `keras.Model.fit`.

    Returns:
        The Keras history, with the losses and metrics of each task.

    Raises:
        ValueError: If the training dataset is empty or its length is not known, `monitor` is no
            loss or metric of the model, or the weighting or an option of it is not known.
        MemoryError: If what the optimiser keeps beside the tables does not fit into memory.
        NonFiniteLossError: If a loss becomes NaN or infinite. It names the task whose loss was the
            first, and its step. Of several tasks, none gives its NaN to a variable: the step is
            left out, or the task where each has gradients of its own.
    """
    num_steps = int(train.cardinality())
    if num_steps <= 0:
        raise ValueError(
            f"`train` must hold at least one batch and know its length, received {num_steps} "
            "batches. Is the training part empty, or larger than a batch with `drop_remainder`?"
        )
    compile_model(model, config, num_steps)
    watchers: list[keras.callbacks.Callback] = [StopAtNonFiniteLoss(), *callbacks]
    read = train
    if config.self_checks and _is_to_be_checked(model, train, callbacks):
        seen = SeenBatches(train, NUM_BATCHES)
        read = seen.dataset
        watchers.append(SelfChecks(seen.batches, tell=tell))
    early_stopping = None
    if config.patience is not None and validation is None:
        warnings.warn(
            f"`training.patience` of {config.patience} needs held-out rows, received "
            "`validation=None`: all epochs are trained, and the last one is kept.",
            stacklevel=2,
        )
    elif config.patience is not None:
        early_stopping = _early_stopping(model, config.monitor, config.patience)
        watchers.append(early_stopping)
    first_epoch = 0
    if checkpoint_folder is not None:
        checkpoint = EpochCheckpoint(checkpoint_folder, early_stopping)
        first_epoch = checkpoint.restore(model, train.element_spec)
        _pass_over(train, first_epoch)
        watchers.append(checkpoint)  # Last, so that it sees the weights that are taken back.
    if early_stopping is not None and early_stopping.is_over:
        # The kill came after the last epoch and before the best weights were taken back.
        first_epoch = config.epochs
    return model.fit(
        read,
        validation_data=validation,
        epochs=config.epochs,
        initial_epoch=first_epoch,
        callbacks=watchers,
        verbose=verbose,
    )


def _is_to_be_checked(model: keras.Model, train: Any, callbacks: Sequence[Any]) -> bool:
    """Tells whether the self-checks know the model, and nobody else has brought them."""
    is_known = isinstance(model, MultitaskModel | SequenceRecommender)
    is_brought = any(isinstance(each, SelfChecks) for each in callbacks)
    return is_known and isinstance(train, tf.data.Dataset) and not is_brought


def _pass_over(train: tf.data.Dataset, num_epochs: int) -> None:
    """Uses up the orders of the rows that an earlier run has trained its epochs in."""
    for _ in range(num_epochs):
        # An iterator draws an order: some shuffles when it is made, others when it is first asked.
        next(iter(train))
        # Keras makes the next one at an epoch's end, and then another when an epoch begins.
        iter(train)


def _make_weighting(
    model: MultitaskModel, config: TrainingConfig, steps_per_epoch: int
) -> Weighting:
    kind = look_up(WEIGHTINGS, config.weighting, "weighting")
    # The paper's window is an epoch, of whose steps the layer alone does not know.
    options = known_arguments(kind, {"window_steps": steps_per_epoch})
    options |= config.weighting_options
    return make_weighting(config.weighting, model.loss_weights, **options)


def _early_stopping(model: keras.Model, monitor: str, patience: int) -> ResumableEarlyStopping:
    if not isinstance(model, MultitaskModel | SequenceRecommender):
        return ResumableEarlyStopping(monitor, patience)
    # Not the one that reports nothing.
    metrics = [each for each in model.metrics if not isinstance(each, FirstBrokenStep)]
    held_out = model.held_out_metrics if isinstance(model, SequenceRecommender) else ()
    known = [f"val_{each.name}" for each in metrics]
    known += [each.name for each in metrics if each.name not in held_out]
    if monitor not in known:
        raise ValueError(unknown_name_message("training.monitor", monitor, known))
    # Keras knows which way its compiled metrics improve, and these models have none.
    is_error = monitor.endswith(("loss", "_rmse"))
    return ResumableEarlyStopping(monitor, patience, mode="min" if is_error else "max")
