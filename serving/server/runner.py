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
# Sets of outputs of one signature, each with a prepared call and an executor of its own.
_MAX_OUTPUT_SETS = 32


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
        self._shapes = {
            name: tuple(_static_shape(info) for info in signature.inputs.values())
            for name, signature in self.signatures.items()
        }
        self._output_sets: dict[str, set[tuple[str, ...]]] = {name: set() for name in self._feeds}
        self._callables: dict[tuple[str, tuple[str, ...]], Any] = {}
        self._has_run: set[tuple[str, tuple[str, ...], bool]] = set()
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
        self._check_feeds(signature_name, feeds)
        computed = self._output_set(signature_name, outputs)
        start = time.monotonic()
        if deadline is not None and start >= deadline:
            raise RequestError("DEADLINE_EXCEEDED", "the deadline passed before the model ran")
        # An unknown cost counts as slow, so that a first call can be interrupted too.
        is_slow = deadline is not None and self._seconds.get(signature_name, 1.0) > _SLOW_S
        try:
            if deadline is not None and is_slow:
                values = self._run_slow(signature_name, feeds, computed, deadline - start)
            else:
                values = self._callable(signature_name, computed)(*feeds)
        except tf.errors.OpError as error:
            code = error.__class__.__name__
            raise RequestError(_CODE_OF.get(code, "INTERNAL"), _first_line(error)) from None
        except ValueError as error:  # Session.run checks the feeds in Python once more
            raise RequestError("INVALID_ARGUMENT", _first_line(error)) from None
        self._note(signature_name, computed, is_slow, time.monotonic() - start)
        by_alias = dict(zip(computed, values, strict=True))
        return [np.asarray(by_alias[alias], _object_if_text(by_alias[alias])) for alias in outputs]

    def close(self) -> None:
        """Frees the session; the version must have no requests left."""
        self._callables.clear()
        self._session.close()

    def _note(
        self, signature_name: str, outputs: tuple[str, ...], is_slow: bool, seconds: float
    ) -> None:
        path = (signature_name, outputs, is_slow)
        if path not in self._has_run:  # the first call prepares what the others use
            self._has_run.add(path)
            return
        before = self._seconds.get(signature_name, seconds)
        self._seconds[signature_name] = 0.8 * before + 0.2 * seconds

    def _output_set(self, signature_name: str, outputs: tuple[str, ...]) -> tuple[str, ...]:
        """Chooses what is run for these outputs: them in one order, or all where sets abound."""
        wanted, known = tuple(sorted(outputs)), self._output_sets[signature_name]
        if wanted in known:
            return wanted
        with self._lock:
            if len(known) < _MAX_OUTPUT_SETS:
                known.add(wanted)
                return wanted
        return tuple(sorted(self.signatures[signature_name].outputs))

    def _check_feeds(self, signature_name: str, feeds: list[np.ndarray]) -> None:
        each = zip(self._feeds[signature_name], self._shapes[signature_name], feeds, strict=True)
        for (alias, tensor, wanted), shape, array in each:
            got = tensors.enum_of(array)
            if got != wanted and wanted in tensors.KINDS:
                # The runtime's own wording; Session.run would convert silently.
                raise RequestError(
                    "INVALID_ARGUMENT",
                    f"Type mismatch: actual {tensors.KINDS[got].name} vs. expect "
                    f"{tensors.KINDS[wanted].name} (input {alias})",
                )
            if shape is not None and not _fits(array.shape, shape):
                # Session.run's wording; a prepared call would feed it unseen.
                raise RequestError(
                    "INVALID_ARGUMENT",
                    f"Cannot feed value of shape {array.shape} for Tensor {tensor}, which has "
                    f"shape {tuple(None if size < 0 else size for size in shape)}",
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


def _static_shape(info: Any) -> tuple[int, ...] | None:
    """Gives an input's sizes, -1 for any; None for any rank."""
    shape = info.tensor_shape
    return None if shape.unknown_rank else tuple(dim.size for dim in shape.dim)


def _fits(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    if len(shape) != len(wanted):
        return False
    return all(want in (-1, size) for size, want in zip(shape, wanted, strict=True))


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
