"""What the benchmarks of trained rankers share: sizes, training to the best epoch, a log of trials.

A benchmark of many trials is killed before its end sooner or later. Each trial is one line of a
log, so that the next call of the same command goes on from there.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from reporting import Row, add_results_option

from recsys_tf import ModelConfig, RunConfig, TrainingConfig
from recsys_tf.datasets import LabelledTable, cache_folder
from recsys_tf.metrics import auc
from recsys_tf.models import Ranker
from recsys_tf.preparation import PreparedTable
from recsys_tf.training import build_ranker, fit
from recsys_tf.types import FloatArray, IntArray

Values = dict[str, float]
Parts = tuple[IntArray, IntArray, IntArray]


@dataclass(frozen=True)
class Settings:
    """Sizes of a ranker and how it is trained; everything but the blocks that are compared.

    Attributes:
        epochs: Passes over the training rows, over which the learning rate falls to 0.
        patience: Epochs without a better validation AUC before training ends.

    The other fields are those of `ModelConfig` and `TrainingConfig`.
    """

    embedding_dim: int = 16
    num_cross_layers: int = 0
    cross: str | None = None
    trunk_dims: tuple[int, ...] = ()
    scenario_dim: int = 64
    num_experts: int = 4
    num_task_experts: int = 1
    num_levels: int = 2
    expert_dim: int = 64
    head_dims: tuple[int, ...] = (32,)
    dropout: float = 0.2
    user_dropout: float = 0.0
    item_dropout: float = 0.0
    l2_regularization: float = 0.0
    batch_size: int = 1024
    epochs: int = 15
    patience: int = 4
    learning_rate: float = 1e-3
    schedule: str = "cosine"
    weight_decay: float = 0.0

    def run_config(self, seed: int, weighting: str = "fixed", **blocks: Any) -> RunConfig:
        """Makes the configuration of a run.

        Args:
            seed: Seed of weights, order and dropout.
            weighting: A name of `WEIGHTINGS`.
            **blocks: Further fields of `ModelConfig`: `multitask`, `multiscenario`.

        Returns:
            The configuration; its values are checked.
        """
        values = {name: value for name, value in asdict(self).items() if name != "patience"}
        of_training = {n: v for n, v in values.items() if n in TrainingConfig.model_fields}
        of_model = {n: v for n, v in values.items() if n in ModelConfig.model_fields}
        return RunConfig(
            model=ModelConfig(**of_model, **blocks),
            training=TrainingConfig(
                **of_training, seed=seed, weighting=weighting, self_checks=False
            ),
        )


class HeldOut:
    """The rows of a part, preprocessed once, for measuring a model as often as is asked."""

    def __init__(self, data: PreparedTable, part: str) -> None:
        self.batches = data.dataset(part)
        self.labels: dict[str, FloatArray] = {}
        of_batches = [labels for _, labels, _ in self.batches.as_numpy_iterator()]
        for task in data.schema.tasks:
            self.labels[task.name] = np.concatenate([each[task.name] for each in of_batches])

    def predict(self, model: keras.Model) -> dict[str, FloatArray]:
        """Returns the model's probabilities by task, in the order of the rows."""
        return model.predict(self.batches, verbose=0)

    def aucs(self, model: keras.Model) -> Values:
        """Returns the AUC by task."""
        return {n: auc(self.labels[n], of_task) for n, of_task in self.predict(model).items()}


