"""Experts of each scenario's own around shared ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from recsys_tf.layers.scenario_index import check_num_scenarios, join_scenarios
from recsys_tf.layers.shapes import check_positive, check_rank, check_share, check_width
from recsys_tf.types import NUM_RESERVED_INDICES, Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class ScenarioExperts(keras.layers.Layer):
    """Applies `E` experts of every scenario at once: `y_se = relu(x (V_e + W_se) + c_e + b_se)`.

    `V_e`, `c_e` are shared by all scenarios; `W_se`, `b_se` are what one scenario adds, 0 at
    first, and 0 for no known scenario. So scenarios part from a common expert, and one with few
    rows stays near it.

    A layer is one matrix product for all scenarios: `S - 1` times the work of `E` shared experts
    and `B (S - 1) E H` numbers of memory. Gathering each row's weights would write `B E D H`.

    Args:
        num_scenarios: Rows `S` of the scenario's table, at least 3.
        num_experts: Experts `E` of each scenario.
        hidden_dims: Width of each layer of an expert.
        dropout: Share of each layer's units that is dropped while training.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If `num_scenarios` is below 3, a size below 1, `hidden_dims` empty, `dropout`
            not from 0 to below 1, or the input not of rank 2.

    Example:
        >>> import numpy as np
        >>> y = ScenarioExperts(5, 2, (8,))(np.ones([3, 6], "float32"))
        >>> y.shape == (3, 4, 2, 8), bool(np.all(y[:, 0] == y[:, 3]))
        (True, True)

    Source: the scenario-specific experts of Shen et al., 2021, https://arxiv.org/abs/2110.06475,
        and Zhou et al., 2023, https://arxiv.org/abs/2303.06095. The papers' experts start apart
        from one another; the common part and the start at it are this package's, for scenarios
        with few rows or none.
    """

    def __init__(
        self,
        num_scenarios: int,
        num_experts: int,
        hidden_dims: Sequence[int],
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_scenarios = check_num_scenarios(num_scenarios)
        self.num_experts = check_positive("num_experts", num_experts)
        self.hidden_dims = tuple(check_positive("hidden_dims", each) for each in hidden_dims)
        if not self.hidden_dims:
            raise ValueError("`hidden_dims` must hold at least one width, received none.")
        self.dropout = check_share("dropout", dropout)
        self.dropout_layer = keras.layers.Dropout(self.dropout, dtype=self.dtype_policy)

    def build(self, inputs_shape: tuple[int | None, ...]) -> None:
        """Makes the shared weights of each layer and what the scenarios add to them."""
        check_rank("inputs", inputs_shape, 2)
        width = check_width("inputs", inputs_shape)
        known, experts = self.num_scenarios - NUM_RESERVED_INDICES, self.num_experts
        self.kernels, self.biases = [], []
        self.scenario_kernels, self.scenario_biases = [], []
        for index, units in enumerate(self.hidden_dims):
            # Glorot's range of ONE expert; Keras would count all experts as its inputs.
            limit = math.sqrt(6 / (width + units))
            shape = (experts, width, units) if index else (width, experts, units)
            self.kernels.append(
                self.add_weight(
                    name=f"kernel_{index}",
                    shape=shape,
                    initializer=keras.initializers.RandomUniform(-limit, limit),
                )
            )
            self.biases.append(
                self.add_weight(name=f"bias_{index}", shape=(experts, units), initializer="zeros")
            )
            # The first layer scenario-minor: a view makes all of them one product.
            own = (known, *shape) if index else (width, known, experts, units)
            self.scenario_kernels.append(
                self.add_weight(name=f"scenario_kernel_{index}", shape=own, initializer="zeros")
            )
            self.scenario_biases.append(
                self.add_weight(
                    name=f"scenario_bias_{index}",
                    shape=(known, experts, units),
                    initializer="zeros",
                )
            )
            width = units

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Applies the experts of all scenarios.

        Args:
            inputs: Float `[B, D]`.
            training: Whether units are dropped.

        Returns:
            Float `[B, S - 1, E, H]`: at place 0 the shared experts, at `s - 1` those of the
            scenario `s`.
        """
        hidden = inputs
        for index, units in enumerate(self.hidden_dims):
            kernels = join_scenarios(
                self.kernels[index], self.scenario_kernels[index], 0 if index else 1
            )
            biases = join_scenarios(self.biases[index], self.scenario_biases[index], 0)
            if index == 0:
                flat = ops.matmul(hidden, ops.reshape(kernels, (kernels.shape[0], -1)))
                hidden = ops.reshape(flat, (-1, self.num_scenarios - 1, self.num_experts, units))
            else:
                by_expert = ops.matmul(ops.transpose(hidden, (1, 2, 0, 3)), kernels)
                hidden = ops.transpose(by_expert, (2, 0, 1, 3))
            hidden = ops.relu(hidden + biases)
            hidden = self.dropout_layer(hidden, training=training)
        return hidden

    def compute_output_shape(self, inputs_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns `[B, S - 1, E, H]`."""
        return (inputs_shape[0], self.num_scenarios - 1, self.num_experts, self.hidden_dims[-1])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {
            "num_scenarios": self.num_scenarios,
            "num_experts": self.num_experts,
            "hidden_dims": list(self.hidden_dims),
            "dropout": self.dropout,
        }
        return {**super().get_config(), **config}
