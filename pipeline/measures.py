"""Everything the Evaluator measures, and the numbers of each row that it is computed from."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tensorflow as tf

from recsys_tf.config import RunConfig
from recsys_tf.export.place_metrics import ANSWERED
from recsys_tf.features import Preprocessor, label_columns, make_labels
from recsys_tf.features.tf_example import parse_raw
from recsys_tf.schema import Schema, TaskSpec
from recsys_tf.types import UNKNOWN_INDEX, Tensor, TensorDict

ACTIVITY_BOUNDS = (1, 11, 51)
"""Fewest events in a user's history from which on the next name of `ACTIVITY_NAMES` holds."""

ACTIVITY_NAMES = ("no events", "1-10 events", "11-50 events", "more than 50 events")

_COLUMNS_FILE = "evaluation_columns.json"

_WITH_SEEN = ":with_seen"
"""Ends the columns of lists that hold what the user has met: no such list beside others."""

_ABOVE_CHANCE = "hit_above_chance_at_"

_SMALLEST = 1e-7  # Where a probability is cut before its logarithm, as `recsys_tf.metrics` does.


@dataclass(frozen=True)
class Measure:
    """One number that is computed over all rows of a slice.

    Attributes:
        name: `<task>/<metric>`, as `recsys_tf.evaluation` names it.
        kind: `mean` of a column, `root_mean` of it, or `auc` of a label and a score.
        columns: Of each row the value (for `auc` the label and the score), and last the weight.
        is_higher_better: Which way is up.
        is_watched: Whether a model must not be worse in it than the blessed one.
        chance: The value that guessing reaches, where a model has to beat it.
    """

    name: str
    kind: Literal["mean", "root_mean", "auc"]
    columns: tuple[str, ...]
    is_higher_better: bool = True
    is_watched: bool = False
    chance: float | None = None


def measures(schema: Schema, config: RunConfig) -> tuple[Measure, ...]:
    """Lists what is measured, for every task that a model answers.

    Args:
        schema: Tasks.
        config: Cut-offs of the ranking metrics, and the bounds that take the place of chance.

    Returns:
        The measures.
    """
    found: list[Measure] = []
    for task in schema.ranking_tasks:
        found += _OF_KIND.get(task.kind, _no_measures)(task.name)
    if schema.retrieval_task is not None:
        found += _of_retrieval(schema.retrieval_task.name, config)
    return tuple(found)


def columns(found: tuple[Measure, ...]) -> tuple[str, ...]:
    """Returns the columns of all measures, each once, in a fixed order."""
    return tuple(dict.fromkeys(name for each in found for name in each.columns))


def write_columns(folder: Path, names: tuple[str, ...]) -> None:
    """Notes beside an exported model what its vectors hold.

    Args:
        folder: Folder of the model's artifact.
        names: The columns.
    """
    (folder / _COLUMNS_FILE).write_text(json.dumps(names), encoding="utf-8")


