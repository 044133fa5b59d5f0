"""Runs the checks of a model that says what comes next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from recsys_tf.models import SequenceRecommender
from recsys_tf.models.question_metrics import QuestionMetrics
from recsys_tf.self_checks.finding import Finding
from recsys_tf.self_checks.labels import MIN_OF_CLASS, one_class
from recsys_tf.self_checks.outputs import disagreements
from recsys_tf.self_checks.signal import blind_tasks
from recsys_tf.self_checks.unreached import unreached_parts
from recsys_tf.types import PADDING_INDEX, Array

_WHERE = "items"
# Scores of all items are made for each of them.
_NUM_QUESTIONS = 128
# Share of the questions that a history answers by itself; people do meet an item again at once.
_SUSPICIOUS = 0.99
# One rank of the few questions may change by rounding alone.
_TOLERANCE = 0.05


def check_sequences(model: SequenceRecommender, batches: Sequence[Any]) -> list[Finding]:
    """Runs every check that is one of questions: which item comes next?

    Args:
        model: The model, compiled.
        batches: One or more `(features, labels)`, or with weights, as arrays; see
            `make_sequence_dataset`.

    Returns:
        What was found, empty where all is well.
    """
    findings = list(_of_labels(batches))
    findings += _of_outputs(model, batches)
    findings += _of_loss(model, batches[0])

    def loss_of(features: Any, labels: Any, weights: Any = None) -> Any:
        states = model(features, training=False)
        return model.compute_loss(features, labels, states, weights, training=False)

    findings += unreached_parts(model, batches, loss_of)
    return findings


def _of_labels(batches: Sequence[Any]) -> Iterator[Finding]:
    asked = [each[1] != PADDING_INDEX for each in batches]
    labels = np.concatenate([each[1][at] for each, at in zip(batches, asked, strict=True)])
    reason = one_class(labels)
    if reason is not None:
        text = f"{reason} of {len(labels)} questions looked at; there is nothing to learn."
        yield Finding("one_class", _WHERE, text)
        return
    read = np.concatenate([each[0]["items"][at] for each, at in zip(batches, asked, strict=True)])
    if len(labels) >= MIN_OF_CLASS and np.mean(read == labels) >= _SUSPICIOUS:
        text = (
            "the item asked for stands where it is asked for; labels are the items one place "
            "further on, or those that were masked."
        )
        yield Finding("leak", _WHERE, text)


def _of_outputs(model: SequenceRecommender, batches: Sequence[Any]) -> Iterator[Finding]:
    """Compares the ranks at the ends of rows, for which `predict` gives the scores."""
    metrics, questions, num_left = QuestionMetrics(), [], _NUM_QUESTIONS
    for batch in batches:
        features, history, labels, items = _at_ends(model, batch, num_left)
        if not len(items):
            continue
        scores = model.predict_step(keras.tree.map_structure(tf.constant, history))
        seen = history["items"] if "seen" not in features else features["seen"]
        metrics.update(scores, items, seen, tf.ones(len(items)))
        questions.append((features, labels))
        num_left -= len(items)
    if not questions:
        return
    recomputed = {each.name: float(each.result()) for each in (metrics.hit, metrics.ndcg)}
    evaluated = model.evaluate(_joined(questions), verbose=0, return_dict=True)
    for name in disagreements(recomputed, evaluated, _TOLERANCE):
        text = f"{recomputed[name]:.4f} from `predict`, {evaluated[name]:.4f} from `evaluate`."
        yield Finding("predict_unlike_evaluate", name, text)


def _at_ends(
    model: SequenceRecommender, batch: Any, num_rows: int
) -> tuple[dict[str, Array], dict[str, Array], Array, Array]:
    """Picks the rows that are asked at their last event.

    Returns:
        What the model reads, what is known before the question, labels `[M, L]` of nothing else,
        and the items asked for, `[M]`.
    """
    features, labels = batch[:2]
    is_event = features["items"] != PADDING_INDEX
    last = is_event.shape[1] - 1 - np.argmax(is_event[:, ::-1], axis=1)
    all_rows = np.arange(len(last))
    is_usable = labels[all_rows, last] != PADDING_INDEX
    if model.mask_index is not None:
        is_usable &= features["items"][all_rows, last] == model.mask_index
    rows = np.flatnonzero(is_usable)[:num_rows]
    features = {name: each[rows] for name, each in features.items()}
    items, places = labels[rows, last[rows]], (np.arange(len(rows)), last[rows])
    only = np.zeros_like(labels[rows])
    only[places] = items
    history = {n: each for n, each in features.items() if n not in ("seen", "positions")}
    if "positions" in features:
        # `predict` takes one sequence a row: the last, of which the question is.
        begins = places[1] - features["positions"][places]
        is_other = np.arange(is_event.shape[1]) < begins[:, np.newaxis]
        history = {n: np.where(is_other, PADDING_INDEX, each) for n, each in history.items()}
        features["seen"] = history["items"]
    if model.mask_index is not None:
        # `predict` puts the mask there itself.
        history["items"] = history["items"].copy()
        history["items"][places] = PADDING_INDEX
    return features, history, only, items


def _joined(questions: Sequence[Any]) -> tf.data.Dataset:
    """Makes one batch of batches of different lengths."""

    def join(*parts: Array) -> Array:
        if parts[0].ndim == 1:
            return np.concatenate(parts)
        width = max(each.shape[1] for each in parts)
        padded = [np.pad(each, [(0, 0), (0, width - each.shape[1])]) for each in parts]
        return np.concatenate(padded)

    return tf.data.Dataset.from_tensors(keras.tree.map_structure(join, *questions))


def _of_loss(model: SequenceRecommender, batch: Any) -> Iterator[Finding]:
    features, labels = keras.tree.map_structure(tf.constant, batch[0]), batch[1]
    weights = batch[2] if len(batch) > 2 else None
    states = model(features, training=False)
    # Where all states are equal, no loss can tell one order of the labels from another.
    noise = np.random.default_rng(0).normal(size=states.shape)
    states += tf.constant(noise, states.dtype)
    asked = np.nonzero(labels != PADDING_INDEX)

    def losses_of(changed: dict[str, Array]) -> dict[str, float]:
        given = np.zeros_like(labels)
        given[asked] = changed[_WHERE]
        loss = model.compute_loss(features, tf.constant(given), states, weights, training=False)
        return {_WHERE: float(loss)}

    for name in blind_tasks(losses_of, {_WHERE: labels[asked]}, {_WHERE: None}):
        text = "the loss is the same when the items asked for change places: it does not see them."
        yield Finding("blind_loss", name, text)
