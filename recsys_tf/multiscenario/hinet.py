"""The scenario extraction of the hierarchical information extraction network."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from recsys_tf.layers import Experts, SoftmaxGates
from recsys_tf.layers.idle import mark_idle
from recsys_tf.layers.precision import precise_softmax
from recsys_tf.layers.scenario_index import scenario_rows, select_scenario
from recsys_tf.layers.shapes import check_positive
from recsys_tf.multiscenario.scenario_block import ScenarioBlock
from recsys_tf.multiscenario.scenario_experts import ScenarioExperts
from recsys_tf.multiscenario.scenario_gates import ScenarioGates
from recsys_tf.types import Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class HiNet(ScenarioBlock):
    """Joins what is shared, own and learned elsewhere: `y = relu([G(x), P_s(x), A_s(x)] W + b)`.

    `G` is a gated mixture of shared experts and `P_s` one of the scenario's own. `A_s` asks the
    other scenarios' mixtures, `A_s = a_s sum_r w_sr P_r(x)` over `r` other than `s`, with
    `w_s` a softmax of scores a pair. Without a known scenario `P` is what the experts and gates
    have in common, and `A = 0`. Choose it where some scenarios resemble others, and it is not
    known which. All scenarios' experts run for each row: `S - 1` times their cost for one.

    Args:
        num_scenarios: Rows `S` of the scenario's table, at least 3.
        hidden_dim: Width `H` of each expert and of the output.
        num_layers: Layers of each expert, each of that width.
        num_experts: Number `E` of shared experts.
        num_scenario_experts: Experts of each scenario's own.
        dropout: Share of the experts' units that is dropped while training.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If `num_scenarios` is below 3, a size below 1, `dropout` not from 0 to below
            1, or an input of another rank than `[B, D]` and `[B]`.
        TypeError: If `inputs` are no floats or `scenario` no integers.

    Example:
        >>> import numpy as np
        >>> HiNet(4, 8)(np.ones([3, 5], "float32"), np.array([1, 2, 3])).shape == (3, 8)
        True

    Source: Zhou et al., 2023, "HiNet: Novel Multi-Scenario & Multi-Task Learning with
        Hierarchical Information Extraction", https://arxiv.org/abs/2303.06095, the scenario
        extraction layer alone: its task extraction layer is left to the multi-task block that
        follows. The paper hands the three vectors on side by side, here a dense layer
        brings them to width `H`. Its scores of pairs are a linear map of the scenario's
        embedding, which is a table; the authors' code, https://github.com/mrchor/HiNet, takes
        their softmax over all scenarios and drops the own share. `a_s`, 0 at first, and that no
        gradient of a row goes to other scenarios' experts are this package's: a scenario without
        rows stays at the start.
    """

    def __init__(
        self,
        num_scenarios: int,
        hidden_dim: int = 64,
        num_layers: int = 1,
        num_experts: int = 4,
        num_scenario_experts: int = 2,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_scenarios, hidden_dim, num_layers, dropout, **kwargs)
        self.num_experts = check_positive("num_experts", num_experts)
        self.num_scenario_experts = check_positive("num_scenario_experts", num_scenario_experts)
        policy, widths = self.dtype_policy, (hidden_dim,) * num_layers
        self.experts = Experts(num_experts, widths, dropout=dropout, dtype=policy, name="experts")
        self.gates = SoftmaxGates(1, num_experts, dtype=policy, name="gates")
        self.scenario_experts = ScenarioExperts(
            num_scenarios,
            num_scenario_experts,
            widths,
            dropout,
            dtype=policy,
            name="scenario_experts",
        )
        self.scenario_gates = ScenarioGates(
            num_scenarios, num_scenario_experts, dtype=policy, name="scenario_gates"
        )
        self.joining = keras.layers.Dense(hidden_dim, "relu", dtype=policy, name="joining")

    def build(
        self, inputs_shape: tuple[int | None, ...], scenario_shape: tuple[int | None, ...]
    ) -> None:
        """Builds experts, gates and attention for an input of known width."""
        self.check_shapes(inputs_shape, scenario_shape)
        for layer in (self.experts, self.gates, self.scenario_experts, self.scenario_gates):
            layer.build(inputs_shape)
        self.joining.build((None, 3 * self.hidden_dim))
        known = self.num_known
        self.attention_scores = self.add_weight(
            name="attention_scores", shape=(known, known), initializer="zeros"
        )
        self.attention_scale = self.add_weight(
            name="attention_scale", shape=(known, 1), initializer="zeros"
        )
        # Of two scenarios each has one other to ask, and a single one has none.
        if known <= 2:
            mark_idle([self.attention_scores])
        if known == 1:
            mark_idle([self.attention_scale])

    def call(self, inputs: Tensor, scenario: Tensor, training: bool = False) -> Tensor:
        """Extracts the three parts of each row and joins them.

        Args:
            inputs: Float `[B, D]`.
            scenario: Int `[B]`: 0 missing, 1 unknown, known ones from 2 on; any other counts as
                unknown.
            training: Whether units are dropped.

        Returns:
            Float `[B, H]`.
        """
        one_hot = self.one_hot(inputs, scenario)
        experts = self.experts(inputs, training=training)
        shared = ops.squeeze(ops.matmul(self.gates(inputs), experts), axis=1)
        of_all = self.scenario_experts(inputs, training=training)
        gates = ops.expand_dims(self.scenario_gates(inputs), 2)
        mixtures = ops.squeeze(ops.matmul(gates, of_all), axis=2)
        own = select_scenario(one_hot, mixtures)
        weights = ops.expand_dims(scenario_rows(one_hot, self.attention()), 1)
        # Only a scenario's own rows train its experts: one without any stays at the start.
        asked = ops.squeeze(ops.matmul(weights, ops.stop_gradient(mixtures[:, 1:])), axis=1)
        return self.joining(ops.concatenate([shared, own, asked], axis=1))

    def attention(self) -> Tensor:
        """Returns how much each known scenario takes of each other, `[S - 2, S - 2]`.

        The diagonal is 0; a row sums to the scenario's scale, or to 0 if it is the only one.
        """
        is_self = ops.eye(self.num_known, dtype="float32")
        # A large finite number: minus infinity would make NaN of a scenario without others.
        scores = ops.cast(self.attention_scores, "float32") - 1e9 * is_self
        weights = precise_softmax(scores) * (1.0 - is_self)
        return ops.cast(weights, self.compute_dtype) * self.attention_scale

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {
            "num_experts": self.num_experts,
            "num_scenario_experts": self.num_scenario_experts,
        }
        return {**super().get_config(), **config}
