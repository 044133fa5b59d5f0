"""The bodies of REST requests: each read in time and inflated, all together under a limit."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from serving.server.errors import RequestError

_BLOCK = 1 << 16
_NUM_LARGEST = 4  # bodies of the largest size that may be in memory at one time


class BodyError(Exception):
    """A body that is not read to its end, for a reason that HTTP has a status of its own for.

    Args:
        status: 408 for one that is late, 413 for one that is too large.
        message: one sentence for a person.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Bodies:
    """The bodies that are in memory. For use in one event loop.

    Args:
        max_bytes: of one body, inflated; all together may have four times as many.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._num_bytes = 0

    @asynccontextmanager
    async def read(self, request: web.Request, timeout_s: float) -> AsyncIterator[bytes]:
        """Reads a body, which counts as in memory until the ``async with`` ends.

        Args:
            request: whose body has not been read.
            timeout_s: for the whole body, however much of it has come.

        Raises:
            BodyError: where it is too large or too late.
            RequestError: RESOURCE_EXHAUSTED where the other bodies leave no room for it;
                INVALID_ARGUMENT where it is no gzip although it says so.
        """
        body = bytearray()
        try:
            try:
                await asyncio.wait_for(self._fill(body, request), timeout_s)
            except asyncio.TimeoutError:
                text = f"the body did not arrive within {timeout_s:g} s"
                raise BodyError(408, text) from None
            yield bytes(body)
        finally:
            self._drop(body)

    async def _fill(self, body: bytearray, request: web.Request) -> None:
        if (request.content_length or 0) > self._max_bytes:
            raise self._too_large()
        encoding = request.headers.get("Content-Encoding", "").lower()
        inflate = _Inflate() if encoding == "gzip" else None
        num_received = 0
        async for block in request.content.iter_chunked(_BLOCK):
            num_received += len(block)  # what inflates to nothing has an end as well
            more = inflate.feed(block, self._max_bytes + 1 - len(body)) if inflate else block
            body += more
            self._num_bytes += len(more)
            if max(len(body), num_received) > self._max_bytes:
                raise self._too_large()
            if self._num_bytes > _NUM_LARGEST * self._max_bytes:
                self._drop(body)  # at once, or it would have others refused as well
                text = "the server has as many bytes of requests as it admits; try again"
                raise RequestError("RESOURCE_EXHAUSTED", text)
        if inflate is not None and not inflate.is_whole:
            raise _not_gzip()

    def _drop(self, body: bytearray) -> None:
        self._num_bytes -= len(body)
        body.clear()

    def _too_large(self) -> BodyError:
        text = f"the body is larger than the {self._max_bytes} bytes this server takes"
        return BodyError(413, text)


class _Inflate:
    """Inflates gzip members, one after another: a file may have several (RFC 1952, 2.2)."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)

    @property
    def is_whole(self) -> bool:
        """Whether the last member has ended."""
        return self._member.eof

    def feed(self, block: bytes, room: int) -> bytes:
        """Returns what a block inflates to, and no more than ``room`` bytes of it."""
        inflated = bytearray()
        while block and len(inflated) < room:  # zlib takes a room of 0 for any
            if self._member.eof:
                self._member = zlib.decompressobj(wbits=31)
            try:
                inflated += self._member.decompress(block, room - len(inflated))
            except zlib.error:
                raise _not_gzip() from None
            block = self._member.unused_data
        return bytes(inflated)


def _not_gzip() -> RequestError:
    # TensorFlow Serving goes on with an empty body and so answers the same.
    return RequestError("INVALID_ARGUMENT", "JSON Parse error: The document is empty")
