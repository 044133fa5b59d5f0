"""TensorFlow Serving's gRPC contract, case by case; `--target host:port` asks a real server."""

import grpc
import numpy as np
import pytest

from serving import tensors, wire

_SIZE = "input size does not match signature: "
_ALIAS = "(feed name: "


class Stub:
    """Raw calls, without the client's own checks."""

    def __init__(self, target):
        channel = grpc.insecure_channel(target)
        prefix = "/tensorflow.serving."

        def method(path, response):
            return channel.unary_unary(
                prefix + path,
                request_serializer=lambda m: m if isinstance(m, bytes) else m.SerializeToString(),
                response_deserializer=response.FromString,
            )

        self.predict = method("PredictionService/Predict", wire.PredictResponse)
        self.metadata = method("PredictionService/GetModelMetadata", wire.GetModelMetadataResponse)
        self.status = method("ModelService/GetModelStatus", wire.GetModelStatusResponse)
        self.multi = method("PredictionService/MultiInference", wire.PredictResponse)
        self.reload = method("ModelService/HandleReloadConfigRequest", wire.PredictResponse)


@pytest.fixture(scope="module")
def stub(served):
    return Stub(served[0])


def predict(inputs=None, signature="", name="tiny", version=None, label="", outputs=()):
    request = wire.PredictRequest(output_filter=outputs)
    request.model_spec.name = name
    request.model_spec.signature_name = signature
    request.model_spec.version_label = label
    if version is not None:
        request.model_spec.version.value = version
    for key, value in (inputs or {}).items():
        if isinstance(value, np.ndarray):
            tensors.fill_proto(request.inputs[key], value)
        else:
            request.inputs[key].CopyFrom(value)
    return request


def tensor(dtype, shape, **values):
    proto = wire.TensorProto(dtype=dtype, **values)
    for size in shape:
        proto.tensor_shape.dim.add(size=size)
    return proto


X = np.array([1.0, 2.5], np.float32)
THREE = {"a": X, "b": np.array([1, 2]), "s": np.array([b"u", b"\xff"], object)}
BAD_TENSORS = {
    "negative dimension": tensor(1, [-2], float_val=[1.0]),
    "rank 255": tensor(1, [1] * 255, float_val=[1.0]),
    "dtype 0": tensor(0, [1], float_val=[1.0]),
    "dtype 99": tensor(99, [1], float_val=[1.0]),
    "short tensor_content": tensor(1, [2], tensor_content=b"\0\0\0\0"),
    "long tensor_content": tensor(1, [1], tensor_content=b"\0" * 8),
}

# name: (request, code, exact message)
PREDICT_ERRORS = {
    "no model_spec": (wire.PredictRequest(), "INVALID_ARGUMENT", "Missing ModelSpec"),
    "empty name": (predict(name=""), "INVALID_ARGUMENT", "ModelSpec has no name specified."),
    "unknown model": (
        predict(name="nobody"),
        "NOT_FOUND",
        "Servable not found for request: Latest(nobody)",
    ),
    "unknown version": (
        predict({"x": X}, version=99),
        "NOT_FOUND",
        "Servable not found for request: Specific(tiny, 99)",
    ),
    "unknown version of unknown model": (
        predict(name="nobody", version=7),
        "NOT_FOUND",
        "Servable not found for request: Specific(nobody, 7)",
    ),
    "unknown label": (
        predict({"x": X}, label="canary"),
        "INVALID_ARGUMENT",
        "Unrecognized servable version label: canary",
    ),
    "unknown signature": (
        predict({"x": X}, signature="nothing"),
        "FAILED_PRECONDITION",
        'Serving signature key "nothing" not found.',
    ),
    "no inputs": (
        predict({}),
        "INVALID_ARGUMENT",
        _SIZE + "0!=1 len({}) != len({x}). Sent extra: {}. Missing but required: {x}.",
    ),
    "one input too many": (
        predict({"x": X, "z": X}),
        "INVALID_ARGUMENT",
        _SIZE + "2!=1 len({x,z}) != len({x}). Sent extra: {z}. Missing but required: {}.",
    ),
    "one input missing": (
        predict({"a": X, "b": np.array([1, 2])}, "three"),
        "INVALID_ARGUMENT",
        _SIZE + "2!=3 len({a,b}) != len({a,b,s}). Sent extra: {}. Missing but required: {s}.",
    ),
    "another input's name": (
        predict({"z": X}),
        "INVALID_ARGUMENT",
        "Signature input alias: x(feed name: serving_default_x:0) not found in request and no "
        "default value provided. Inputs expected to be in the request {z}, or default input "
        "alias set: ",
    ),
    "unknown output": (
        predict(THREE, "three", outputs=["nothing"]),
        "INVALID_ARGUMENT",
        "output tensor alias not found in signature: nothing Outputs expected to be in the set "
        "{int,raw_bytes,sum,text}.",
    ),
    "output asked for twice": (
        predict(THREE, "three", outputs=["sum", "sum"]),
        "INVALID_ARGUMENT",
        "duplicate output tensor alias: sum",
    ),
    **{
        name: (predict({"x": proto}), "INVALID_ARGUMENT", "tensor parsing error: x")
        for name, proto in BAD_TENSORS.items()
    },
    "a long text is cut": (
        predict(name="n" * 2000),
        "NOT_FOUND",
        ("Servable not found for request: Latest(" + "n" * 2000)[:1024] + "...TRUNCATED",
    ),
}


@pytest.mark.parametrize("case", PREDICT_ERRORS)
def test_predict_refuses_with_the_code_and_text_of_tensorflow_serving(stub, case):
    request, code, message = PREDICT_ERRORS[case]
    with pytest.raises(grpc.RpcError) as error:
        stub.predict(request, timeout=10)
    assert (error.value.code().name, error.value.details()) == (code, message)


