"""What every layer that works by scenario has: their number, their marks and their vectors."""

from __future__ import annotations

from typing import Any

import keras

from recsys_tf.layers.scenario_index import check_num_scenarios, check_scenario, scenario_one_hot
from recsys_tf.layers.shapes import check_share
from recsys_tf.types import NUM_RESERVED_INDICES, Tensor


class ByScenario(keras.layers.Layer):
    """Base of the layers that read the rows' scenarios `[B]` beside vectors `[B, D]`.

    Args:
        num_scenarios: Rows `S` of the scenario's table: missing, unknown and the known ones; at
            least 3.
        dropout: Share of the units that is dropped while training, from 0 to below 1.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If `num_scenarios` is below 3, or `dropout` not from 0 to below 1.

    Example:
        >>> ByScenario(5).num_known
        3
    """

    def __init__(self, num_scenarios: int, dropout: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_scenarios = check_num_scenarios(num_scenarios)
        self.dropout = check_share("dropout", dropout)

    @property
    def num_known(self) -> int:
        """Number of known scenarios, `S - 2`."""
        return self.num_scenarios - NUM_RESERVED_INDICES

    def add_embedding(self, embedding_dim: int) -> keras.Variable:
        """Makes a vector `e_s` of each known scenario, zeros at first, `[S - 2, embedding_dim]`."""
        return self.add_weight(
            name="scenario_embedding", shape=(self.num_known, embedding_dim), initializer="zeros"
        )

    def one_hot(self, inputs: Tensor, scenario: Tensor) -> Tensor:
        """Checks a batch and returns its scenarios' marks `[B, S - 1]`, see `scenario_one_hot`.

        Raises:
            TypeError: If `inputs` are no floats or `scenario` no integers.
            ValueError: If they differ in their number of rows.
        """
        check_scenario(inputs, scenario)
        return scenario_one_hot(scenario, self.num_scenarios, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments that all of them share."""
        config = {"num_scenarios": self.num_scenarios, "dropout": self.dropout}
        return {**super().get_config(), **config}
