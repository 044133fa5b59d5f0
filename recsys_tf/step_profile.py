"""Where the time of a training step goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from recsys_tf.types import FloatArray

_PARTS = ("forward", "loss", "backward", "update")
_NUM_TRACED = 5


@dataclass(frozen=True)
class StepProfile:
    """Milliseconds of one training step, and of the input that runs beside it.

    Attributes:
        forward: From the features to what the model returns, dropout on.
        loss: The losses of it, joined.
        backward: The gradients of all trainable variables.
        update: The rest of the step: the weighting of gradients, where there is one with its
            further passes back, the optimiser, and the metrics.
        input: Making one batch. It overlaps the step: training waits for it only where it takes
            longer than `whole`.
    """

    forward: float
    loss: float
    backward: float
    update: float
    input: float

    @property
    def whole(self) -> float:
        """Milliseconds of the step: the sum of its parts."""
        return self.forward + self.loss + self.backward + self.update

    @property
    def parts(self) -> dict[str, float]:
        """The step's parts by name, in their order; without `input`."""
        return {name: getattr(self, name) for name in _PARTS}

    @property
    def milliseconds(self) -> dict[str, float]:
        """The parts, then `whole` and `input`, by name."""
        return {**self.parts, "whole": self.whole, "input": self.input}


def profile_step(
    model: keras.Model,
    dataset: tf.data.Dataset,
    *,
    num_rounds: int = 20,
    trace_folder: str | Path | None = None,
) -> StepProfile:
    """Times a model's training step on the first batch of a dataset.

    The step is cut off after each of its parts, as a compiled graph of its own, and what a part
    takes is the difference to the one before. All are called in turn, so that what else the machine
    does meets them alike; a part's time is the difference of medians, and 0 where the noise is
    larger than the part.

    Weights, optimiser and metrics are as before when it returns; copies of them stand in memory
    until then.

    Args:
        model: A compiled model whose loss is its own `compute_loss`.
        dataset: Training batches, two or more.
        num_rounds: How often each part is timed.
        trace_folder: Where TensorFlow's profiler writes the trace of a few steps, with the time
            of each operation, for TensorBoard or Perfetto. None writes none.

    Returns:
        The medians.

    Raises:
        ValueError: If the model is not compiled, there are no two batches, or a number is too
            small.
    """
    if not getattr(model, "compiled", False):
        raise ValueError("`model` must be compiled: a training step has an optimiser. Compile it.")
    if num_rounds < 1:
        raise ValueError(f"`num_rounds` must be 1 or more, received {num_rounds}.")
    # The first sets the input up; the others are timed, after the step.
    batches = list(dataset.take(2))
    if len(batches) < 2:
        raise ValueError(
            f"`dataset` must hold two batches or more, received {len(batches)}; make them smaller."
        )
    batch = batches[0]
    with _as_before(model, batch):
        steps = [*map(_beginning, [model] * 3, range(3)), _whole(model)]
        seconds = _seconds_in_turn([partial(each, batch) for each in steps], num_rounds)
        if trace_folder is not None:
            _trace(lambda: steps[-1](batch), Path(trace_folder))
    # A longer beginning cannot take less than a shorter one.
    ends = np.maximum.accumulate(1e3 * np.median(seconds, axis=0))
    forward, loss, backward, update = np.diff(ends, prepend=0.0).tolist()
    return StepProfile(forward, loss, backward, update, _milliseconds_a_batch(dataset, num_rounds))


def _beginning(model: keras.Model, depth: int) -> Callable[[Any], Any]:
    """The step up to its outputs (0), its loss (1) or its gradients (2)."""

    @tf.function(autograph=False)
    def run(batch: Any) -> Any:
        x, y, weights = keras.utils.unpack_x_y_sample_weight(batch)
        if depth == 0:
            return model(x, training=True)
        with tf.GradientTape() as tape:  # It costs where the graph is made, not where it is run.
            outputs = model(x, training=True)
            loss = model.compute_loss(x, y, outputs, weights, training=True)
        if depth == 1:
            return outputs, loss
        gradients = tape.gradient(loss, [each.value for each in model.trainable_variables])
        # A table's gradient is slices, of which the values are all the work.
        return outputs, loss, [getattr(each, "values", each) for each in gradients]

    return run


def _whole(model: keras.Model) -> Callable[[Any], Any]:
    return tf.function(lambda batch: model.train_step(batch), autograph=False)


@contextmanager
def _as_before(model: keras.Model, batch: Any) -> Iterator[None]:
    x, *_ = keras.utils.unpack_x_y_sample_weight(batch)
    if not model.built:
        model(x)
    model.optimizer.build(model.trainable_variables)
    # The metrics' variables are in no list of the model's.
    variables = [
        *model.variables,
        *model.optimizer.variables,
        *(each for metric in model.metrics for each in metric.variables),
    ]
    values = [np.array(each) for each in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


def _seconds_in_turn(calls: list[Callable[[], Any]], num_rounds: int) -> FloatArray:
    seconds = np.empty((num_rounds, len(calls)))
    for call in calls:
        call()  # Traces it.
    for row in seconds:
        for place, call in enumerate(calls):
            start = time.perf_counter()
            call()
            row[place] = time.perf_counter() - start
    return seconds


def _trace(step: Callable[[], Any], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tf.profiler.experimental.start(str(folder))
    try:
        for number in range(_NUM_TRACED):
            with tf.profiler.experimental.Trace("train", step_num=number, _r=1):
                step()
    finally:
        tf.profiler.experimental.stop()


def _milliseconds_a_batch(dataset: tf.data.Dataset, num_batches: int) -> float:
    batches = iter(dataset.take(num_batches + 1))
    next(batches)  # Sets the pipeline up.
    start = time.perf_counter()
    count = sum(1 for _ in batches)
    return 1e3 * (time.perf_counter() - start) / count
