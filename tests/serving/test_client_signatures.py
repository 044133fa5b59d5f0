"""What the client remembers of a model, and when it asks for it anew."""

import collections
import concurrent.futures
import sys

import grpc
import numpy as np
import pytest

from serving import RecommenderClient, ServingError, tensors, wire
from serving.signatures import TensorSpec, column, find_history_input


class FakeServer:
    """A model of two inputs and one item, refused with ``refusal`` where one is set; it counts."""

    def __init__(self):
        self.calls = collections.Counter()
        self.inputs = {"user_id": [-1], "history": [-1, -1]}
        self.refusal = None

    def get_model_metadata(self, request, context):
        self.calls["GetModelMetadata"] += 1
        signatures = wire.SignatureDefMap()
        for name, sizes in self.inputs.items():
            info = signatures.signature_def["recommend"].inputs[name]
            info.dtype = 7
            for size in sizes:
                info.tensor_shape.dim.add(size=size)
        response = wire.GetModelMetadataResponse()
        response.metadata["signature_def"].value = signatures.SerializeToString()
        return response

    def predict(self, request, context):
        self.calls["Predict"] += 1
        self.request = request
        if self.refusal is not None:
            context.abort(self.refusal, "refused")
        if set(request.inputs) != set(self.inputs):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "other inputs")
        response = wire.PredictResponse()
        num_users = request.inputs["user_id"].tensor_shape.dim[0].size
        items = np.full((num_users, 1), b"x", dtype=object)
        tensors.fill_proto(response.outputs["item_ids"], items)
        tensors.fill_proto(response.outputs["scores"], np.ones((num_users, 1), np.float32))
        return response


def method(behaviour, request):
    return grpc.unary_unary_rpc_method_handler(
        behaviour,
        request_deserializer=request.FromString,
        response_serializer=lambda message: message.SerializeToString(),
    )


@pytest.fixture
def fake():
    """The server, and a client that has asked it once."""
    made = FakeServer()
    methods = {
        "Predict": method(made.predict, wire.PredictRequest),
        "GetModelMetadata": method(made.get_model_metadata, wire.GetModelMetadataRequest),
    }
    service = "tensorflow.serving.PredictionService"
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with RecommenderClient(f"127.0.0.1:{port}", max_retries=0) as client:
        assert client.recommend(["a"])[0].item_ids.tolist() == ["x"]
        made.calls.clear()
        yield made, client
    server.stop(None)


@pytest.mark.parametrize("code", ["RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "UNAVAILABLE"])
def test_a_server_that_is_too_busy_is_not_asked_for_its_signatures_as_well(fake, code):
    server, client = fake
    server.refusal = grpc.StatusCode[code]
    for _ in range(3):
        with pytest.raises(ServingError, match=code):
            client.recommend(["a"])
    assert server.calls == {"Predict": 3}


def test_another_version_s_inputs_are_asked_for_when_the_old_ones_are_refused(fake):
    server, client = fake
    server.inputs["city"] = [-1]
    assert client.recommend(["a"])[0].item_ids.tolist() == ["x"]
    assert server.calls == {"Predict": 2, "GetModelMetadata": 1}
    assert "city" in client.metadata()["recommend"].inputs
    assert client.recommend(["a"], context={"city": "Oslo"})[0].item_ids.tolist() == ["x"]
    assert server.calls == {"Predict": 3, "GetModelMetadata": 1}


def test_a_mistake_is_looked_up_once_and_the_signatures_stay(fake):
    server, client = fake
    with pytest.raises(ServingError, match="no input `citi`"):
        client.recommend(["a"], context={"citi": "Oslo"})
    assert server.calls == {"GetModelMetadata": 1}
    client.recommend(["a"])
    assert server.calls == {"Predict": 1, "GetModelMetadata": 1}


def test_another_thread_s_failure_between_two_lines_takes_no_signatures_away(fake):
    server, client = fake
    server.refusal = grpc.StatusCode.RESOURCE_EXHAUSTED

    def fail():
        with pytest.raises(ServingError, match="refused"):
            client.recommend(["a"])

    def fail_before_each_line(frame, event, _):
        if frame.f_code.co_name != "metadata":
            return None
        if event == "line":
            other_thread.submit(fail).result()
        return fail_before_each_line

    tracer = sys.gettrace()
    with concurrent.futures.ThreadPoolExecutor(1) as other_thread:
        sys.settrace(fail_before_each_line)
        try:
            found = client.metadata()
        finally:
            sys.settrace(tracer)
    assert server.calls["Predict"] >= 2
    assert list(found) == ["recommend"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("196",), "`user_ids` must be a list of ids, received '196'"),
        ((b"196",), "`user_ids` must be a list of ids, received b'196'"),
        (("",), "`user_ids` must be a list of ids, received ''"),
        ((["a", "b"], ["242", "302"]), r"`histories\[0\]` must be a list of ids, received '242'"),
        ((["a", "b"], [["242"], b"302"]), r"`histories\[1\]` must be .* received b'302'"),
        ((["a", "b"], "xy"), "`histories` must be a list of ids for each user, received 'xy'"),
    ],
)
def test_one_string_is_no_list_of_ids(fake, arguments, text):
    server, client = fake
    with pytest.raises(ServingError, match=text) as error:
        client.recommend(*arguments)
    assert error.value.code == "INVALID_ARGUMENT"
    assert not server.calls


