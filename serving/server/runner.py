"""One loaded version: a TensorFlow 1 session and its prepared callables.

``session._make_callable_from_options`` takes about 30 us a call where
``loaded.signatures[...]`` takes 270 us, on the same graph with the same answers. It is a
private name, pinned by a test; without it ``Session.run`` serves (150 us).
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2, saved_model_pb2
from tensorflow.python.framework import op_def_registry

from serving import tensors
from serving.server.errors import RequestError
from serving.server.manifest import BrokenVersionError

# A graph is a program. These read or write files or call into Python; no recommender needs them.
REFUSED_OPS = frozenset(
    [
        "EagerPyFunc",
        "PyFunc",
        "PyFuncStateless",
        "ReadFile",
        "WriteFile",
        "MatchingFiles",
        "WholeFileReader",
        "WholeFileReaderV2",
        "DebugIdentity",
        "DebugIdentityV2",
        "FileSystemSetConfiguration",
    ]
)
# The fast path runs operations in the calling thread and cannot be interrupted: above this a
# request with a deadline takes Session.run, which can.
_SLOW_S = 0.005


class ModelRunner:
    """Runs the signatures of one SavedModel.

    Args:
        path: a version folder that ``manifest.check_version`` has passed.
        num_threads: inside one TensorFlow operation; 0 lets TensorFlow choose.

    Raises:
        BrokenVersionError: where the graph does not parse, does not restore or is refused.
    """

    def __init__(self, path: str, *, num_threads: int = 0) -> None:
        _check_ops(path)
        graph = tf.Graph()
        self._session = tf.compat.v1.Session(
            graph=graph,
            config=config_pb2.ConfigProto(intra_op_parallelism_threads=num_threads),
        )
        try:
            with graph.as_default():
                meta_graph = tf.compat.v1.saved_model.load(self._session, ["serve"], path)
        except Exception as error:  # any fault of a foreign file ends here, with its reason
            self._session.close()
            raise BrokenVersionError(f"{path} does not load: {_first_line(error)}") from error
        graph.finalize()
        self.signatures: dict[str, Any] = dict(meta_graph.signature_def)
        # alias, graph tensor and dtype of each input, in the one order all calls use.
        self._feeds = {
            name: tuple((alias, info.name, info.dtype) for alias, info in signature.inputs.items())
            for name, signature in self.signatures.items()
        }
        self._callables: dict[tuple[str, tuple[str, ...]], Any] = {}
        self._seconds: dict[str, float] = {}
        self._lock = threading.Lock()

    def run(
        self,
        signature_name: str,
        inputs: dict[str, np.ndarray],
        outputs: tuple[str, ...],
        deadline: float | None = None,
    ) -> list[np.ndarray]:
        """Runs one signature.

        Args:
            signature_name: a key of ``signatures``.
            inputs: every input of the signature, by alias.
            outputs: aliases to compute, in the order of the answer.
            deadline: on ``time.monotonic``'s clock. A run past it is interrupted where the
                signature is slow, and never started where it has passed.

        Returns:
            One array an alias of ``outputs``; strings as dtype object holding bytes.

        Raises:
            RequestError: with the runtime's code and the first line of its message.
        """
        feeds = [inputs[alias] for alias, _, _ in self._feeds[signature_name]]
        self._check_dtypes(signature_name, feeds)
        start = time.monotonic()
        if deadline is not None and start >= deadline:
            raise RequestError("DEADLINE_EXCEEDED", "the deadline passed before the model ran")
        try:
            # An unknown cost counts as slow, so that a first call can be interrupted too.
            if deadline is not None and self._seconds.get(signature_name, 1.0) > _SLOW_S:
                values = self._run_slow(signature_name, feeds, outputs, deadline - start)
            else:
                values = self._callable(signature_name, outputs)(*feeds)
        except tf.errors.OpError as error:
            code = error.__class__.__name__
            raise RequestError(_CODE_OF.get(code, "INTERNAL"), _first_line(error)) from None
        except ValueError as error:  # Session.run checks the feeds' shapes in Python
            raise RequestError("INVALID_ARGUMENT", _first_line(error)) from None
        self._note(signature_name, time.monotonic() - start)
        return [np.asarray(value, _object_if_text(value)) for value in values]

    def close(self) -> None:
        """Frees the session; the version must have no requests left."""
        self._callables.clear()
        self._session.close()

    def _note(self, signature_name: str, seconds: float) -> None:
        before = self._seconds.get(signature_name, seconds)
        self._seconds[signature_name] = 0.8 * before + 0.2 * seconds

    def _check_dtypes(self, signature_name: str, feeds: list[np.ndarray]) -> None:
        for (alias, _, wanted), array in zip(self._feeds[signature_name], feeds, strict=True):
            got = tensors.enum_of(array)
            if got != wanted and wanted in tensors.KINDS:
                # The runtime's own wording; Session.run would convert silently.
                raise RequestError(
                    "INVALID_ARGUMENT",
                    f"Type mismatch: actual {tensors.KINDS[got].name} vs. expect "
                    f"{tensors.KINDS[wanted].name} (input {alias})",
                )

    def _run_slow(
        self, signature_name: str, feeds: list[np.ndarray], outputs: tuple[str, ...], seconds: float
    ) -> list[Any]:
        options = config_pb2.RunOptions(timeout_in_ms=max(1, int(seconds * 1000)))
        names = [name for _, name, _ in self._feeds[signature_name]]
        fetches = [self.signatures[signature_name].outputs[alias].name for alias in outputs]
        return list(
            self._session.run(fetches, dict(zip(names, feeds, strict=True)), options=options)
        )

    def _callable(self, signature_name: str, outputs: tuple[str, ...]) -> Any:
        key = (signature_name, outputs)
        found = self._callables.get(key)
        if found is None:
            with self._lock:
                found = self._callables.setdefault(key, self._make_callable(*key))
        return found

    def _make_callable(self, signature_name: str, outputs: tuple[str, ...]) -> Any:
        feeds = [name for _, name, _ in self._feeds[signature_name]]
        fetches = [self.signatures[signature_name].outputs[alias].name for alias in outputs]
        if not hasattr(self._session, "_make_callable_from_options"):
            return lambda *arrays: self._session.run(fetches, dict(zip(feeds, arrays, strict=True)))
        options = config_pb2.CallableOptions(feed=feeds, fetch=fetches)
        options.run_options.inter_op_thread_pool = -1  # in the calling thread: no hand-over
        return self._session._make_callable_from_options(options)


_CODE_OF = {
    "InvalidArgumentError": "INVALID_ARGUMENT",
    "DeadlineExceededError": "DEADLINE_EXCEEDED",
    "FailedPreconditionError": "FAILED_PRECONDITION",
    "NotFoundError": "NOT_FOUND",
    "OutOfRangeError": "OUT_OF_RANGE",
    "ResourceExhaustedError": "RESOURCE_EXHAUSTED",
    "UnimplementedError": "UNIMPLEMENTED",
    "CancelledError": "CANCELLED",
    "DataLossError": "DATA_LOSS",
}


def _object_if_text(value: Any) -> Any:
    return object if isinstance(value, bytes) else None  # a scalar string comes as bare bytes


def _first_line(error: Exception) -> str:
    text = getattr(error, "message", None) or str(error)
    lines = [line.strip() for line in str(text).splitlines() if line.strip()]
    lines = [line for line in lines if line != "Graph execution error:"]
    return lines[0] if lines else error.__class__.__name__


def _check_ops(path: str) -> None:
    """Refuses unreadable graphs and harmful operations; loads packages that bring missing ones."""
    file = f"{path}/saved_model.pb"
    if not tf.io.gfile.exists(file):
        return  # the text form; the loader reports its faults
    with open(file, "rb") as handle:
        data = handle.read()
    try:
        graph = saved_model_pb2.SavedModel.FromString(data).meta_graphs[0].graph_def
    except Exception as error:  # DecodeError's class differs between protobuf implementations
        raise BrokenVersionError(f"{file} is not a SavedModel: {_first_line(error)}") from None
    nodes = [graph.node, *(function.node_def for function in graph.library.function)]
    ops = {node.op for group in nodes for node in group}
    if refused := sorted(ops & REFUSED_OPS):
        raise BrokenVersionError(f"{path} uses the operation {refused[0]}, which is refused")
    functions = {function.signature.name for function in graph.library.function}
    unknown = {op for op in ops - functions if op_def_registry.get(op) is None}
    if unknown:
        _load_more_ops()
    if missing := sorted(op for op in unknown if op_def_registry.get(op) is None):
        raise BrokenVersionError(
            f"{path} needs the operation {missing[0]}, which this TensorFlow does not have; "
            "tensorflow-text brings the operations of text encoders"
        )


def _load_more_ops() -> None:
    with contextlib.suppress(ImportError):
        import tensorflow_text  # noqa: F401 - optional: registers its operations
