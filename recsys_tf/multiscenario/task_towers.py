"""What every tower by task and scenario has: its sizes, and the checks of its inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from recsys_tf.layers.scenario_index import check_scenario
from recsys_tf.layers.shapes import check_positive, check_rank, check_width
from recsys_tf.multiscenario.by_scenario import ByScenario
from recsys_tf.types import Tensor


class TaskTowers(ByScenario):
    """Base of the layers from `{task: [B, H]}` and the rows' scenarios `[B]` to `{task: [B, H']}`.

    They are the hidden layers of the tasks' heads: what a scenario block says after the multi-task
    block, for each task apart. As in a `ScenarioBlock`, a row without a known scenario takes the
    shared part only, and the scenarios' own parts start at 0, where they change nothing.

    Args:
        task_names: Names of the tasks.
        num_scenarios: Rows `S` of the scenario's table: missing, unknown and the known ones; at
            least 3.
        hidden_dims: Width of each layer of a tower; at least one.
        dropout: Share of the units that is dropped while training, from 0 to below 1.
        embedding_dim: Width of the scenario's vector.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If there is no task or width, a size is too small, or `dropout` not from 0 to
            below 1.

    Example:
        >>> TaskTowers(["click", "buy"], 5, (8, 4)).num_known
        3
    """

    reads_prior: ClassVar[bool] = False
    """Whether vectors that tell who and what may be given besides the scenario."""

    keeps_width: ClassVar[bool] = False
    """Whether each layer is as wide as the tasks' vectors, to which it adds."""

    def __init__(
        self,
        task_names: Sequence[str],
        num_scenarios: int,
        hidden_dims: Sequence[int],
        dropout: float = 0.0,
        embedding_dim: int = 8,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_scenarios, dropout, **kwargs)
        if not task_names or not hidden_dims:
            raise ValueError(
                "`task_names` and `hidden_dims` must hold at least one task and one width, "
                f"received {list(task_names)} and {list(hidden_dims)}."
            )
        self.task_names = tuple(task_names)
        self.hidden_dims = tuple(check_positive("hidden_dims", each) for each in hidden_dims)
        self.embedding_dim = check_positive("embedding_dim", embedding_dim)

    def check_shapes(
        self,
        of_tasks_shape: Mapping[str, tuple[int | None, ...]],
        inputs_shape: tuple[int | None, ...],
        scenario_shape: tuple[int | None, ...],
    ) -> tuple[int, int]:
        """Returns the width `H` of the tasks' vectors and the width `D` of `inputs`.

        Raises:
            ValueError: If the tasks are others, their widths differ, or a rank is another.
        """
        if sorted(of_tasks_shape) != sorted(self.task_names):
            raise ValueError(
                f"`of_tasks` must hold the tasks {sorted(self.task_names)}, received "
                f"{sorted(of_tasks_shape)}."
            )
        for name, shape in of_tasks_shape.items():
            check_rank(f"of_tasks[{name!r}]", shape, 2)
        widths = {check_width("of_tasks", shape) for shape in of_tasks_shape.values()}
        if len(widths) > 1:
            raise ValueError(
                f"`of_tasks` must hold vectors of one width, received {sorted(widths)}."
            )
        check_rank("inputs", inputs_shape, 2)
        check_rank("scenario", scenario_shape, 1)
        return widths.pop(), check_width("inputs", inputs_shape)

    def stacked(self, of_tasks: Mapping[str, Tensor]) -> Tensor:
        """Returns the tasks' vectors `[B, T, H]`, in the order of `task_names`."""
        return ops.stack([of_tasks[name] for name in self.task_names], axis=1)

    def by_task(self, outputs: Tensor) -> dict[str, Tensor]:
        """Returns `[B, H']` by the name of the task, of float `[B, T, H']`."""
        of_tasks = ops.unstack(outputs, len(self.task_names), axis=1)
        return dict(zip(self.task_names, of_tasks, strict=True))

    def compute_output_spec(
        self,
        of_tasks: Mapping[str, Any],
        inputs: Any,
        scenario: Any,
        prior: Any = None,
        training: bool = False,
    ) -> dict[str, keras.KerasTensor]:
        """Checks the types and returns `[B, H']` by the name of the task."""
        check_scenario(inputs, scenario)
        shape = (inputs.shape[0], self.hidden_dims[-1])
        return {name: keras.KerasTensor(shape, self.compute_dtype) for name in self.task_names}

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments that all towers share."""
        config = {
            "task_names": list(self.task_names),
            "hidden_dims": list(self.hidden_dims),
            "embedding_dim": self.embedding_dim,
        }
        return {**super().get_config(), **config}
