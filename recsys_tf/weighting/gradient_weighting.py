"""The form of the weightings that look at the tasks' gradients."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from recsys_tf.types import Tensor
from recsys_tf.weighting.weighting import Weighting


class GradientWeighting(Weighting, ABC):
    """Weighs the tasks' gradients over what they share: `g = sum_t a_t g_t`.

    The base of all gradient weightings. Each is a function of the Gram matrix `G = J J^T`, whose
    entry `(s, t)` is the inner product of the gradients of tasks `s` and `t`: so it costs one
    backward pass a task and then works on `T x T` numbers.
    `recsys_tf.models.task_gradients.combined_gradients` makes `G` and applies the weights. As in
    the papers, which part a network into shared and task-specific weights, what at most one task's
    gradient reaches is left out of `G` and steps by `w_t g_t`: heads, and within other variables
    the experts, gates and embeddings of single tasks.

    A task whose gradient is 0 (a batch without its labels) or not finite (NaN in its loss) takes
    no part in a step: its weight is 0 and the other tasks are balanced without it.

    Called with losses it returns their weighted sum, the number that training reports.

    Args:
        weights: Factor of each task, above 0; each method says where it enters.
        **kwargs: Arguments of every Keras layer.
    """

    is_per_variable = False
    """Whether each shared variable has weights of its own, from a Gram matrix of its own."""

    def __init__(self, weights: Mapping[str, float], **kwargs: Any) -> None:
        super().__init__(weights, **kwargs)
        # XLA cannot join the indices of tables' sparse gradients, whose number it does not know.
        self.supports_jit = False

    def build(self, num_variables: int) -> None:
        """Makes the state that depends on the number of shared variables; most have none.

        Called again for the same number it changes nothing, so that a weighting that was loaded
        with its state, or has been in use, can be compiled with once more.

        Args:
            num_variables: Number of shared variables.
        """

    @abstractmethod
    def task_weights(self, gram: Tensor, losses: Tensor) -> Tensor:
        """Weighs the tasks; state changes with every call, so it is for training only.

        Args:
            gram: float `[T, T]`, inner products of the tasks' gradients over what they share,
                before any factor; where `is_per_variable`, `[V, T, T]`, one for each shared
                variable.
            losses: float `[T]`, the tasks' losses before any factor.

        Returns:
            float32 `[T]`, or `[V, T]` where `is_per_variable`: the factors `a`, finite always.
        """
