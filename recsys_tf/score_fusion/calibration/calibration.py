"""What every calibration is: one monotone curve for all rows, and one for each large scenario."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf
from typing_extensions import Self

from recsys_tf.types import Array, FloatArray, IntArray, Tensor

Curve = Mapping[str, Any]
"""The numbers of one curve by name, as plain JSON values."""

MIN_ROWS = 200
"""Rows below which a scenario's own curve would follow chance more than its rows."""


class Calibration(ABC):
    """Turns one task's predictions into what its labels say, by a curve that never falls.

    Where 0.2 is predicted, a fifth of the labels shall be 1; without that a sum over tasks adds
    numbers of different meaning. Fitted in NumPy on validation rows, which the model was not
    trained on; applied in NumPy by `apply` and in a graph by a call, in float64 both, since a
    steep piece of a curve enlarges a rounding error.

    Args:
        whole: The curve of all rows together.
        by_scenario: Curves by the scenario's index; other scenarios take the whole's.

    Raises:
        ValueError: If a curve is not one of this kind, or a scenario is negative.
    """

    names: ClassVar[tuple[str, ...]]
    """Names of a curve's numbers."""

    def __init__(self, whole: Curve, by_scenario: Mapping[int, Curve] | None = None) -> None:
        self.whole = dict(whole)
        self.by_scenario = {int(key): dict(curve) for key, curve in (by_scenario or {}).items()}
        for scenario in self.by_scenario:
            if scenario < 0:
                raise ValueError(
                    f"`by_scenario` must be keyed by indices of 0 or more, received {scenario}."
                )
        for curve in self._curves:
            if set(curve) != set(self.names):
                raise ValueError(
                    f"`whole` and each of `by_scenario` must hold {', '.join(self.names)}, "
                    f"received {', '.join(map(repr, curve))}."
                )
            self.check(curve)

    @property
    def _curves(self) -> list[dict[str, Any]]:
        """The whole's curve, then the scenarios'."""
        return [self.whole, *self.by_scenario.values()]

    @classmethod
    def fit(
        cls,
        predictions: Array,
        labels: Array,
        scenarios: IntArray | None = None,
        *,
        min_rows: int = MIN_ROWS,
        **options: Any,
    ) -> Self:
        """Fits the curves.

        Args:
            predictions: Float, of any shape, of validation rows.
            labels: Float of that shape; NaN = no label, such a row is left out.
            scenarios: int of that shape, each row's scenario, 0 or more; None fits one curve.
            min_rows: A scenario with fewer labelled rows, or with labels that are all equal,
                falls back on the whole.
            **options: Arguments of the constructor besides the curves.

        Returns:
            The calibration.

        Raises:
            ValueError: If shapes differ, there is no label, all labels are equal, a prediction is
                not finite, labels are outside of what this kind can give, or a scenario is
                negative.
        """
        predictions, labels = _of_one_shape(predictions, labels)
        cls.check_labels(labels)
        is_kept = ~np.isnan(labels)
        if not np.isfinite(predictions[is_kept]).all():
            raise ValueError("`predictions` must be finite where a label is present.")
        whole = cls.fit_curve(predictions[is_kept], labels[is_kept], **options)
        if scenarios is None:
            return cls(whole, **options)
        scenarios = np.asarray(scenarios)
        if scenarios.shape != is_kept.shape:
            raise ValueError(
                f"`scenarios` must have the shape of `labels`, {is_kept.shape}, received "
                f"{scenarios.shape}."
            )
        by_scenario = {}
        for scenario in np.unique(scenarios[is_kept]).tolist():
            own = is_kept & (scenarios == scenario)
            if own.sum() >= min_rows and np.ptp(labels[own]) > 0:
                by_scenario[scenario] = cls.fit_curve(predictions[own], labels[own], **options)
        return cls(whole, by_scenario, **options)

    @classmethod
    def check_labels(cls, labels: FloatArray) -> None:
        """Checks that labels define a curve of this kind, whatever is predicted.

        Args:
            labels: Float of any shape; NaN = no label.

        Raises:
            ValueError: If there is no label, all are equal, or they are outside of what this kind
                can give.
        """
        kept = labels[~np.isnan(labels)]
        if not len(kept):
            raise ValueError("`labels` must hold at least one label, received none.")
        if np.ptp(kept) == 0:
            raise ValueError(
                f"`labels` must differ, received {kept[0]:g} in all {len(kept)} labelled rows; "
                "take more validation rows."
            )

    def apply(self, predictions: Array, scenarios: IntArray | None = None) -> FloatArray:
        """Applies the curves in NumPy.

        Args:
            predictions: Float `[B]` or `[B, N]`; taken in float32, as a graph gives them.
            scenarios: int `[B]`; None takes the whole's curve.

        Returns:
            float64 of the shape of `predictions`.
        """
        values = np.asarray(predictions, np.float32).astype(np.float64)
        if scenarios is None or not self.by_scenario:
            return self.apply_curve(values, self.whole)
        scenarios = np.asarray(scenarios)
        calibrated = self.apply_curve(values, self.whole)
        for scenario, curve in self.by_scenario.items():
            own = scenarios == scenario
            calibrated[own] = self.apply_curve(values[own], curve)
        return calibrated

    def __call__(self, predictions: Tensor, scenario: Tensor | None = None) -> Tensor:
        """Applies the curves in a graph.

        Args:
            predictions: Float `[B]` or `[B, N]`.
            scenario: int `[B]`; an index without a curve, also a negative one, takes the whole's.
                None takes the whole's for all.

        Returns:
            float32 of the shape of `predictions`; equal to `apply` within 1e-6.
        """
        values = tf.cast(tf.cast(predictions, tf.float32), tf.float64)
        if scenario is None or not self.by_scenario:
            return tf.cast(self.apply_curve_tensor(values, self._stacked(1)), tf.float32)
        rows = self._rows(tf.convert_to_tensor(scenario))
        own = {
            name: tf.gather(numbers, rows)
            for name, numbers in self._stacked(1 + len(self.by_scenario)).items()
        }
        columns = values if values.shape.rank == 2 else tf.expand_dims(values, 1)
        calibrated = tf.reshape(self.apply_curve_tensor(columns, own), tf.shape(values))
        return tf.cast(calibrated, tf.float32)

    def _rows(self, scenario: Tensor) -> Tensor:
        """Returns each request's row among the stacked curves, int32 `[B]`; 0 is the whole's."""
        table = np.zeros(max(self.by_scenario) + 2, np.int32)
        table[list(self.by_scenario)] = np.arange(1, len(self.by_scenario) + 1)
        is_known = (scenario >= 0) & (scenario < len(table))
        return tf.gather(tf.constant(table), tf.where(is_known, scenario, len(table) - 1))

    def _stacked(self, num_curves: int) -> dict[str, Tensor]:
        """Returns the curves' numbers as float64 `[curves, P]`, shorter ones filled up."""
        stacked = {}
        for name in self.names:
            lists = [np.atleast_1d(curve[name]) for curve in self._curves[:num_curves]]
            width = max(map(len, lists))
            padded = [np.pad(each, (0, width - len(each)), mode="edge") for each in lists]
            stacked[name] = tf.constant(np.stack(padded), tf.float64)
        return stacked

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as plain JSON values."""
        # JSON has no numbers for keys.
        by_scenario = {str(key): dict(curve) for key, curve in self.by_scenario.items()}
        return {"whole": dict(self.whole), "by_scenario": by_scenario}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Makes the calibration that `get_config` told of."""
        return cls(**config)

    @classmethod
    @abstractmethod
    def fit_curve(cls, predictions: FloatArray, labels: FloatArray, **options: Any) -> Curve:
        """Fits one curve to float64 rows `[rows]` that all have a label."""

    @classmethod
    @abstractmethod
    def check(cls, curve: Curve) -> None:
        """Raises ValueError unless the curve's numbers make a curve that never falls."""

    @abstractmethod
    def apply_curve(self, values: FloatArray, curve: Curve) -> FloatArray:
        """Applies one curve to float64 values of any shape, into a new array."""

    @abstractmethod
    def apply_curve_tensor(self, values: Tensor, curves: Mapping[str, Tensor]) -> Tensor:
        """Applies curves `[B, P]` to float64 `[B, N]`, or one `[1, P]` to any shape."""


def _of_one_shape(predictions: Array, labels: Array) -> tuple[FloatArray, FloatArray]:
    """Returns predictions, as float32 sees them, and labels as float64."""
    predictions = np.asarray(predictions, np.float32).astype(np.float64)
    labels = np.asarray(labels, np.float64)
    if predictions.shape != labels.shape:
        raise ValueError(
            f"`predictions` must have the shape of `labels`, {labels.shape}, received "
            f"{predictions.shape}."
        )
    return predictions, labels
