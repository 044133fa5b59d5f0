"""STEM: shared and task-specific embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from recsys_tf.layers import Experts, SoftmaxGates
from recsys_tf.layers.shapes import check_positive, check_rank, check_width
from recsys_tf.multitask.block import MultitaskBlock
from recsys_tf.types import Tensor


def mix_own_experts(weights: Tensor, experts: Tensor) -> Tensor:
    """Weighs each task's own experts: `y_t = sum_e w_te f_te`, in one batched product.

    Args:
        weights: Float `[B, T, E]`, the weights of each task's `E` own experts.
        experts: Float `[B, T * E, H]`, the first task's experts first.

    Returns:
        Float `[B, T, H]`.

    Example:
        >>> import numpy as np
        >>> float(mix_own_experts(np.array([[[0.5, 2.0]]]), np.array([[[4.0], [3.0]]]))[0, 0, 0])
        8.0
    """
    num_tasks, num_experts = weights.shape[1:]
    by_task = ops.reshape(experts, (-1, num_tasks, num_experts, experts.shape[-1]))
    return ops.squeeze(ops.matmul(ops.expand_dims(weights, 2), by_task), axis=2)


@keras.saving.register_keras_serializable(package="recsys_tf")
class STEM(MultitaskBlock):
    """Gives each task embeddings of its own beside the shared ones: `y_t = sum_e g_te f_e(x_e)`.

    The input is `T + 1` parts side by side, `x = [x_0, x_1, ..., x_T]`, each `D / (T + 1)` wide:
    `x_0` from the shared embeddings, `x_t` from those of the task at place `t` of `task_names`.
    Every table must be `T + 1` times as wide as one part of the feature, and part `p` of ALL
    features must stand together: with features `u` and `i`, `[u_0, i_0, u_1, i_1, ...]` and not
    `[u_0, u_1, ..., i_0, i_1, ...]`. The shared experts see `x_0`, a task's own experts its `x_t`.
    The gate `g_t = softmax((x_t + x_0) W_t + b_t)` weighs the experts of ALL tasks, but no gradient
    of task `t` goes into another task's experts and embeddings: all forward, task-specific
    backward. Choose it where users' tastes differ by task, say likes against watch time, and rows
    are many; it costs `T + 1` times the tables. One task alone mixes a shared and an own part.

    Args:
        task_names: Names of the tasks, in the order of the parts.
        num_experts: Number of experts of the shared part.
        num_task_experts: Number of experts of each task's own part.
        expert_dim: Width `H` of each expert.
        num_layers: Layers of each expert, each of that width.
        dropout: Share of the experts' units that is dropped while training.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If there is no task name or one twice, a size is below 1, `dropout` is not
            from 0 to below 1, the input is not of rank 2, or `T + 1` does not divide its width.

    Example:
        >>> import numpy as np
        >>> outputs = STEM(["click", "rating"], 1, 1, 4)(np.ones([2, 3 * 5], "float32"))
        >>> sorted(outputs), outputs["click"].shape == (2, 4)
        (['click', 'rating'], True)

    Source: Su et al., 2024, "STEM: Unleashing the Power of Embeddings for Multi-Task
        Recommendation", https://arxiv.org/abs/2308.13537, with the gates' input of the authors'
        code, https://github.com/LiangcaiSu/STEM. One level, as their runs have; their gates have
        hidden layers, these are linear, with a bias, and start at the plain mean, see
        `SoftmaxGates`.
    """

    reads_parts = True

    def __init__(
        self,
        task_names: Sequence[str],
        num_experts: int = 4,
        num_task_experts: int = 1,
        expert_dim: int = 64,
        num_layers: int = 1,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(task_names, expert_dim, num_layers, dropout, **kwargs)
        self.num_experts = check_positive("num_experts", num_experts)
        self.num_task_experts = check_positive("num_task_experts", num_task_experts)
        num_own = len(self.task_names) * num_task_experts
        sizes: dict[str, Any] = {
            "hidden_dims": (expert_dim,) * num_layers,
            "dropout": dropout,
            "dtype": self.dtype_policy,
        }
        self.shared_experts = Experts(num_experts, name="shared_experts", **sizes)
        self.task_experts = Experts(num_own, name="task_experts", **sizes)
        self.gates = SoftmaxGates(
            len(self.task_names), num_own + num_experts, dtype=self.dtype_policy, name="gates"
        )

    def build(self, inputs_shape: tuple[int | None, ...]) -> None:
        """Builds experts and gates for parts of known width."""
        check_rank("inputs", inputs_shape, 2)
        width, num_tasks = check_width("inputs", inputs_shape), len(self.task_names)
        if width % (num_tasks + 1):
            raise ValueError(
                f"`inputs` must have a width that {num_tasks + 1} divides (a shared part and one "
                f"for each of {num_tasks} tasks), received width {width}. Make every feature's "
                f"embedding {num_tasks + 1} times as wide."
            )
        part_dim = width // (num_tasks + 1)
        self.shared_experts.build((None, part_dim))
        self.task_experts.build((None, num_tasks, part_dim))
        self.gates.build((None, num_tasks, part_dim))

    def call(self, inputs: Tensor, training: bool = False) -> dict[str, Tensor]:
        """Applies the experts to their parts and mixes them for every task.

        Args:
            inputs: Float `[B, D]`: `T + 1` parts of equal width, the shared one first.
            training: Whether units are dropped.

        Returns:
            Float `[B, H]` by the name of the task.
        """
        num_tasks = len(self.task_names)
        parts = ops.reshape(inputs, (-1, num_tasks + 1, inputs.shape[-1] // (num_tasks + 1)))
        of_shared, of_tasks = ops.split(parts, [1], axis=1)
        shared = self.shared_experts(ops.squeeze(of_shared, axis=1), training=training)
        own = self.task_experts(of_tasks, training=training)
        gates = self.gates(of_tasks + of_shared)
        num_own = num_tasks * self.num_task_experts
        mixed = self._mix_task_experts(gates[:, :, :num_own], own)
        return self.by_task(mixed + ops.matmul(gates[:, :, num_own:], shared))

    def _mix_task_experts(self, weights: Tensor, experts: Tensor) -> Tensor:
        """Mixes `[B, T * E, H]` for each task, with gradients into the task's own experts only."""
        num_tasks = len(self.task_names)
        by_task = ops.reshape(weights, (-1, num_tasks, num_tasks, self.num_task_experts))
        is_own = ops.expand_dims(ops.eye(num_tasks, dtype=by_task.dtype), -1)
        of_others = ops.reshape(by_task * (1 - is_own), (-1, num_tasks, experts.shape[1]))
        return mix_own_experts(ops.sum(by_task * is_own, axis=2), experts) + ops.matmul(
            of_others, ops.stop_gradient(experts)
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {"num_experts": self.num_experts, "num_task_experts": self.num_task_experts}
        return {**super().get_config(), **config}