def read_columns(folder: Path) -> tuple[str, ...]:
    """Returns what the vectors of an exported model hold; nothing where it was not noted.

    Args:
        folder: Folder of the model's artifact.

    Returns:
        The columns.
    """
    path = folder / _COLUMNS_FILE
    return tuple(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else ()


def row_values(
    evaluate: Callable[[Tensor], TensorDict],
    schema: Schema,
    preprocessor: Preprocessor,
    found: tuple[Measure, ...],
) -> Callable[[Tensor], dict[str, Tensor]]:
    """Returns the numbers of each row as a function of examples: a signature for the Evaluator.

    TensorFlow Model Analysis handles each row by itself in Python, once for every slice, output
    and metric. One vector a row keeps that short.

    Args:
        evaluate: Examples, string `[B]`, to each task's prediction and the row metrics of
            retrieval; `ServedRecommender.evaluate_examples`.
        schema: Features and tasks.
        preprocessor: Makes indices.
        found: The measures.

    Returns:
        A function from serialised examples, string `[B]`, to `rows`, float32
        `[B, len(columns(found))]`. A missing label has the weight 0.
    """
    names = columns(found)

    def rows(serialized: Tensor) -> dict[str, Tensor]:
        raw = parse_raw(serialized, schema, has_labels=True)
        labels, weights = make_labels(
            {name: raw[name] for name in label_columns(schema)},
            preprocessor(raw),
            schema,
            preprocessor.state.num_indices_by_name,
        )
        outputs = evaluate(serialized)
        values: dict[str, Tensor] = {}
        for task in schema.tasks:
            if task.from_features is None and task.kind != "multilabel":
                values |= _values(task, labels[task.name], weights[task.name], outputs)
        of_names = [values[name.removesuffix(_WITH_SEEN)] for name in names]
        return {"rows": tf.stack([tf.cast(each, tf.float32) for each in of_names], axis=1)}

    return rows


def slice_values(schema: Schema, preprocessor: Preprocessor) -> Callable[..., dict[str, Tensor]]:
    """Returns the slices of each row as a function of examples.

    Args:
        schema: Features.
        preprocessor: Makes indices, from which an unknown user is told.

    Returns:
        A function from serialised examples, string `[B]`, to `is_new_user` and, where there is a
        history, `activity`, string `[B]`.
    """

    def slices(serialized: Tensor) -> dict[str, Tensor]:
        raw = parse_raw(serialized, schema)
        features = preprocessor(raw)
        is_new = features[schema.user_id] <= UNKNOWN_INDEX
        outputs = {"is_new_user": tf.where(is_new, "yes", "no")}
        if schema.history is not None:
            # Not what the model reads: that ends at the history's `max_length`.
            is_event = tf.cast(tf.not_equal(raw[schema.history.name], ""), tf.int32)
            num_events = tf.reduce_sum(is_event, axis=1)
            bucket = tf.searchsorted(ACTIVITY_BOUNDS, num_events, side="right")
            outputs["activity"] = tf.gather(tf.constant(ACTIVITY_NAMES), bucket)
        return outputs

    return slices


def _no_measures(name: str) -> list[Measure]:
    del name
    return []


def _of_regression(name: str) -> list[Measure]:
    squared, absolute, weight = f"{name}/squared", f"{name}/absolute", f"{name}/weight"
    return [
        Measure(f"{name}/rmse", "root_mean", (squared, weight), False, is_watched=True),
        Measure(f"{name}/mae", "mean", (absolute, weight), False),
    ]


def _of_binary(name: str) -> list[Measure]:
    label, score, weight = f"{name}/label", f"{name}/score", f"{name}/weight"
    return [
        Measure(f"{name}/auc", "auc", (label, score, weight), is_watched=True, chance=0.5),
        *_of_classes(name),
    ]


def _of_classes(name: str) -> list[Measure]:
    return [
        Measure(f"{name}/log_loss", "mean", (f"{name}/loss", f"{name}/weight"), False),
        Measure(f"{name}/accuracy", "mean", (f"{name}/is_right", f"{name}/weight")),
    ]


def _of_retrieval(name: str, config: RunConfig) -> list[Measure]:
    cutoffs = sorted(set(config.evaluation.cutoffs))
    kind = "" if config.export.is_seen_excluded else _WITH_SEEN
    weight = f"{name}/weight"
    found = []
    for k in cutoffs:
        # What the towers find in the catalogue, and what `recommend` makes of it.
        for part in ("", f"{ANSWERED}_"):
            hit, ndcg = f"{name}/{part}hit_at_{k}", f"{name}/{part}ndcg_at_{k}"
            found += [
                Measure(hit, "mean", (hit + kind, weight)),
                Measure(ndcg, "mean", (ndcg + kind, weight), is_watched=k == cutoffs[0]),
            ]
    # Chance says most at the longest list, where a hit is no rarity. It differs from row to row:
    # an item that the user has met is no hit where such items are left out.
    excess = f"{name}/{_ABOVE_CHANCE}{cutoffs[-1]}"
    is_bounded = f"{name}/hit_at_{cutoffs[-1]}" in config.pipeline.min_metrics
    chance = None if is_bounded else 0.0
    return [*found, Measure(excess, "mean", (excess + kind, weight), chance=chance)]


_OF_KIND: dict[str, Callable[[str], list[Measure]]] = {
    "regression": _of_regression,
    "binary": _of_binary,
    "multiclass": _of_classes,
}


def _values(task: TaskSpec, label: Tensor, weight: Tensor, outputs: TensorDict) -> TensorDict:
    name = task.name
    if task.kind == "retrieval":
        prefixes = tuple(
            f"{name}_{part}{metric}_at_"
            for part in ("", f"{ANSWERED}_")
            for metric in ("hit", "ndcg")
        )
        metrics = {
            key.replace(f"{name}_", f"{name}/", 1): value
            for key, value in outputs.items()
            if key.startswith(prefixes)
        }
        chances = f"{name}_chance_at_"
        excess = {
            key.replace(chances, f"{name}/{_ABOVE_CHANCE}", 1): (
                metrics[key.replace(chances, f"{name}/hit_at_", 1)] - value
            )
            for key, value in outputs.items()
            if key.startswith(chances)
        }
        return {f"{name}/weight": weight, **metrics, **excess}
    prediction = outputs[name]
    if task.kind == "multiclass":
        is_given = label >= 0
        label = tf.where(is_given, label, tf.zeros_like(label))
        share = tf.gather(prediction, label, batch_dims=1)
        values = {
            "loss": -tf.math.log(tf.maximum(share, _SMALLEST)),
            "is_right": tf.cast(tf.equal(tf.argmax(prediction, 1), label), tf.float32),
        }
    else:
        is_given = tf.math.is_finite(label)
        label = tf.where(is_given, label, tf.zeros_like(label))
        values = (_of_number if task.kind == "regression" else _of_probability)(label, prediction)
    values["weight"] = tf.where(is_given, weight, tf.zeros_like(weight))
    return {f"{name}/{key}": value for key, value in values.items()}


def _of_number(label: Tensor, prediction: Tensor) -> dict[str, Tensor]:
    return {"squared": tf.square(prediction - label), "absolute": tf.abs(prediction - label)}


def _of_probability(label: Tensor, prediction: Tensor) -> dict[str, Tensor]:
    cut = tf.clip_by_value(prediction, _SMALLEST, 1 - _SMALLEST)
    return {
        "label": label,
        "score": prediction,
        "loss": -(label * tf.math.log(cut) + (1 - label) * tf.math.log(1 - cut)),
        "is_right": tf.cast(tf.equal(prediction >= 0.5, label >= 0.5), tf.float32),
    }
