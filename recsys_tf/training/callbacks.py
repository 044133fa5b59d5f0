"""What watches a fit: losses that break, the best epoch so far, checkpoints that survive a kill."""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from recsys_tf.models.first_broken_step import FirstBrokenStep

_LOGGER = logging.getLogger(__name__)
_WEIGHTS = "state.weights.h5"
_EARLY_STOPPING = "early_stopping.json"
_BEST_WEIGHTS = "best_weights.npz"
_SEEDS = "seeds.npz"


class NonFiniteLossError(RuntimeError):
    """Training met a loss, or its gradient, that is not a number; the text names the task."""


class StopAtNonFiniteLoss(keras.callbacks.Callback):
    """Ends training at the first loss that is not finite, and names the task it came from.

    A loss whose gradient is not finite is told as NaN, and counts as one.
    """

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Looks at the losses of the step, or of the steps that one call ran."""
        broken = [
            name
            for name, value in (logs or {}).items()
            if name.endswith("loss") and not math.isfinite(value)
        ]
        if not broken:
            return
        # The sum is broken whenever a task's loss is, so the task says more; and the next step
        # after it every task's may be, so the first says most.
        step, names = batch + 1, [name for name in broken if name != "loss"] or broken
        is_of_loss = True
        for metric in self.model.metrics:
            earliest = metric.earliest() if isinstance(metric, FirstBrokenStep) else None
            if earliest is not None:
                step, names, is_of_loss = earliest
                names = [f"{task}_loss" for task in names]
        what = " and ".join(names)
        told = (
            f"{what} stopped being finite at step {step} of the epoch."
            if is_of_loss
            else f"The gradient of {what} was not finite at step {step} of the epoch, though every "
            "loss was."
        )
        raise NonFiniteLossError(
            f"{told} Look for labels or numeric features of extreme size, or lower "
            "`training.learning_rate`."
        )


class ResumableEarlyStopping(keras.callbacks.EarlyStopping):
    """Ends training without a better epoch, and takes the best epoch's weights back.

    Keras forgets the best epoch when training begins. Here a checkpoint keeps it, so that a killed
    run goes on with the same best and the same patience left.

    Args:
        monitor: The loss or metric that tells which epoch is better.
        patience: Epochs without a better one before training ends, 1 or more.
        mode: `min`, `max`, or `auto` where Keras knows which way the metric improves.
    """

    def __init__(self, monitor: str, patience: int, mode: str = "auto") -> None:
        super().__init__(monitor=monitor, patience=patience, mode=mode, restore_best_weights=True)
        self._restored: dict[str, Any] = {}

    @property
    def is_over(self) -> bool:
        """Whether what `restore` found had no patience left: no epoch is to follow."""
        return self._restored.get("wait", 0) >= self.patience

    def save(self, folder: Path) -> None:
        """Writes the best value, its epoch and weights, and the epochs waited since.

        Args:
            folder: The state that they are part of.
        """
        values = {
            "monitor": self.monitor,
            "best": None if self.best is None else float(self.best),
            "best_epoch": self.best_epoch,
            "wait": self.wait,
        }
        (folder / _EARLY_STOPPING).write_text(json.dumps(values) + "\n", encoding="utf-8")
        np.savez(folder / _BEST_WEIGHTS, *(self.best_weights or ()))

    def restore(self, folder: Path, model: keras.Model) -> None:
        """Reads what `save` wrote; the next `fit` goes on from it.

        Args:
            folder: The state. Of one that does not tell the best value of `monitor`, as older
                versions wrote them, nothing is taken up.
            model: The model of the state, built.
        """
        path = folder / _EARLY_STOPPING
        values = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        if values.pop("monitor", None) != self.monitor:
            _LOGGER.warning(
                "The checkpoint in %s does not know the best `%s` so far; the best epoch is "
                "chosen among those that follow.",
                folder.parent,
                self.monitor,
            )
            return
        with np.load(folder / _BEST_WEIGHTS) as kept:
            best = [kept[name] for name in kept.files]
        # NumPy's files do not know bfloat16: it comes back as bytes without a meaning.
        weights = model.weights if best else []
        typed = [value.view(own.dtype) for value, own in zip(best, weights, strict=True)]
        self._restored = {**values, "best_weights": typed or None}

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Begins anew, or with what was restored."""
        super().on_train_begin(logs)
        for name, value in self._restored.items():
            setattr(self, name, value)
        self._restored = {}


class EpochCheckpoint(keras.callbacks.Callback):
    """Keeps weights, optimiser, seeds, the epoch's number and the best epoch, all or nothing.

    Each state is written into a folder of another name and renamed when it is whole; only then is
    the one before it deleted. A kill at any moment leaves at least one whole state. At the end of
    training the final weights are kept as the state after the last epoch, so that a kill before
    the model is saved loses nothing; the folder is the caller's to delete.

    Args:
        folder: Where the states are kept.
        early_stopping: What chooses the best epoch, kept with each state; None where nothing
            does. It must come before this callback.
    """

    def __init__(
        self, folder: str | Path, early_stopping: ResumableEarlyStopping | None = None
    ) -> None:
        super().__init__()
        self._folder = Path(folder)
        self._early_stopping = early_stopping
        self._is_trained = False

    def restore(self, model: keras.Model, element_spec: Any) -> int:
        """Loads the newest kept state into a compiled model, and into `early_stopping`.

        Args:
            model: The model, compiled.
            element_spec: Of the training batches, to build the variables with.

        Returns:
            The epoch to go on with; 0 where no state is kept or it is of another model.
        """
        states = sorted(self._folder.glob("epoch-*"))
        if not states:
            return 0
        model(_row_of_zeros(element_spec[0]))
        model.optimizer.build(model.trainable_variables)
        variables = [*model.variables, *model.optimizer.variables]
        fresh = [np.array(each) for each in variables]
        try:
            model.load_weights(states[-1] / _WEIGHTS)
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
        _restore_seeds(states[-1], model)
        if self._early_stopping is not None:
            self._early_stopping.restore(states[-1], model)
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
        self.model.save_weights(fresh / _WEIGHTS)
        np.savez(fresh / _SEEDS, *map(np.array, _seed_states(self.model)))
        if self._early_stopping is not None:
            self._early_stopping.save(fresh)
        # A state of this name is another model's, and was not taken up.
        shutil.rmtree(self._folder / name, ignore_errors=True)
        os.replace(fresh, self._folder / name)
        for folder in older:
            shutil.rmtree(folder, ignore_errors=True)


def _row_of_zeros(spec: Any) -> Any:
    """Makes what builds a model: a batch of the dataset would use up the order of an epoch."""
    return tf.nest.map_structure(
        lambda each: tf.zeros([size or 1 for size in each.shape], each.dtype), spec
    )


def _seed_states(model: keras.Model) -> list[Any]:
    """Returns the states of the dropouts' seeds, which Keras does not save with the weights."""
    return [each for each in model.variables if each.path.endswith("seed_generator_state")]


def _restore_seeds(folder: Path, model: keras.Model) -> None:
    """Goes on drawing where the kept epochs ended; older versions' states do not tell where."""
    path, states = folder / _SEEDS, _seed_states(model)
    if not path.is_file():
        return
    with np.load(path) as kept:
        if len(kept.files) == len(states):  # Else other shares are dropped than before.
            for state, name in zip(states, kept.files, strict=True):
                state.assign(kept[name])
