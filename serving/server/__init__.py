"""A local model server that speaks TensorFlow Serving's protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serving.server.config import Limits, ModelConfig, ServerConfig
from serving.server.errors import StartError

if TYPE_CHECKING:
    from serving.server.running import RunningServer

__all__ = ["Limits", "ModelConfig", "ServerConfig", "StartError", "serve"]


def serve(config: ServerConfig) -> RunningServer:
    """Starts a server and returns at once; models load in the background.

    Args:
        config: what to serve and where.

    Returns:
        The running server: ``grpc_port``, ``rest_port``, ``wait_until_ready()``,
        ``problems()``, ``wait()`` and ``stop()``; also a context manager.

    Raises:
        StartError: a port in use (``exit_code`` 3) or a fault in the configuration (2).
    """
    # Here and not above: TensorFlow takes seconds, and `--help` or a wrong flag need none of it.
    from serving.server.running import RunningServer

    return RunningServer(config)