def test_wrong_dtype_is_an_invalid_argument(stub):
    for value in (np.array([1, 2]), np.array([b"a", b"b"], object), np.array([True, False])):
        with pytest.raises(grpc.RpcError) as error:
            stub.predict(predict({"x": value}), timeout=10)
        assert error.value.code().name == "INVALID_ARGUMENT"


@pytest.mark.parametrize("body", [b"\xff\xff\xff", b"\x0a\xff\xff\xff\xff\x0f", b"\x08" * 50])
def test_bytes_that_are_no_message_are_refused_and_the_server_lives(stub, body):
    with pytest.raises(grpc.RpcError) as error:
        stub.predict(body, timeout=10)
    assert error.value.code().name in {"INTERNAL", "INVALID_ARGUMENT"}
    stub.predict(predict({"x": X}), timeout=10)


ENCODINGS = {
    "typed values": tensor(1, [2], float_val=[1.0, 2.5]),
    "raw bytes": tensor(1, [2], tensor_content=X.tobytes()),
    "last value repeated": tensor(1, [4], float_val=[1.0, 2.5]),
    "no value means nought": tensor(1, [3]),
    "more values than the shape holds": tensor(1, [1], float_val=[1.0, 2.5]),
    "empty": tensor(1, [0]),
    "not finite": tensor(1, [3], float_val=[np.inf, -np.inf, np.nan]),
}
DOUBLED = {
    "typed values": [2.0, 5.0],
    "raw bytes": [2.0, 5.0],
    "last value repeated": [2.0, 5.0, 5.0, 5.0],
    "no value means nought": [0.0, 0.0, 0.0],
    "more values than the shape holds": [2.0],
    "empty": [],
    "not finite": [np.inf, -np.inf, np.nan],
}


@pytest.mark.parametrize("case", ENCODINGS)
def test_every_encoding_of_a_tensor_is_read(stub, case):
    response = stub.predict(predict({"x": ENCODINGS[case]}), timeout=10)
    np.testing.assert_array_equal(tensors.to_array(response.outputs["y"]), DOUBLED[case])


def test_the_answer_names_model_version_and_signature_and_uses_typed_fields(stub):
    response = stub.predict(predict({"x": X}), timeout=10)
    assert response.model_spec.name == "tiny"
    assert response.model_spec.version.value == 1
    assert response.model_spec.signature_name == "serving_default"
    assert list(response.outputs["y"].float_val) == [2.0, 5.0]
    assert response.outputs["y"].tensor_content == b""


def test_strings_travel_as_bytes_and_an_output_filter_is_honoured(stub):
    request = predict(THREE, "three", outputs=["text", "sum"])
    response = stub.predict(request, timeout=10)
    assert set(response.outputs) == {"text", "sum"}
    assert list(response.outputs["text"].string_val) == [b"u", b"\xff"]
    assert list(response.outputs["sum"].float_val) == [2.0, 4.5]


def status_request(name="tiny", version=None):
    request = wire.GetModelStatusRequest()
    request.model_spec.name = name
    if version is not None:
        request.model_spec.version.value = version
    return request


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        (wire.GetModelStatusRequest(), "INVALID_ARGUMENT", "Missing ModelSpec"),
        (status_request("nobody"), "NOT_FOUND", "Could not find any versions of model nobody"),
        (status_request("tiny", 9), "NOT_FOUND", "Could not find version 9 of model tiny"),
    ],
)
def test_status_refuses_with_the_text_of_tensorflow_serving(stub, request_, code, message):
    with pytest.raises(grpc.RpcError) as error:
        stub.status(request_, timeout=10)
    assert (error.value.code().name, error.value.details()) == (code, message)


def test_status_is_available(stub):
    (entry,) = stub.status(status_request(), timeout=10).model_version_status
    assert (entry.version, entry.state, entry.status.error_code) == (1, 30, 0)


def metadata_request(*fields, name="tiny"):
    request = wire.GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.name = name
    return request


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        (wire.GetModelMetadataRequest(), "INVALID_ARGUMENT", "Missing ModelSpec"),
        (
            metadata_request(),
            "INVALID_ARGUMENT",
            "GetModelMetadataRequest must specify at least one metadata_field",
        ),
        (
            metadata_request("size"),
            "INVALID_ARGUMENT",
            "Metadata field size is not supported",
        ),
        (
            metadata_request("signature_def", name="nobody"),
            "NOT_FOUND",
            "Servable not found for request: Latest(nobody)",
        ),
    ],
)
def test_metadata_refuses_with_the_text_of_tensorflow_serving(stub, request_, code, message):
    with pytest.raises(grpc.RpcError) as error:
        stub.metadata(request_, timeout=10)
    assert (error.value.code().name, error.value.details()) == (code, message)


def test_metadata_holds_every_signature(stub):
    response = stub.metadata(metadata_request("signature_def"), timeout=10)
    assert response.model_spec.version.value == 1
    packed = response.metadata["signature_def"]
    assert packed.type_url == "type.googleapis.com/tensorflow.serving.SignatureDefMap"
    signatures = wire.SignatureDefMap.FromString(packed.value).signature_def
    assert {"serving_default", "three", "recommend", "slow"} <= set(signatures)
    assert signatures["three"].inputs["b"].dtype == 9


def test_what_is_not_offered_says_so(stub, request):
    if request.config.getoption("--target", None):
        pytest.skip("the real server offers it")
    for call in (stub.multi, stub.reload):
        with pytest.raises(grpc.RpcError) as error:
            call(b"", timeout=10)
        assert error.value.code().name == "UNIMPLEMENTED"
