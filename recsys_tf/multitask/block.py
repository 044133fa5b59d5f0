"""What all multi-task blocks have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from recsys_tf.layers.shapes import check_positive, check_share
from recsys_tf.multitask.task_names import check_task_names
from recsys_tf.types import Tensor


class MultitaskBlock(keras.layers.Layer):
    """Holds the tasks' names and the sizes that every block knows, and names its outputs.

    A block derives from it, makes its layers in `__init__` and `build`, and ends its `call` with
    `by_task`.

    Args:
        task_names: Names of the tasks.
        expert_dim: Width `H` of each task's output.
        num_layers: Layers of a stack or an expert, each of that width.
        dropout: Share of their units that is dropped while training.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If there is no task name or one twice, a size is below 1, or `dropout` is not
            from 0 to below 1.

    Example:
        >>> MultitaskBlock(["click", "buy"], 4, 1, 0.0).compute_output_shape((None, 5))
        {'click': (None, 4), 'buy': (None, 4)}
    """

    reads_parts: ClassVar[bool] = False
    """Whether the input is `T + 1` parts side by side, a shared one and one for each task."""

    is_in_steps: ClassVar[bool] = False
    """Whether each task gets something from one before it; it then takes the order as `steps`."""

    def __init__(
        self,
        task_names: Sequence[str],
        expert_dim: int,
        num_layers: int,
        dropout: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.task_names = check_task_names(task_names)
        self.expert_dim = check_positive("expert_dim", expert_dim)
        self.num_layers = check_positive("num_layers", num_layers)
        self.dropout = check_share("dropout", dropout)

    def by_task(self, outputs: Tensor) -> dict[str, Tensor]:
        """Names the outputs.

        Args:
            outputs: Float `[B, T, H]`, in the order of `task_names`.

        Returns:
            Float `[B, H]` by the name of the task.
        """
        # Not slices, whose gradients are each written into zeros of the whole shape and then added.
        of_tasks = ops.unstack(outputs, len(self.task_names), axis=1)
        return dict(zip(self.task_names, of_tasks, strict=True))

    def compute_output_shape(
        self, inputs_shape: tuple[int | None, ...]
    ) -> dict[str, tuple[int | None, ...]]:
        """Returns `[B, H]` by the name of the task."""
        return dict.fromkeys(self.task_names, (inputs_shape[0], self.expert_dim))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {
            "task_names": list(self.task_names),
            "expert_dim": self.expert_dim,
            "num_layers": self.num_layers,
            "dropout": self.dropout,
        }
        return {**super().get_config(), **config}
