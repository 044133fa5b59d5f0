"""Times training beside the multi-task tutorials of TensorFlow Recommenders and keras-rs.

    python benchmarks/training_speed.py --peer-python /opt/envs/kerasrs/bin/python

MovieLens 100K, 80,000 training rows, user and film ids only, a retrieval and a rating task, width
32, a rating network of 256 and 128 units, no dropout. In each round every model has a process of
its own, and these train an epoch each in turn; the epochs after the first are timed. A round's
ratio is the median of its turns'.
All processes run under `--peer-python`, so that they share one TensorFlow: an environment with
tensorflow, keras-rs and what recsys_tf needs (Python 3.11 or newer, for keras-rs).

The peers are trained as their tutorials do: cached batches, Adagrad at 0.1, the softmax over the
batch summed; but with as many steps in a call of the graph as ours. The tutorial of TFRS ranks the
whole catalogue in every training step; it is timed without, and with `--peers tfrs_as_published` as
it is. The last rows tell where the time of one of our steps goes. Each batch size has a result file
of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from epochs_in_turn import Child, Trained, ratio_of_speeds, rounds_in_turn
from reporting import Row, add_results_option, report
from tutorials import (
    RATING_DIMS,
    STEPS_IN_ONE_CALL,
    WIDTH,
    clock_callback,
    train_keras_rs,
    train_tfrs,
)

ROOT = Path(__file__).resolve().parents[1]
SEED = 42
NUM_ROWS = 80_000
MIN_RATIO = 1.5
OURS = "recsys_tf"
PEERS = {
    "tfrs": "TFRS tutorial, no metric of the whole catalogue",
    "tfrs_as_published": "TFRS tutorial, as in the tutorial",
    "keras_rs": "keras-rs tutorial on TensorFlow",
    "keras_rs_jax": "keras-rs tutorial on JAX",
}
# Held against the fastest of these. Ranking the catalogue in each step is work that we do not do.
RIVALS = ("tfrs", "keras_rs", "keras_rs_jax")


def our_data(data_folder: str | None, batch_size: int, num_epochs: int) -> Any:
    """Prepares the rows for our model, with ids and ratings only."""
    from recsys_tf import IdFeature, ModelConfig, RunConfig, Schema, TaskSpec, TrainingConfig
    from recsys_tf.config import DataConfig
    from recsys_tf.preparation import prepare

    schema = Schema(
        features=(IdFeature(name="user_id", side="user"), IdFeature(name="item_id", side="item")),
        tasks=(
            TaskSpec(name="watch", kind="retrieval"),
            TaskSpec(name="rating", kind="regression", label="rating", value_range=(1, 5)),
        ),
    )
    model = ModelConfig(
        embedding_dim=WIDTH,
        output_dim=WIDTH,
        num_cross_layers=0,
        trunk_dims=RATING_DIMS,
        multitask="shared_bottom",
        expert_dim=WIDTH,
        head_dims=(),
        dropout=0.0,
        tower_dropout=0.0,
        user_dropout=0.0,
        item_dropout=0.0,
    )
    config = RunConfig(
        data=DataConfig(dataset="ml-100k", folder=data_folder, split="random", history="others"),
        features_and_tasks=schema,
        model=model,
        training=TrainingConfig(
            batch_size=batch_size,
            epochs=num_epochs,
            seed=SEED,
            steps_per_execution=STEPS_IN_ONE_CALL,
            self_checks=False,
        ),
    )
    return prepare(config, is_validation_trained=True)


def train_ours(data_folder: str | None, batch_size: int, num_epochs: int) -> None:
    """Trains our model, an epoch in each turn."""
    import keras

    from recsys_tf.training import build_recommender, fit

    data = our_data(data_folder, batch_size, num_epochs)
    model = build_recommender(data)
    clock = clock_callback(keras)
    fit(model, data.dataset("train"), None, data.config.training, callbacks=[clock], verbose=0)


def profile(data_folder: str | None, batch_size: int, num_rounds: int) -> dict[str, float]:
    """Milliseconds of the parts of our step, and of a batch's input."""
    from recsys_tf.step_profile import profile_step
    from recsys_tf.training import build_recommender, compile_model

    data = our_data(data_folder, batch_size, 1)
    model, batches = build_recommender(data), data.dataset("train")
    compile_model(model, data.config.training, int(batches.cardinality()))
    return profile_step(model, batches, num_rounds=num_rounds).milliseconds


