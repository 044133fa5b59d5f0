"""Claim: ten times the interactions take ten times the time, and no more memory but their own.

    python benchmarks/more_interactions.py

Events of 5,000 users and 5,000 items are generated, `--events` of them and ten times as many; every
user and item occurs in both, so that the tables are equal. A two-tower model (the user's id and the
last 20 items in the query tower, the item's id in the other, width 64, softmax over the batch of
1,024) trains on all of them. Each size has a process of its own in each round, and these train an
epoch each in turn; the epochs after the first are timed. A round's ratio is the median of its
turns'.

The data's own memory is what a process holds, once its examples and batches are made and before
the model is, over what it held with TensorFlow loaded and no data. The memory of training is the
highest that the process holds while it trains, over what it held right before `fit`, with data and
model in place: optimiser, graphs, and batches under way.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from epoch_clock import clock_callback
from epochs_in_turn import Child, Trained, ratio_of_speeds, rounds_in_turn
from reporting import Row, add_results_option, report
from softmax_memory import kilobytes

ROOT = Path(__file__).resolve().parents[1]
NUM_USERS = NUM_ITEMS = 5_000
FACTOR = 10
WIDTH, LENGTH, BATCH = 64, 20, 1024
MAX_TIMES, MAX_MEMORY = 10.5, 1.1
SEED = 42

Round = Mapping[int, Trained]
"""By the number of events; each told `events`, `parameters`, `data_mb` and `training_mb`."""


def generate(num_events: int, num_users: int, num_items: int) -> Any:
    """Draws events by Zipf's law over the items, and users alike; all of them occur.

    Args:
        num_events: Number of events, at least as many as users and as items.
        num_users: Number of users.
        num_items: Number of items.

    Returns:
        `Interactions` with ids and a history, and a retrieval task.

    Raises:
        ValueError: If there are too few events.
    """
    import pandas as pd

    from recsys_tf import HistoryFeature, IdFeature, Schema, TaskSpec
    from recsys_tf.datasets import Interactions

    if num_events < max(num_users, num_items):
        raise ValueError(
            f"`num_events` must be at least the number of users and of items, received "
            f"{num_events:,} for {num_users:,} and {num_items:,}."
        )
    rng = np.random.default_rng(SEED)
    shares = np.cumsum(1 / np.arange(1, num_items + 1))
    items = np.searchsorted(shares / shares[-1], rng.random(num_events))
    users = rng.integers(0, num_users, num_events)
    items[:num_items], users[:num_users] = np.arange(num_items), np.arange(num_users)
    order = rng.permutation(num_events)
    user_ids = np.array([f"u{k}" for k in range(num_users)], dtype=object)
    item_ids = np.array([f"i{k}" for k in range(num_items)], dtype=object)
    schema = Schema(
        features=(
            IdFeature(name="user_id", side="user"),
            HistoryFeature(name="history", side="user", of="item_id", max_length=LENGTH),
            IdFeature(name="item_id", side="item"),
        ),
        tasks=(TaskSpec(name="watch", kind="retrieval"),),
    )
    events = pd.DataFrame(
        {
            "user_id": user_ids[users[order]],
            "item_id": item_ids[items[order]],
            "timestamp": np.arange(num_events),
        }
    )
    return Interactions(
        schema,
        events,
        pd.DataFrame({"user_id": user_ids}),
        pd.DataFrame({"item_id": item_ids, "title": item_ids}),
    )


def prepared(num_events: int, num_users: int, num_items: int, num_epochs: int) -> Any:
    """Prepares generated events, all of them for training."""
    from recsys_tf import ModelConfig, RunConfig, TrainingConfig
    from recsys_tf.datasets import Split
    from recsys_tf.preparation import PreparedData

    model = ModelConfig(
        embedding_dim=WIDTH,
        output_dim=WIDTH,
        history_encoder="mean",
        tower_dims=(WIDTH,),
        num_cross_layers=0,
        trunk_dims=(),
    )
    training = TrainingConfig(batch_size=BATCH, epochs=num_epochs, seed=SEED, self_checks=False)
    interactions = generate(num_events, num_users, num_items)
    none = np.zeros(0, np.int64)
    return PreparedData(
        RunConfig(model=model, training=training),
        interactions,
        interactions.schema,
        Split(np.arange(num_events), none, none, "random"),
    )


def be_child(num_events: int, num_epochs: int, sizes: Sequence[int]) -> dict[str, float]:
    """Trains on generated events, an epoch in each turn.

    Args:
        num_events: Number of events.
        num_epochs: Epochs, the first one included, which is not timed.
        sizes: Numbers of users and items.

    Returns:
        What it trained, and its memory.
    """
    import keras

    from recsys_tf.training import build_recommender, fit

    prepared(max(sizes), *sizes, 1).dataset("train")  # Libraries are loaded, kernels made.
    empty = kilobytes("VmRSS")
    data = prepared(num_events, *sizes, num_epochs)
    batches = data.dataset("train")
    held = kilobytes("VmRSS")
    model = build_recommender(data)
    before = reset_peak()
    clock = clock_callback(keras)
    fit(model, batches, None, data.config.training, callbacks=[clock], verbose=0)
    return {
        "events": num_events,
        "parameters": model.count_params(),
        "data_mb": (held - empty) * 1024 / 1e6,
        "training_mb": (kilobytes("VmHWM") - before) * 1024 / 1e6,
    }


def reset_peak() -> int:
    """Makes this process's highest memory so far what it holds now; returns it in kilobytes."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return kilobytes("VmRSS")


