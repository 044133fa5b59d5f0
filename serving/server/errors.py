"""Errors of the server: TensorFlow Serving's codes, their HTTP twins, its cut of long texts."""

from __future__ import annotations

from serving.errors import ServingError

HTTP_STATUS: dict[str, int] = {
    "OK": 200,
    "CANCELLED": 499,
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNKNOWN": 500,
    "DATA_LOSS": 500,
    "UNAVAILABLE": 503,
    "UNAUTHENTICATED": 401,
}
_MAX_MESSAGE = 1024  # grpc_status_util.cc


class RequestError(ServingError):
    """A request that the server refuses; becomes a gRPC status or a REST error body."""


class StartError(Exception):
    """The server cannot start.

    Args:
        message: one sentence for a person.
        exit_code: 2 a fault in flags or folders, 3 a port in use.
    """

    def __init__(self, message: str, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def truncated(message: str) -> str:
    """Cuts a message as TensorFlow Serving does, so that it fits into HTTP/2 trailers."""
    if len(message) <= _MAX_MESSAGE:
        return message
    return message[:_MAX_MESSAGE] + "...TRUNCATED"
