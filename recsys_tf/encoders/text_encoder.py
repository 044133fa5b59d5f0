"""Vector of a text."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from recsys_tf.encoders.text_backbone import import_keras_nlp
from recsys_tf.layers import MaskedMeanPooling
from recsys_tf.layers.inner_layers import with_layers
from recsys_tf.layers.shapes import check_positive, check_rank
from recsys_tf.types import PADDING_INDEX, Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class TextEncoder(keras.layers.Layer):
    """Encodes a text by a keras-nlp transformer: `y = mean_w(f(x)_w) W + b`.

    `f` gives a vector for each token; their mean over the tokens that are not padding is
    projected to the model's width. The mean, and not BERT's `[CLS]` vector, which means nothing
    before it is trained on a task of its own.

    The saved layer holds the backbone's shape and weights, so that it is loaded without the
    preset that it came from.

    Args:
        embedding_dim: Width `D` of the output.
        backbone: A keras-nlp backbone whose inputs are `token_ids` and `padding_mask` (and
            `segment_ids`), from `make_text_backbone` or `load_text_backbone`.
        is_trainable: Whether the backbone's weights are trained. A frozen one also runs without
            dropout.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ImportError: If a saved layer is loaded where keras-nlp is not installed.
        ValueError: If `embedding_dim` is below 1, the backbone has other inputs, or the input is
            not of rank 2 or longer than the backbone reads.

    Source: Reimers and Gurevych, 2019, "Sentence-BERT: Sentence Embeddings using Siamese
        BERT-Networks", https://arxiv.org/abs/1908.10084, section 3 (the MEAN strategy).
    """

    def __init__(
        self,
        embedding_dim: int,
        backbone: keras.Model,
        is_trainable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.embedding_dim = check_positive("embedding_dim", embedding_dim)
        inputs = set(backbone.input) if isinstance(backbone.input, dict) else set()
        wanted = {"token_ids", "padding_mask"}
        if not wanted <= inputs <= wanted | {"segment_ids"}:
            raise ValueError(
                "`backbone` must have the inputs 'token_ids' and 'padding_mask', such as a "
                f"BertBackbone, received {sorted(inputs) or type(backbone).__name__}."
            )
        self.backbone = backbone
        self.has_segments = "segment_ids" in inputs
        self.is_trainable = bool(is_trainable)
        self.backbone.trainable = self.is_trainable
        if hasattr(backbone, "pooled_dense"):
            # Makes the [CLS] vector, which is not read: a weight that would get no gradient.
            backbone.pooled_dense.trainable = False
        self.pooling = MaskedMeanPooling(dtype=self.dtype_policy, name="pooling")
        self.projection = keras.layers.Dense(
            embedding_dim, dtype=self.dtype_policy, name="projection"
        )

    def build(self, token_ids_shape: tuple[int | None, ...]) -> None:
        """Builds the projection; the backbone comes built."""
        check_rank("token_ids", token_ids_shape, 2)
        longest = getattr(self.backbone, "max_sequence_length", None)
        num_tokens = token_ids_shape[1]
        if longest is not None and num_tokens is not None and num_tokens > longest:
            raise ValueError(
                f"`token_ids` must have at most {longest} tokens, which is what the backbone "
                f"reads, received {num_tokens}. Lower the feature's `max_tokens`."
            )
        self.projection.build((token_ids_shape[0], self._hidden_dim()))

    def call(self, token_ids: Tensor, training: bool = False) -> Tensor:
        """Encodes the texts.

        Args:
            token_ids: Word pieces, int `[B, W]`, 0 is padding.
            training: Whether the backbone's units are dropped.

        Returns:
            Float `[B, D]`; the learned bias for a text without any token.
        """
        return self.projection(self.pool(token_ids, training=training))

    def pool(self, token_ids: Tensor, training: bool = False) -> Tensor:
        """Returns the mean of the tokens' vectors before the projection, float `[B, H]`."""
        token_ids = ops.convert_to_tensor(token_ids)
        is_token = ops.not_equal(token_ids, PADDING_INDEX)
        inputs = {"token_ids": token_ids, "padding_mask": ops.cast(is_token, "int32")}
        if self.has_segments:
            inputs["segment_ids"] = ops.zeros_like(token_ids)
        tokens = self.backbone(inputs, training=training and self.is_trainable)
        if isinstance(tokens, dict):
            tokens = tokens["sequence_output"]
        return self.pooling(ops.cast(tokens, self.compute_dtype), is_token)

    def compute_output_shape(
        self, token_ids_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """Returns `[B, D]`."""
        return (token_ids_shape[0], self.embedding_dim)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {
            "embedding_dim": self.embedding_dim,
            "backbone": keras.saving.serialize_keras_object(self.backbone),
            "is_trainable": self.is_trainable,
        }
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TextEncoder:
        """Makes the layer again from `get_config`'s values, the backbone with fresh weights."""
        if isinstance(config["backbone"], dict):
            import_keras_nlp()  # Registers the classes.
        return cls(**with_layers(config, "backbone"))

    def _hidden_dim(self) -> int:
        output = self.backbone.output
        return int((output["sequence_output"] if isinstance(output, dict) else output).shape[-1])
