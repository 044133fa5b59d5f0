"""``python -m serving.server``: start, report the ports, serve until SIGTERM or Ctrl-C."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence

from serving.server import serve
from serving.server.errors import StartError
from serving.server.flags import log, parse_flags


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the server in the foreground; after an orderly end, the process ends with code 0.

    Args:
        arguments: flags; the process's own by default.

    Returns:
        The exit code where it does not start: 2 for a fault in flags or folders, 3 for a port in
        use.
    """
    # TensorFlow reads it when it loads, which `serve` does.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for noisy in ("tensorflow", "absl"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    try:
        config = parse_flags(sys.argv[1:] if arguments is None else arguments)
        server = serve(config)
    except StartError as error:
        log(f"error: {error}")
        return error.exit_code
    rest = f", REST http://{config.host}:{server.rest_port}" if server.rest_port else ""
    log(f"listening: gRPC {config.host}:{server.grpc_port}{rest}")
    for name in (signal.SIGTERM, signal.SIGINT):
        # Not in the handler itself: it would run inside whatever the main thread holds.
        signal.signal(name, lambda *_: threading.Thread(target=server.stop).start())
    server.wait()
    log("stopped")
    logging.shutdown()
    sys.stdout.flush()
    # An ordinary end would wait for the threads of requests that have outlived the drain.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
