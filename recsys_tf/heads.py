"""The last layers: one head a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from recsys_tf.layers import DenseStack
from recsys_tf.layers.precision import full_precision
from recsys_tf.layers.shapes import check_positive, check_rank
from recsys_tf.types import Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class TaskHeads(keras.layers.Layer):
    """Turns each task's vector into its logits: `y_t = f_t(x_t) w_t + b_t`.

    `f_t` are dense layers of the task's own. A logit is the predicted number itself for a
    regression, and the log odds for the other kinds: heads know no loss and no link function. In
    mixed precision `f_t` is in half precision, the logits are in float32.

    Args:
        num_classes: By the name of the task: None for one number a row (regression, binary), or
            the number `C` of classes (multi-class, multi-label).
        hidden_dims: Widths of each head's hidden layers; empty for a linear head.
        dropout: Share of the hidden units that is dropped while training.
        initial_biases: By the name of the task, what `b_t` starts from: a number, or `C` numbers.
            The mean rating, or the log odds of a click, spare the first epoch's work of finding
            it. Tasks that are not named start from 0.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If there is no task, a size is below 1, `initial_biases` names another task or
            has another length, or the inputs' names are other ones than those of `num_classes`.

    Example:
        >>> import numpy as np
        >>> heads = TaskHeads({"rating": None}, initial_biases={"rating": 3.5})
        >>> [float(y) for y in heads({"rating": np.zeros([2, 4], "float32")})["rating"]]
        [3.5, 3.5]

    Source: the towers `h^k` of Ma et al., 2018, https://doi.org/10.1145/3219819.3220007, equation
        6. The initial bias: Lin et al., 2017, "Focal Loss for Dense Object Detection",
        https://arxiv.org/abs/1708.02002, section 4.1.
    """

    def __init__(
        self,
        num_classes: Mapping[str, int | None],
        hidden_dims: Sequence[int] = (),
        dropout: float = 0.0,
        initial_biases: Mapping[str, float | Sequence[float]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not num_classes:
            raise ValueError("`num_classes` must name at least one task, received none.")
        for count in num_classes.values():
            if count is not None:
                check_positive("num_classes", count)
        self.num_classes = dict(num_classes)
        self.hidden_dims = tuple(hidden_dims)
        self.dropout = dropout
        self.initial_biases = {
            name: np.asarray(bias, "float32").tolist()
            for name, bias in (initial_biases or {}).items()
        }
        self._check_biases()
        self.stacks, self.outputs = {}, {}
        for name, count in self.num_classes.items():
            self.stacks[name] = DenseStack(
                self.hidden_dims, dropout=dropout, dtype=self.dtype_policy, name=f"{name}_hidden"
            )
            self.outputs[name] = keras.layers.Dense(
                count or 1,
                # Small, so that a head starts at its bias and not at noise around it.
                kernel_initializer=keras.initializers.VarianceScaling(0.01, "fan_avg", "uniform"),
                bias_initializer=keras.initializers.Constant(self.initial_biases.get(name, 0.0)),
                dtype=full_precision(self.dtype_policy),
                name=f"{name}_logits",
            )

    def build(self, inputs_shape: Mapping[str, tuple[int | None, ...]]) -> None:
        """Builds every head for a vector of its own width."""
        if sorted(inputs_shape) != sorted(self.num_classes):
            raise ValueError(
                f"`inputs` must hold the tasks {sorted(self.num_classes)}, "
                f"received {sorted(inputs_shape)}."
            )
        for name, shape in inputs_shape.items():
            check_rank(f"inputs[{name!r}]", shape, 2)
            self.stacks[name].build(shape)
            self.outputs[name].build(self.stacks[name].compute_output_shape(shape))

    def call(self, inputs: Mapping[str, Tensor], training: bool = False) -> dict[str, Tensor]:
        """Applies each task's head to its own vector.

        Args:
            inputs: Float `[B, H]` by the name of the task.
            training: Whether units are dropped.

        Returns:
            By the name of the task, float `[B]` for one number a row, else `[B, C]`; float32 in
            mixed precision too.
        """
        logits = {}
        for name, count in self.num_classes.items():
            values = self.outputs[name](self.stacks[name](inputs[name], training=training))
            logits[name] = ops.squeeze(values, axis=1) if count is None else values
        return logits

    def compute_output_shape(
        self, inputs_shape: Mapping[str, tuple[int | None, ...]]
    ) -> dict[str, tuple[int | None, ...]]:
        """Returns `[B]` or `[B, C]` by the name of the task."""
        return {
            name: (inputs_shape[name][0],) if count is None else (inputs_shape[name][0], count)
            for name, count in self.num_classes.items()
        }

    def compute_output_spec(
        self, inputs: Mapping[str, Any], training: bool = False
    ) -> dict[str, keras.KerasTensor]:
        """Returns the shapes, and the logits' dtype in place of the layer's."""
        shapes = self.compute_output_shape({name: each.shape for name, each in inputs.items()})
        dtype = full_precision(self.dtype_policy).compute_dtype
        return {name: keras.KerasTensor(shape, dtype) for name, shape in shapes.items()}

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {
            "num_classes": dict(self.num_classes),
            "hidden_dims": list(self.hidden_dims),
            "dropout": self.dropout,
            "initial_biases": dict(self.initial_biases),
        }
        return {**super().get_config(), **config}

    def _check_biases(self) -> None:
        for name, bias in self.initial_biases.items():
            if name not in self.num_classes:
                raise ValueError(
                    f"`initial_biases` must name tasks of `num_classes` "
                    f"({', '.join(map(repr, sorted(self.num_classes)))}), received {name!r}."
                )
            size = self.num_classes[name] or 1
            if np.ndim(bias) > 0 and np.shape(bias) != (size,):
                raise ValueError(
                    f"`initial_biases[{name!r}]` must be a number or {size} numbers, "
                    f"received shape {np.shape(bias)}."
                )
            if not np.all(np.isfinite(bias)):
                raise ValueError(f"`initial_biases[{name!r}]` must be finite, received {bias!r}.")
