"""The multi-scenario meta network."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from recsys_tf.layers import Experts
from recsys_tf.layers.idle import mark_idle
from recsys_tf.layers.precision import precise_softmax
from recsys_tf.layers.scenario_index import scenario_vectors
from recsys_tf.layers.shapes import check_positive
from recsys_tf.multiscenario.meta_towers import MetaTowers
from recsys_tf.multiscenario.meta_unit import MetaUnit
from recsys_tf.multiscenario.scenario_block import ScenarioBlock
from recsys_tf.types import Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class M2M(ScenarioBlock):
    """Weighs shared experts, and transforms their mixture, by weights made from the scenario.

    `r = sum_i a_i f_i(x)` with `a = softmax_i(v . phi(f_i(x) W(e_s) + b(e_s)))` (meta attention),
    then for each layer `r = phi(r W_l(e_s) + b_l(e_s) + r)` (residual meta tower); `phi` is the
    leaky ReLU of slope 0.1. The scenario's vector `e_s` is zeros at first and without a known
    scenario. Choose it where scenarios resemble one another: near vectors get near weights, so
    that a new scenario needs to learn few numbers. For its cost see `MetaUnit`.

    Args:
        num_scenarios: Rows `S` of the scenario's table, at least 3.
        hidden_dim: Width `H` of the experts and of the tower.
        num_layers: Layers of the tower; the experts have one.
        num_experts: Number `E` of shared experts.
        dropout: Share of the experts' units that is dropped while training.
        embedding_dim: Width of the scenario's vector.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If `num_scenarios` is below 3, a size below 1, `dropout` not from 0 to below
            1, or an input of another rank than `[B, D]` and `[B]`.
        TypeError: If `inputs` are no floats or `scenario` no integers.

    Example:
        >>> import numpy as np
        >>> M2M(4, 8)(np.ones([3, 5], "float32"), np.array([1, 2, 3])).shape == (3, 8)
        True

    Source: Zhang et al., 2022, "Leaving No One Behind: A Multi-Scenario Multi-Task Meta Learning
        Approach for Advertiser Modeling", https://arxiv.org/abs/2201.06814. Its task view in the
        attention is left out: to weigh experts by task is the multi-task block's, which follows,
        and after which `ModelConfig.scenario_by_task` adds the meta tower of each task,
        `MetaTowers`. Its transformer belongs to the encoders. The paper makes the scenario's vector
        by layers over scenario features; from an index alone that is a table.
    """

    task_towers = MetaTowers

    def __init__(
        self,
        num_scenarios: int,
        hidden_dim: int = 64,
        num_layers: int = 1,
        num_experts: int = 4,
        dropout: float = 0.0,
        embedding_dim: int = 8,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_scenarios, hidden_dim, num_layers, dropout, **kwargs)
        self.num_experts = check_positive("num_experts", num_experts)
        self.embedding_dim = check_positive("embedding_dim", embedding_dim)
        policy = self.dtype_policy
        self.experts = Experts(
            num_experts, (hidden_dim,), dropout=dropout, dtype=policy, name="experts"
        )
        self.attention_unit = MetaUnit(hidden_dim, dtype=policy, name="attention_unit")
        self.tower = [
            MetaUnit(hidden_dim, dtype=policy, name=f"tower_{index}") for index in range(num_layers)
        ]

    def build(
        self, inputs_shape: tuple[int | None, ...], scenario_shape: tuple[int | None, ...]
    ) -> None:
        """Builds experts, attention and tower for an input of known width."""
        self.check_shapes(inputs_shape, scenario_shape)
        self.embedding = self.add_embedding(self.embedding_dim)
        # Zeros: the attention starts as the plain mean, as the gates do.
        self.query = self.add_weight(name="query", shape=(self.hidden_dim, 1), initializer="zeros")
        self.experts.build(inputs_shape)
        places = self.num_known + 1
        for unit in (self.attention_unit, *self.tower):
            unit.build((None, self.hidden_dim), (places, self.embedding_dim), (None, places))
        if self.num_experts == 1:
            mark_idle([self.query, *self.attention_unit.weights])

    def call(self, inputs: Tensor, scenario: Tensor, training: bool = False) -> Tensor:
        """Mixes and transforms with each row's own weights.

        Args:
            inputs: Float `[B, D]`.
            scenario: Int `[B]`: 0 missing, 1 unknown, known ones from 2 on; any other counts as
                unknown.
            training: Whether units are dropped.

        Returns:
            Float `[B, H]`.
        """
        one_hot = self.one_hot(inputs, scenario)
        vectors = scenario_vectors(self.embedding)
        experts = self.experts(inputs, training=training)
        scored = ops.leaky_relu(self.attention_unit(experts, vectors, one_hot), 0.1)
        scores = ops.squeeze(ops.matmul(scored, self.query), axis=-1)
        weights = precise_softmax(scores)
        weights = ops.expand_dims(ops.cast(weights, self.compute_dtype), 1)
        hidden = ops.squeeze(ops.matmul(weights, experts), axis=1)
        for unit in self.tower:
            hidden = ops.leaky_relu(unit(hidden, vectors, one_hot) + hidden, 0.1)
        return hidden

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {"num_experts": self.num_experts, "embedding_dim": self.embedding_dim}
        return {**super().get_config(), **config}
