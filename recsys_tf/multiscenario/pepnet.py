"""The parameter and embedding personalised network."""

from __future__ import annotations

from typing import Any

import keras

from recsys_tf.layers import DenseStack
from recsys_tf.layers.scenario_index import scenario_rows
from recsys_tf.layers.shapes import check_positive
from recsys_tf.multiscenario.gate_unit import GateUnit
from recsys_tf.multiscenario.personal_towers import PersonalTowers
from recsys_tf.multiscenario.scenario_block import ScenarioBlock
from recsys_tf.types import Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class PEPNet(ScenarioBlock):
    """Scales shared inputs and shared units by the scenario: `h_l = g_l * relu(h_l-1 W_l + b_l)`.

    The first gate scales the input, `h_0 = g_0(e_s, x) * x` (EPNet); one gate more scales each
    layer, `g_l(e_s, h_0)`. `e_s` is the scenario's embedding, zeros without a known scenario: the
    gate is then a function of the features only. Choose it for many scenarios or few rows in each:
    a scenario has one embedding of its own and shares all the rest. It costs two small layers a
    gate, whatever the number of scenarios. What scales each task's own layers after the multi-task
    block (PPNet) is `PersonalTowers`, which `ModelConfig.scenario_by_task` adds.

    Args:
        num_scenarios: Rows `S` of the scenario's table, at least 3.
        hidden_dim: Width `H` of each layer, and of each gate's inner layer.
        num_layers: Layers that are scaled, each of that width.
        dropout: Share of the units that is dropped while training.
        embedding_dim: Width of the scenario's embedding.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If `num_scenarios` is below 3, a size below 1, `dropout` not from 0 to below
            1, or an input of another rank than `[B, D]` and `[B]`.
        TypeError: If `inputs` are no floats or `scenario` no integers.

    Example:
        >>> import numpy as np
        >>> PEPNet(4, 8)(np.ones([3, 5], "float32"), np.array([1, 2, 3])).shape == (3, 8)
        True

    Source: Chang et al., 2023, "PEPNet: Parameter and Embedding Personalized Network for Infusing
        with Personalized Prior Information", https://arxiv.org/abs/2302.01115. The paper has no
        layers between EPNet and the tasks' towers: the shared ones here are gated as those are.
    """

    task_towers = PersonalTowers

    def __init__(
        self,
        num_scenarios: int,
        hidden_dim: int = 64,
        num_layers: int = 1,
        dropout: float = 0.0,
        embedding_dim: int = 8,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_scenarios, hidden_dim, num_layers, dropout, **kwargs)
        self.embedding_dim = check_positive("embedding_dim", embedding_dim)
        policy = self.dtype_policy
        self.steps = [
            DenseStack((hidden_dim,), dropout=dropout, dtype=policy, name=f"layer_{index}")
            for index in range(num_layers)
        ]
        self.unit_gates = [
            GateUnit(hidden_dim, hidden_dim, dtype=policy, name=f"unit_gate_{index}")
            for index in range(num_layers)
        ]

    def build(
        self, inputs_shape: tuple[int | None, ...], scenario_shape: tuple[int | None, ...]
    ) -> None:
        """Builds the layers and gates for an input of known width."""
        width = self.check_shapes(inputs_shape, scenario_shape)
        self.embedding = self.add_embedding(self.embedding_dim)
        shapes = (None, self.embedding_dim), (None, width)
        self.input_gate = GateUnit(
            width, self.hidden_dim, dtype=self.dtype_policy, name="input_gate"
        )
        self.input_gate.build(*shapes)
        for index, (step, gate) in enumerate(zip(self.steps, self.unit_gates, strict=True)):
            step.build((None, self.hidden_dim if index else width))
            gate.build(*shapes)

    def call(self, inputs: Tensor, scenario: Tensor, training: bool = False) -> Tensor:
        """Applies the layers and scales what they give.

        Args:
            inputs: Float `[B, D]`.
            scenario: Int `[B]`: 0 missing, 1 unknown, known ones from 2 on; any other counts as
                unknown.
            training: Whether units are dropped.

        Returns:
            Float `[B, H]`.
        """
        prior = scenario_rows(self.one_hot(inputs, scenario), self.embedding)
        scaled = self.input_gate(prior, inputs) * inputs
        hidden = scaled
        for step, gate in zip(self.steps, self.unit_gates, strict=True):
            hidden = gate(prior, scaled) * step(hidden, training=training)
        return hidden

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "embedding_dim": self.embedding_dim}