def test_lists_of_mixed_lengths_are_filled_up(fake):
    server, client = fake
    server.inputs["tags"] = [-1, -1]
    context = {"tags": [["new"], [], ("paying", "talks")]}
    as_objects = np.empty(3, object)
    as_objects[:] = context["tags"]
    for tags in (context["tags"], as_objects):
        client.recommend(np.array(["a", "b", "c"]), [["x", "y"], ["z"], []], {"tags": tags})
        sent = tensors.to_array(server.request.inputs["tags"])
        assert sent.tolist() == [[b"new", b""], [b"", b""], [b"paying", b"talks"]]
    assert client.recommend(np.array([])) == []


@pytest.mark.parametrize(
    ("dtype", "rows", "table"),
    [
        ("float", [[4.5], [3.0, 2.0]], [[4.5, np.nan], [3.0, 2.0]]),
        ("int64", [[7, 8], [9]], [[7, 8], [9, -1]]),
        ("string", [[], []], [[""], [""]]),
        ("bool", [np.array([True, True]), [True]], [[True, True], [True, False]]),
    ],
)
def test_what_lists_are_filled_up_with_says_missing(dtype, rows, table):
    found = column("x", rows, TensorSpec(dtype, (-1, -1)), 2)
    np.testing.assert_array_equal(found, np.array(table, found.dtype))


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([["late"], [1, 2]], r"input `x` wants a list of int64 a user, got \[\['late'\]"),
        ([[1], 2], "input `x` wants a list of int64 a user, got"),
        ([[1], "23"], r"`x\[1\]` must be a list of values, received '23'"),
        ([[1], [2], [3]], "input `x` has 3 values for 2 users; give one a user"),
    ],
)
def test_lists_that_do_not_fit_are_refused(rows, text):
    with pytest.raises(ServingError, match=text):
        column("x", rows, TensorSpec("int64", (-1, -1)), 2)


def test_lists_of_a_fixed_length_are_not_filled_up():
    with pytest.raises(ServingError, match="input `x` wants float"):
        column("x", [[1.0], [1.0, 2.0]], TensorSpec("float", (-1, 2)), 2)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["history", "history_actions", "tags"], "history"),
        (["actions", "history"], "history"),  # Of a sequential recommender.
        (["met_kinds", "met"], "met"),
        (["tags"], "tags"),
    ],
)
def test_history_is_found_beside_what_is_told_of_its_events(names, found):
    specs = {name: TensorSpec("string", (-1, -1)) for name in names}
    specs |= {"history_times": TensorSpec("int64", (-1, -1)), "user": TensorSpec("string", (-1,))}
    assert find_history_input(specs, None) == found


@pytest.mark.parametrize("names", [["tags", "genres"], ["my_history", "history"], []])
def test_history_that_cannot_be_told_is_to_be_named(names):
    specs = {name: TensorSpec("string", (-1, -1)) for name in names}
    with pytest.raises(ServingError, match="cannot tell which input takes the history"):
        find_history_input(specs, None)
    assert find_history_input(specs, "tags") == "tags"
