"""A part of an item's vector that is made of what the item is, and not of who met it."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from recsys_tf.layers.embedding_table import gather_rows
from recsys_tf.layers.shapes import check_positive
from recsys_tf.types import FloatArray, Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class ItemContent(keras.layers.Layer):
    """Projects fixed numbers of an item to the width of its vector: `y = C[x] W`.

    `C` holds a row an item, such as a ready-made vector of its text or its categories as zeros and
    ones; it is not trained, but saved with the weights. `W` is learned.

    Args:
        num_indices: Rows of `C`.
        content_dim: Numbers `F` of each row.
        embedding_dim: Width `D` of the result.
        initial_stddev: Standard deviation of `W`'s first values; small, so that rows of length
            about 1 start as near to 0 as the items' own vectors.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If a size is below 1.

    Example:
        >>> import numpy as np
        >>> content = ItemContent(num_indices=5, content_dim=3, embedding_dim=2)
        >>> content(np.array([[4, 0]])).shape
        TensorShape([1, 2, 2])

    Source: Hou et al., 2022, "Towards Universal Sequence Representation Learning for Recommender
        Systems", https://arxiv.org/abs/2206.05941, equation 8, for texts beside ids; there by
        experts, here by one matrix.
    """

    def __init__(
        self,
        num_indices: int,
        content_dim: int,
        embedding_dim: int,
        initial_stddev: float = 0.02,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_indices = check_positive("num_indices", num_indices)
        self.content_dim = check_positive("content_dim", content_dim)
        self.embedding_dim = check_positive("embedding_dim", embedding_dim)
        self.initial_stddev = float(initial_stddev)

    def build(self, ids_shape: tuple[int | None, ...] | None = None) -> None:
        """Makes the two matrices, `C` of zeros."""
        if hasattr(self, "content"):
            return
        self.content = self.add_weight(
            name="content",
            shape=(self.num_indices, self.content_dim),
            initializer="zeros",
            trainable=False,
            # Mixed precision must not cast the whole of it before a few rows are read.
            autocast=False,
        )
        # Of the items of this very model: `grow_tables` leaves it.
        self.content.is_given = True
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.content_dim, self.embedding_dim),
            initializer=keras.initializers.RandomNormal(stddev=self.initial_stddev),
        )

    def set_content(self, content: FloatArray) -> None:
        """Sets `C`.

        Args:
            content: Float `[num_indices, F]`.

        Raises:
            ValueError: If the shape is another one, or a number is not finite.
        """
        self.build()
        if content.shape != self.content.shape or not bool(ops.all(ops.isfinite(content))):
            raise ValueError(
                f"`content` must be finite numbers of shape {tuple(self.content.shape)}, a row an "
                f"index, received shape {content.shape}; put 0 where nothing is known."
            )
        self.content.assign(content)

    def call(self, ids: Tensor) -> Tensor:
        """Projects the rows of items.

        Args:
            ids: Indices, int of any shape.

        Returns:
            Float of the shape of `ids` and `[D]`.
        """
        rows = ops.cast(gather_rows(self.content, ops.convert_to_tensor(ids)), self.compute_dtype)
        return ops.matmul(rows, ops.cast(self.kernel, self.compute_dtype))

    def compute_output_shape(self, ids_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the shape of `ids` and `[D]`."""
        return (*ids_shape, self.embedding_dim)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {
            "num_indices": self.num_indices,
            "content_dim": self.content_dim,
            "embedding_dim": self.embedding_dim,
            "initial_stddev": self.initial_stddev,
        }
        return {**super().get_config(), **config}