class BestEpoch(keras.callbacks.Callback):
    """Ends training when the validation AUC stays behind, and takes the best epoch's weights back.

    Of several tasks the mean AUC counts.

    Args:
        held_out: The validation rows.
        patience: Epochs without a better value before the end.
    """

    def __init__(self, held_out: HeldOut, patience: int) -> None:
        super().__init__()
        self.held_out = held_out
        self.patience = patience
        self.epoch = 0
        self.aucs: Values = {}
        self._weights: list[Any] = []

    @property
    def mean(self) -> float:
        """The best mean AUC so far."""
        return float(np.mean(list(self.aucs.values()))) if self.aucs else -np.inf

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Measures the epoch."""
        aucs = self.held_out.aucs(self.model)
        if np.mean(list(aucs.values())) > self.mean:
            self.epoch, self.aucs = epoch + 1, aucs
            self._weights = self.model.get_weights()
        elif epoch + 1 >= self.epoch + self.patience:
            self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:
        """Takes the best weights back."""
        if self._weights:
            self.model.set_weights(self._weights)


def train(
    table: LabelledTable, parts: Parts, config: RunConfig, patience: int
) -> tuple[Ranker, PreparedTable, Values]:
    """Trains one ranker to its best epoch on the validation rows.

    Args:
        table: The rows.
        parts: Positions of the training, validation and test rows; no test row is read.
        config: The run.
        patience: See `BestEpoch`.

    Returns:
        The model, its data, and `<task>/validation_auc`, `epoch`, `seconds`, `parameters`.
    """
    keras.backend.clear_session()
    data = PreparedTable(config, table, *parts)
    model = build_ranker(data)
    best = BestEpoch(HeldOut(data, "validation"), patience)
    started = time.perf_counter()
    fit(model, data.dataset("train"), None, config.training, callbacks=[best], verbose=0)
    values = {f"{name}/validation_auc": value for name, value in best.aucs.items()}
    values["epoch"] = float(best.epoch)
    values["seconds"] = time.perf_counter() - started
    values["parameters"] = float(sum(np.prod(each.shape) for each in model.core.weights))
    return model, data, values


class TrialLog:
    """One line of JSON a trial: what was tried and what it gave.

    A trial is known again by its settings alone: after a change of the package name another file.

    Args:
        path: The file; it grows, and is made where it is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._values: dict[str, Values] = {}
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        for line in lines:
            try:
                trial = json.loads(line)
            except json.JSONDecodeError:
                continue  # Cut off by a kill.
            self._values[_key(trial["trial"])] = trial["values"]

    def measure(self, trial: Mapping[str, Any], run: Callable[[], Values]) -> Values:
        """Returns a trial's values: those of the log, or those of `run`, which the log then has."""
        key = _key(trial)
        if key not in self._values:
            values = {name: float(value) for name, value in run().items()}
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                # A line that was cut off has no end yet.
                line = json.dumps({"trial": dict(trial), "values": values})
                file.write(("\n" if file.tell() else "") + line)
                file.flush()
                os.fsync(file.fileno())
            self._values[key] = values
            print(f"{key}: {_shown(values)}", flush=True)
        return self._values[key]


def draw_settings(
    base: Settings, grid: Mapping[str, Sequence[Any]], count: int, seed: int = 0
) -> Iterator[Settings]:
    """Yields `base`, then different settings drawn from a grid.

    Args:
        base: What is changed; the fields that `grid` does not name stay.
        grid: Values to draw from, by field.
        count: How many settings at the most.
        seed: Seed of the draw.
    """
    unknown = set(grid) - {each.name for each in fields(base)}
    if unknown:
        raise ValueError(f"`grid` names no fields of `Settings`: {', '.join(sorted(unknown))}.")
    combinations = [
        dict(zip(grid, each, strict=True)) for each in itertools.product(*grid.values())
    ]
    order = np.random.default_rng(seed).permutation(len(combinations))
    drawn = (replace(base, **combinations[place]) for place in order)
    yield base
    yield from itertools.islice((each for each in drawn if each != base), count - 1)


def try_settings(
    log: TrialLog,
    trial: Mapping[str, Any],
    choices: Iterable[Settings],
    measure: Callable[[Settings], Values],
) -> None:
    """Tries settings and prints them, the best one first.

    Args:
        log: Keeps what was tried.
        trial: What the settings are tried for.
        choices: The settings.
        measure: Trains with settings; no test row may be read.
    """
    tried = []
    for settings in choices:
        search = {**trial, "settings": asdict(settings), "is_search": True}
        values = log.measure(search, lambda s=settings: measure(s))
        tried.append((mean_validation_auc([values]), settings))
    tried.sort(key=lambda each: -each[0])
    print("\n".join(f"{value:.4f} {settings}" for value, settings in tried), flush=True)


def mean_validation_auc(runs: Iterable[Values]) -> float:
    """Returns the mean over runs and tasks, by which everything is chosen."""
    ending = "/validation_auc"
    return float(np.mean([v for values in runs for n, v in values.items() if n.endswith(ending)]))


def add_options(parser: argparse.ArgumentParser, script: str, has_search: bool = True) -> None:
    """Adds the options that scripts of trials have in common.

    Args:
        parser: The script's parser.
        script: `__file__` of the script, which names its log.
        has_search: Whether the script can try settings.
    """
    log = cache_folder() / "benchmarks" / f"{Path(script).stem}.jsonl"
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    if has_search:
        parser.add_argument("--search", type=int, metavar="N", help="only try N settings a method")
    parser.add_argument("--log", type=Path, default=log, help="the trials, of broken runs too")
    add_results_option(parser)


def mean_row(name: str, values: Sequence[float], unit: str, **others: Any) -> Row:
    """Makes the row of one number: mean and standard deviation over the seeds.

    The deviation is that of a sample, over `n - 1`: the seeds stand for all that might be drawn. A
    single one tells of none.
    """
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Row(name, float(np.mean(values)), unit, spread, **others)


def _key(trial: Mapping[str, Any]) -> str:
    return json.dumps(trial, sort_keys=True)


def _shown(values: Values) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in values.items())
