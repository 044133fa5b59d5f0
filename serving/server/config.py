"""What the server is told: models, ports and limits; text-format model lists are read here."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from serving.server.errors import StartError


@dataclass(frozen=True)
class ModelConfig:
    """One model: where its numbered version folders lie and which of them to serve.

    Args:
        name: the name requests use.
        base_path: absolute path of the folder that holds the version folders.
        num_versions: serve the newest so many (1, TensorFlow Serving's default); 0 serves all.
        versions: serve exactly these instead, where given.
        labels: names for versions, for instance ``{"stable": 3}``.
    """

    name: str
    base_path: str
    num_versions: int = 1
    versions: tuple[int, ...] = ()
    labels: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Limits:
    """What one request may cost. The defaults fit recommendation requests with much room.

    Args:
        max_request_bytes: of a gRPC message or of an inflated REST body; all bodies in memory may
            have four times as many together, the next is refused as below.
        max_fill_elements: of a tensor whose values are not all sent (a shape of 2e8 with one
            value is 40 bytes on the wire and 800 MB in memory).
        max_json_depth: nested lists and objects of a REST body.
        max_concurrent_requests: being run or waiting; the next is refused at once with
            RESOURCE_EXHAUSTED (429), which keeps the waiting time of accepted ones bounded. Of
            REST, status and metadata are counted apart from the rest.
    """

    max_request_bytes: int = 64 << 20
    max_fill_elements: int = 1 << 20
    max_json_depth: int = 64
    max_concurrent_requests: int = 256


@dataclass(frozen=True)
class ServerConfig:
    """Everything ``serve`` needs.

    Args:
        models: at least one.
        host: the address to bind. The loopback address by default: there is no authentication.
        grpc_port: 0 chooses a free one.
        rest_port: 0 chooses a free one, None serves no REST.
        num_threads: of the gRPC server, and as many of the REST server.
        poll_interval_s: between two looks at the base paths; 0 looks once.
        load_retry_interval_s: after a failed load; doubles up to 64 times this. A change inside
            the folder is tried at once.
        drain_timeout_s: how long a stopping server waits for requests in flight.
        rest_timeout_s: from the arrival of a REST request, which has no deadline of its own; its
            body must be there in this time (408) and its answer too (504).
        require_manifest: refuse versions without a ``manifest.json``.
        enable_warmup: run ``assets.extra/tf_serving_warmup_requests`` before a version is served.
        tensor_content: answer numeric tensors as raw bytes in place of typed fields.
        num_model_threads: TensorFlow threads inside one operation; 0 lets TensorFlow choose.
        limits: see ``Limits``.
    """

    models: tuple[ModelConfig, ...]
    host: str = "127.0.0.1"
    grpc_port: int = 8500
    rest_port: int | None = 8501
    num_threads: int = 8
    poll_interval_s: float = 1.0
    load_retry_interval_s: float = 1.0
    drain_timeout_s: float = 10.0
    rest_timeout_s: float = 30.0
    require_manifest: bool = False
    enable_warmup: bool = True
    tensor_content: bool = False
    num_model_threads: int = 0
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        faults = [] if self.models else ["`models` is empty: name at least one model"]
        names = [model.name for model in self.models]
        faults += [
            f"Illegal to list model {name} multiple times in config list"
            for name in sorted({name for name in names if names.count(name) > 1})
        ]
        for model in self.models:
            faults += _model_faults(model)
        if faults:
            raise StartError("; ".join(faults))


def _model_faults(model: ModelConfig) -> list[str]:
    if not model.name:
        return ["a model has no name"]
    if not os.path.isabs(model.base_path):
        return [
            f"Expected model {model.name} to have an absolute path or URI; "
            f"got base_path()={model.base_path}"
        ]
    if not os.path.isdir(model.base_path):
        return [f"there is no folder `{model.base_path}` for the model `{model.name}`"]
    return []


def read_model_config_file(path: str) -> tuple[ModelConfig, ...]:
    """Reads TensorFlow Serving's ``--model_config_file`` (ModelServerConfig in text format).

    Raises:
        StartError: where the file is missing, does not parse, or holds something other than a
            ``model_config_list``.
    """
    from google.protobuf import text_format
    from tensorflow_serving.config import model_server_config_pb2

    try:
        with open(path, encoding="utf-8") as file:
            parsed = text_format.Parse(file.read(), model_server_config_pb2.ModelServerConfig())
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        raise StartError(f"`--model_config_file` {path} cannot be read: {error}") from None
    if parsed.WhichOneof("config") != "model_config_list":
        raise StartError(f"`--model_config_file` {path} must hold a model_config_list")
    return tuple(_model_from_proto(model) for model in parsed.model_config_list.config)


def _model_from_proto(model: Any) -> ModelConfig:
    policy = model.model_version_policy
    choice = policy.WhichOneof("policy_choice")
    num_versions = 0 if choice == "all" else (policy.latest.num_versions or 1)
    platform = model.model_platform
    name: str = model.name
    if platform not in ("", "tensorflow"):
        raise StartError(
            f"the model `{name}` has the platform `{platform}`; served is only `tensorflow`"
        )
    return ModelConfig(
        name=name,
        base_path=model.base_path,
        num_versions=num_versions,
        versions=tuple(policy.specific.versions) if choice == "specific" else (),
        labels=dict(model.version_labels),
    )
