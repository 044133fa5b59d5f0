"""Auxiliary gradients brought to the length of a target task's, variable by variable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from recsys_tf.naming import look_up
from recsys_tf.types import Tensor
from recsys_tf.weighting.checks import check_number
from recsys_tf.weighting.gradient_weighting import GradientWeighting
from recsys_tf.weighting.gram import active_part, final_weights


@keras.saving.register_keras_serializable(package="recsys_tf")
class MetaBalance(GradientWeighting):
    """Draws the lengths of the gradients together: `a_vt = r m_v* / m_vt + (1 - r)`.

    `m_vt` is the moving mean of the length of task `t`'s gradient on the shared variable `v`, and
    `m_v*` that of the target task, or the mean of all tasks. Each variable has weights of its
    own. Choose it where one task is the goal and the others help: they cannot outweigh it in any
    layer.

    Args:
        weights: Factor of each task after the balancing, above 0: before it, it would be undone.
        target: Name of the task that the others are brought to; None for the mean of all.
        relax_factor: `r`, from 0 (no balancing) to 1 (equal lengths).
        beta: Share of the moving mean that a step keeps, from 0 to below 1.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If a weight is not a finite number above 0, there is one task only, `target`
            is an unknown task, or a number is out of its range.

    Example:
        >>> import numpy as np
        >>> weighting = MetaBalance({"click": 1.0, "rating": 1.0}, "rating", relax_factor=0.5)
        >>> weighting.build(1)
        >>> weighting.task_weights(np.diag([16.0, 4.0])[None], np.ones(2)).numpy().tolist()
        [[0.75, 1.0]]

    Source: He et al., 2022, "MetaBalance: Improving Multi-Task Recommendations via Adapting
        Gradient Magnitudes of Auxiliary Tasks", https://arxiv.org/abs/2203.06801, algorithm 1
        with strategy C. A step without a gradient of a task does not enter its means, whose
        start at 0 is divided out. Where the target does not reach a variable, nothing is
        balanced there.
    """

    is_per_variable = True

    def __init__(
        self,
        weights: Mapping[str, float],
        target: str | None = None,
        relax_factor: float = 0.7,
        beta: float = 0.9,
        **kwargs: Any,
    ) -> None:
        super().__init__(weights, **kwargs)
        self.target = target
        self.target_index = None
        if target is not None:
            look_up(self.loss_weights, target, "target")
            self.target_index = self.task_names.index(target)
        self.relax_factor = check_number("relax_factor", relax_factor, 0)
        if self.relax_factor > 1:
            raise ValueError(f"`relax_factor` must be at most 1, received {relax_factor!r}.")
        self.beta = check_number("beta", beta, 0, 1)
        self.mean_lengths: Any = None
        self.counts: Any = None
        self.built = False

    def build(self, num_variables: int) -> None:
        """Makes the moving means, once; see `GradientWeighting`.

        Raises:
            ValueError: If they have been made for another number of variables.
        """
        if self.mean_lengths is not None:
            # Loaded with its state, or compiled again: the means go on.
            if self.mean_lengths.shape[0] != num_variables:
                raise ValueError(
                    f"`num_variables` must be {self.mean_lengths.shape[0]}, of which the moving "
                    f"means are, received {num_variables}. Make a new MetaBalance for another "
                    "model."
                )
            return
        num_tasks = len(self.loss_weights)
        self.mean_lengths = self.add_state("mean_lengths", num_variables, num_tasks)
        self.counts = self.add_state("counts", num_variables, num_tasks)

    def get_build_config(self) -> dict[str, int] | None:
        """Returns what `build` was called with, None before."""
        if self.mean_lengths is None:
            return None
        return {"num_variables": self.mean_lengths.shape[0]}

    def build_from_config(self, config: dict[str, int]) -> None:
        """Makes the moving means again from `get_build_config`'s result."""
        self.build(config["num_variables"])

    def task_weights(self, gram: Tensor, losses: Tensor) -> Tensor:
        """Updates the moving means and returns the factors; see `GradientWeighting`.

        Raises:
            ValueError: If `build` was not called, or for another number of variables.
        """
        if self.mean_lengths is None or self.mean_lengths.shape[0] != gram.shape[0]:
            raise ValueError(
                f"`build({gram.shape[0]})` must be called before gradients of {gram.shape[0]} "
                "shared variables are weighted; it makes one moving mean for each."
            )
        gram, is_active = active_part(gram)
        means = self._update(ops.cast(ops.sqrt(ops.diagonal(gram, axis1=-2, axis2=-1)), "float32"))
        if self.target_index is None:
            reached = ops.sum(ops.cast(means > 0, "float32"), axis=1, keepdims=True)
            goal = ops.sum(means, axis=1, keepdims=True) / ops.maximum(reached, 1.0)
        else:
            goal = means[:, self.target_index, None]
        ratios = goal / ops.where(means > 0, means, 1.0)
        ratios = ops.where(goal > 0, ratios, 1.0)
        weights = self.relax_factor * ratios + (1 - self.relax_factor)
        return final_weights(self.factors * weights, is_active)

    def _update(self, lengths: Tensor) -> Tensor:
        """Moves the means by the lengths that are not 0; returns them without their start at 0."""
        is_new = lengths > 0
        moved = self.beta * self.mean_lengths + (1 - self.beta) * lengths
        means = ops.where(is_new, moved, self.mean_lengths)
        counts = self.counts + ops.cast(is_new, "float32")
        self.mean_lengths.assign(means)
        self.counts.assign(counts)
        return means / ops.where(counts > 0, 1 - ops.power(self.beta, counts), 1.0)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {"target": self.target, "relax_factor": self.relax_factor, "beta": self.beta}
        return {**super().get_config(), **config}
