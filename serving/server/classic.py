"""Classify and Regress: tf.Examples in, labelled classes or one number each out."""

from __future__ import annotations

from typing import Any

import numpy as np
from tensorflow_serving.apis import classification_pb2, regression_pb2

from serving.server.errors import RequestError
from serving.server.runner import ModelRunner

_CLASSIFY = "tensorflow/serving/classify"
_REGRESS = "tensorflow/serving/regress"


def classify(runner: ModelRunner, request: Any, deadline: float | None) -> Any:
    """Answers a ClassificationRequest; the signature has ``classes``, ``scores`` or both.

    Raises:
        RequestError: with the texts of TensorFlow Serving's classifier.cc.
    """
    name, signature = _signature(runner, request, _CLASSIFY, "classification")
    _check_count(
        len(signature.outputs) in (1, 2),
        f"one or two output Tensors, found {len(signature.outputs)}",
    )
    _check_input(signature, "classification")
    fetched = tuple(key for key in ("classes", "scores") if key in signature.outputs)
    if not fetched:
        raise RequestError(
            "FAILED_PRECONDITION",
            "Expected classification signature outputs to contain at least one of "
            f'"classes" or "scores". Signature was: {signature}',
        )
    examples = serialized_examples(request.input)
    arrays = dict(
        zip(fetched, runner.run(name, {"inputs": examples}, fetched, deadline), strict=True)
    )
    for key, array in arrays.items():
        _check_matrix(key, array, len(examples))
    if len({array.shape[1] for array in arrays.values()}) > 1:
        shapes = [array.shape[1] for array in arrays.values()]
        raise RequestError(
            "INVALID_ARGUMENT",
            f"Tensors class and score should match in dim_size(1). Got {shapes[0]} vs. {shapes[1]}",
        )
    response = classification_pb2.ClassificationResponse()
    for row in range(len(examples)):
        added = response.result.classifications.add()
        for column in range(next(iter(arrays.values())).shape[1]):
            entry = added.classes.add()
            if "classes" in arrays:
                entry.label = arrays["classes"][row, column].decode("utf-8", "replace")
            if "scores" in arrays:
                entry.score = arrays["scores"][row, column]
    return response


def regress(runner: ModelRunner, request: Any, deadline: float | None) -> Any:
    """Answers a RegressionRequest; the signature has the one output ``outputs``.

    Raises:
        RequestError: with the texts of TensorFlow Serving's regressor.cc.
    """
    name, signature = _signature(runner, request, _REGRESS, "regression")
    _check_count(len(signature.outputs) == 1, "one output Tensor.")
    _check_input(signature, "regression")
    if "outputs" not in signature.outputs:
        text = f"No regression outputs found in SignatureDef: {signature}"
        raise RequestError("FAILED_PRECONDITION", text)
    examples = serialized_examples(request.input)
    (values,) = runner.run(name, {"inputs": examples}, ("outputs",), deadline)
    if not (values.ndim == 1 or (values.ndim == 2 and values.shape[1] == 1)):
        raise RequestError(
            "INVALID_ARGUMENT",
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] "
            f"but got {_shape(values)}",
        )
    if len(values) != len(examples):
        raise RequestError(
            "INVALID_ARGUMENT",
            f"Input batch size did not match output batch size: {len(examples)} vs. {len(values)}",
        )
    if values.dtype != np.float32:
        text = f"Expected output Tensor of DT_FLOAT.  Got: {_dtype(values)}"
        raise RequestError("INVALID_ARGUMENT", text)
    response = regression_pb2.RegressionResponse()
    for value in values.ravel().tolist():
        response.result.regressions.add(value=value)
    return response


def serialized_examples(sent: Any) -> np.ndarray:
    """Gives one serialised tf.Example a row, each merged with the request's shared context.

    Protobuf merges messages that stand one behind the other, so that context and example are
    simply joined, as TensorFlow Serving does.
    """
    kind = sent.WhichOneof("kind")
    context = b""
    examples = sent.example_list.examples
    if kind == "example_list_with_context":
        context = sent.example_list_with_context.context.SerializeToString()
        examples = sent.example_list_with_context.examples
    if not examples:
        raise RequestError("INVALID_ARGUMENT", "Input is empty.")
    rows = np.empty(len(examples), dtype=object)
    rows[:] = [context + example.SerializeToString() for example in examples]
    return rows


def _signature(runner: ModelRunner, request: Any, method: str, kind: str) -> tuple[str, Any]:
    name = request.model_spec.signature_name or "serving_default"
    signature = runner.signatures.get(name)
    if signature is None:
        text = f"No signature was found with the name: {name}"
        raise RequestError("INVALID_ARGUMENT", text)
    if signature.method_name != method:
        raise RequestError(
            "INVALID_ARGUMENT",
            f"Expected {kind} signature method_name to be {method}. Was: {signature.method_name}",
        )
    _check_count(len(signature.inputs) == 1, "one input Tensor.")
    return name, signature


def _check_count(is_right: bool, expected: str) -> None:
    if not is_right:
        raise RequestError("INVALID_ARGUMENT", f"Expected {expected}")


def _check_input(signature: Any, kind: str) -> None:
    if "inputs" not in signature.inputs:
        text = f"No {kind} inputs found in SignatureDef: {signature}"
        raise RequestError("FAILED_PRECONDITION", text)


def _check_matrix(key: str, array: np.ndarray, num_examples: int) -> None:
    if array.ndim != 2:
        text = f"Expected Tensor shape: [batch_size num_classes] but got {_shape(array)}"
        raise RequestError("INVALID_ARGUMENT", text)
    wanted = {"classes": ("DT_STRING", object), "scores": ("DT_FLOAT", np.float32)}[key]
    if array.dtype != wanted[1]:
        text = f"Expected {key} Tensor of {wanted[0]}. Got: {_dtype(array)}"
        raise RequestError("INVALID_ARGUMENT", text)
    if len(array) != num_examples:
        text = f"Expected {key} output batch size of {num_examples}. Got: {len(array)}"
        raise RequestError("INVALID_ARGUMENT", text)


def _shape(array: np.ndarray) -> str:
    return "[" + ",".join(str(size) for size in array.shape) + "]"


def _dtype(array: np.ndarray) -> str:
    names = {np.dtype(object): "DT_STRING", np.dtype(np.float32): "DT_FLOAT"}
    return names.get(array.dtype, f"DT_{array.dtype.name.upper()}")
