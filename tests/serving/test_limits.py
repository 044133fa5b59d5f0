"""Requests that cost more than they should are refused, quickly, and the server lives on."""

import concurrent.futures
import gzip
import http.client
import json
import resource
import time
import urllib.error
import urllib.request

import grpc
import numpy as np
import pytest

from serving import RecommenderClient, ServingError, wire


@pytest.fixture(scope="module")
def small(saved_model):
    """A server with small limits: its gRPC address, its REST address and the server."""
    from serving.server import Limits, ModelConfig, ServerConfig, serve

    limits = Limits(max_request_bytes=1 << 20, max_concurrent_requests=4)
    model = ModelConfig("tiny", str(saved_model.parent))
    config = ServerConfig((model,), grpc_port=0, rest_port=0, limits=limits, rest_timeout_s=1.0)
    with serve(config) as server:
        assert server.wait_until_ready(30)
        yield f"127.0.0.1:{server.grpc_port}", f"http://127.0.0.1:{server.rest_port}", server


def post(url, body, headers=None):
    request = urllib.request.Request(f"{url}/v1/models/tiny:predict", body, headers or {})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.loads(answer.read()), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read()), error.headers


def test_forty_bytes_cannot_ask_for_gigabytes(small):
    request = wire.PredictRequest()
    request.model_spec.name = "tiny"
    request.inputs["x"].dtype = 1
    request.inputs["x"].tensor_shape.dim.add(size=200_000_000)
    request.inputs["x"].float_val.append(1.0)
    assert request.ByteSize() < 64
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with grpc.insecure_channel(small[0]) as channel:
        call = channel.unary_unary(
            "/tensorflow.serving.PredictionService/Predict",
            request_serializer=lambda message: message.SerializeToString(),
        )
        start = time.monotonic()
        with pytest.raises(grpc.RpcError) as error:
            call(request, timeout=10)
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "200000000 elements, 1 values were sent" in error.value.details()
    assert time.monotonic() - start < 5.0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB


@pytest.mark.parametrize(
    "body",
    [
        b'{"inputs": ' + b"[" * 250_000 + b"]" * 250_000 + b"}",
        b'{"inputs": ' + b"[" * 65 + b"1.0" + b"]" * 65 + b"}",
        b'{"inputs": [' + b"9" * 5000 + b"]}",
        b'{"inputs": [1.0], "inputs": [2.0]}',
        b'{"inputs": ["\xff"]}',
        b'{"signature_name": "\\ud800"}',
        b'{"inputs": [1.0]}' + b"[" * 250_000,
    ],
    ids=["deep", "65 levels", "5000 digits", "twice", "no UTF-8", "half a surrogate", "behind"],
)
def test_hostile_json_is_a_400_within_seconds(small, body):
    start = time.monotonic()
    status, answer, _ = post(small[1], body)
    assert status == 400
    assert answer["error"]
    assert time.monotonic() - start < 5.0
    assert post(small[1], b'{"inputs": [1.0]}')[0] == 200


@pytest.mark.parametrize("behind", [b"}", b" x", b'{"inputs": [2.0]}', b"\0"])
def test_what_follows_the_object_is_refused_and_space_is_not(small, behind):
    status, answer, _ = post(small[1], b'{"inputs": [1.0]}' + behind)
    assert status == 400
    text = "JSON Parse error: The document root must not be followed by other values. at offset: "
    assert answer["error"].startswith(text)
    assert post(small[1], b' {"inputs": [1.0]}\r\n\t ')[0] == 200


def test_a_gzip_bomb_is_a_413(small):
    bomb = gzip.compress(b" " * (16 << 20))
    assert len(bomb) < 1 << 20
    status, answer, _ = post(small[1], bomb, {"Content-Encoding": "gzip"})
    assert status == 413
    assert answer["error"] == "the body is larger than the 1048576 bytes this server takes"


def test_gzip_members_are_one_body_under_one_limit(small):
    gzipped = {"Content-Encoding": "gzip"}
    parts = [gzip.compress(part) for part in (b'{"inputs":', b"", b" [1.0]}")]
    assert post(small[1], b"".join(parts), gzipped)[0] == 200
    assert post(small[1], parts[0] + parts[2][:-1], gzipped)[0] == 400
    assert post(small[1], b"".join(parts) + b"no gzip", gzipped)[0] == 400
    bomb = gzip.compress(b" " * (600 << 10))
    assert post(small[1], bomb, gzipped)[0] == 400  # spaces alone are no JSON
    assert post(small[1], bomb + bomb, gzipped)[0] == 413


