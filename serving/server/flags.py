"""Command-line flags, with TensorFlow Serving's own names, to a ServerConfig."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from serving.server.config import Limits, ModelConfig, ServerConfig, read_model_config_file
from serving.server.errors import StartError

# Flags of tensorflow_model_server that change what it does and that this server does not have.
NOT_OFFERED = [
    "enable_batching",
    "batching_parameters_file",
    "enable_per_model_batching_parameters",
    "monitoring_config_file",
    "ssl_config_file",
    "grpc_socket_path",
    "grpc_channel_arguments",
    "model_config_file_poll_wait_seconds",
    "max_num_load_retries",
    "num_load_threads",
    "num_unload_threads",
    "saved_model_tags",
    "enable_profiler",
    "platform_config_file",
    "allow_version_labels_for_unavailable_models",
    "rest_api_enable_cors_support",
]
_OFF = frozenset(("", "0", "false"))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise StartError(f"{message}; `--help` lists the flags")


def _is_true(text: str) -> bool:
    if text.lower() not in {"true", "1", "false", "0"}:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text.lower() in {"true", "1"}


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m serving.server",
        description="A local model server that speaks TensorFlow Serving's gRPC and REST protocol.",
        epilog="example: python -m serving.server --port=0 --rest_api_port=0 "
        "--model_name=recommender --model_base_path=/models/recommender",
        allow_abbrev=False,
    )
    add = parser.add_argument
    switch: dict[str, Any] = {"type": _is_true, "nargs": "?", "const": True}
    add("--port", type=int, default=8500, help="gRPC port; 0 chooses a free one (8500)")
    add("--rest_api_port", type=int, default=None, help="REST port; none without; -1 a free one")
    add("--rest_api_timeout_in_ms", type=int, default=30_000, help="of one REST request (30000)")
    add("--rest_api_num_threads", type=int, default=None, help="accepted; see --grpc_max_threads")
    add("--model_name", default="default", help="the name requests use (default)")
    add("--model_base_path", default="", help="folder of the numbered version folders")
    add("--model_config_file", default="", help="several models, in TensorFlow Serving's format")
    add("--file_system_poll_wait_seconds", type=float, default=1.0, help="0 looks once (1)")
    add("--load_retry_interval_micros", type=int, default=1_000_000, help="first pause (1000000)")
    add("--grpc_max_threads", type=int, default=8, help="threads that run requests (8)")
    add("--tensorflow_session_parallelism", type=int, default=0, help="as the next (0: automatic)")
    add("--tensorflow_intra_op_parallelism", type=int, default=0, help="threads in an operation")
    add("--enable_model_warmup", default=True, help="replay the warmup requests (true)", **switch)
    add("--enable_serialization_as_tensor_content", default=False, help="raw bytes out", **switch)
    add("--enable_grpc_healthcheck_service", default=True, help="always on here", **switch)
    own = parser.add_argument_group("flags that TensorFlow Serving does not have")
    own.add_argument("--host", default="127.0.0.1", help="address to bind (127.0.0.1)")
    own.add_argument("--require_manifest", default=False, help="refuse versions without", **switch)
    own.add_argument("--drain_seconds", type=float, default=10.0, help="for an orderly end (10)")
    limits = Limits()
    for name, what in (
        ("max_request_bytes", "of a message or an inflated body"),
        ("max_fill_elements", "of a tensor whose values are not all sent"),
        ("max_json_depth", "nested lists of a REST body"),
        ("max_concurrent_requests", "the next is refused at once"),
    ):
        default = getattr(limits, name)
        own.add_argument(f"--{name}", type=int, default=default, help=f"{what} ({default})")
    return parser


def parse_flags(arguments: Sequence[str]) -> ServerConfig:
    """Turns command-line arguments into a configuration.

    Raises:
        StartError: an unknown flag, a flag of TensorFlow Serving that this server does not
            offer, a missing model or folder; always one sentence.
    """
    flags = _parser().parse_args(_without_idle_flags(arguments))
    limits = Limits(
        max_request_bytes=flags.max_request_bytes,
        max_fill_elements=flags.max_fill_elements,
        max_json_depth=flags.max_json_depth,
        max_concurrent_requests=flags.max_concurrent_requests,
    )
    rest_port = flags.rest_api_port
    return ServerConfig(
        models=_models(flags),
        host=flags.host,
        grpc_port=flags.port,
        # TensorFlow Serving's 0 means "no REST"; -1 is this server's "a free one".
        rest_port=None if rest_port in (None, 0) else max(rest_port, 0),
        num_threads=flags.grpc_max_threads,
        poll_interval_s=flags.file_system_poll_wait_seconds,
        load_retry_interval_s=flags.load_retry_interval_micros / 1e6,
        drain_timeout_s=flags.drain_seconds,
        rest_timeout_s=flags.rest_api_timeout_in_ms / 1e3,
        require_manifest=flags.require_manifest,
        enable_warmup=flags.enable_model_warmup,
        tensor_content=flags.enable_serialization_as_tensor_content,
        num_model_threads=(
            flags.tensorflow_intra_op_parallelism or flags.tensorflow_session_parallelism
        ),
        limits=limits,
    )


def _models(flags: argparse.Namespace) -> tuple[ModelConfig, ...]:
    if flags.model_config_file:
        return read_model_config_file(flags.model_config_file)
    if not flags.model_base_path:
        raise StartError("give `--model_base_path` (or `--model_config_file`)")
    return (ModelConfig(flags.model_name, os.path.abspath(flags.model_base_path)),)


def _without_idle_flags(arguments: Sequence[str]) -> list[str]:
    """Drops flags that are switched off anyway; refuses those that ask for what is not here."""
    kept = []
    for argument in arguments:
        name, _, value = argument.lstrip("-").partition("=")
        if not argument.startswith("-") or name not in NOT_OFFERED:
            kept.append(argument)
        elif "=" not in argument or value.lower() not in _OFF:
            raise StartError(
                f"`--{name}` is a flag of TensorFlow Serving that this local server does not "
                "offer; leave it out, or run the real server (serving/deploy)"
            )
    return kept


def log(message: str) -> None:
    """Prints a line for the person who started the server."""
    sys.stderr.write(message + "\n")
    sys.stderr.flush()
