"""The bilinear model of two vectors."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from recsys_tf.layers.precision import full_precision
from recsys_tf.layers.shapes import check_positive, check_rank, check_width
from recsys_tf.naming import unknown_name_message
from recsys_tf.types import Tensor

FORMS = ("free", "low_rank", "diagonal")
"""Forms of the matrix between two vectors."""


@keras.saving.register_keras_serializable(package="recsys_tf")
class Bilinear(keras.layers.Layer):
    """Judges two vectors through a learned matrix: `s = u^T Q v + b`.

    `s` is a logit: the sigmoid of the prediction `sigmoid(u^T Q v)` belongs to the loss. Choose
    it to match ready-made vectors, such as two texts' out of a language model, whose plain dot
    product tells alike and not what suits whom; and by the number of rows the form:

    - "free", `Q` of `Du Dv` weights: many rows, or two encoders whose spaces do not agree.
    - "low_rank", `Q = U V^T` of rank `R`, `R (Du + Dv)` weights: wide vectors. Both sides are
      brought to `R` units and multiplied there.
    - "diagonal", `Q = diag(q)` of `D` weights: few rows, one encoder for both sides. It weighs the
      units and mixes none.

    It starts as the dot product times `initial_scale`, so that what the encoders know is not lost
    at the first step: `Q = scale I` where widths agree, `Q = scale P P^T` with `R` orthonormal
    columns `P` for the low rank (the dot product within a random subspace, and the full one where
    `R = D`), and orthonormal rows or columns times the scale where widths differ.

    Args:
        form: "free", "low_rank" or "diagonal".
        rank: Rank `R` of the form "low_rank", at most the smaller width; None for the others.
        initial_scale: Above 0. None for `1 / sqrt(n)` over the `n` multiplied units (`R`, or the
            smaller width), which gives logits of variance 1 from units of variance 1. Vectors of
            length 1 have dot products of at most 1: give 1 or more for them.
        use_bias: Whether there is a bias `b`.
        initial_bias: What `b` starts from, the log odds of a click, say.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If `form` is unknown, `rank` is missing, superfluous or out of its range,
            `initial_scale` is not finite and above 0, `initial_bias` not finite, an input is not of
            rank 2, or the widths differ in the form "diagonal".

    Example:
        >>> import numpy as np
        >>> u, v = np.array([[1.0, 2.0]], "float32"), np.array([[3.0, 4.0]], "float32")
        >>> float(Bilinear("diagonal", initial_scale=0.5)(u, v)[0])
        5.5

    Source: Tenenbaum and Freeman, 2000, "Separating Style and Content with Bilinear Models",
        https://doi.org/10.1162/089976600300015349, the symmetric model; the low rank of Kim et
        al., 2017, "Hadamard Product for Low-rank Bilinear Pooling",
        https://arxiv.org/abs/1610.04325. The start at a scaled dot product is this package's.
    """

    def __init__(
        self,
        form: str = "free",
        rank: int | None = None,
        initial_scale: float | None = None,
        use_bias: bool = True,
        initial_bias: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if form not in FORMS:
            raise ValueError(unknown_name_message("form", form, FORMS))
        if form == "low_rank":
            check_positive("rank", rank)
        elif rank is not None:
            raise ValueError(
                f"`rank` must be None for the form {form!r}, received {rank!r}. "
                "Choose the form 'low_rank' to give a rank."
            )
        if initial_scale is not None and not 0 < initial_scale < math.inf:
            raise ValueError(
                f"`initial_scale` must be a finite number above 0, received {initial_scale!r}."
            )
        if not math.isfinite(initial_bias):
            raise ValueError(f"`initial_bias` must be finite, received {initial_bias!r}.")
        self.form = form
        self.rank = rank
        self.initial_scale = initial_scale
        self.use_bias = use_bias
        self.initial_bias = float(initial_bias)

    def build(self, u_shape: tuple[int | None, ...], v_shape: tuple[int | None, ...]) -> None:
        """Makes the form's weights for vectors of known widths."""
        check_rank("u", u_shape, 2)
        check_rank("v", v_shape, 2)
        widths = check_width("u", u_shape), check_width("v", v_shape)
        scale = self.initial_scale or (self.rank or min(widths)) ** -0.5
        if self.form == "low_rank":
            self._build_low_rank(*widths, scale)
        elif self.form == "diagonal":
            if widths[0] != widths[1]:
                raise ValueError(
                    f"`v` must have the width of `u` ({widths[0]}) in the form 'diagonal', "
                    f"received shape {tuple(v_shape)}. Choose the form 'free' or 'low_rank'."
                )
            start = keras.initializers.Constant(scale)
            self.kernel = self.add_weight(name="kernel", shape=widths[:1], initializer=start)
        else:
            is_square = widths[0] == widths[1]
            make = keras.initializers.Identity if is_square else keras.initializers.Orthogonal
            self.kernel = self.add_weight(name="kernel", shape=widths, initializer=make(scale))
        if self.use_bias:
            # Not cast, since the logits it is added to are in float32.
            start = keras.initializers.Constant(self.initial_bias)
            self.bias = self.add_weight(name="bias", shape=(), initializer=start, autocast=False)

    def _build_low_rank(self, u_width: int, v_width: int, scale: float) -> None:
        if self.rank is None or self.rank > min(u_width, v_width):
            raise ValueError(
                f"`rank` must be at most the smaller width ({min(u_width, v_width)}), received "
                f"{self.rank}. The form 'free' has every rank."
            )
        # One initializer draws the same columns twice, where the widths agree: hence P P^T.
        start = keras.initializers.Orthogonal(gain=scale**0.5)
        self.u_kernel = self.add_weight(
            name="u_kernel", shape=(u_width, self.rank), initializer=start
        )
        self.v_kernel = self.add_weight(
            name="v_kernel", shape=(v_width, self.rank), initializer=start
        )

    def call(self, u: Tensor, v: Tensor) -> Tensor:
        """Judges each row's two vectors.

        Args:
            u: Float `[B, Du]`.
            v: Float `[B, Dv]`.

        Returns:
            Logits, float `[B]`; float32 in mixed precision too.
        """
        if self.form == "low_rank":
            products = ops.matmul(u, self.u_kernel) * ops.matmul(v, self.v_kernel)
        elif self.form == "diagonal":
            products = u * self.kernel * v
        else:
            products = ops.matmul(u, self.kernel) * v
        # float32, since a sum of hundreds of half-precision numbers rounds at each step.
        dtype = full_precision(self.dtype_policy).compute_dtype
        logits = ops.sum(ops.cast(products, dtype), axis=-1)
        return logits + ops.cast(self.bias, dtype) if self.use_bias else logits

    def compute_output_shape(
        self, u_shape: tuple[int | None, ...], v_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """Returns `[B]`."""
        return (u_shape[0],)

    def compute_output_spec(self, u: Any, v: Any) -> keras.KerasTensor:
        """Returns `[B]`, and the logits' dtype in place of the layer's."""
        dtype = full_precision(self.dtype_policy).compute_dtype
        return keras.KerasTensor((u.shape[0],), dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {
            "form": self.form,
            "rank": self.rank,
            "initial_scale": self.initial_scale,
            "use_bias": self.use_bias,
            "initial_bias": self.initial_bias,
        }
        return {**super().get_config(), **config}
