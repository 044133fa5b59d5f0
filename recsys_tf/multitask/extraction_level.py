"""One level of shared and task-specific experts: the part that CGC and PLE are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from recsys_tf.layers import Experts, SoftmaxGates
from recsys_tf.layers.shapes import check_positive
from recsys_tf.types import Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class ExtractionLevel(keras.layers.Layer):
    """Mixes for each task its own experts and the shared ones: `y_t = sum_e g_t(x_t)_e f_e(x_e)`.

    Task `t`'s gate weighs the task's own experts, which see `x_t`, and then the shared ones, which
    see `x_0`. With `has_shared_output` a further gate on `x_0` weighs ALL experts, first task
    first, shared ones last, for the next level's `x_0`. In the first level all `x` are the same.

    Args:
        num_tasks: Number `T` of tasks.
        num_experts: Number of experts that all tasks share.
        num_task_experts: Number of each task's own experts.
        hidden_dims: Widths of the layers of each expert.
        dropout: Share of the experts' units that is dropped while training.
        has_shared_output: Whether a further level follows, which needs the shared output.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If a number is below 1, `dropout` is not from 0 to below 1, or the input is
            neither `[B, D]` nor `[B, T + 1, D]`.

    Example:
        >>> import numpy as np
        >>> level = ExtractionLevel(2, 3, 1, (4,), has_shared_output=True)
        >>> level(np.ones([5, 6], "float32")).shape == (5, 3, 4)
        True

    Source: Tang et al., 2020, "Progressive Layered Extraction (PLE): A Novel Multi-Task Learning
        Model for Personalized Recommendations", https://doi.org/10.1145/3383313.3412236,
        sections 4.1 and 4.2.
    """

    def __init__(
        self,
        num_tasks: int,
        num_experts: int,
        num_task_experts: int,
        hidden_dims: Sequence[int],
        dropout: float = 0.0,
        has_shared_output: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_tasks = check_positive("num_tasks", num_tasks)
        self.num_experts = check_positive("num_experts", num_experts)
        self.num_task_experts = check_positive("num_task_experts", num_task_experts)
        self.has_shared_output = has_shared_output
        sizes: dict[str, Any] = {
            "hidden_dims": hidden_dims,
            "dropout": dropout,
            "dtype": self.dtype_policy,
        }
        num_own = num_tasks * num_task_experts
        self.shared_experts = Experts(num_experts, name="shared_experts", **sizes)
        self.task_experts = Experts(num_own, name="task_experts", **sizes)
        self.gates = SoftmaxGates(
            num_tasks, num_task_experts + num_experts, dtype=self.dtype_policy, name="gates"
        )
        self.shared_gate = None
        if has_shared_output:
            self.shared_gate = SoftmaxGates(
                1, num_own + num_experts, dtype=self.dtype_policy, name="shared_gate"
            )

    def build(self, inputs_shape: tuple[int | None, ...]) -> None:
        """Builds experts and gates for one input, or for the shared one and each task's own."""
        of_shared = of_tasks = tuple(inputs_shape)
        if len(inputs_shape) == 3 and inputs_shape[1] == self.num_tasks + 1:
            of_shared = (inputs_shape[0], inputs_shape[2])
            of_tasks = (inputs_shape[0], self.num_tasks, inputs_shape[2])
        elif len(inputs_shape) != 2:
            raise ValueError(
                f"`inputs` must have the shape [B, D], or [B, {self.num_tasks + 1}, D] for the "
                f"shared input and one of each task's own, received shape {tuple(inputs_shape)}."
            )
        self.shared_experts.build(of_shared)
        self.task_experts.build(of_tasks)
        self.gates.build(of_tasks)
        if self.shared_gate is not None:
            self.shared_gate.build(of_shared)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Applies the experts and mixes them.

        Args:
            inputs: Float `[B, D]`, the same for all, or `[B, T + 1, D]`: the shared input, then
                each task's.
            training: Whether units are dropped.

        Returns:
            Float `[B, T, H]`; with `has_shared_output` `[B, T + 1, H]`, the shared output first.
        """
        of_shared = of_tasks = inputs
        if len(inputs.shape) == 3:
            of_shared, of_tasks = ops.split(inputs, [1], axis=1)
            of_shared = ops.squeeze(of_shared, axis=1)
        shared = self.shared_experts(of_shared, training=training)
        own = self.task_experts(of_tasks, training=training)
        weights = self._weights_of_all(self.gates(of_tasks))
        if self.shared_gate is not None:
            weights = ops.concatenate([self.shared_gate(of_shared), weights], axis=1)
        return ops.matmul(weights, ops.concatenate([own, shared], axis=1))

    def _weights_of_all(self, gates: Tensor) -> Tensor:
        """Lays the weights `[B, T, choices]` out over all experts, 0 for those of other tasks."""
        num_tasks, num_own = self.num_tasks, self.num_task_experts
        of_own, of_shared = ops.split(gates, [num_own], axis=2)
        is_own = ops.expand_dims(ops.eye(num_tasks, dtype=gates.dtype), -1)
        of_own = ops.reshape(
            ops.expand_dims(of_own, 2) * is_own, (-1, num_tasks, num_tasks * num_own)
        )
        return ops.concatenate([of_own, of_shared], axis=2)

    def compute_output_shape(self, inputs_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns `[B, T, H]` or `[B, T + 1, H]`."""
        count = self.num_tasks + int(self.has_shared_output)
        return (inputs_shape[0], count, self.shared_experts.hidden_dims[-1])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {
            "num_tasks": self.num_tasks,
            "num_experts": self.num_experts,
            "num_task_experts": self.num_task_experts,
            "hidden_dims": list(self.shared_experts.hidden_dims),
            "dropout": self.shared_experts.dropout,
            "has_shared_output": self.has_shared_output,
        }
        return {**super().get_config(), **config}
