"""The REST side: bounded numbers of requests, each answered within its time, on aiohttp."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager, suppress

from aiohttp import web

from serving.server.config import ServerConfig
from serving.server.errors import HTTP_STATUS, RequestError, StartError, truncated
from serving.server.json_out import error_text
from serving.server.rest_body import Bodies, BodyError
from serving.server.rest_calls import RestCalls

_LOG = logging.getLogger("serving")


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
        limits = config.limits
        self._bodies = Bodies(limits.max_request_bytes)
        self._runs = _Lane("rest", config.num_threads, limits.max_concurrent_requests)
        # Status and metadata answer a probe at once, however busy the models are.
        self._looks = _Lane("rest-look", 1, limits.max_concurrent_requests)
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

    def stop(self, timeout_s: float) -> None:
        """Closes the port, lets the requests in flight finish, then ends the thread.

        Args:
            timeout_s: what runs longer is not answered, and goes on in its thread.
        """
        asyncio.run_coroutine_threadsafe(self._clean_up(timeout_s), self._loop).result()
        self._end_loop()
        for lane in (self._runs, self._looks):
            lane.pool.shutdown(wait=False, cancel_futures=True)

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

    async def _clean_up(self, timeout_s: float) -> None:
        # The framework's own limit is for each of several steps. Without any time at all the
        # port would not even be closed.
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._runner.cleanup(), timeout_s + 0.1)
        # The framework reads on for seconds after it has answered before the body's end.
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _handle(self, request: web.Request) -> web.Response:
        deadline = time.monotonic() + self._config.rest_timeout_s
        path = request.rel_url.raw_path
        if not path.lower().startswith("/v1/"):
            return web.Response(status=404, text="Not Found")
        try:
            if request.method == "GET":
                return await self._answer(self._looks, request, path, b"", deadline)
            self._runs.check_room()  # before a body is read that nobody will look at
            async with self._bodies.read(request, self._config.rest_timeout_s) as body:
                return await self._answer(self._runs, request, path, body, deadline)
        except RequestError as error:
            return _error(error)
        except BodyError as error:
            response = web.Response(
                status=error.status, text=error_text(str(error)), content_type="application/json"
            )
            response.force_close()
            return response
        except ConnectionError:  # in the midst of the body; nobody reads this
            return _error(RequestError("CANCELLED", "the client has gone"))
        except Exception:  # the caller learns no internals, the log has them
            _LOG.exception("a REST request failed inside the server")
            return _error(RequestError("INTERNAL", "internal error of the server; see its log"))

    async def _answer(
        self, lane: _Lane, request: web.Request, path: str, body: bytes, deadline: float
    ) -> web.Response:
        with lane.place():
            work = self._loop.run_in_executor(
                lane.pool, self._calls.answer, request.method, path, body, deadline
            )
            try:
                text = await asyncio.wait_for(work, deadline - time.monotonic())
            except asyncio.TimeoutError:
                text = f"no answer within {self._config.rest_timeout_s:g} s"
                raise RequestError("DEADLINE_EXCEEDED", text) from None
        return web.Response(body=text.encode("utf-8", "replace"), content_type="application/json")


class _Lane:
    """Threads for requests of one kind, and how many of these may run or wait at once."""

    def __init__(self, name: str, num_threads: int, max_requests: int) -> None:
        self.pool = futures.ThreadPoolExecutor(num_threads, thread_name_prefix=name)
        self._max_requests = max_requests
        self._num_requests = 0

    def check_room(self) -> None:
        if self._num_requests >= self._max_requests:
            text = "the server has as many requests as it admits; try again"
            raise RequestError("RESOURCE_EXHAUSTED", text)

    @contextmanager
    def place(self) -> Iterator[None]:
        self.check_room()
        self._num_requests += 1
        try:
            yield
        finally:
            self._num_requests -= 1


def _error(error: RequestError) -> web.Response:
    headers = {"Retry-After": "1"} if error.code == "RESOURCE_EXHAUSTED" else None
    return web.Response(
        status=HTTP_STATUS[error.code],
        body=error_text(truncated(error.message)).encode("utf-8", "replace"),
        content_type="application/json",
        headers=headers,
    )
