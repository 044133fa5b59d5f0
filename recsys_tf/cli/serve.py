"""`recsys-tf serve`: the local model server, in the foreground."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recsys_tf.cli.failures import ExitCode, Failure, reported

ModelName = Annotated[str, typer.Option("--model-name", help="The name that requests use.")]


@reported
def serve(
    model_dir: Annotated[
        Path, typer.Option("--model-dir", help="Folder of the numbered version folders.")
    ],
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="gRPC; 0 chooses a free one.")
    ] = 8500,
    rest_port: Annotated[
        int, typer.Option("--rest-port", min=-1, max=65535, help="REST; 0 a free one, -1 none.")
    ] = 8501,
    host: Annotated[str, typer.Option("--host", help="Address to bind.")] = "127.0.0.1",
    model_name: ModelName = "recommender",
) -> None:
    """Serve a model over gRPC and REST until Ctrl-C.

    It speaks TensorFlow Serving's own protocol. New version folders are taken up while it runs.
    There is no authentication: think before binding another address than the loopback.

    Examples:
      recsys-tf serve --model-dir models/recommender
      recsys-tf recommend --target 127.0.0.1:8500 --user 196 --k 5
    """
    if not model_dir.is_dir():
        raise Failure(
            f"`--model-dir` {model_dir} is no folder; `recsys-tf export` makes one.",
            ExitCode.WRONG_USAGE,
        )
    from serving.server.__main__ import main

    flags = [
        f"--model_base_path={model_dir.absolute()}",
        f"--model_name={model_name}",
        f"--port={port}",
        f"--host={host}",
    ]
    if rest_port >= 0:
        # TensorFlow Serving's 0 means "no REST"; the server's -1 means "a free one".
        flags.append(f"--rest_api_port={rest_port or -1}")
    raise typer.Exit(main(flags))
