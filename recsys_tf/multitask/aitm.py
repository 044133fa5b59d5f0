"""Adaptive information transfer: each task's tower takes what the one before it hands on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from recsys_tf.layers import DenseStack, Experts
from recsys_tf.layers.shapes import check_rank
from recsys_tf.multitask.block import MultitaskBlock
from recsys_tf.types import Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class AITM(MultitaskBlock):
    """Hands information from each task to the next: `y_t = w_p h1(p) + w_q h1(q)`.

    `q = f_t(x)` is the task's own tower and `p = g(y_(t-1))` what the task before hands on; their
    weights are a softmax over `h2(p) . h3(p) / sqrt(H)` and `h2(q) . h3(q) / sqrt(H)`. The first
    task is its tower alone, `y_1 = f_1(x)`. The steps stand in their order, most frequent first:
    click, cart, purchase; a model takes it from the tasks' `after`. Choose it where each step can
    only follow the one before, and the late steps have few labels. One task alone is a plain tower.

    Args:
        task_names: Names of the tasks, in the order of the steps unless `steps` has another.
        expert_dim: Width `H` of each tower.
        num_layers: Layers of each tower, each of that width.
        dropout: Share of the units of towers and `g` that is dropped while training.
        steps: The same names in the order of the steps; None takes that of `task_names`.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If there is no task name or one twice, `steps` are of other tasks, a size is
            below 1, `dropout` is not from 0 to below 1, or the input is not of rank 2.

    Example:
        >>> import numpy as np
        >>> outputs = AITM(["click", "buy"], 4)(np.ones([3, 5], "float32"))
        >>> sorted(outputs), outputs["buy"].shape == (3, 4)
        (['buy', 'click'], True)

    Source: Xi et al., 2021, "Modeling the Sequential Dependence among Audience Multi-step
        Conversions with Multi-task Learning in Targeted Display Advertising",
        https://arxiv.org/abs/2105.08489, the AIT module. `g` is one dense layer with ReLU, `h1` to
        `h3` one linear layer each, anew for every step. The paper's calibrator, which punishes a
        later step that is likelier than an earlier one, is a loss and not in this block.
    """

    is_in_steps = True

    def __init__(
        self,
        task_names: Sequence[str],
        expert_dim: int = 64,
        num_layers: int = 1,
        dropout: float = 0.0,
        steps: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        if steps is not None and sorted(steps) != sorted(task_names):
            raise ValueError(
                f"`steps` must hold each of the tasks {', '.join(map(repr, task_names))} once, "
                f"received {', '.join(map(repr, steps)) or 'none'}."
            )
        task_names = task_names if steps is None else steps
        super().__init__(task_names, expert_dim, num_layers, dropout, **kwargs)
        dtype = self.dtype_policy
        self.towers = Experts(
            len(self.task_names),
            (expert_dim,) * num_layers,
            dropout=dropout,
            dtype=dtype,
            name="towers",
        )
        self.transfers, self.projections = [], []
        for name in self.task_names[1:]:
            self.transfers.append(
                DenseStack((expert_dim,), dropout=dropout, dtype=dtype, name=f"{name}_transfer")
            )
            # h1, h2 and h3 are three linear experts: one product.
            self.projections.append(
                Experts(3, (expert_dim,), "linear", dtype=dtype, name=f"{name}_projections")
            )

    def build(self, inputs_shape: tuple[int | None, ...]) -> None:
        """Builds the towers and every step between them."""
        check_rank("inputs", inputs_shape, 2)
        self.towers.build(inputs_shape)
        for transfer, project in zip(self.transfers, self.projections, strict=True):
            transfer.build((None, self.expert_dim))
            project.build((None, self.expert_dim))

    def call(self, inputs: Tensor, training: bool = False) -> dict[str, Tensor]:
        """Applies all towers at once, then the steps one after the other.

        Args:
            inputs: Float `[B, D]`.
            training: Whether units are dropped.

        Returns:
            Float `[B, H]` by the name of the task.
        """
        towers = self.towers(inputs, training=training)
        outputs = [towers[:, 0]]
        for index, (transfer, project) in enumerate(
            zip(self.transfers, self.projections, strict=True), start=1
        ):
            handed_on = transfer(outputs[-1], training=training)
            outputs.append(self._attend(project, handed_on, towers[:, index]))
        return dict(zip(self.task_names, outputs, strict=True))

    def _attend(self, project: Experts, handed_on: Tensor, own: Tensor) -> Tensor:
        pair = ops.reshape(ops.stack([handed_on, own], axis=1), (-1, self.expert_dim))
        projected = ops.reshape(project(pair), (-1, 2, 3, self.expert_dim))
        value, key, query = projected[:, :, 0], projected[:, :, 1], projected[:, :, 2]
        # float32, since the exponential of a half-precision score loses the small weights.
        scores = ops.sum(ops.cast(key, "float32") * ops.cast(query, "float32"), axis=-1)
        weights = ops.softmax(scores / math.sqrt(self.expert_dim), axis=-1)
        return ops.sum(ops.expand_dims(ops.cast(weights, self.compute_dtype), -1) * value, axis=1)