def test_a_gzip_body_that_inflates_to_nothing_has_an_end(small):
    empty = gzip.compress(b"")

    def blocks():  # without a length, which would be refused for itself
        for _ in range(20):
            yield empty * (100_000 // len(empty))

    status, answer, _ = post(small[1], blocks(), {"Content-Encoding": "gzip"})
    assert status == 413
    assert "larger than the 1048576 bytes" in answer["error"]


def test_an_error_text_costs_no_more_than_it_shows():
    from serving.server.json_body import show

    class Counted(list):
        count = 0

        def __iter__(self):
            for value in super().__iter__():
                self.count += 1
                yield value

    values = Counted([1.5] * 100_000)
    assert show(values) == json.dumps([1.5] * 100_000, indent=4)[:1024]
    assert values.count < 1024


def test_a_large_message_is_refused_on_both_ports(small):
    with RecommenderClient(small[0], "tiny") as client, pytest.raises(ServingError) as error:
        client.predict("", {"x": np.zeros(1 << 20, np.float32)})
    assert error.value.code == "RESOURCE_EXHAUSTED"
    assert post(small[1], b" " * (2 << 20))[0] == 413


def test_an_over_full_server_refuses_at_once_and_recovers(small):
    def work(_):
        with RecommenderClient(small[0], "tiny", timeout_s=20) as client:
            start = time.monotonic()
            try:
                client.predict("slow", {"steps": np.array([200])})
            except ServingError as error:
                return error.code, time.monotonic() - start
            return "OK", 0.0

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        results = list(pool.map(work, range(16)))
    codes = {code for code, _ in results}
    assert codes == {"OK", "RESOURCE_EXHAUSTED"}
    with RecommenderClient(small[0], "tiny") as client:
        assert client.predict("", {"x": [1.0]})["y"].tolist() == [2.0]


def test_an_over_full_rest_port_answers_429_with_retry_after(small):
    body = b'{"signature_name": "slow", "inputs": [60]}'
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: post(small[1], body), range(12)))
    refused = [answer for answer in answers if answer[0] == 429]
    assert refused
    assert refused[0][2]["Retry-After"] == "1"


def test_a_deadline_interrupts_a_slow_signature(small):
    with RecommenderClient(small[0], "tiny", timeout_s=0.1, max_retries=0) as client:
        start = time.monotonic()
        with pytest.raises(ServingError) as error:
            client.predict("slow", {"steps": np.array([100_000])})
    assert error.value.code == "DEADLINE_EXCEEDED"
    assert time.monotonic() - start < 5.0
    status, answer, _ = post(small[1], b'{"signature_name": "slow", "inputs": [100000]}')
    assert status == 504, answer


@pytest.mark.parametrize("is_rest", [False, True], ids=["gRPC", "REST"])
def test_the_end_takes_no_longer_than_the_drain(saved_model, is_rest, caplog):
    from serving.server import ModelConfig, ServerConfig, serve

    model = ModelConfig("tiny", str(saved_model.parent))
    config = ServerConfig((model,), grpc_port=0, rest_port=0, drain_timeout_s=1.0, rest_timeout_s=8)
    server = serve(config)
    assert server.wait_until_ready(30)
    client = RecommenderClient(f"127.0.0.1:{server.grpc_port}", "tiny", timeout_s=8, max_retries=0)
    url = f"http://127.0.0.1:{server.rest_port}"
    channel = grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}")
    check = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=wire.HealthCheckResponse.FromString,
    )
    assert check(wire.HealthCheckRequest(), timeout=5).status == 1
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        if is_rest:
            asked = pool.submit(post, url, b'{"signature_name": "slow", "inputs": [10000000]}')
        else:
            asked = pool.submit(client.predict, "slow", {"steps": np.array([10_000_000])})
        time.sleep(0.5)
        start = time.monotonic()
        stopped = pool.submit(server.stop)
        time.sleep(0.2)
        assert not server.is_ready()
        with pytest.raises(grpc.RpcError) as error:
            check(wire.HealthCheckRequest(), timeout=5)
        assert error.value.code() == grpc.StatusCode.UNAVAILABLE
        stopped.result()
        assert 0.9 < time.monotonic() - start < 4.0
        with pytest.raises((ServingError, OSError, http.client.HTTPException)):
            asked.result()
    assert "tiny version 1 is left in use by a request" in caplog.text


def test_the_health_check_follows_the_server(saved_model):
    from serving.server import ModelConfig, ServerConfig, serve

    model = ModelConfig("tiny", str(saved_model.parent))
    server = serve(ServerConfig((model,), grpc_port=0, rest_port=None))
    channel = grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}")
    check = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=wire.HealthCheckResponse.FromString,
    )
    assert server.wait_until_ready(30)
    assert check(wire.HealthCheckRequest(service="PredictionService"), timeout=5).status == 1
    with pytest.raises(grpc.RpcError) as error:
        check(wire.HealthCheckRequest(service="nobody"), timeout=5)
    assert error.value.code() == grpc.StatusCode.NOT_FOUND
    slow = RecommenderClient(f"127.0.0.1:{server.grpc_port}", "tiny", timeout_s=20)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answer = pool.submit(slow.predict, "slow", {"steps": np.array([100])})
        time.sleep(0.2)
        pool.submit(server.stop)
        assert answer.result().keys() == {"y"}  # in flight when the end began
