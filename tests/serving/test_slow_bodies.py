"""Bodies that never come cost nobody else a place, and the server no more than some bytes."""

import concurrent.futures
import contextlib
import http.client
import json
import socket
import time
import urllib.error
import urllib.request

import pytest

TIMEOUT_S = 2.0
NUM_PLACES = 3
MAX_BYTES = 1 << 20


@pytest.fixture(scope="module")
def port(saved_model):
    from serving.server import Limits, ModelConfig, ServerConfig, serve

    limits = Limits(max_request_bytes=MAX_BYTES, max_concurrent_requests=NUM_PLACES)
    config = ServerConfig(
        (ModelConfig("tiny", str(saved_model.parent)),),
        grpc_port=0,
        rest_port=0,
        num_threads=2,
        limits=limits,
        rest_timeout_s=TIMEOUT_S,
    )
    with serve(config) as server:
        assert server.wait_until_ready(30)
        yield server.rest_port


@pytest.fixture
def stall(port):
    """Returns a function that begins a request, sends this much of its body and no more."""
    with contextlib.ExitStack() as stack:

        def begin(body=b"", length=MAX_BYTES):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), 20))
            head = "POST /v1/models/tiny:predict HTTP/1.1\r\nHost: here\r\n"
            connection.sendall(f"{head}Content-Length: {length}\r\n\r\n".encode() + body)
            return connection

        yield begin


def answer_of(connection):
    response = http.client.HTTPResponse(connection, method="POST")
    response.begin()
    return response.status, json.loads(response.read())["error"], response.headers


def call(port, path="", body=None):
    url = f"http://127.0.0.1:{port}/v1/models/tiny{path}"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body), timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_a_body_that_does_not_come_is_a_408_within_the_time(stall):
    start = time.monotonic()
    status, text, headers = answer_of(stall(b'{"inputs"'))
    assert (status, text) == (408, "the body did not arrive within 2 s")
    assert headers["Connection"] == "close"
    assert TIMEOUT_S / 2 < time.monotonic() - start < TIMEOUT_S + 3


def test_a_body_that_trickles_has_no_more_time(stall):
    start = time.monotonic()
    connection = stall(b"{")
    connection.settimeout(0.2)
    while time.monotonic() - start < TIMEOUT_S + 3:
        connection.sendall(b" ")
        with contextlib.suppress(TimeoutError):
            if connection.recv(12, socket.MSG_PEEK):
                break
    assert answer_of(connection)[0] == 408
    assert time.monotonic() - start < TIMEOUT_S + 3


def test_stalled_bodies_hold_no_place(port, stall):
    stalled = [stall(b"{") for _ in range(3 * NUM_PLACES)]
    assert call(port) == 200
    assert call(port, ":predict", b'{"inputs": [1.0]}') == 200
    assert {answer_of(connection)[0] for connection in stalled} == {408}


def test_a_client_that_goes_in_the_midst_is_no_failure_of_the_server(port, stall, caplog):
    for _ in range(NUM_PLACES):
        stall(b"{").close()
    time.sleep(TIMEOUT_S / 4)  # until the server has seen it
    assert "failed" not in caplog.text
    assert call(port, ":predict", b'{"inputs": [1.0]}') == 200


def test_status_and_metadata_answer_while_all_places_are_taken(port):
    body = b'{"signature_name": "slow", "inputs": [100000]}'
    with concurrent.futures.ThreadPoolExecutor(NUM_PLACES + 1) as pool:
        asked = [pool.submit(call, port, ":predict", body) for _ in range(NUM_PLACES + 1)]
        refused = next(concurrent.futures.as_completed(asked))
        assert refused.result() == 429
        assert [call(port), call(port, "/metadata")] == [200, 200]
        assert sum(each.done() for each in asked) == 1
    assert sorted(each.result() for each in asked) == [429, *[504] * NUM_PLACES]


def test_all_bodies_in_memory_are_bounded_together_and_the_bytes_come_back(port, stall):
    part = b" " * (MAX_BYTES - 1)
    answers = [answer_of(each) for each in [stall(part) for _ in range(5)]]
    refused, *late = sorted(answers, key=lambda answer: -answer[0])
    assert (refused[0], refused[2]["Retry-After"]) == (429, "1")
    assert refused[1] == "the server has as many bytes of requests as it admits; try again"
    assert [status for status, *_ in late] == [408] * 4
    assert call(port, ":predict", b" " * (MAX_BYTES - 20) + b'{"inputs": [1.0]}') == 200
