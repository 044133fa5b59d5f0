"""Fits a model: optimiser, schedule, early end, and checkpoints that survive a kill."""

from __future__ import annotations

import logging
import math
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from recsys_tf.config import TrainingConfig
from recsys_tf.export.config_faults import check_export_config, check_export_labels
from recsys_tf.features import id_indices
from recsys_tf.initialization import new_ranker, new_recommender
from recsys_tf.layers.table_memory import check_table_memory
from recsys_tf.models import MultitaskModel, Ranker, Recommender
from recsys_tf.naming import unknown_name_message
from recsys_tf.optimizers import (
    FusedAdam,
    FusedAdamW,
    RowWiseAdagrad,
    RowWiseAdam,
    RowWiseFtrl,
    TableOptimizer,
)
from recsys_tf.preparation import PreparedData
from recsys_tf.table_preparation import PreparedTable
from recsys_tf.weighting import make_weighting

_LOGGER = logging.getLogger(__name__)

# Runs of a few hundred steps end before Keras's 0.999 has forgotten the first gradients.
_BETA_2 = 0.99
# Adagrad's and FTRL's steps shrink with what they have summed, from a start of 0.1.
_TABLE_RATE = 0.1


class NonFiniteLossError(RuntimeError):
    """Training met a loss that is not a number; the text names the task."""


def make_optimizer(config: TrainingConfig, num_steps: int) -> keras.optimizers.Optimizer:
    """Makes the optimiser of a run.

    Args:
        config: Learning rates, schedule, decay, clipping and the tables' optimiser.
        num_steps: Steps of the whole run, over which the schedule falls.

    Returns:
        Adam, or AdamW where `weight_decay` is above 0; with `table_optimizer`, a `TableOptimizer`
        of it and the tables' own.
    """
    is_joint = config.table_optimizer is not None
    rate = _rate(config, config.learning_rate, num_steps)
    clip_norm = None if is_joint else config.clip_norm
    optimizer: keras.optimizers.Optimizer
    if config.weight_decay:
        optimizer = FusedAdamW(rate, config.weight_decay, beta_2=_BETA_2, global_clipnorm=clip_norm)
        # A row of a table would shrink in every step, and be read in few.
        optimizer.exclude_from_weight_decay(var_names=["embeddings", "bias", "gamma", "beta"])
    else:
        optimizer = FusedAdam(rate, beta_2=_BETA_2, global_clipnorm=clip_norm)
    if not is_joint:
        return optimizer
    tables = _table_optimizer(config, num_steps)
    return TableOptimizer(tables, optimizer, global_clipnorm=config.clip_norm)


def check_slots(model: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
    """Checks that what an optimiser will keep beside a model's tables fits into the free memory.

    Raises:
        MemoryError: If it does not; the text has the arithmetic.
    """
    if optimizer.built:
        return
    stepping = getattr(optimizer, "tables", optimizer)
    num_slots = 1 if isinstance(stepping, keras.optimizers.Adagrad) else 2
    tables = {
        variable.path: tuple(map(int, variable.shape))
        for variable in model.trainable_variables
        if getattr(variable, "is_table", False)
    }
    # The tables themselves have been made.
    check_table_memory(tables, num_slots, is_made=True)


def _table_optimizer(config: TrainingConfig, num_steps: int) -> keras.optimizers.Optimizer:
    if config.table_optimizer == "adam":
        highest = config.table_learning_rate or config.learning_rate
        return RowWiseAdam(_rate(config, highest, num_steps), beta_2=_BETA_2)
    rate = config.table_learning_rate or _TABLE_RATE
    if config.table_optimizer == "adagrad":
        return RowWiseAdagrad(rate)
    # Vectors that all start at 0 would stay there: a dot product of two has no gradient.
    return RowWiseFtrl(rate, is_start_kept=True)


def _rate(config: TrainingConfig, highest: float, num_steps: int) -> Any:
    if config.schedule != "cosine":
        return highest
    warmup = round(num_steps * config.warmup_share)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else highest,
        decay_steps=max(1, num_steps - warmup),
        warmup_target=highest if warmup else None,
        warmup_steps=warmup,
    )


