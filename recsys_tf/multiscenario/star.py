"""The star topology adaptive recommender."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from recsys_tf.layers import DenseStack, PartitionedNormalization
from recsys_tf.layers.scenario_index import scenario_rows
from recsys_tf.layers.shapes import check_positive
from recsys_tf.multiscenario.scenario_block import ScenarioBlock
from recsys_tf.multiscenario.star_dense import StarDense
from recsys_tf.types import Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class STAR(ScenarioBlock):
    """Gives each scenario its own weights as factors of shared ones: `y = f_s(n_s(x)) + a(x, e_s)`.

    `n_s` is the normalisation by scenario, `f_s` a stack of layers whose weights are the shared
    ones times the scenario's, see `StarDense`, and `a` the auxiliary net, a small one that sees
    the scenario's embedding `e_s` directly. Without a known scenario: statistics over all rows,
    factors 1, `e_s = 0`.
    Choose it where each scenario has rows enough for weights of its own, as many as the shared
    ones. For its cost see `StarDense`: `S - 1` times that of shared layers.

    Args:
        num_scenarios: Rows `S` of the scenario's table, at least 3.
        hidden_dim: Width `H` of each layer.
        num_layers: Layers of the star, each of that width.
        dropout: Share of the units that is dropped while training.
        embedding_dim: Width of the scenario's embedding, which only the auxiliary net reads.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If `num_scenarios` is below 3, a size below 1, `dropout` not from 0 to below
            1, or an input of another rank than `[B, D]` and `[B]`.
        TypeError: If `inputs` are no floats or `scenario` no integers.

    Example:
        >>> import numpy as np
        >>> STAR(4, 8)(np.ones([3, 5], "float32"), np.array([1, 2, 3])).shape == (3, 8)
        True

    Source: Sheng et al., 2021, "One Model to Serve All: Star Topology Adaptive Recommender for
        Multi-Domain CTR Prediction", https://arxiv.org/abs/2101.11427. The
        paper adds the auxiliary net's logit to the star's; here vectors of width `H` are added,
        since the heads follow after the tasks' block. That the factors start at ones is this
        package's.
    """

    reads_batch = True

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
        self.normalization = PartitionedNormalization(
            num_scenarios, dtype=policy, name="normalization"
        )
        self.stars = [
            StarDense(num_scenarios, hidden_dim, dtype=policy, name=f"star_{index}")
            for index in range(num_layers)
        ]
        self.dropout_layer = keras.layers.Dropout(dropout, dtype=policy)
        self.auxiliary = DenseStack((hidden_dim,), dropout=dropout, dtype=policy, name="auxiliary")
        self.auxiliary_output = keras.layers.Dense(
            hidden_dim, dtype=policy, name="auxiliary_output"
        )

    def build(
        self, inputs_shape: tuple[int | None, ...], scenario_shape: tuple[int | None, ...]
    ) -> None:
        """Builds normalisation, star and auxiliary net for an input of known width."""
        width = self.check_shapes(inputs_shape, scenario_shape)
        self.normalization.build(inputs_shape, scenario_shape)
        for index, star in enumerate(self.stars):
            star.build((None, self.hidden_dim if index else width), (None, self.num_known + 1))
        self.embedding = self.add_embedding(self.embedding_dim)
        self.auxiliary.build((None, width + self.embedding_dim))
        self.auxiliary_output.build((None, self.hidden_dim))

    def call(self, inputs: Tensor, scenario: Tensor, training: bool = False) -> Tensor:
        """Applies each row's own network.

        Args:
            inputs: Float `[B, D]`.
            scenario: Int `[B]`: 0 missing, 1 unknown, known ones from 2 on; any other counts as
                unknown.
            training: Whether units are dropped and the batch's statistics used.

        Returns:
            Float `[B, H]`.
        """
        one_hot = self.one_hot(inputs, scenario)
        hidden = self.normalization(inputs, scenario, training=training)
        for star in self.stars:
            hidden = star(hidden, one_hot)
            hidden = self.dropout_layer(hidden, training=training)
        with_scenario = ops.concatenate([inputs, scenario_rows(one_hot, self.embedding)], axis=1)
        auxiliary = self.auxiliary(with_scenario, training=training)
        return hidden + self.auxiliary_output(auxiliary)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "embedding_dim": self.embedding_dim}
