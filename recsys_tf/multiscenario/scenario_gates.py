"""Softmax gates of each scenario's own around a shared one."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from recsys_tf.layers.idle import mark_idle
from recsys_tf.layers.precision import precise_softmax
from recsys_tf.layers.scenario_index import check_num_scenarios, join_scenarios
from recsys_tf.layers.shapes import check_positive, check_rank, check_width
from recsys_tf.types import NUM_RESERVED_INDICES, Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class ScenarioGates(keras.layers.Layer):
    """Weighs choices once for each scenario: `g_s = softmax(x (V + W_s) + c + b_s)`.

    `V`, `c` are shared, `W_s`, `b_s` what a scenario adds, 0 for no known one. All start at 0, so
    that every gate starts as the plain mean.

    Args:
        num_scenarios: Rows `S` of the scenario's table, at least 3.
        num_choices: Number of values that each gate weighs.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If `num_scenarios` is below 3, `num_choices` below 1, or the input not of
            rank 2.

    Example:
        >>> import numpy as np
        >>> gates = ScenarioGates(num_scenarios=4, num_choices=2)(np.ones([1, 3], "float32"))
        >>> [[float(weight) for weight in gate] for gate in gates[0]]
        [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]

    Source: Zhou et al., 2023, "HiNet: Novel Multi-Scenario & Multi-Task Learning with
        Hierarchical Information Extraction", https://arxiv.org/abs/2303.06095: the gates of the
        sub-expert integration. The shared part and the start at 0 are this package's.
    """

    def __init__(self, num_scenarios: int, num_choices: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_scenarios = check_num_scenarios(num_scenarios)
        self.num_choices = check_positive("num_choices", num_choices)

    def build(self, inputs_shape: tuple[int | None, ...]) -> None:
        """Makes the shared weights and what the scenarios add to them."""
        check_rank("inputs", inputs_shape, 2)
        width, choices = check_width("inputs", inputs_shape), self.num_choices
        known = self.num_scenarios - NUM_RESERVED_INDICES
        self.kernel = self.add_weight(name="kernel", shape=(width, choices), initializer="zeros")
        self.bias = self.add_weight(name="bias", shape=(choices,), initializer="zeros")
        self.scenario_kernel = self.add_weight(
            name="scenario_kernel", shape=(width, known, choices), initializer="zeros"
        )
        self.scenario_bias = self.add_weight(
            name="scenario_bias", shape=(known, choices), initializer="zeros"
        )
        if choices == 1:
            mark_idle(self.weights)

    def call(self, inputs: Tensor) -> Tensor:
        """Computes the gates of all scenarios in one product.

        Args:
            inputs: Float `[B, D]`.

        Returns:
            Float `[B, S - 1, num_choices]`: at place 0 the shared gate, at `s - 1` that of the
            scenario `s`; the last axis sums to 1.
        """
        kernels = join_scenarios(self.kernel, self.scenario_kernel, axis=1)
        flat = ops.matmul(inputs, ops.reshape(kernels, (kernels.shape[0], -1)))
        logits = ops.reshape(flat, (-1, self.num_scenarios - 1, self.num_choices))
        logits = logits + join_scenarios(self.bias, self.scenario_bias, axis=0)
        weights = precise_softmax(logits)
        return ops.cast(weights, self.compute_dtype)

    def compute_output_shape(self, inputs_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns `[B, S - 1, num_choices]`."""
        return (inputs_shape[0], self.num_scenarios - 1, self.num_choices)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {"num_scenarios": self.num_scenarios, "num_choices": self.num_choices}
        return {**super().get_config(), **config}
