"""A model server within this process, for as long as one command asks it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recsys_tf.cli.console import stage
from recsys_tf.cli.failures import ExitCode, Failure

LOAD_TIMEOUT_S = 120.0


@contextmanager
def local_server(model_dir: Path, model_name: str) -> Iterator[int]:
    """Serves a model on a free port of this machine, within this process.

    Args:
        model_dir: Folder of version folders, or one version folder.
        model_name: Name of the model.

    Yields:
        The gRPC port.

    Raises:
        Failure: If there is no model in the folder, or it cannot be loaded.
    """
    base, versions = _base_and_versions(model_dir.absolute())
    from serving.server import ModelConfig, ServerConfig, StartError, serve

    model = ModelConfig(model_name, str(base), versions=versions)
    try:
        with stage(f"loading {model_dir}"):
            server = serve(ServerConfig((model,), grpc_port=0, rest_port=None))
            if not server.wait_until_ready(LOAD_TIMEOUT_S):
                problems = "; ".join(server.problems()) or f"not ready after {LOAD_TIMEOUT_S:.0f} s"
                server.stop()
                raise Failure(f"{model_dir} could not be loaded: {problems}")
    except StartError as error:
        raise Failure(str(error), ExitCode.ENVIRONMENT) from error
    with server:
        yield server.grpc_port


def _base_and_versions(folder: Path) -> tuple[Path, tuple[int, ...]]:
    if (folder / "saved_model.pb").is_file() and folder.name.isdecimal():
        return folder.parent, (int(folder.name),)
    if not any(folder.glob("*/saved_model.pb")):
        raise Failure(
            f"`--model-dir` {folder} holds no version folder with a SavedModel; `recsys-tf "
            "export` makes one.",
            ExitCode.WRONG_USAGE,
        )
    return folder, ()
