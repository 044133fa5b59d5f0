"""Claim: training does not wait for its input, in memory or from written files.

    python benchmarks/input_speed.py --data-dir /path/to/ml-100k

MovieLens 100K, random 80/20, all features of the preset `ml-100k-random` (histories of 100 films,
titles, genres), batches of 512. Three inputs take turns, another first in each round: rows in
memory (`make_dataset`), and written `tf.Example`s in one file and in four (`make_record_dataset`,
shuffled in a buffer), which are parsed and preprocessed anew in each epoch.

- Input alone: examples a second of an epoch that nobody trains on.
- The step alone: examples a second of the preset's training step on one batch that is at hand.
- Waiting: an epoch of training in which each step takes the next batch; the share of the epoch's
  seconds in which the step stands still until the batch is there, the start of the epoch included.
  Input and step share the cores, so an epoch may take longer than its steps alone even where
  nothing waits; that ratio stands beside.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from reporting import Row, add_results_option, report
from step_timing import seconds_in_turn

from recsys_tf import presets
from recsys_tf.features import make_dataset, make_record_dataset
from recsys_tf.features.tf_example import write_examples
from recsys_tf.preparation import PreparedData, prepare
from recsys_tf.training import build_recommender, compile_model
from recsys_tf.types import FloatArray

IN_MEMORY = "make_dataset"
SHARDS = {"make_record_dataset, 1 file": 1, "make_record_dataset, 4 files": 4}
MAX_WAIT = 0.05
SEED = 42

Step = Callable[..., Any]


def inputs(data: PreparedData, folder: Path) -> dict[str, tf.data.Dataset]:
    """Makes the inputs of the same rows, shuffled and in whole batches.

    Args:
        data: The data; its training rows are taken.
        folder: Where the files are written.

    Returns:
        By name.
    """
    rows, size = data.train_examples, data.config.training.batch_size
    fitted = data.preprocessor, data.schema, size
    whole: dict[str, Any] = {"shuffle_seed": SEED, "drop_remainder": True}
    made = {IN_MEMORY: make_dataset(rows, data.catalogue, *fitted, **whole)}
    for name, num_shards in SHARDS.items():
        place = folder / str(num_shards)
        # As the rows in memory: the row's own item becomes padding when it is read.
        options: dict[str, Any] = {"num_shards": num_shards, "is_target_masked": False}
        write_examples(rows, data.catalogue, data.schema, place, **options)
        made[name] = make_record_dataset(place, *fitted, **whole)
    return made


def make_step(data: PreparedData, batch: Any, steps_per_epoch: int) -> Step:
    """Compiles the preset's model and returns its training step, traced on a batch."""
    model = build_recommender(data)
    compile_model(model, data.config.training, steps_per_epoch)
    step = tf.function(lambda *batch: model.train_step(batch), autograph=False)
    step(*batch)
    return step


def train_epoch(step: Step, batches: Iterable[Any]) -> tuple[float, float]:
    """Trains an epoch; returns its seconds, and those in which the next batch was waited for."""
    start = time.perf_counter()
    waited, before = 0.0, start
    for batch in batches:
        waited += time.perf_counter() - before
        step(*batch)
        before = time.perf_counter()
    end = time.perf_counter()
    return end - start, waited + end - before


def waiting_in_turn(
    step: Step, made: Mapping[str, Iterable[Any]], num_rounds: int
) -> dict[str, FloatArray]:
    """Trains an epoch on each input in turn.

    Args:
        step: The training step.
        made: Inputs by name.
        num_rounds: Epochs on each.

    Returns:
        By name, seconds of each epoch and those waited, float `[num_rounds, 2]`.
    """
    names = list(made)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for turn in range(num_rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            found[name].append(train_epoch(step, made[name]))
    return {name: np.array(seconds) for name, seconds in found.items()}


def rows_of(
    num_examples: int,
    alone: FloatArray,
    step_seconds: FloatArray,
    trained: Mapping[str, FloatArray],
    batch_size: int,
) -> list[Row]:
    """Makes the rows of the result.

    Args:
        num_examples: Examples of an epoch.
        alone: Seconds of an epoch of each input that nobody trains on, float `[rounds, inputs]`.
        step_seconds: Seconds of the step on a batch at hand, float `[n]`.
        trained: What `waiting_in_turn` returned, by input in the same order.
        batch_size: Rows a batch.

    Returns:
        Medians, with half the distance of the quartiles.
    """
    rows = [
        _median(f"input alone, {name}", num_examples / alone[:, place], "examples/s")
        for place, name in enumerate(trained)
    ]
    rows.append(_median("the training step alone", batch_size / step_seconds, "examples/s"))
    steps_alone = np.median(step_seconds) * num_examples / batch_size
    for name, seconds in trained.items():
        share = seconds[:, 1] / seconds[:, 0]
        claim: dict[str, Any] = {"rule": "at_most", "bound": MAX_WAIT}
        rows.append(_median(f"share of an epoch that waits, {name}", share, "share", **claim))
        longer = seconds[:, 0] / steps_alone
        rows.append(_median(f"epoch over its steps alone, {name}", longer, "times"))
    return rows


def _median(name: str, values: FloatArray, unit: str, **claim: Any) -> Row:
    low, middle, high = np.percentile(values, [25, 50, 75])
    return Row(name, float(middle), unit, float(high - low) / 2, **claim)


def drain(batches: Iterable[Any]) -> Callable[[], None]:
    """Returns a call that takes all batches and does nothing with them."""

    def call() -> None:
        for _ in batches:
            pass

    return call


def measure(data: PreparedData, folder: Path, num_rounds: int) -> list[Row]:
    """Measures all inputs of one data set; see the module's first lines."""
    made = inputs(data, folder)
    size = data.config.training.batch_size
    num_batches = int(made[IN_MEMORY].cardinality())
    batch = next(iter(made[IN_MEMORY]))
    step = make_step(data, batch, num_batches)
    alone = seconds_in_turn([drain(each) for each in made.values()], num_rounds)
    steps = seconds_in_turn([lambda: step(*batch)], max(5, min(num_batches, 50)))[:, 0]
    trained = waiting_in_turn(step, made, num_rounds)
    return rows_of(num_batches * size, alone, steps, trained, size)


def main() -> None:
    """Measures and reports."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", help="files of MovieLens 100K")
    parser.add_argument("--rounds", type=int, default=5, help="timed epochs of each (default 5)")
    add_results_option(parser)
    arguments = parser.parse_args()
    config = presets.movielens_random()
    folder = config.data.model_copy(update={"folder": arguments.data_dir})
    data = prepare(config.model_copy(update={"data": folder}), is_validation_trained=True)
    with tempfile.TemporaryDirectory() as place:
        rows = measure(data, Path(place), arguments.rounds)
    text = (
        f"MovieLens 100K, random 80/20, {len(data.train_examples):,} training rows, preset "
        f"ml-100k-random, batches of {config.training.batch_size}; medians over "
        f"{arguments.rounds} epochs of each input in turn, with half the quartiles' distance"
    )
    sys.exit(not report(__file__, rows, text, [SEED], arguments.results))


if __name__ == "__main__":
    main()
