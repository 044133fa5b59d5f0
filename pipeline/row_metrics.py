"""All measures as one metric of TensorFlow Model Analysis, over one vector a row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.metrics import metric_types, metric_util

from pipeline.measures import Measure

_ROWS_AT_ONCE = 4096
_NUM_BINS = 10_000
_LEAST_WATCHED = 1e-12
"""In place of 0 in what is compared by its share: to TFMA any change from 0 is a worse model."""
_LARGEST_LOGIT = 20.0
"""Probabilities nearer to 0 or 1 than its sigmoid, 2e-9, count as equal."""


class RowMetrics(tfma.metrics.Metric):
    """Computes every measure from the vectors of the signature `evaluation_rows`.

    Args:
        columns: Names of the vector's elements.
        measures: The measures' names, kinds and columns, as `described` gives them.
        name: Not used; TFMA wants one.
    """

    def __init__(
        self,
        columns: Sequence[str],
        measures: Sequence[dict[str, Any]],
        name: str = "row_metrics",
    ) -> None:
        super().__init__(
            metric_util.merge_per_key_computations(_computations),
            name=name,
            columns=list(columns),
            measures=list(measures),
        )


metric_types.register_metric(RowMetrics)


def described(found: Iterable[Measure]) -> list[dict[str, Any]]:
    """Returns the measures as plain values, for the Evaluator's configuration."""
    return [
        {
            "name": measure.name,
            "kind": measure.kind,
            "columns": list(measure.columns),
            "is_watched": measure.is_watched,
        }
        for measure in found
    ]


@dataclass
class Sums:
    """What is known of the rows so far.

    Attributes:
        rows: Vectors that are not summed yet.
        totals: By measure: sum of `weight * value` and of the weights; for `auc` the weights of
            the negative and the positive rows in bins of the score's log odds, `[2, bins + 1]`,
            where the last bin holds scores that are no number.
    """

    rows: list[np.ndarray] = field(default_factory=list)
    totals: dict[str, np.ndarray] = field(default_factory=dict)


class RowCombiner(beam.CombineFn):
    """Joins vectors of rows to the measures.

    Args:
        columns: Names of the vector's elements.
        measures: As `described` gives them.
        model_name: Whose vectors; empty where there is one model.
    """

    def __init__(
        self, columns: Sequence[str], measures: Sequence[dict[str, Any]], model_name: str = ""
    ) -> None:
        self._place = {name: index for index, name in enumerate(columns)}
        self._measures = measures
        self._model_name = model_name

    def create_accumulator(self) -> Sums:
        """Returns the sums of no rows."""
        return Sums()

    def add_input(self, sums: Sums, element: Any) -> Sums:
        """Adds a row, of which `element` holds the model's vector as the prediction."""
        sums.rows.append(element.get_predictions(self._model_name))
        return self.compact(sums) if len(sums.rows) >= _ROWS_AT_ONCE else sums

    def compact(self, sums: Sums) -> Sums:
        """Sums the rows that are not summed yet."""
        if sums.rows:
            rows = np.stack(sums.rows).astype(np.float64)
            sums.rows = []
            for measure in self._measures:
                parts = [rows[:, self._place[name]] for name in measure["columns"]]
                total = _binned(*parts) if measure["kind"] == "auc" else _summed(*parts)
                sums.totals[measure["name"]] = sums.totals.get(measure["name"], 0.0) + total
        return sums

    def merge_accumulators(self, parts: Iterable[Sums]) -> Sums:
        """Joins sums."""
        joined = Sums()
        for part in parts:
            for name, total in self.compact(part).totals.items():
                joined.totals[name] = joined.totals.get(name, 0.0) + total
        return joined

    def extract_output(self, sums: Sums) -> dict[Any, float]:
        """Returns the measures by key; one without a row that counts is NaN."""
        totals = self.compact(sums).totals
        return {
            _key(measure["name"], self._model_name): _result(measure, totals.get(measure["name"]))
            for measure in self._measures
        }


def _computations(
    columns: Sequence[str],
    measures: Sequence[dict[str, Any]],
    name: str = "row_metrics",
    model_name: str = "",
    output_name: str = "",
) -> metric_types.MetricComputations:
    del name, output_name
    return [
        metric_types.MetricComputation(
            keys=[_key(measure["name"], model_name) for measure in measures],
            preprocessors=None,
            combiner=RowCombiner(columns, measures, model_name),
        )
    ]


def _key(name: str, model_name: str) -> metric_types.MetricKey:
    # None, as in the keys that TFMA makes of the bounds: the weights are in the vectors.
    return metric_types.MetricKey(name=name, model_name=model_name, example_weighted=None)


def _summed(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    # What is not finite counts even with the weight 0: it shows a broken model.
    return np.array([np.sum(weights * values), np.sum(weights)])


def _binned(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    is_number = np.isfinite(scores)
    places = np.where(is_number, _bins(np.where(is_number, scores, 0.5)), _NUM_BINS)
    # A broken row must be seen even where its weight is 0.
    weights = np.where(is_number, weights, 1.0)
    is_positive = labels > 0.5
    bins = np.zeros((2, _NUM_BINS + 1))
    for side, chosen in enumerate((~is_positive, is_positive)):
        bins[side] = np.bincount(places[chosen], weights[chosen], minlength=_NUM_BINS + 1)
    return bins


def _bins(probabilities: np.ndarray) -> np.ndarray:
    """Bins of equal width in the mean of probability and scaled log odds.

    Equal ones in probability alone hold a rare event in one, and equal ones in log odds a model
    whose predictions lie close to one half in a few; each keeps half of its fineness.
    """
    cut = np.clip(probabilities, 1e-15, 1 - 1e-15)
    of_odds = 0.5 + np.log(cut / (1 - cut)) / (2 * _LARGEST_LOGIT)
    unit = (cut + np.clip(of_odds, 0, 1)) / 2
    return np.clip(unit * _NUM_BINS, 0, _NUM_BINS - 1).astype(int)


def _result(measure: dict[str, Any], total: np.ndarray | None) -> float:
    if total is None:
        return float("nan")
    if measure["kind"] == "auc":
        value = _auc(total)
    else:
        value = total[0] / total[1] if total[1] > 0 else float("nan")
    if measure["kind"] == "root_mean":
        value = np.sqrt(value)
    # What is no number stays so.
    return float(np.maximum(value, _LEAST_WATCHED) if measure["is_watched"] else value)


def _auc(bins: np.ndarray) -> float:
    """Share of pairs of a negative and a positive row in the right order; half within a bin."""
    negatives, positives = bins[:, :-1]
    pairs = negatives.sum() * positives.sum()
    if bins[:, -1].any() or pairs == 0:
        return float("nan")
    below = np.cumsum(negatives) - negatives
    return float(np.sum(positives * (below + negatives / 2)) / pairs)
