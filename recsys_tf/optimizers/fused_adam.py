"""Adam and AdamW in one operation a variable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from recsys_tf.optimizers.clipping import clipped_by_global_norm
from recsys_tf.types import Tensor


class _FusedStep:
    """Replaces the step of Keras's Adam by TensorFlow's kernel.

    Keras writes the step out, in some thirty small operations a variable: for the small variables
    of a recommender their starting costs more than their numbers. The kernel computes the same
    from the same moments, so that a state that either has written goes on with the other.

    A row of a table that stands several times in a batch is stepped by the sum of its gradients, as
    it is where the gradient is dense. Keras does so with `global_clipnorm`; without, its `v` takes
    the sum of their squares.
    """

    _shared: tuple[tf.DType, dict[str, Tensor]] | None = None
    """The kernel's scalars, which all variables of a step share, and their type."""

    def apply(self: Any, grads: Any, trainable_variables: Any = None) -> None:
        """Updates all variables by one step."""
        self._shared = None
        super().apply(grads, trainable_variables)  # type: ignore[misc]

    def _clip_gradients(self: Any, grads: list[Any]) -> list[Any]:
        """Scales the gradients as Keras does, a table's by its slices alone."""
        limit = self.global_clipnorm
        if self.clipnorm or not limit or limit <= 0:
            return super()._clip_gradients(grads)  # type: ignore[misc]
        return clipped_by_global_norm(grads, limit)

    def update_step(self: Any, gradient: Any, variable: Any, learning_rate: Tensor) -> None:
        """Updates one variable, as `keras.optimizers.Adam.update_step` does."""
        # `amsgrad` has a third moment, which the kernel has not.
        if self.amsgrad:
            super().update_step(gradient, variable, learning_rate)  # type: ignore[misc]
            return
        dtype = tf.as_dtype(variable.dtype)
        if self._shared is None or self._shared[0] != dtype:
            self._shared = dtype, self._scalars(dtype, learning_rate)
        index = self._get_variable_index(variable)
        handles = [
            (each.value if isinstance(each, keras.Variable) else each).handle
            for each in (variable, self._momentums[index], self._velocities[index])
        ]
        if isinstance(gradient, tf.IndexedSlices):
            gradient = tf.math.unsorted_segment_sum(
                gradient.values, gradient.indices, variable.shape[0]
            )
        tf.raw_ops.ResourceApplyAdam(
            var=handles[0],
            m=handles[1],
            v=handles[2],
            grad=tf.cast(gradient, dtype),
            **self._shared[1],
        )

    def _scalars(self: Any, dtype: tf.DType, learning_rate: Tensor) -> dict[str, Tensor]:
        step = tf.cast(self.iterations + 1, dtype)
        beta1, beta2 = tf.cast(self.beta_1, dtype), tf.cast(self.beta_2, dtype)
        return {
            "beta1": beta1,
            "beta2": beta2,
            "beta1_power": tf.pow(beta1, step),
            "beta2_power": tf.pow(beta2, step),
            "lr": tf.cast(learning_rate, dtype),
            "epsilon": tf.cast(self.epsilon, dtype),
        }


@keras.saving.register_keras_serializable(package="recsys_tf")
class FusedAdam(_FusedStep, keras.optimizers.Adam):
    """Computes `w -= r m' / (sqrt(v') + e)` from the moments `m`, `v`, in one operation a variable.

    The arguments and the saved state are those of `keras.optimizers.Adam`, and so are the numbers,
    but for tables without clipping: a row that stands several times in a batch is stepped by the
    sum of its gradients, as Keras does with clipping.

    Example:
        >>> weight = keras.Variable([1.0])
        >>> FusedAdam(0.1).apply([tf.constant([3.0])], [weight])
        >>> [round(float(each), 4) for each in weight.numpy()]
        [0.9]

    Source: Kingma and Ba, 2015, "Adam: A Method for Stochastic Optimization",
        https://arxiv.org/abs/1412.6980, the form before section 2.1.
    """


@keras.saving.register_keras_serializable(package="recsys_tf")
class FusedAdamW(_FusedStep, keras.optimizers.AdamW):
    """Adam with decoupled weight decay, in one operation a variable; see `FusedAdam`.

    Args:
        *args: Positional arguments of `keras.optimizers.AdamW`.
        decayed_names: Parts of the names of the variables that are decayed, such as `["kernel"]`;
            the names of their layers do not count. None decays all variables. Unlike what is
            given to `exclude_from_weight_decay`, which goes before it, it is saved.
        **kwargs: Further arguments of `keras.optimizers.AdamW`.

    Example:
        >>> kernel, bias = (keras.Variable([1.0], name=name) for name in ("kernel", "bias"))
        >>> optimizer = FusedAdamW(0.1, 0.5, decayed_names=["kernel"])
        >>> optimizer.apply([tf.constant([0.0])] * 2, [kernel, bias])
        >>> [round(float(each[0]), 4) for each in (kernel, bias)]
        [0.95, 1.0]

    Source: Loshchilov and Hutter, 2019, "Decoupled Weight Decay Regularization",
        https://arxiv.org/abs/1711.05101.
    """

    def __init__(
        self, *args: Any, decayed_names: Sequence[str] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.decayed_names = None if decayed_names is None else tuple(decayed_names)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        names = None if self.decayed_names is None else list(self.decayed_names)
        return {**super().get_config(), "decayed_names": names}

    def _use_weight_decay(self: Any, variable: Any) -> bool:
        # TensorFlow's name holds those of the layers as well.
        name = variable.name.rpartition("/")[2]
        is_named = self.decayed_names is None or any(each in name for each in self.decayed_names)
        return is_named and super()._use_weight_decay(variable)
