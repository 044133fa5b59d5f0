"""One gRPC call to a model server: deadline, retries, and errors a person can read."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import grpc

from serving import wire
from serving.errors import ServingError

_PREDICTION = "/tensorflow.serving.PredictionService/"
_MODELS = "/tensorflow.serving.ModelService/"
_METHODS = {
    "Predict": (_PREDICTION, wire.PredictResponse),
    "GetModelMetadata": (_PREDICTION, wire.GetModelMetadataResponse),
    "GetModelStatus": (_MODELS, wire.GetModelStatusResponse),
}
_FIRST_PAUSE_S = 0.05


class Channel:
    """A connection to one model server.

    Args:
        target: ``host:port``.
        timeout_s: for a call with all its retries.
        max_retries: further attempts where the server could not be reached. Predictions change
            nothing on the server, so that repeating one is safe.
    """

    def __init__(self, target: str, *, timeout_s: float, max_retries: int) -> None:
        self._target = target
        self._timeout_s = timeout_s
        self._max_retries = max_retries
        options = (
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
            # A server that restarts is found again within a second, not within two minutes.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1000),
        )
        self._channel = grpc.insecure_channel(target, options=options)
        self._calls: dict[str, Callable[..., Any]] = {
            name: self._channel.unary_unary(
                service + name,
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=response.FromString,
            )
            for name, (service, response) in _METHODS.items()
        }

    def call(self, name: str, request: Any) -> Any:
        """Sends a request and gives the answer.

        Raises:
            ServingError: with the server's code and text, or UNAVAILABLE where none answered.
        """
        end = time.monotonic() + self._timeout_s
        for attempt in range(self._max_retries + 1):
            try:
                return self._calls[name](request, timeout=max(0.001, end - time.monotonic()))
            except grpc.RpcError as error:
                # Half of the pause is by chance, so that many clients do not come back at once.
                pause = _FIRST_PAUSE_S * 2**attempt * random.uniform(0.5, 1.0)
                is_last = attempt == self._max_retries or time.monotonic() + pause >= end
                if error.code() != grpc.StatusCode.UNAVAILABLE or is_last:
                    raise self._readable(error) from None
                time.sleep(pause)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def close(self) -> None:
        """Closes the connection."""
        self._channel.close()

    def _readable(self, error: grpc.RpcError) -> ServingError:
        code, details = error.code().name, error.details() or ""
        if code == "UNAVAILABLE":
            details = f"no model server answers at {self._target} ({details})"
        elif code == "DEADLINE_EXCEEDED":
            details = f"{self._target} did not answer within {self._timeout_s:g} s"
        return ServingError(code, details)
