"""The one exception that the client raises, and the names of gRPC's status codes."""

from __future__ import annotations

CODES: dict[str, int] = {
    "OK": 0,
    "CANCELLED": 1,
    "UNKNOWN": 2,
    "INVALID_ARGUMENT": 3,
    "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5,
    "ALREADY_EXISTS": 6,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9,
    "ABORTED": 10,
    "OUT_OF_RANGE": 11,
    "UNIMPLEMENTED": 12,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
    "DATA_LOSS": 15,
    "UNAUTHENTICATED": 16,
}


class ServingError(Exception):
    """A request that a model server did not answer, with the server's code and message.

    Args:
        code: a name of ``CODES``, for instance ``"NOT_FOUND"``.
        message: one sentence for a person; the server's own text where there is one.

    Example:
        >>> str(ServingError("NOT_FOUND", "no such model"))
        'NOT_FOUND: no such model'
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
