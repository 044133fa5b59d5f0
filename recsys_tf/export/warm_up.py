"""A request that a server runs before it serves a version, so that no user waits for the first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from recsys_tf.types import Tensor

WARM_UP_FILE = "tf_serving_warmup_requests"
"""Where TensorFlow Serving and the local server look for it, in `assets.extra`."""

_NUM_ITEMS = 10


def write_warm_up(
    folder: Path,
    specs: Mapping[str, tf.TensorSpec],
    defaults: Mapping[str, Tensor],
    signature: str = "recommend",
) -> None:
    """Writes one request, of one row of which nothing is known; of `recommend`, for ten items.

    A server prepares a signature at its first call, which takes a hundred times as long as others.

    Args:
        folder: `assets.extra` of the SavedModel.
        specs: The inputs of the signature by name.
        defaults: What leaving an input out means, by name; what has none is sent as missing.
        signature: Which one is asked; the input `k` of `recommend` is how many items are wanted.

    Source: `PredictionLog`, `PredictLog`, `PredictRequest` and `ModelSpec` of tensorflow/serving,
        https://www.tensorflow.org/tfx/serving/saved_model_warmup. Written by hand, since its
        package is no dependency of the modelling part; a test reads it with the real messages.
    """
    inputs = {name: _missing(spec) for name, spec in specs.items()} | dict(defaults)
    if signature == "recommend":
        inputs["k"] = tf.constant([_NUM_ITEMS], specs["k"].dtype)
    request = _field(1, _field(3, signature.encode()))
    for name, value in inputs.items():
        tensor = tf.make_tensor_proto(value.numpy(), value.dtype).SerializeToString()
        request += _field(2, _field(1, name.encode()) + _field(2, tensor))
    with tf.io.TFRecordWriter(str(folder / WARM_UP_FILE)) as writer:
        writer.write(_field(6, _field(1, request)))


def _missing(spec: tf.TensorSpec) -> Tensor:
    """Makes one row that says nothing: "", NaN or 0."""
    value: Any = float("nan") if spec.dtype.is_floating else "" if spec.dtype == tf.string else 0
    return tf.constant(value, spec.dtype, [size or 1 for size in spec.shape])


def _field(number: int, payload: bytes) -> bytes:
    """Encodes a field of bytes or of a message: key, length, content, as protobuf has them."""
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _varint(number: int) -> bytes:
    digits = []
    while number > 127:
        digits.append(number & 127 | 128)
        number >>= 7
    return bytes([*digits, number])
