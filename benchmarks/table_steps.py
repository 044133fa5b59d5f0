"""Claim: a training step costs what the batch reads of a table, and not what the table holds.

    python benchmarks/table_steps.py [--rounds 30]

One step is forward, backward and optimiser of the mean of 20 vectors of width 64 for each of 512
rows, and a dense layer over it, on two threads. A table of 1,000,000 rows and one of 10,000 take
their steps in turn, so that what else the machine does meets both. Ids are drawn by Zipf's law
(exponent 1), a row's number being its rank, as the preprocessing numbers ids; or uniformly.
Duplicates are rarer in a large table: at Zipf's law the batch reads 5,500 different rows of the
million and 2,900 of the ten thousand. Keras's own layer and Adam stand beside.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from reporting import Row, add_results_option, report
from step_timing import seconds_in_turn

from recsys_tf.encoders import IdEncoder
from recsys_tf.layers import MaskedMeanPooling
from recsys_tf.optimizers import FusedAdam, RowWiseAdagrad, RowWiseAdam, RowWiseFtrl
from recsys_tf.types import IntArray

BATCH, LENGTH, WIDTH = 512, 20, 64
SMALL, LARGE = 10_000, 1_000_000
STEPS = 10  # In one call of the compiled function.
BATCHES = 200
BOUNDS = {"zipf": 1.5, "uniform": 2.2}
RATE = 0.01


def draw(law: str, num_rows: int, seed: int = 0) -> IntArray:
    """Draws the ids of all batches, int `[BATCHES, B, L]`; 0 and 1 are padding and unknown."""
    rng = np.random.default_rng(seed)
    size = (BATCHES, BATCH, LENGTH)
    if law == "uniform":
        return rng.integers(2, num_rows, size)
    shares = np.cumsum(1 / np.arange(1, num_rows - 1))
    return np.searchsorted(shares / shares[-1], rng.random(size)) + 2


def steps(num_rows: int, law: str, table: Callable[[int], Any], optimizer: Any) -> Any:
    """Returns a function that takes `STEPS` steps of a model over one table."""
    ids = keras.Input([LENGTH], dtype="int64")
    vectors = MaskedMeanPooling()(table(num_rows)(ids), ids != 0)
    model = keras.Model(ids, keras.layers.Dense(1)(vectors))
    model.compile(optimizer, "mse", steps_per_execution=STEPS, jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    model.make_train_function()
    labels = np.random.default_rng(1).normal(size=(BATCHES, BATCH, 1)).astype("float32")
    data = tf.data.Dataset.from_tensor_slices((draw(law, num_rows), labels)).repeat().prefetch(4)
    batches = iter(data)
    return lambda: model.train_function(batches)


def ours(num_rows: int) -> Any:
    """Makes the package's look-up."""
    return IdEncoder(num_rows, WIDTH)


def keras_own(num_rows: int) -> Any:
    """Makes Keras's look-up."""
    return keras.layers.Embedding(num_rows, WIDTH)


def measure(name: str, law: str, table: Any, make: Any, rounds: int, is_bound: bool) -> list[Row]:
    """Times both tables in turn; returns the rows of one optimiser and law."""
    calls = [steps(num_rows, law, table, make(RATE)) for num_rows in (SMALL, LARGE)]
    for call in calls:
        call()
    seconds = seconds_in_turn(calls, rounds) / STEPS
    ratios = seconds[:, 1] / seconds[:, 0]
    milliseconds = 1000 * np.median(seconds, axis=0)
    return [
        Row(
            f"{name}, {law} ids: step of 1,000,000 rows over one of 10,000",
            float(np.median(ratios)),
            "times",
            spread=float(np.subtract(*np.quantile(ratios, [0.75, 0.25])) / 2),
            rule="at_most" if is_bound else None,
            bound=BOUNDS[law] if is_bound else None,
        ),
        *(
            Row(f"{name}, {law} ids: step of {num_rows:,} rows", float(each), "ms")
            for num_rows, each in zip((SMALL, LARGE), milliseconds, strict=True)
        ),
    ]


def main() -> None:
    """Measures all pairs of tables and writes the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30, help="timed calls of each table")
    add_results_option(parser)
    arguments = parser.parse_args()
    rounds = arguments.rounds
    tf.config.threading.set_intra_op_parallelism_threads(2)
    tf.config.threading.set_inter_op_parallelism_threads(2)
    few = max(2, rounds // 10)
    rows = []
    for law in BOUNDS:
        rows += measure("RowWiseAdam", law, ours, RowWiseAdam, rounds, is_bound=True)
        rows += measure("RowWiseAdagrad", law, ours, RowWiseAdagrad, rounds, is_bound=False)
        rows += measure("RowWiseFtrl", law, ours, RowWiseFtrl, rounds, is_bound=False)
        rows += measure("FusedAdam (dense)", law, ours, FusedAdam, few, is_bound=False)
        stock = keras.optimizers.Adam
        rows += measure("Keras's Embedding and Adam", law, keras_own, stock, few, is_bound=False)
    data = (
        f"{BATCH} rows of {LENGTH} ids, width {WIDTH}, ids drawn with a fixed seed; medians over "
        f"{rounds} calls of {STEPS} steps, spread half the quartiles' distance"
    )
    sys.exit(not report(__file__, rows, data, [0], arguments.results))


if __name__ == "__main__":
    main()