def build_recommender(data: PreparedData) -> Recommender:
    """Builds the model of a run over its fitted preprocessing.

    It starts at the labels' means and the items' popularity; see `new_recommender`.

    Args:
        data: The data; its configuration gives sizes and blocks.

    Returns:
        The model, with fresh weights drawn from `training.seed`.

    Raises:
        SpecError: If the configuration's `export` names what there is not, or the validation rows'
            labels define no calibration, which would be known too late after training.
    """
    check_export_config(data.config.export, data.schema)
    check_export_labels(data.config.export, data)
    rows = data.train_examples
    return new_recommender(
        data.config,
        data.schema,
        data.state.num_indices_by_name,
        {
            name: id_indices(name, rows, data.preprocessor, data.schema)
            for name in (data.schema.user_id, data.schema.item_id)
        },
        rows.columns,
        data.row_weights(rows),
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
        config: Optimiser, schedule and weighting.
        steps_per_epoch: Batches of an epoch, 1 or more.

    Raises:
        ValueError: If the weighting or an option of it is not known.
        MemoryError: If what the optimiser keeps beside the tables does not fit into memory.
    """
    weighting = {}
    if isinstance(model, MultitaskModel):
        weighting["weighting"] = make_weighting(
            config.weighting, model.loss_weights, **config.weighting_options
        )
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
    verbose: int | str = "auto",
) -> keras.callbacks.History:
    """Compiles and fits a model, from its last checkpoint where there is one.

    Args:
        model: A `Recommender`, a `Ranker`, or another Keras model with a loss of its own.
        train: `tf.data.Dataset` of known length.
        validation: The same for the held-out rows, or None.
        config: How to train.
        checkpoint_folder: Where the state is kept after each epoch; None keeps none. A folder
            with the state of an earlier run is taken up where that run ended. Delete it once the
            model is saved.
        callbacks: Further Keras callbacks.
        verbose: As in `keras.Model.fit`.

    Returns:
        The Keras history, with the losses and metrics of each task.

    Raises:
        ValueError: If the training dataset is empty or its length is not known, `monitor` is no
            loss or metric of the model, or the weighting or an option of it is not known.
        MemoryError: If what the optimiser keeps beside the tables does not fit into memory.
        NonFiniteLossError: If a loss becomes NaN or infinite; the model is then of no use.
    """
    num_steps = int(train.cardinality())
    if num_steps <= 0:
        raise ValueError(
            f"`train` must hold at least one batch and know its length, received {num_steps} "
            "batches. Is the training part empty, or larger than a batch with `drop_remainder`?"
        )
    compile_model(model, config, num_steps)
    watchers: list[keras.callbacks.Callback] = [StopAtNonFiniteLoss(), *callbacks]
    first_epoch = 0
    if checkpoint_folder is not None:
        checkpoint = EpochCheckpoint(checkpoint_folder)
        first_epoch = checkpoint.restore(model, next(iter(train)))
    if config.patience is not None and validation is not None:
        watchers.append(_early_end(model, config.monitor, config.patience))
    if checkpoint_folder is not None:
        watchers.append(checkpoint)  # Last, so that it sees the weights that are taken back.
    return model.fit(
        train,
        validation_data=validation,
        epochs=config.epochs,
        initial_epoch=first_epoch,
        callbacks=watchers,
        verbose=verbose,
    )


def _early_end(model: keras.Model, monitor: str, patience: int) -> keras.callbacks.Callback:
    if isinstance(model, MultitaskModel):
        known = [f"{part}{each.name}" for each in model.metrics for part in ("val_", "")]
        if monitor not in known:
            raise ValueError(unknown_name_message("training.monitor", monitor, known))
    return keras.callbacks.EarlyStopping(
        monitor=monitor,
        patience=patience,
        # Keras knows which way its metrics improve, but of losses only that of the whole.
        mode="min" if monitor.endswith("loss") else "auto",
        restore_best_weights=True,
    )


class StopAtNonFiniteLoss(keras.callbacks.Callback):
    """Ends training at the first loss that is not finite, and names the task it came from."""

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Looks at the losses of the step."""
        broken = [
            name
            for name, value in (logs or {}).items()
            if name.endswith("loss") and not math.isfinite(value)
        ]
        if broken:
            # The sum is broken whenever a task's loss is, so the task says more.
            names = [name for name in broken if name != "loss"] or broken
            raise NonFiniteLossError(
                f"{' and '.join(names)} stopped being finite at step {batch}. Look for labels or "
                "numeric features of extreme size, or lower `training.learning_rate`."
            )


class EpochCheckpoint(keras.callbacks.Callback):
    """Keeps the weights, the optimiser and the epoch's number, whole or not at all.

    Each state is written into a folder of another name and renamed when it is whole; only then is
    the one before it deleted. A kill at any moment leaves at least one whole state. At the end of
    training the final weights are kept as the state after the last epoch, so that a kill before
    the model is saved loses nothing; the folder is the caller's to delete.

    Args:
        folder: Where the states are kept.
    """

    def __init__(self, folder: str | Path) -> None:
        super().__init__()
        self._folder = Path(folder)
        self._is_trained = False

    def restore(self, model: keras.Model, batch: Any) -> int:
        """Loads the newest kept state into a compiled model.

        Args:
            model: The model, compiled.
            batch: One batch, to build the variables with.

        Returns:
            The epoch to go on with; 0 where no state is kept or it is of another model.
        """
        states = sorted(self._folder.glob("epoch-*"))
        if not states:
            return 0
        model(batch[0])
        model.optimizer.build(model.trainable_variables)
        variables = [*model.variables, *model.optimizer.variables]
        fresh = [np.array(each) for each in variables]
        try:
            model.load_weights(states[-1] / "state.weights.h5")
        except ValueError as error:
            # What fitted was loaded before the first that did not.
            for variable, value in zip(variables, fresh, strict=True):
                variable.assign(value)
            _LOGGER.warning(
                "The checkpoint in %s is of another model and is not used (%s).",
                self._folder,
                str(error).splitlines()[0],
            )
            return 0
        epoch = int(states[-1].name.split("-")[1])
        _LOGGER.info("Training goes on after epoch %d, from %s.", epoch, self._folder)
        return epoch

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Writes the state after an epoch."""
        self._is_trained = True
        self._write(f"epoch-{epoch + 1:06d}")

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Writes the final state."""
        if self._is_trained:
            self._write(f"epoch-{self.params['epochs']:06d}-final")

    def _write(self, name: str) -> None:
        older = [each for each in self._folder.glob("epoch-*") if each.name != name]
        fresh = self._folder / "writing"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        self.model.save_weights(fresh / "state.weights.h5")
        # A state of this name is another model's, and was not taken up.
        shutil.rmtree(self._folder / name, ignore_errors=True)
        os.replace(fresh, self._folder / name)
        for folder in older:
            shutil.rmtree(folder, ignore_errors=True)
