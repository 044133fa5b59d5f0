"""A running server: ports, poller threads, and an orderly end."""

from __future__ import annotations

import logging
import threading
import time

from serving.server.config import ServerConfig
from serving.server.errors import StartError
from serving.server.grpc_front import start_grpc
from serving.server.inference import Inference
from serving.server.rest_calls import RestCalls
from serving.server.rest_front import RestServer
from serving.server.versions import VersionManager

_LOG = logging.getLogger("serving")
_CANCEL_S = 1.0  # for gRPC to tell the callers of what it has cancelled


class RunningServer:
    """What ``serve`` returns; also a context manager that stops the server.

    Attributes:
        grpc_port: the port in use.
        rest_port: the port in use, or None without REST.
    """

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self._inference = Inference(config)
        self._stopping = threading.Event()
        self._stopped = threading.Event()
        self._grpc, self.grpc_port = start_grpc(config, self._inference, self.is_ready)
        self._rest: RestServer | None = None
        if config.rest_port is not None:
            depth = config.limits.max_json_depth
            try:
                self._rest = RestServer(config, RestCalls(self._inference, max_json_depth=depth))
            except StartError:
                self._grpc.stop(None)
                raise
        self.rest_port = self._rest.port if self._rest is not None else None
        # One poller a model, so that a slow or broken one does not hold up the others.
        self._pollers = [
            threading.Thread(target=self._poll, args=(model,), daemon=True)
            for model in self._inference.models.values()
        ]
        for poller in self._pollers:
            poller.start()

    def is_ready(self) -> bool:
        """Says whether every model has a version that answers and no end is under way."""
        return not self._stopping.is_set() and self._inference.is_ready()

    def wait_until_ready(self, timeout_s: float = 60.0) -> bool:
        """Waits for ``is_ready``; False when the time is over or the server was stopped."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end and not self._stopping.is_set():
            if self.is_ready():
                return True
            time.sleep(0.02)
        return False

    def problems(self) -> list[str]:
        """Lists, one sentence each, the versions that could not be loaded."""
        return [
            f"model `{name}` version {number}: {error}"
            for name, model in self._inference.models.items()
            for number, _, error in model.snapshot()
            if error
        ]

    def wait(self) -> None:
        """Blocks until ``stop`` has finished."""
        # In short waits, so that Python's signal handlers run.
        while not self._stopped.wait(0.5):
            pass

    def stop(self) -> None:
        """Closes the ports, lets the requests in flight finish, unloads.

        A health check finds the port closed, or NOT_SERVING in the moment before. Takes
        ``drain_timeout_s`` and little more: of requests that run longer, the callers are told off,
        and what they use stays loaded.
        """
        if self._stopping.is_set():
            self._stopped.wait()
            return
        self._stopping.set()
        end = time.monotonic() + self._config.drain_timeout_s

        def left_s() -> float:
            return max(0.0, end - time.monotonic())

        done = self._grpc.stop(left_s())
        if self._rest is not None:
            self._rest.stop(left_s())
        done.wait(left_s() + _CANCEL_S)
        for poller in self._pollers:
            poller.join(left_s())
        for model in self._inference.models.values():
            model.close(left_s())
        self._stopped.set()

    def __enter__(self) -> RunningServer:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _poll(self, model: VersionManager) -> None:
        while not self._stopping.is_set():
            try:
                model.poll()
            except Exception:  # polling must outlive every fault of a file system
                _LOG.exception("looking for versions of %s failed", model.config.name)
            if self._config.poll_interval_s <= 0:
                return
            self._stopping.wait(self._config.poll_interval_s)
