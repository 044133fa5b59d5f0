"""keras-nlp backbones for text: a small one of given sizes, or a pretrained one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras

from recsys_tf.encoders.sentence_preset import is_sentence_folder, load_sentence_backbone


def import_keras_nlp() -> Any:
    """Imports keras-nlp, which only text needs.

    Returns:
        The module `keras_nlp`. Its import registers the classes of saved backbones.

    Raises:
        ImportError: If keras-nlp is not installed; the text says which extra brings it.
    """
    try:
        import keras_nlp
    except ImportError as error:
        raise ImportError(
            "A text feature needs keras-nlp, which cannot be imported "
            f"({error}). Install it with `pip install 'recsys_tf[text]'`."
        ) from error
    return keras_nlp


def make_text_backbone(
    vocabulary_size: int,
    num_layers: int = 2,
    num_heads: int = 2,
    hidden_dim: int = 64,
    intermediate_dim: int = 128,
    dropout: float = 0.1,
    max_tokens: int = 512,
) -> keras.Model:
    """Makes a BERT-shaped transformer with fresh weights.

    Args:
        vocabulary_size: Number of word pieces, the special ones among them.
        num_layers: Transformer layers.
        num_heads: Attention heads; must divide `hidden_dim`.
        hidden_dim: Width of a token's vector.
        intermediate_dim: Width of the feed-forward layers.
        dropout: Share of the units that is dropped while training.
        max_tokens: Longest text in tokens.

    Returns:
        A keras-nlp `BertBackbone`, to be given to `TextEncoder`.

    Raises:
        ImportError: If keras-nlp is not installed.

    Source: Devlin et al., 2019, "BERT: Pre-training of Deep Bidirectional Transformers for
        Language Understanding", https://arxiv.org/abs/1810.04805, section 3.
    """
    return import_keras_nlp().models.BertBackbone(
        vocabulary_size=vocabulary_size,
        num_layers=num_layers,
        num_heads=num_heads,
        hidden_dim=hidden_dim,
        intermediate_dim=intermediate_dim,
        dropout=dropout,
        max_sequence_length=max_tokens,
        # A feature is one text; BERT's second segment would be a table row never trained.
        num_segments=1,
    )


def load_text_backbone(preset: str) -> keras.Model:
    """Loads a pretrained backbone.

    Args:
        preset: A keras-nlp name such as `bert_tiny_en_uncased` (downloaded), a local folder that
            keras-nlp wrote, or a local folder of a sentence-transformers model.

    Returns:
        The backbone with its weights, to be given to `TextEncoder`.

    Raises:
        ImportError: If keras-nlp is not installed.
        ValueError: If the preset cannot be loaded.
    """
    keras_nlp = import_keras_nlp()
    if is_sentence_folder(preset):
        return load_sentence_backbone(preset)
    try:
        return keras_nlp.models.Backbone.from_preset(preset)
    except Exception as error:  # keras-nlp lets the errors of three download clients through.
        kind = "the local folder" if Path(preset).is_dir() else "the name"
        raise ValueError(
            f"`preset` must be a keras-nlp name or a local folder that can be loaded; {kind} "
            f"{preset!r} gave {type(error).__name__}: {error}"
        ) from error