def command_of(num_events: int, num_epochs: int, sizes: Sequence[int]) -> Child:
    """Makes the process that trains on so many events."""
    numbers = map(str, (num_events, num_epochs + 1, *sizes))
    command = [sys.executable, "-W", "ignore", __file__, "--child", *numbers]
    environment = {
        "TF_USE_LEGACY_KERAS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
        "PYTHONPATH": str(ROOT),
    }
    return Child(command, environment)


def rows_of(rounds: Sequence[Round], num_events: int) -> list[Row]:
    """Makes the rows of the result.

    Args:
        rounds: What each round found.
        num_events: The smaller number of events.

    Returns:
        Medians over the rounds, with half their range.
    """
    few, many = num_events, num_events * FACTOR
    rows = []
    for number in (few, many):
        seconds = [float(np.median(each[number].seconds)) for each in rounds]
        rows.append(_median(f"an epoch, {number:,} events", seconds, "s"))
        for name, what in (
            ("data_mb", "the data's own memory"),
            ("training_mb", "memory of training"),
        ):
            values = [each[number].told[name] for each in rounds]
            rows.append(_median(f"{what}, {number:,} events", values, "MB"))
    ratios = [ratio_of_speeds(each[few], each[many]) for each in rounds]
    rows.append(
        _median(
            "time of an epoch, ten times the events",
            ratios,
            "times",
            rule="at_most",
            bound=MAX_TIMES,
        )
    )
    memory = [each[many].told["training_mb"] / each[few].told["training_mb"] for each in rounds]
    rows.append(
        _median(
            "memory of training, ten times the events",
            memory,
            "times",
            rule="at_most",
            bound=MAX_MEMORY,
        )
    )
    return rows


def _median(name: str, values: Sequence[float], unit: str, **claim: Any) -> Row:
    spread = (max(values) - min(values)) / 2
    return Row(name, float(np.median(values)), unit, spread, **claim)


def main() -> None:
    """Measures and reports."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=200_000, help="default 200,000")
    parser.add_argument("--sizes", type=int, nargs=2, default=[NUM_USERS, NUM_ITEMS])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3, help="timed epochs (default 3)")
    add_results_option(parser)
    parser.add_argument("--child", type=int, nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        num_events, num_epochs, *sizes = arguments.child
        print(json.dumps(be_child(num_events, num_epochs, sizes)))
        return
    children = {
        number: command_of(number, arguments.epochs, arguments.sizes)
        for number in (arguments.events, arguments.events * FACTOR)
    }
    rounds = list(rounds_in_turn(children, arguments.rounds, arguments.epochs))
    data = (
        f"generated events of {arguments.sizes[0]:,} users and {arguments.sizes[1]:,} items by "
        f"Zipf's law, two towers of width {WIDTH}, batches of {BATCH:,}; median and half the range "
        f"over {arguments.rounds} rounds of {arguments.epochs} epochs in turn"
    )
    holds = report(__file__, rows_of(rounds, arguments.events), data, [SEED], arguments.results)
    sys.exit(not holds)


if __name__ == "__main__":
    main()
