"""What every scenario block has: its sizes, and the checks of its two inputs."""

from __future__ import annotations

from typing import Any, ClassVar

import keras

from recsys_tf.layers.scenario_index import check_scenario
from recsys_tf.layers.shapes import check_positive, check_rank, check_width
from recsys_tf.multiscenario.by_scenario import ByScenario
from recsys_tf.multiscenario.task_towers import TaskTowers


class ScenarioBlock(ByScenario):
    """Base of the layers from `[B, D]` and the rows' scenarios `[B]` to `[B, H]`.

    A block has a shared part and parts of each known scenario's own. A row whose scenario is
    missing (0), unknown (1) or outside the table takes the shared part only. The scenarios' own
    parts start at 0, where they change nothing, and only rows of a scenario move them: in the
    block, one without training rows answers as an unknown one does. To train the shared part for
    scenarios to come, hide a share of the indices with `recsys_tf.layers.IdDropout` before the
    block and all else that reads them, as `ModelConfig.scenario_dropout` does.

    Args:
        num_scenarios: Rows `S` of the scenario's table: missing, unknown and the known ones; at
            least 3.
        hidden_dim: Width `H` of each layer, and of the output.
        num_layers: Number of layers.
        dropout: Share of the units that is dropped while training, from 0 to below 1.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If `num_scenarios` is below 3, a size below 1, or `dropout` not from 0 to
            below 1.

    Example:
        >>> ScenarioBlock(5, hidden_dim=8).num_known
        3
    """

    task_towers: ClassVar[type[TaskTowers] | None] = None
    """What the block is after the multi-task block, in each task's head; None for nothing."""

    reads_batch: ClassVar[bool] = False
    """Whether a row's output depends on the other rows while training, by a batch's statistics."""

    def __init__(
        self,
        num_scenarios: int,
        hidden_dim: int = 64,
        num_layers: int = 1,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_scenarios, dropout, **kwargs)
        self.hidden_dim = check_positive("hidden_dim", hidden_dim)
        self.num_layers = check_positive("num_layers", num_layers)

    def check_shapes(
        self, inputs_shape: tuple[int | None, ...], scenario_shape: tuple[int | None, ...]
    ) -> int:
        """Returns the width `D` of the inputs `[B, D]`, beside scenarios `[B]`.

        Raises:
            ValueError: If either has another rank, or the width is not known.
        """
        check_rank("inputs", inputs_shape, 2)
        check_rank("scenario", scenario_shape, 1)
        return check_width("inputs", inputs_shape)

    def compute_output_spec(
        self, inputs: Any, scenario: Any, training: bool = False
    ) -> keras.KerasTensor:
        """Checks the types and returns the shape `[B, H]`."""
        check_scenario(inputs, scenario)
        return keras.KerasTensor((inputs.shape[0], self.hidden_dim), dtype=self.compute_dtype)

    def compute_output_shape(
        self, inputs_shape: tuple[int | None, ...], scenario_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """Returns `[B, H]`."""
        return (inputs_shape[0], self.hidden_dim)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments that all blocks share."""
        config = {"hidden_dim": self.hidden_dim, "num_layers": self.num_layers}
        return {**super().get_config(), **config}
