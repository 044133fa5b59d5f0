"""TensorFlow Serving's REST contract, case by case; `--rest_target` asks a real server."""

import gzip
import json
import math
import urllib.error
import urllib.request

import pytest

_NO_VERSION = "Servable not found for request: Specific(tiny, 99)"


def call(url, body=None, headers=None, method=None):
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    request = urllib.request.Request(url, body, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture(scope="module")
def base(served):
    if served[1] is None:
        pytest.skip("no --rest_target")
    return f"http://{served[1]}"


def three(rows):
    return [{"a": a, "b": b, "s": s} for a, b, s in rows]


# name: (path after /v1/models, body, exact error)
ERRORS = {
    "empty body": ("/tiny:predict", b"", "JSON Parse error: The document is empty"),
    "no tensors": ("/tiny:predict", {}, "Missing 'inputs' or 'instances' key"),
    "several inputs as a plain list": (
        "/tiny:predict",
        {"signature_name": "three", "instances": [1.0]},
        "instances is a plain list, but expecting list of objects as multiple input tensors "
        "required as per tensorinfo_map",
    ),
    "several inputs as a plain column": (
        "/tiny:predict",
        {"signature_name": "three", "inputs": [1.0]},
        "inputs is a plain value/list, but expecting an object as multiple input tensors required "
        "as per tensorinfo_map",
    ),
    "column missing": (
        "/tiny:predict",
        {"signature_name": "three", "inputs": {"a": [1.0], "b": [1]}},
        "Missing named input: s in 'inputs' object.",
    ),
    "unknown signature": (
        "/tiny:predict",
        {"signature_name": "nothing", "instances": [1.0]},
        'Serving signature name: "nothing" not found in signature def',
    ),
    "ragged column": (
        "/tiny:predict",
        {"inputs": [[1.0], [1.0, 2.0]]},
        "Encountered list at unexpected size: 2 at level: 1 expected size: 1",
    ),
    "list where a number was": (
        "/tiny:predict",
        {"inputs": [1.0, [2.0]]},
        "Encountered list at unexpected level: 1 expected < 1",
    ),
    "number where a list was": (
        "/tiny:predict",
        {"inputs": [[1.0], 2]},
        "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2",
    ),
    "string for a float": (
        "/tiny:predict",
        {"inputs": ["one"]},
        'JSON Value: "one" Type: String is not of expected type: float',
    ),
    "true for a float": (
        "/tiny:predict",
        {"inputs": [True]},
        "JSON Value: true Type: True is not of expected type: float",
    ),
    "null for a float": (
        "/tiny:predict",
        {"inputs": [None]},
        "JSON Value: null Type: Null is not of expected type: float",
    ),
    "fraction for an integer": (
        "/tiny:predict",
        {"signature_name": "slow", "inputs": [1.0]},
        "JSON Value: 1.0 Type: Number is not of expected type: int64",
    ),
    "integer beyond 64 bits": (
        "/tiny:predict",
        {"signature_name": "slow", "inputs": [1 << 63]},
        "JSON Value: 9223372036854775808 Type: Number is not of expected type: int64",
    ),
    "integer that a float cannot hold": (
        "/tiny:predict",
        {"inputs": [1 << 24]},
        "Cannot convert JSON value: 16777216 to float without loss of precision.",
    ),
    "wrong member in a row": (
        "/tiny:predict",
        {"signature_name": "three", "instances": [{"z": 1}]},
        "Failed to process element: 0 key: z of 'instances' list. Error: INVALID_ARGUMENT: "
        "JSON object: does not have named input: z",
    ),
    "rows of different sizes": (
        "/tiny:predict",
        {"instances": [[1.0], [1.0, 2.0]]},
        "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: "
        "Expecting tensor size: 1 but got: 2",
    ),
    "object in a plain list": (
        "/tiny:predict",
        {"instances": [1.0, {"x": 1.0}]},
        "Expecting value/list but got object at item 1 of input list",
    ),
    "value among objects": (
        "/tiny:predict",
        {"instances": [{"x": 1.0}, 1.0]},
        "Expecting object but got list at item 1 of input list",
    ),
    "bad base64": (
        "/tiny:predict",
        {"signature_name": "three", "inputs": {"a": [1.0], "b": [1], "s": [{"b64": "!"}]}},
        "Unable to base64 decode",
    ),
    "classify without a classify signature": (
        "/tiny:classify",
        {"examples": [{"x": 1.0}]},
        "Expected classification signature method_name to be tensorflow/serving/classify. "
        "Was: tensorflow/serving/predict",
    ),
    "mixed kinds in a feature": (
        "/tiny:regress",
        {"examples": [{"x": [1.0, "a"]}]},
        "Unexpected element type in feature: x expecting type: float",
    ),
    "example that is no object": (
        "/tiny:regress",
        {"examples": [1]},
        "Example must be JSON object but got JSON Number",
    ),
    "no model": ("", None, "Missing model name in request."),
}


@pytest.mark.parametrize("case", ERRORS)
def test_rest_refuses_with_the_text_of_tensorflow_serving(base, case):
    path, body, message = ERRORS[case]
    status, text = call(f"{base}/v1/models{path}", body)
    assert (status, json.loads(text)) == (400, {"error": message})


@pytest.mark.parametrize(
    ("body", "ending"),
    [
        (
            {"instances": [1], "inputs": [1]},
            " Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ",
        ),
        ({"instances": 1}, " Excepting 'instances' to be an list/array"),
        ({"instances": []}, " No values in 'instances' array"),
        (
            {"signature_name": 1},
            " not formatted correctly. 'signature_name' key must be a string value.",
        ),
        (b"[1]", " Is not object"),
    ],
)
def test_a_refused_body_is_shown_in_the_error(base, body, ending):
    status, text = call(f"{base}/v1/models/tiny:predict", body)
    message = json.loads(text)["error"]
    assert status == 400
    assert message.startswith("JSON Value: ")
    assert message.endswith(ending)


@pytest.mark.parametrize("body", [b"{", b"{]", b'{"instances": [1,]}', b"nonsense", b'{"a" 1}'])
def test_what_is_not_json_is_a_parse_error_with_its_place(base, body):
    status, text = call(f"{base}/v1/models/tiny:predict", body)
    message = json.loads(text)["error"]
    assert status == 400
    assert message.startswith("JSON Parse error: ")
    assert " at offset: " in message


def test_unknown_names_are_not_found(base):
    status, text = call(f"{base}/v1/models/nobody:predict", {"instances": [1.0]})
    message = "Servable not found for request: Latest(nobody)"
    assert (status, json.loads(text)) == (404, {"error": message})
    status, text = call(f"{base}/v1/models/tiny/versions/99:predict", {"instances": [1.0]})
    assert (status, json.loads(text)) == (404, {"error": _NO_VERSION})
    status, text = call(f"{base}/v1/models/nobody")
    message = "Could not find any versions of model nobody"
    assert (status, json.loads(text)) == (404, {"error": message})
    assert call(f"{base}/other")[0] == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/models/tiny:predict"), ("POST", "/v1/models/tiny"), ("GET", "/v1/nothing")],
)
def test_a_malformed_request_names_method_and_path(base, method, path):
    status, text = call(base + path, b"{}" if method == "POST" else None, method=method)
    assert (status, json.loads(text)) == (400, {"error": f"Malformed request: {method} {path}"})


