"""The REST side: bodies read under limits, a bounded number of requests, on aiohttp."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import zlib
from concurrent import futures

from aiohttp import web

from serving.server.config import ServerConfig
from serving.server.errors import HTTP_STATUS, RequestError, StartError, truncated
from serving.server.json_out import error_text
from serving.server.rest_calls import RestCalls

_LOG = logging.getLogger("serving")
_BLOCK = 1 << 16


class RestServer:
    """An HTTP server in a thread of its own.

    Args:
        config: port, threads and limits.
        calls: what answers.

    Raises:
        StartError: where the port is taken (exit code 3).
    """

    def __init__(self, config: ServerConfig, calls: RestCalls) -> None:
        self._config = config
        self._calls = calls
        self._pool = futures.ThreadPoolExecutor(config.num_threads, thread_name_prefix="rest")
        self._num_running = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="rest", daemon=True)
        self._thread.start()
        try:
            self.port = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        except OSError as error:
            self._end_loop()
            raise StartError(
                f"cannot listen on {config.host}:{config.rest_port}: {error.strerror}; choose "
                "another `--rest_api_port`, or 0 for a free one",
                exit_code=3,
            ) from None

    def stop(self) -> None:
        """Closes the port, lets the requests in flight finish, then ends the thread."""
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result()
        self._end_loop()
        self._pool.shutdown()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> int:
        app = web.Application(client_max_size=self._config.limits.max_request_bytes)
        app.router.add_route("*", "/{path:.*}", self._handle)
        # The framework would inflate without our limit.
        self._runner = web.AppRunner(
            app,
            access_log=None,
            auto_decompress=False,
            shutdown_timeout=self._config.drain_timeout_s,
        )
        await self._runner.setup()
        port = self._config.rest_port or 0
        await web.TCPSite(self._runner, self._config.host, port).start()
        return int(self._runner.addresses[0][1])

    async def _handle(self, request: web.Request) -> web.Response:
        path = request.rel_url.raw_path
        if not path.lower().startswith("/v1/"):
            return web.Response(status=404, text="Not Found")
        if self._num_running >= self._config.limits.max_concurrent_requests:
            text = "the server has as many requests as it admits; try again"
            return _error(RequestError("RESOURCE_EXHAUSTED", text))
        self._num_running += 1
        try:
            return await self._run(request, path)
        except RequestError as error:
            return _error(error)
        except _TooLargeError as error:
            return web.Response(
                status=413, text=error_text(str(error)), content_type="application/json"
            )
        except Exception:  # the caller learns no internals, the log has them
            _LOG.exception("a REST request failed inside the server")
            return _error(RequestError("INTERNAL", "internal error of the server; see its log"))
        finally:
            self._num_running -= 1

    async def _run(self, request: web.Request, path: str) -> web.Response:
        timeout_s = self._config.rest_timeout_s
        body = await self._read(request)
        deadline = time.monotonic() + timeout_s
        work = self._loop.run_in_executor(
            self._pool, self._calls.answer, request.method, path, body, deadline
        )
        try:
            text = await asyncio.wait_for(work, timeout_s)
        except asyncio.TimeoutError:
            raise RequestError("DEADLINE_EXCEEDED", f"no answer within {timeout_s:g} s") from None
        return web.Response(body=text.encode("utf-8", "replace"), content_type="application/json")

    async def _read(self, request: web.Request) -> bytes:
        limit = self._config.limits.max_request_bytes
        if request.content_length is not None and request.content_length > limit:
            raise _TooLargeError(limit)
        encoding = request.headers.get("Content-Encoding", "").lower()
        inflate = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
        body = bytearray()
        async for block in request.content.iter_chunked(_BLOCK):
            body += _inflated(inflate, block, limit + 1 - len(body)) if inflate else block
            if len(body) > limit:
                raise _TooLargeError(limit)
        if inflate is not None and not inflate.eof:
            raise _not_gzip()
        return bytes(body)


class _TooLargeError(Exception):
    def __init__(self, limit: int) -> None:
        super().__init__(f"the body is larger than the {limit} bytes this server takes")


def _inflated(inflate: zlib._Decompress, block: bytes, room: int) -> bytes:
    try:
        return inflate.decompress(block, room)
    except zlib.error:
        raise _not_gzip() from None


def _not_gzip() -> RequestError:
    # TensorFlow Serving goes on with an empty body and so answers the same.
    return RequestError("INVALID_ARGUMENT", "JSON Parse error: The document is empty")


def _error(error: RequestError) -> web.Response:
    headers = {"Retry-After": "1"} if error.code == "RESOURCE_EXHAUSTED" else None
    return web.Response(
        status=HTTP_STATUS[error.code],
        body=error_text(truncated(error.message)).encode("utf-8", "replace"),
        content_type="application/json",
        headers=headers,
    )
