"""Batch normalisation with statistics of each scenario's own."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from recsys_tf.layers.scenario_index import (
    check_num_scenarios,
    check_scenario,
    scenario_one_hot,
    scenario_rows,
)
from recsys_tf.layers.shapes import check_positive, check_rank, check_share, check_width
from recsys_tf.types import NUM_RESERVED_INDICES, Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class PartitionedNormalization(keras.layers.Layer):
    """Normalises by scenario: `y = g (1 + g_s) (x - m_s) / sqrt(v_s + epsilon) + b + b_s`.

    While training, the mean `m_s` and the variance `v_s` are those of the scenario's rows in the
    batch; afterwards they are moving ones. `g`, `b` are shared, `g_s`, `b_s` the scenario's own.
    Rows without a known scenario are normalised by the statistics over all rows, with `g_s` and
    `b_s` 0. A scenario of few rows in a batch is normalised as it is afterwards: by its moving
    statistics, and by those over all rows while it has none, since it never had `min_rows` rows in
    a batch. Choose it instead of batch normalisation where the scenarios' inputs differ in range.

    Args:
        num_scenarios: Rows `S` of the scenario's table, at least 3.
        momentum: Share of the moving statistics that a batch leaves as it is, from 0 to below 1.
            They are divided by the share that has been filled so far, as Adam's are, so that
            they are right from the first batch on.
        epsilon: Added to the variance; above 0.
        min_rows: Rows that statistics are worth computing from. Fewer rows of a scenario take its
            moving ones, where it has any, else those of the whole batch, and a batch of fewer
            rows takes the moving ones; neither changes the moving statistics that it is too small
            for. Nor do statistics that are not finite.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If `num_scenarios` is below 3, `min_rows` below 1, `momentum` not from 0 to
            below 1, `epsilon` not finite and above 0, or an input of another rank than stated.
        TypeError: If `inputs` are no floats or `scenario` no integers.

    Example:
        >>> import numpy as np
        >>> layer = PartitionedNormalization(num_scenarios=4, min_rows=2)
        >>> x = np.array([[1.0], [3.0], [10.0], [30.0]], "float32")
        >>> y = layer(x, np.array([2, 2, 3, 3]), training=True)
        >>> [round(float(each), 2) for each in y[:, 0]]
        [-1.0, 1.0, -1.0, 1.0]

    Source: Sheng et al., 2021, "One Model to Serve All: Star Topology Adaptive Recommender for
        Multi-Domain CTR Prediction", https://arxiv.org/abs/2101.11427. There a batch
        holds one scenario; here it may mix them. `min_rows` and the statistics over all rows,
        for scenarios without their own, are this package's. The paper's factor is `1 + g_s`
        here, so that weight decay pulls a scenario to what is shared.
    """

    def __init__(
        self,
        num_scenarios: int,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        min_rows: int = 8,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_scenarios = check_num_scenarios(num_scenarios)
        self.momentum = check_share("momentum", momentum)
        is_number = isinstance(epsilon, (int, float)) and not isinstance(epsilon, bool)
        if not is_number or not 0 < epsilon < math.inf:
            raise ValueError(f"`epsilon` must be a finite number above 0, received {epsilon!r}.")
        self.epsilon = float(epsilon)
        self.min_rows = check_positive("min_rows", min_rows)

    def build(
        self, inputs_shape: tuple[int | None, ...], scenario_shape: tuple[int | None, ...]
    ) -> None:
        """Makes scales and offsets, and the moving statistics; their row 0 is over all rows."""
        check_rank("inputs", inputs_shape, 2)
        check_rank("scenario", scenario_shape, 1)
        width = check_width("inputs", inputs_shape)
        known = self.num_scenarios - NUM_RESERVED_INDICES
        # Statistics in half precision would lose small differences: all of it in float32.
        options: dict[str, Any] = {"autocast": False}
        self.gamma = self.add_weight(name="gamma", shape=(width,), initializer="ones", **options)
        self.beta = self.add_weight(name="beta", shape=(width,), initializer="zeros", **options)
        self.scenario_gamma = self.add_weight(
            name="scenario_gamma", shape=(known, width), initializer="zeros", **options
        )
        self.scenario_beta = self.add_weight(
            name="scenario_beta", shape=(known, width), initializer="zeros", **options
        )
        options |= {"trainable": False, "initializer": "zeros"}
        self.moving_mean = self.add_weight(name="moving_mean", shape=(known + 1, width), **options)
        self.moving_variance = self.add_weight(
            name="moving_variance", shape=(known + 1, width), **options
        )
        self.moving_share = self.add_weight(name="moving_share", shape=(known + 1, 1), **options)

    def call(self, inputs: Tensor, scenario: Tensor, training: bool = False) -> Tensor:
        """Normalises each row by its scenario's statistics.

        Args:
            inputs: Float `[B, D]`.
            scenario: Int `[B]`: 0 missing, 1 unknown, known ones from 2 on; any other counts as
                unknown.
            training: Whether the batch's statistics are used, and moved towards.

        Returns:
            Float `[B, D]`.
        """
        check_scenario(inputs, scenario)
        values = ops.cast(inputs, "float32")
        one_hot = scenario_one_hot(scenario, self.num_scenarios, "float32")
        statistics = self.moving_statistics()
        mean, variance = (
            self._batch_statistics(values, one_hot, statistics) if training else statistics
        )
        gamma = self.gamma * (1.0 + scenario_rows(one_hot, self.scenario_gamma))
        beta = self.beta + scenario_rows(one_hot, self.scenario_beta)
        scale = gamma * ops.rsqrt(ops.matmul(one_hot, variance) + self.epsilon)
        normalized = (values - ops.matmul(one_hot, mean)) * scale + beta
        return ops.cast(normalized, self.compute_dtype)

    def moving_statistics(self) -> tuple[Tensor, Tensor]:
        """Returns mean and variance that are used after training, each `[S - 1, D]`.

        Row 0 is over all rows; a scenario that never had `min_rows` rows in a batch has that row.
        Before any batch the mean is 0 and the variance 1, which changes the input by `epsilon`
        only.
        """
        share = ops.convert_to_tensor(self.moving_share)
        is_seen = share > 0
        share = ops.where(is_seen, share, 1.0)
        found = []
        for moving, start in ((self.moving_mean, 0.0), (self.moving_variance, 1.0)):
            own = moving / share
            over_all = ops.where(is_seen[:1], own[:1], start)
            found.append(ops.where(is_seen, own, over_all))
        return found[0], found[1]

    def _batch_statistics(
        self, values: Tensor, one_hot: Tensor, moving: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        known = one_hot[:, 1:]
        groups = ops.concatenate([ops.ones_like(one_hot[:, :1]), known], axis=1)
        counts = ops.expand_dims(ops.sum(groups, axis=0), 1)
        divisors = ops.maximum(counts, 1.0)
        mean = ops.matmul(ops.transpose(groups), values) / divisors
        # In a second pass: the difference of two large squares would lose a small variance.
        of_all = ops.sum(ops.square(values - mean[:1]), axis=0, keepdims=True)
        own = ops.square(values - ops.matmul(known, mean[1:]))
        squares = ops.concatenate([of_all, ops.matmul(ops.transpose(known), own)], axis=0)
        variance = squares / divisors
        is_enough = counts >= self.min_rows
        # As it serves: weights of a small scenario must not learn of another input.
        is_served_own = ops.convert_to_tensor(self.moving_share) > 0
        self._move(mean, variance, is_enough)
        used = []
        for of_batch, served in zip((mean, variance), moving, strict=True):
            over_all = ops.where(is_enough[:1], of_batch[:1], served[:1])
            otherwise = ops.where(is_served_own, served, over_all)
            used.append(ops.where(is_enough, of_batch, otherwise))
        return used[0], used[1]

    def _move(self, mean: Tensor, variance: Tensor, is_enough: Tensor) -> None:
        # A NaN would stay for good, though the step that met it is left out.
        is_finite = ops.all(ops.isfinite(mean + variance), axis=1, keepdims=True)
        is_moved = ops.logical_and(is_enough, is_finite)
        for moving, batch in (
            (self.moving_mean, mean),
            (self.moving_variance, variance),
            (self.moving_share, 1.0),
        ):
            moved = moving + (1.0 - self.momentum) * (batch - moving)
            moving.assign(ops.where(is_moved, moved, moving))

    def compute_output_spec(
        self, inputs: Any, scenario: Any, training: bool = False
    ) -> keras.KerasTensor:
        """Checks the types and returns the shape of `inputs`."""
        check_scenario(inputs, scenario)
        return keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)

    def compute_output_shape(
        self, inputs_shape: tuple[int | None, ...], scenario_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """Returns the shape of `inputs`."""
        return tuple(inputs_shape)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {
            "num_scenarios": self.num_scenarios,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "min_rows": self.min_rows,
        }
        return {**super().get_config(), **config}
