"""Runs the requests a model brings along, so that its first user does not pay for them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from serving.errors import ServingError
from serving.server.manifest import BrokenVersionError

WARMUP_FILE = os.path.join("assets.extra", "tf_serving_warmup_requests")
_MAX_RECORDS = 1000  # TensorFlow Serving's limit


def warm_up(path: str, calls: dict[str, Callable[[Any], Any]]) -> int:
    """Replays ``assets.extra/tf_serving_warmup_requests``, a TFRecord file of PredictionLogs.

    Args:
        path: the version folder.
        calls: what to do with a request, by the log's kind (``"predict_log"``, ...).

    Returns:
        How many requests ran; 0 without a file.

    Raises:
        BrokenVersionError: where a record is not readable or fails. The version is then not
            served: a model that cannot answer its own examples is broken.
    """
    file = os.path.join(path, WARMUP_FILE)
    if not os.path.isfile(file):
        return 0
    count = 0
    try:
        for record in tf.data.TFRecordDataset(file).as_numpy_iterator():
            count += 1
            if count > _MAX_RECORDS:
                raise BrokenVersionError(
                    f"Number of warmup records exceeds the maximum ({_MAX_RECORDS}) at {file}"
                )
            _run(file, record, calls)
    except tf.errors.OpError:
        raise BrokenVersionError(
            f"Failed to read warmup data from {file}. "
            "Please verify your warmup data is in TFRecord format."
        ) from None
    return count


def _run(file: str, record: bytes, calls: dict[str, Callable[[Any], Any]]) -> None:
    try:
        log = prediction_log_pb2.PredictionLog.FromString(record)
    except Exception:  # DecodeError's class differs between protobuf implementations
        raise BrokenVersionError(
            f"Failed to parse warmup record from {file}. "
            "Please verify your warmup data is in TFRecord format."
        ) from None
    kind = log.WhichOneof("log_type")
    if kind not in calls:
        raise BrokenVersionError(f"Unsupported log_type for warmup: {kind}")
    try:
        calls[kind](getattr(log, kind).request)
    except ServingError as error:
        raise BrokenVersionError(f"a warmup request of {file} failed: {error}") from None
