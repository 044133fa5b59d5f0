"""Raw values to what the model reads: the one definition for training, Transform and serving.

Every operation works row by row, in a graph or eagerly, and none may depend on the other rows of
the batch, so that a row gives the same bits wherever it is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import tensorflow as tf

from recsys_tf.features.actions import look_up_actions
from recsys_tf.features.bins import find_bins
from recsys_tf.features.raw_values import (
    ALIGNED,
    as_lists,
    as_rows,
    as_vectors,
    fit_width,
    is_given,
)
from recsys_tf.schema import Aligned, FeaturesAndTasks
from recsys_tf.types import NUM_RESERVED_INDICES, PADDING_INDEX, Tensor


class Analysis(Protocol):
    """What was learned from the training rows, or is being learned (TensorFlow Transform)."""

    def look_up(self, name: str, strings: Tensor) -> Tensor:
        """Returns the position of each string in the vocabulary of the feature `name`.

        `preprocess` calls it first with the feature's own values, from which the vocabulary is to
        be learned, and for the item's id once more with the values of the history, which are only
        to be looked up. `""` stands for missing: what is returned for it is not used, and it must
        not be learned.

        Args:
            name: Feature that owns the vocabulary.
            strings: string `[M]`.

        Returns:
            int64 `[M]` from 0 on; -1 for a string that the vocabulary does not hold.
        """

    def moments(self, name: str, values: Tensor) -> tuple[Any, Any]:
        """Returns mean and standard deviation of a numeric feature, float32 scalars.

        Args:
            name: The feature.
            values: float32 `[B]`, its logarithm where the scaling is `log`; missing is NaN and
                must not be learned.

        Returns:
            The mean, and the standard deviation (of the whole, not of a sample), 1 where it is 0.
        """

    def boundaries(self, name: str, values: Tensor) -> Any:
        """Returns where the bins of a numeric feature meet.

        Args:
            name: The feature; it has a `num_bins`.
            values: float32 `[B]` as given, whatever the scaling; missing is NaN and must not be
                learned.

        Returns:
            float32 `[bins - 1]`, see `learn_boundaries`.
        """

    def tokenize(self, name: str, strings: Tensor) -> Tensor:
        """Returns the WordPiece indices of texts, `[CLS]` first and `[SEP]` last, uncut.

        Args:
            name: The feature.
            strings: string `[B]`.

        Returns:
            int64 ragged `[B, any]`, see `WordPieceTokenizer`.
        """


def preprocess(
    raw: Mapping[str, Tensor], schema: FeaturesAndTasks, analysis: Analysis
) -> dict[str, Tensor]:
    """Turns raw values into indices and scaled numbers.

    | kind | raw | result |
    | --- | --- | --- |
    | id, categorical | string `[B]` | int64 `[B]` |
    | categorical, multivalent | string `[B, any]` | int64 `[B, max_values]`, the first ones |
    | numeric | float `[B]` | float32 `[B, 2]`: scaled or 0, and 1 where present |
    | numeric, with `num_bins` | float `[B]` | float32 `[B, 3]`: these, and the bin |
    | text | string `[B]` | int64 `[B, max_tokens]`: `[CLS]` tokens `[SEP]`, then 0 |
    | embedding | float `[B, size]` | the same, 0 where a row is not finite |
    | history | string `[B, any]`, oldest first | int64 `[B, max_length]`, the newest ones |
    | its `values_name` | float `[B, any]` | float32 `[B, max_length]`, 0 where missing |
    | its `actions_name` | string `[B, any]` | int64 `[B, max_length]`, 1 where unknown |
    | its `times_name` | int `[B, any]` | int64 `[B, max_length]`, 0 where missing |

    Index 0 is missing or padding, 1 unknown, from 2 on the vocabulary. Missing is `""` or NaN.
    Bins are numbered from 1 on; 0 is missing.
    Lists may be dense, ragged or sparse, and are aligned at the left; a sparse or ragged tensor
    in place of a `[B]` holds at most one value a row, as TensorFlow Transform gives them.

    Args:
        raw: Tensors by name. What the schema does not name is left out of the result; so is a
            feature that is not given.
        schema: Features.
        analysis: Vocabularies, moments, boundaries and tokenizers.

    Returns:
        Tensors by the name of the feature.

    Raises:
        ValueError: If a tensor is of another rank or width.
        TypeError: If a tensor is of another type.
    """
    outputs: dict[str, Tensor] = {}
    # A history looks up what the item's id has learned, so it comes last.
    for feature in sorted(schema.features, key=lambda each: each.kind == "history"):
        if is_given(raw, feature.name):
            outputs.update(_BY_KIND[feature.kind](raw, feature, analysis))
    return outputs


def _category(raw: Mapping[str, Tensor], feature: Any, analysis: Analysis) -> dict[str, Tensor]:
    if getattr(feature, "is_multivalent", False):
        strings = as_lists(feature.name, raw[feature.name], tf.string)
        strings = tf.ragged.boolean_mask(strings, tf.not_equal(strings, ""))
        indices = strings.with_values(_indices(feature.name, strings.values, analysis))
        return {feature.name: fit_width(indices, feature.max_values, PADDING_INDEX)}
    strings = as_rows(feature.name, raw[feature.name], tf.string)
    return {feature.name: _indices(feature.name, strings, analysis)}


def _indices(name: str, strings: Tensor, analysis: Analysis) -> Tensor:
    positions = tf.cast(analysis.look_up(name, strings), tf.int64)
    # -1 of an unknown string becomes UNKNOWN_INDEX.
    is_missing = tf.equal(strings, "")
    return tf.where(is_missing, tf.zeros_like(positions), positions + NUM_RESERVED_INDICES)


def _number(raw: Mapping[str, Tensor], feature: Any, analysis: Analysis) -> dict[str, Tensor]:
    values = as_rows(feature.name, raw[feature.name], tf.float32)
    is_present = tf.math.is_finite(values)
    nan = tf.constant(float("nan"), tf.float32)
    given = tf.where(is_present, values, nan)
    if feature.scaling == "log":
        # In float64: the float32 logarithm's last bit depends on the place in the batch.
        wide = tf.cast(tf.where(is_present, values, 0.0), tf.float64)
        values = tf.cast(tf.sign(wide) * tf.math.log1p(tf.abs(wide)), tf.float32)
    if feature.scaling != "none":
        mean, std = analysis.moments(feature.name, tf.where(is_present, values, nan))
        # A factor, not a division, which a compiled graph would round in another way.
        values = (values - mean) * (1.0 / tf.convert_to_tensor(std, tf.float32))
    columns = [values, tf.ones_like(values)]
    if feature.num_bins is not None:
        boundaries = tf.convert_to_tensor(analysis.boundaries(feature.name, given), tf.float32)
        bins = find_bins(tf.where(is_present, given, 0.0), boundaries)
        columns.append(tf.cast(bins + 1, tf.float32))
    is_present = is_present[:, tf.newaxis]
    return {feature.name: tf.where(is_present, tf.stack(columns, axis=1), 0.0)}


def _text(raw: Mapping[str, Tensor], feature: Any, analysis: Analysis) -> dict[str, Tensor]:
    strings = as_rows(feature.name, raw[feature.name], tf.string)
    tokens = analysis.tokenize(feature.name, strings)
    cut = fit_width(tokens, feature.max_tokens, PADDING_INDEX)
    # A text that is cut keeps its [SEP]. Slices of ragged tensors would say so in one line, and
    # take longer to trace than all other features together.
    ends = tf.gather(tokens.values, tokens.row_limits() - 1)
    is_cut = tokens.row_lengths() > feature.max_tokens
    last = tf.where(is_cut, ends, cut[:, -1])
    return {feature.name: tf.concat([cut[:, :-1], last[:, tf.newaxis]], axis=1)}


def _embedding(raw: Mapping[str, Tensor], feature: Any, analysis: Analysis) -> dict[str, Tensor]:
    del analysis  # Nothing is learned from a ready-made vector.
    vectors = as_vectors(feature.name, raw[feature.name], feature.size)
    is_present = tf.reduce_all(tf.math.is_finite(vectors), axis=1, keepdims=True)
    return {feature.name: tf.where(is_present, vectors, tf.zeros_like(vectors))}


def _history(raw: Mapping[str, Tensor], feature: Any, analysis: Analysis) -> dict[str, Tensor]:
    strings = as_lists(feature.name, raw[feature.name], tf.string)
    is_event = tf.not_equal(strings, "")
    events = tf.ragged.boolean_mask(strings, is_event)[:, -feature.max_length :]
    indices = events.with_values(_indices(feature.of, events.values, analysis))
    outputs = {feature.name: fit_width(indices, feature.max_length, PADDING_INDEX)}
    for told, name in feature.aligned.items():
        dtype, missing = ALIGNED[told]
        if is_given(raw, name):
            values = fit_width(as_lists(name, raw[name], dtype), tf.shape(strings)[1], missing)
        else:
            values = tf.fill(tf.shape(strings), tf.constant(missing, dtype))
        values = tf.ragged.boolean_mask(values, is_event)[:, -feature.max_length :]
        values = values.with_values(_event_values(told, values.values, feature))
        outputs[name] = fit_width(values, feature.max_length, 0)
    return outputs


def _event_values(told: Aligned, values: Tensor, feature: Any) -> Tensor:
    if told == "values":
        return tf.where(tf.math.is_finite(values), values, tf.zeros_like(values))
    return look_up_actions(values, feature.actions) if told == "actions" else values


_BY_KIND: dict[str, Callable[[Mapping[str, Tensor], Any, Analysis], dict[str, Tensor]]] = {
    "id": _category,
    "categorical": _category,
    "numeric": _number,
    "text": _text,
    "embedding": _embedding,
    "history": _history,
}