def test_rows_and_columns_give_the_same_numbers(base):
    url = f"{base}/v1/models/tiny:predict"
    assert json.loads(call(url, {"instances": [1.0, 2]})[1]) == {"predictions": [2.0, 4.0]}
    assert json.loads(call(url, {"instances": [{"x": 1.0}]})[1]) == {"predictions": [2.0]}
    assert json.loads(call(url, {"inputs": [1.0, 2]})[1]) == {"outputs": [2.0, 4.0]}
    assert json.loads(call(url, {"inputs": {"x": [1.0]}})[1]) == {"outputs": [2.0]}


def test_several_outputs_are_objects_and_bytes_are_base64_by_name(base):
    url = f"{base}/v1/models/tiny:predict"
    rows = three([(1.5, 2, "ü"), (0.1, -(1 << 63), {"b64": "/w=="})])
    status, text = call(url, {"signature_name": "three", "instances": rows[:1]})
    row = {"sum": 3.5, "int": 2, "text": "ü", "raw_bytes": {"b64": "w7w="}}
    assert (status, json.loads(text)) == (200, {"predictions": [row]})
    columns = {key: [row[key] for row in rows] for key in ("a", "b", "s")}
    status, text = call(url, {"signature_name": "three", "inputs": columns})
    outputs = json.loads(text)["outputs"]
    assert outputs["raw_bytes"] == [{"b64": "w7w="}, {"b64": "/w=="}]
    assert outputs["int"] == [2, -(1 << 63)]


def test_floats_are_short_and_not_finite_ones_bare(base):
    url = f"{base}/v1/models/tiny:predict"
    body = b'{"inputs": [0.1, 1e10, NaN, Infinity, -Infinity, 3]}'
    text = call(url, body)[1]
    assert "0.2," in text
    assert "2e+10" in text
    values = json.loads(text)["outputs"]
    assert math.isnan(values[2])
    assert values[3:] == [math.inf, -math.inf, 6.0]


def test_names_are_read_in_any_case_and_percent_encoded(base):
    assert call(f"{base}/V1/Models/tiny:PREDICT", {"inputs": [1.0]})[0] == 200
    assert call(f"{base}/v1/models/%74iny:predict", {"inputs": [1.0]})[0] == 200
    assert call(f"{base}/v1/models/..%2f..%2fetc:predict", {"inputs": [1.0]})[0] == 404


def test_versions_are_chosen_by_number_and_label(base, request):
    body = {"inputs": [1.0]}
    assert call(f"{base}/v1/models/tiny/versions/1:predict", body)[0] == 200
    if not request.config.getoption("--target", None):
        assert call(f"{base}/v1/models/tiny/labels/stable:predict", body)[0] == 200
    status, text = call(f"{base}/v1/models/tiny/labels/canary:predict", body)
    message = "Unrecognized servable version label: canary"
    assert (status, json.loads(text)) == (400, {"error": message})


def test_status_and_metadata_have_the_documented_form(base):
    status, text = call(f"{base}/v1/models/tiny")
    entry = {"version": "1", "state": "AVAILABLE"}
    entry["status"] = {"error_code": "OK", "error_message": ""}
    assert (status, json.loads(text)) == (200, {"model_version_status": [entry]})
    status, text = call(f"{base}/v1/models/tiny/versions/1/metadata")
    body = json.loads(text)
    assert body["model_spec"] == {"name": "tiny", "signature_name": "", "version": "1"}
    x = body["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"]["x"]
    assert x["dtype"] == "DT_FLOAT"
    assert x["tensor_shape"] == {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}


def test_a_gzipped_body_is_inflated(base):
    body = gzip.compress(json.dumps({"inputs": [1.0]}).encode())
    headers = {"Content-Encoding": "gzip"}
    assert call(f"{base}/v1/models/tiny:predict", body, headers)[0] == 200
    assert call(f"{base}/v1/models/tiny:predict", body[:-9], headers)[0] == 400
    assert call(f"{base}/v1/models/tiny:predict", b"no gzip", headers)[0] == 400
