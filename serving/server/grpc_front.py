"""The gRPC side: TensorFlow Serving's services and the standard health check."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent import futures
from typing import Any

import grpc
from tensorflow_serving.apis import (
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)

from serving import wire
from serving.server.config import ServerConfig
from serving.server.errors import RequestError, StartError, truncated
from serving.server.inference import Inference

_LOG = logging.getLogger("serving")
_SERVING, _NOT_SERVING = 1, 2
_PLAIN_NAMES = ("ModelService", "PredictionService")
_HEALTH_NAMES = frozenset(
    ["", *_PLAIN_NAMES, *(f"tensorflow.serving.{name}" for name in _PLAIN_NAMES)]
)


def answer(context: grpc.ServicerContext, call: Callable[[], Any]) -> Any:
    """Runs a call and turns its RequestError into the gRPC status."""
    try:
        return call()
    except RequestError as error:
        code, message = getattr(grpc.StatusCode, error.code), error.message
    except Exception:  # the caller learns no internals, the log has them
        _LOG.exception("a request failed inside the server")
        code, message = grpc.StatusCode.INTERNAL, "internal error of the server; see its log"
    return context.abort(code, truncated(message))


def _deadline(context: grpc.ServicerContext) -> float | None:
    remaining = context.time_remaining()
    return None if remaining is None else time.monotonic() + remaining


class _Prediction(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict, Classify, Regress and GetModelMetadata; MultiInference is UNIMPLEMENTED."""

    def __init__(self, inference: Inference) -> None:
        self._inference = inference

    def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        return answer(context, lambda: self._inference.predict(request, _deadline(context)))

    def Classify(self, request: Any, context: Any) -> Any:  # noqa: N802
        return answer(context, lambda: self._inference.classify(request, _deadline(context)))

    def Regress(self, request: Any, context: Any) -> Any:  # noqa: N802
        return answer(context, lambda: self._inference.regress(request, _deadline(context)))

    def GetModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        return answer(context, lambda: self._inference.metadata(request))


class _Models(model_service_pb2_grpc.ModelServiceServicer):
    """GetModelStatus; HandleReloadConfigRequest is UNIMPLEMENTED."""

    def __init__(self, inference: Inference) -> None:
        self._inference = inference

    def GetModelStatus(self, request: Any, context: Any) -> Any:  # noqa: N802
        return answer(context, lambda: self._inference.status(request))


def _health_handler(is_serving: Callable[[], bool]) -> grpc.GenericRpcHandler:
    def check(request: Any, context: grpc.ServicerContext) -> Any:
        if request.service not in _HEALTH_NAMES:
            context.abort(grpc.StatusCode.NOT_FOUND, f"unknown service {request.service}")
        return wire.HealthCheckResponse(status=_SERVING if is_serving() else _NOT_SERVING)

    # Watch is left out: each watcher would hold one of the few threads for ever. The health
    # protocol has clients take UNIMPLEMENTED as "healthy while connected".
    method = grpc.unary_unary_rpc_method_handler(
        check,
        request_deserializer=wire.HealthCheckRequest.FromString,
        response_serializer=lambda message: message.SerializeToString(),
    )
    return grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": method})


def start_grpc(
    config: ServerConfig, inference: Inference, is_serving: Callable[[], bool]
) -> tuple[grpc.Server, int]:
    """Starts the gRPC server.

    Args:
        config: ports, threads and limits.
        inference: what answers.
        is_serving: what the health check says.

    Returns:
        The running server and its port.

    Raises:
        StartError: where the port is taken (exit code 3).
    """
    limits = config.limits
    server = grpc.server(
        futures.ThreadPoolExecutor(config.num_threads, thread_name_prefix="grpc"),
        maximum_concurrent_rpcs=limits.max_concurrent_requests,
        options=(
            ("grpc.max_receive_message_length", limits.max_request_bytes),
            ("grpc.max_send_message_length", -1),
            # Or a second server would silently share the port of the first.
            ("grpc.so_reuseport", 0),
        ),
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        _Prediction(inference), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(_Models(inference), server)
    server.add_generic_rpc_handlers((_health_handler(is_serving),))
    try:
        port = server.add_insecure_port(f"{config.host}:{config.grpc_port}")
    except RuntimeError:
        port = 0
    if port == 0:
        raise StartError(
            f"cannot listen on {config.host}:{config.grpc_port}: the port is in use, or not "
            "allowed; choose another `--port`, or 0 for a free one",
            exit_code=3,
        )
    server.start()
    return server, port