def command_of(name: str, arguments: argparse.Namespace, batch_size: int) -> Child:
    """Makes the process that measures one model."""
    environment = {
        "TF_USE_LEGACY_KERAS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "KERAS_BACKEND": "jax" if name == "keras_rs_jax" else "tensorflow",
        "CUDA_VISIBLE_DEVICES": "-1",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    command = [arguments.peer_python, "-W", "ignore", __file__, "--child", name]
    command += ["--batch-size", str(batch_size), "--epochs", str(arguments.epochs)]
    if arguments.data_dir:
        command += ["--data-dir", arguments.data_dir]
    return Child(command, environment)


def run_profile(arguments: argparse.Namespace, batch_size: int) -> dict[str, float]:
    """Runs `profile` in a process of its own."""
    child = command_of("profile", arguments, batch_size)
    done = subprocess.run(
        child.command,
        env={**os.environ, **child.environment},
        stdout=subprocess.PIPE,
        text=True,
        timeout=900,
    )
    if done.returncode:
        sys.exit(f"The profile failed with exit code {done.returncode}; its last words are above.")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def be_child(name: str, arguments: argparse.Namespace) -> Any:
    """Does what `command_of` asks for; returns what the process tells at its end."""
    folder, size = arguments.data_dir, arguments.batch_size[0]
    num_epochs = arguments.epochs + 1  # The first is not timed.
    if name == "profile":
        return profile(folder, size, num_rounds=max(8, 40_000 // size))
    if name == OURS:
        return train_ours(folder, size, num_epochs)
    data = our_data(folder, 1, 1)
    events = data.interactions.events.iloc[data.train_rows]
    if name.startswith("tfrs"):
        return train_tfrs(events, size, num_epochs, has_metric=name == "tfrs_as_published")
    return train_keras_rs(events, size, num_epochs)


def measure(arguments: argparse.Namespace, batch_size: int) -> list[dict[str, Trained]]:
    """Trains all models in each round."""
    children = {n: command_of(n, arguments, batch_size) for n in (OURS, *arguments.peers)}
    rounds = []
    for turn, found in enumerate(rounds_in_turn(children, arguments.rounds, arguments.epochs)):
        rounds.append(found)
        speeds = {name: speed_of(each) for name, each in found.items()}
        shown = ", ".join(f"{name} {speed:,.0f}" for name, speed in speeds.items())
        print(f"batch {batch_size}, round {turn}, examples/s: {shown}", flush=True)
    return rounds


def speed_of(trained: Trained) -> float:
    """Returns the examples a second of the median epoch."""
    return NUM_ROWS / float(np.median(trained.seconds))


def rows_of(rounds: list[dict[str, Trained]], parts: dict[str, float], size: int) -> list[Row]:
    """Makes the rows of one batch size: speeds, ratios by round, and where a step's time goes."""
    names = [OURS, *(name for name in PEERS if name in rounds[0])]
    speeds = {name: [speed_of(each[name]) for each in rounds] for name in names}

    def row(name: str, values: Any, unit: str, **claim: Any) -> Row:
        spread = (max(values) - min(values)) / 2
        return Row(f"{name}, batch {size}", float(np.median(values)), unit, spread, **claim)

    rows = [row("training, recsys_tf", speeds[OURS], "examples/s")]
    for name in speeds:
        if name != OURS:
            rows.append(row(f"training, {PEERS[name]}", speeds[name], "examples/s"))
    medians = {name: np.median(speeds[name]) for name in speeds if name in RIVALS}
    for name in speeds:
        if name == OURS:
            continue
        ratios = [ratio_of_speeds(each[OURS], each[name]) for each in rounds]
        is_fastest = name == max(medians, key=lambda each: medians[each])
        claim = {"rule": "at_least", "bound": MIN_RATIO} if is_fastest else {}
        what = f"recsys_tf / {PEERS[name]}{' (the fastest peer)' if is_fastest else ''}"
        rows.append(row(what, ratios, "x", **claim))
    return rows + [Row(f"our step: {part}, batch {size}", ms, "ms") for part, ms in parts.items()]


def main() -> None:
    """Measures and reports."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", default=default_data_folder(), help="files of MovieLens 100K")
    parser.add_argument("--peer-python", default=sys.executable, help="interpreter of all models")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=["tfrs", "keras_rs"])
    parser.add_argument("--batch-size", type=int, nargs="+", default=[8192, 1024])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=8, help="timed epochs (default 8)")
    add_results_option(parser)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child is not None:
        print(json.dumps(be_child(arguments.child, arguments)))
        return
    versions = peer_versions(arguments)
    data = (
        "MovieLens 100K, random 80/20, 80,000 training rows, user and film ids, width 32, median "
        f"and half the range over {arguments.rounds} rounds of {arguments.epochs} epochs in "
        f"turn; {', '.join(map(' '.join, versions.items()))}"
    )
    holds = []
    for size in arguments.batch_size:
        rows = rows_of(measure(arguments, size), run_profile(arguments, size), size)
        holds.append(report(__file__, rows, data, [SEED], arguments.results, str(size), versions))
    sys.exit(not all(holds))


def peer_versions(arguments: argparse.Namespace) -> dict[str, str]:
    """Tells the versions that all models ran under, by package."""
    code = (
        "import importlib.metadata as m, json; print(json.dumps({n: m.version(n) for n in "
        "('tensorflow', 'keras', 'tf-keras', 'tensorflow-recommenders', 'keras-rs') "
        "if any(m.distributions(name=n))}))"
    )
    command = [arguments.peer_python, "-c", code]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def default_data_folder() -> str | None:
    """Returns the folder beside the repository, where there is one and no other is named."""
    folder = ROOT.parent / "shared" / "data" / "ml-100k"
    return str(folder) if folder.is_dir() and "RECSYS_DATA_DIR" not in os.environ else None


if __name__ == "__main__":
    main()
