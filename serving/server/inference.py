"""What each call means: TensorFlow Serving's rules and texts, shared by gRPC and REST."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
)

from serving import tensors
from serving.server import warmup
from serving.server.classic import classify, regress
from serving.server.config import ServerConfig
from serving.server.errors import RequestError
from serving.server.manifest import check_version
from serving.server.runner import ModelRunner
from serving.server.versions import Version, VersionManager

DEFAULT_SIGNATURE = "serving_default"
_WARM_UP_S = 600.0  # longer than any first call takes


class Inference:
    """Answers requests on the models of one server.

    Args:
        config: the server's configuration; its models are not loaded before the first poll.
    """

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self.models = {
            model.name: VersionManager(model, self._load, config.load_retry_interval_s)
            for model in config.models
        }

    def predict(self, request: Any, deadline: float | None = None) -> Any:
        """Runs any signature on named tensors.

        Args:
            request: a PredictRequest.
            deadline: on ``time.monotonic``'s clock; None waits for ever.

        Returns:
            A PredictResponse that names the version and the signature used.

        Raises:
            RequestError: with TensorFlow Serving's code and text.
        """
        with self._use(request) as version:
            response = self._predict_on(_runner(version), request, deadline)
            _name_version(response, request, version)
            return response

    def classify(self, request: Any, deadline: float | None = None) -> Any:
        """Runs a classification signature on tf.Examples; see ``predict`` for the arguments."""
        with self._use(request) as version:
            response = classify(_runner(version), request, deadline)
            _name_version(response, request, version)
            return response

    def regress(self, request: Any, deadline: float | None = None) -> Any:
        """Runs a regression signature on tf.Examples; see ``predict`` for the arguments."""
        with self._use(request) as version:
            response = regress(_runner(version), request, deadline)
            _name_version(response, request, version)
            return response

    def metadata(self, request: Any) -> Any:
        """Answers GetModelMetadataRequest: the signatures of a version."""
        _check_has_spec(request)
        if not request.metadata_field:
            text = "GetModelMetadataRequest must specify at least one metadata_field"
            raise RequestError("INVALID_ARGUMENT", text)
        for name in request.metadata_field:
            if name != "signature_def":
                raise RequestError("INVALID_ARGUMENT", f"Metadata field {name} is not supported")
        with self._use(request) as version:
            signatures = get_model_metadata_pb2.SignatureDefMap()
            for name, signature in _runner(version).signatures.items():
                signatures.signature_def[name].CopyFrom(signature)
            response = get_model_metadata_pb2.GetModelMetadataResponse()
            response.model_spec.name = request.model_spec.name
            response.model_spec.version.value = version.number
            response.metadata["signature_def"].Pack(signatures)
            return response

    def status(self, request: Any) -> Any:
        """Answers GetModelStatusRequest: every version known, newest first."""
        _check_has_spec(request)
        name = request.model_spec.name
        wanted = None
        if request.model_spec.HasField("version"):
            wanted = request.model_spec.version.value
        known = self.models[name].snapshot() if name in self.models else []
        chosen = [entry for entry in known if wanted in (None, entry[0])]
        if not chosen and wanted is not None:
            text = f"Could not find version {wanted} of model {name}"
            raise RequestError("NOT_FOUND", text)
        if not chosen:
            raise RequestError("NOT_FOUND", f"Could not find any versions of model {name}")
        response = get_model_status_pb2.GetModelStatusResponse()
        for number, state, error in chosen:
            entry = response.model_version_status.add(version=number, state=state)
            entry.status.error_code = 2 if error else 0  # UNKNOWN, as upstream for load failures
            entry.status.error_message = error
        return response

    def signature_inputs(self, model_spec: Any) -> dict[str, int]:
        """Gives the TensorFlow dtype of each input, for REST bodies, which carry no types."""
        request = predict_pb2.PredictRequest(model_spec=model_spec)
        name = model_spec.signature_name or DEFAULT_SIGNATURE
        with self._use(request) as version:
            signature = _runner(version).signatures.get(name)
            if signature is None:
                text = f'Serving signature name: "{name}" not found in signature def'
                raise RequestError("INVALID_ARGUMENT", text)
            return {alias: info.dtype for alias, info in signature.inputs.items()}

    def is_ready(self) -> bool:
        """Says whether every model has a version that answers."""
        return all(model.is_ready() for model in self.models.values())

    @contextmanager
    def _use(self, request: Any) -> Iterator[Version]:
        _check_spec(request)
        spec = request.model_spec
        model = self.models.get(spec.name)
        number = spec.version.value if spec.HasField("version") else None
        if spec.version_label:
            labels = model.config.labels if model is not None else {}
            if spec.version_label not in labels:
                text = f"Unrecognized servable version label: {spec.version_label}"
                raise RequestError("INVALID_ARGUMENT", text)
            number = labels[spec.version_label]
        if model is None:
            which = f"Latest({spec.name})" if number is None else f"Specific({spec.name}, {number})"
            raise RequestError("NOT_FOUND", f"Servable not found for request: {which}")
        with model.use(number) as version:
            yield version

    def _load(self, path: str) -> ModelRunner:
        check_version(path, require_manifest=self._config.require_manifest)
        runner = ModelRunner(path, num_threads=self._config.num_model_threads)
        if self._config.enable_warmup:
            calls = {
                "predict_log": self._predict_on,
                "classify_log": classify,
                "regress_log": regress,
            }
            warmup.warm_up(path, {kind: _both_ways(calls[kind], runner) for kind in calls})
        return runner

    def _predict_on(self, runner: ModelRunner, request: Any, deadline: float | None) -> Any:
        name = request.model_spec.signature_name or DEFAULT_SIGNATURE
        signature = runner.signatures.get(name)
        if signature is None:
            text = f'Serving signature key "{name}" not found.'
            raise RequestError("FAILED_PRECONDITION", text)
        inputs = read_inputs(signature, request.inputs, self._config.limits.max_fill_elements)
        outputs = choose_outputs(signature, request.output_filter)
        arrays = runner.run(name, inputs, outputs, deadline)
        response = predict_pb2.PredictResponse()
        for alias, array in zip(outputs, arrays, strict=True):
            as_content = self._config.tensor_content
            tensors.fill_proto(response.outputs[alias], array, as_content=as_content)
        return response


def _both_ways(call: Callable[..., Any], runner: ModelRunner) -> Callable[[Any], None]:
    """Makes a call that warms the path of requests without a deadline and that of others."""

    def run(request: Any) -> None:
        for deadline in (None, time.monotonic() + _WARM_UP_S):
            call(runner, request, deadline)

    return run


def _runner(version: Version) -> ModelRunner:
    if version.runner is None:  # cannot be while it is held; said for the type checker
        raise RequestError("INTERNAL", f"version {version.number} has no runner")
    return version.runner


def _check_has_spec(request: Any) -> None:
    if not request.HasField("model_spec"):
        raise RequestError("INVALID_ARGUMENT", "Missing ModelSpec")


def _check_spec(request: Any) -> None:
    _check_has_spec(request)
    if not request.model_spec.name:
        raise RequestError("INVALID_ARGUMENT", "ModelSpec has no name specified.")


def _name_version(response: Any, request: Any, version: Version) -> None:
    spec = response.model_spec
    spec.name = request.model_spec.name
    spec.signature_name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    spec.version.value = version.number


def read_inputs(signature: Any, sent: Any, max_fill: int) -> dict[str, np.ndarray]:
    """Turns the request's tensors into arrays, one for each input of the signature."""
    wanted, given = set(signature.inputs), set(sent)
    missing_some = len(given) < len(wanted) and not signature.defaults
    if len(given) > len(wanted) or missing_some:
        raise RequestError(
            "INVALID_ARGUMENT",
            f"input size does not match signature: {len(given)}!={len(wanted)} "
            f"len({{{_joined(given)}}}) != len({{{_joined(wanted)}}}). "
            f"Sent extra: {{{_joined(given - wanted)}}}. "
            f"Missing but required: {{{_joined(wanted - given)}}}.",
        )
    arrays = {}
    for alias in sorted(wanted):
        if alias not in given and alias not in signature.defaults:
            raise RequestError(
                "INVALID_ARGUMENT",
                f"Signature input alias: {alias}(feed name: {signature.inputs[alias].name}) "
                "not found in request and no default value provided. Inputs expected to be in "
                f"the request {{{_joined(given)}}}, or default input alias set: "
                f"{_joined(signature.defaults)}",
            )
        proto = sent[alias] if alias in given else signature.defaults[alias]
        arrays[alias] = _read_tensor(alias, proto, max_fill)
    if given - wanted:
        raise RequestError(
            "INVALID_ARGUMENT",
            f"Inputs contains invalid name. Used request inputs: {_joined(given & wanted)}"
            f", request input: {_joined(given)}",
        )
    return arrays


def _read_tensor(alias: str, proto: Any, max_fill: int) -> np.ndarray:
    try:
        return tensors.to_array(proto, max_fill=max_fill)
    except tensors.TensorLimitError as error:
        text = f"tensor parsing error: {alias}: {error}"
        raise RequestError("INVALID_ARGUMENT", text) from None
    except (ValueError, OverflowError, MemoryError):
        raise RequestError("INVALID_ARGUMENT", f"tensor parsing error: {alias}") from None


def choose_outputs(signature: Any, output_filter: Any) -> tuple[str, ...]:
    """Gives the outputs to compute: those asked for, or all of them."""
    seen: list[str] = []
    for alias in output_filter:
        if alias not in signature.outputs:
            raise RequestError(
                "INVALID_ARGUMENT",
                f"output tensor alias not found in signature: {alias} Outputs expected to be in "
                f"the set {{{_joined(signature.outputs)}}}.",
            )
        if alias in seen:
            raise RequestError("INVALID_ARGUMENT", f"duplicate output tensor alias: {alias}")
        seen.append(alias)
    return tuple(seen) or tuple(sorted(signature.outputs))


def _joined(names: Any) -> str:
    return ",".join(sorted(names))
