"""What TensorFlow Transform runs: the package's own preprocessing over its analyzer."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from pipeline.joint_analyzer import learn_jointly
from recsys_tf.features import FeatureState, WordPieceTokenizer, preprocess
from recsys_tf.features.preprocessor import vocabulary_table
from recsys_tf.schema import HistoryFeature, Schema
from recsys_tf.types import Tensor


def preprocessing_fn(
    inputs: Mapping[str, Tensor], custom_config: Mapping[str, Any]
) -> dict[str, Tensor]:
    """Defines the transform graph; called by the Transform component.

    Args:
        inputs: Raw tensors, sparse where a value may be missing.
        custom_config: `schema` as plain values, and `word_pieces`, the folder of their state.

    Returns:
        The features as `preprocess` gives them, and the learned moments and boundaries of bins,
        equal in all rows.
    """
    schema = Schema.from_dict(custom_config["schema"])
    asked = _Asked()
    learned_kinds = ("id", "categorical", "numeric")
    features = tuple(each for each in schema.features if each.kind in learned_kinds)
    preprocess(inputs, Schema.model_construct(features=features), asked)
    learned = _Learned(schema, asked, custom_config["word_pieces"])
    widths = _widths(schema)
    outputs = {
        # TFT writes a schema of the outputs, for which it must know how wide they are.
        name: tf.ensure_shape(tensor, [None, *widths[name]])
        for name, tensor in preprocess(inputs, schema, learned).items()
    }
    # The only way to read a number back out of the transform graph bit by bit.
    num_rows = tf.shape(inputs[schema.timestamp])[0]
    for name, moments in learned.moments_by_name.items():
        outputs[moments_name(name)] = tf.broadcast_to(moments, [num_rows, 2])
    for name, boundaries in learned.boundaries_by_name.items():
        outputs[boundaries_name(name)] = tf.tile(boundaries[tf.newaxis], [num_rows, 1])
    return outputs


def moments_name(name: str) -> str:
    """Returns the name of a feature's mean and deviation among the transformed features."""
    return f"moments_of_{name}"


def boundaries_name(name: str) -> str:
    """Returns the name of the boundaries of a feature's bins among the transformed features.

    They are filled up with NaN, since Transform must know how many there are.
    """
    return f"boundaries_of_{name}"


class _Asked:
    """An `Analysis` that answers nothing and notes what every feature would be learned from."""

    def __init__(self) -> None:
        self.strings: dict[str, Tensor] = {}
        self.numbers: dict[str, Tensor] = {}
        self.binned: dict[str, Tensor] = {}

    def look_up(self, name: str, strings: Tensor) -> Tensor:
        self.strings[name] = strings
        return tf.zeros_like(strings, tf.int64)

    def moments(self, name: str, values: Tensor) -> tuple[float, float]:
        self.numbers[name] = values
        return 0.0, 1.0

    def boundaries(self, name: str, values: Tensor) -> list[float]:
        self.binned[name] = values
        return []

    def tokenize(self, name: str, strings: Tensor) -> Tensor:
        raise NotImplementedError("Texts are not learned from here.")


class _Learned:
    """An `Analysis` of what the joint analyzer learns over all training rows.

    The word pieces are learned when the examples are written: their learner works on different
    texts, not on rows.
    """

    def __init__(self, schema: Schema, asked: _Asked, word_pieces: str) -> None:
        self._schema = schema
        self._word_pieces = word_pieces
        free = {
            name: values for name, values in asked.strings.items() if not self._fixed_values(name)
        }
        self._files, self.moments_by_name, self.boundaries_by_name = learn_jointly(
            {name: tf.boolean_mask(values, values != "") for name, values in free.items()},
            {name: getattr(schema.feature(name), "min_count", 1) for name in free},
            {
                # float64, so that the sums do not depend on how Beam cuts the rows into batches.
                name: tf.cast(_present(values), tf.float64)
                for name, values in asked.numbers.items()
            },
            {name: _present(values) for name, values in asked.binned.items()},
            {name: schema.feature(name).num_bins for name in asked.binned},
        )

    def look_up(self, name: str, strings: Tensor) -> Tensor:
        values = self._fixed_values(name)
        if values is None:
            return tft.apply_vocabulary(strings, self._files[name], default_value=-1)
        table = tft.make_and_track_object(
            lambda: vocabulary_table(values), name=f"values_of_{name}"
        )
        return table.lookup(strings)

    def moments(self, name: str, values: Tensor) -> tuple[Tensor, Tensor]:
        del values
        return self.moments_by_name[name][0], self.moments_by_name[name][1]

    def boundaries(self, name: str, values: Tensor) -> Tensor:
        del values
        return _present(self.boundaries_by_name[name])

    def tokenize(self, name: str, strings: Tensor) -> Tensor:
        tokenizer = tft.make_and_track_object(
            lambda: _tokenizer(self._word_pieces, name), name=f"word_pieces_of_{name}"
        )
        return tokenizer(strings)

    def _fixed_values(self, name: str) -> tuple[str, ...] | None:
        return getattr(self._schema.feature(name), "values", None)


def _present(numbers: Tensor) -> Tensor:
    return tf.boolean_mask(numbers, ~tf.math.is_nan(numbers))


@functools.lru_cache(maxsize=8)
def _tokenizer(folder: str, name: str) -> WordPieceTokenizer:
    # TFT traces the whole graph some seven times, a tokenizer is traced once.
    state = FeatureState.load(Path(folder))
    return WordPieceTokenizer(state.wordpieces[name], state.is_lower_case)


def _widths(schema: Schema) -> dict[str, list[int]]:
    widths: dict[str, list[int]] = {}
    for feature in schema.features:
        widths[feature.name] = _width(feature)
        if isinstance(feature, HistoryFeature):
            widths |= {name: _width(feature) for name in feature.aligned.values()}
    return widths


def _width(feature: Any) -> list[int]:
    if feature.kind == "numeric":
        return [feature.width]
    if getattr(feature, "is_multivalent", False):
        return [feature.max_values]
    for field in ("max_tokens", "max_length", "size"):
        if hasattr(feature, field):
            return [getattr(feature, field)]
    return []
