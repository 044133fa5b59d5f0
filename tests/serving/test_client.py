"""The client: what it sends for what it is given, and errors a person can read."""

import subprocess
import sys
import time

import numpy as np
import pytest

from serving import RecommenderClient, ServingError, tensors, wire


@pytest.fixture(scope="module")
def client(served):
    with RecommenderClient(served[0], "tiny") as client:
        yield client


def test_users_get_their_items_best_first_without_those_of_their_history(client):
    offers = client.recommend(["anna", "zoe"], [["item-0", "item-2"], []], k=2)
    assert [offer.user_id for offer in offers] == ["anna", "zoe"]
    assert offers[0].item_ids.tolist() == ["item-1", "item-3"]
    assert offers[0].scores.tolist() == [105.0, 103.0]
    assert offers[1].item_ids.tolist() == ["item-0", "item-1"]
    assert offers[1].scores.tolist() == [6.0, 5.0]
    assert offers[0].model_version == 1
    assert set(offers[0].task_scores) == {"score_age", "score_hour", "score_device"}


def test_what_is_left_out_is_sent_as_missing_and_what_is_given_arrives(client):
    offer = client.recommend(["zoe"], k=1)[0]
    assert np.isnan(offer.task_scores["score_age"][0])
    assert offer.task_scores["score_hour"].tolist() == [-1.0]
    assert offer.task_scores["score_device"].tolist() == [0.0]
    context = {"age": [7.5, 8], "hour": 9, "device": "phone"}
    offers = client.recommend(["zoe", "bert"], context=context, k=1)
    assert [offer.task_scores["score_age"][0] for offer in offers] == [7.5, 8.0]
    assert [offer.task_scores["score_hour"][0] for offer in offers] == [9.0, 9.0]
    assert offers[1].task_scores["score_device"].tolist() == [5.0]


def test_each_user_has_a_k_and_fill_up_items_are_cut_off(client):
    history = [f"item-{n}" for n in range(5)]
    offers = client.recommend(["zoe", "bert"], [history, []], k=[3, 2])
    assert offers[0].item_ids.tolist() == ["item-5"]
    assert len(offers[0].scores) == len(offers[0].task_scores["score_hour"]) == 1
    assert offers[1].item_ids.tolist() == ["item-0", "item-1"]


def test_no_users_and_no_items_are_fine(client):
    assert client.recommend([]) == []
    assert client.recommend(["zoe"], k=0)[0].item_ids.tolist() == []


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"context": {"devise": "phone"}}, "no input `devise`; the nearest it has: device"),
        ({"context": {"hour": [1, 2]}}, "`hour` has 2 values for 1 users; give one a user"),
        ({"context": {"hour": "late"}}, "input `hour` wants int64, got 'late'"),
        ({"histories": [[], []]}, "`histories` has 2 entries for 1 users; give one a user"),
    ],
)
def test_a_mistake_is_told_with_the_way_out(client, arguments, text):
    with pytest.raises(ServingError, match=text) as error:
        client.recommend(["zoe"], **arguments)
    assert error.value.code == "INVALID_ARGUMENT"


def test_predict_runs_any_signature_and_passes_the_servers_refusal_on(client):
    outputs = client.predict("", {"x": np.array([1, 2], np.float32)})
    assert outputs["y"].tolist() == [2.0, 4.0]
    text = '^FAILED_PRECONDITION: Serving signature key "nothing" not found.$'
    with pytest.raises(ServingError, match=text):
        client.predict("nothing", {})
    with pytest.raises(ServingError, match="input `x`: `array` has dtype complex128"):
        client.predict("", {"x": np.array([1j])})


def test_status_and_metadata_are_typed(client):
    assert client.status() == [(1, "AVAILABLE", "")]
    recommend = client.metadata()["recommend"]
    assert recommend.inputs["history"] == ("string", (-1, -1))
    assert recommend.inputs["k"] == ("int32", (-1,))
    assert recommend.outputs["item_ids"].dtype == "string"


def test_a_server_that_is_not_there_is_one_sentence_within_the_time():
    with RecommenderClient("127.0.0.1:1", timeout_s=1.0) as client:
        start = time.monotonic()
        with pytest.raises(ServingError, match="no model server answers at") as error:
            client.status()
    assert error.value.code == "UNAVAILABLE"
    assert "\n" not in str(error.value)
    assert time.monotonic() - start < 3.0


def test_the_client_imports_no_tensorflow():
    code = (
        "import serving, sys; print([m for m in sys.modules if m.startswith(('tensorflow', "
        "'recsys_tf', 'pipeline', 'keras'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_messages_equal_tensorflow_servings_own():
    from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2
    from tensorflow.core.protobuf import meta_graph_pb2
    from tensorflow_serving.apis import (
        get_model_metadata_pb2,
        get_model_status_pb2,
        model_pb2,
        predict_pb2,
        status_pb2,
    )

    sources = (tensor_pb2, tensor_shape_pb2, meta_graph_pb2, get_model_metadata_pb2)
    sources += (get_model_status_pb2, model_pb2, predict_pb2, status_pb2)
    compared = 0
    for package in ("tensorflow", "tensorflow.serving"):
        for name, lines in wire.MESSAGES[package].items():
            if name == "TensorDim":
                real = tensor_shape_pb2.TensorShapeProto.Dim
            else:
                real = next(getattr(module, name) for module in sources if hasattr(module, name))
            for line in lines:
                number, field_name, *_, type_name = line.split()
                field = real.DESCRIPTOR.fields_by_name[field_name]
                assert field.number == int(number), (name, line)
                if not type_name.startswith("."):
                    real_type = "TYPE_ENUM" if field.enum_type else f"TYPE_{type_name.upper()}"
                    assert field.type == getattr(field, real_type), (name, line)
                compared += 1
    assert compared > 40


@pytest.mark.parametrize("as_content", [False, True])
@pytest.mark.parametrize(
    "array",
    [
        np.array([[1.5, -np.inf], [np.nan, 0]], np.float32),
        np.array([1e300], np.float64),
        np.array([-(1 << 63), (1 << 63) - 1]),
        np.array([0, (1 << 64) - 1], np.uint64),
        np.array([-128, 127], np.int8),
        np.array([0, 255], np.uint8),
        np.array([0, 65535], np.uint16),
        np.array([0.1, -65504], np.float16),
        np.array([[True], [False]]),
        np.array([b"", b"\xff\x00", "ü".encode()], object),
        np.zeros([0, 3], np.int32),
        np.array(7, np.int32),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_tensors_travel_unchanged_and_as_tensorflow_reads_them(array, as_content):
    import tensorflow as tf
    from tensorflow.core.framework import tensor_pb2

    proto = wire.TensorProto()
    tensors.fill_proto(proto, array, as_content=as_content)
    back = tensors.to_array(wire.TensorProto.FromString(proto.SerializeToString()))
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)
    real = tf.make_ndarray(tensor_pb2.TensorProto.FromString(proto.SerializeToString()))
    np.testing.assert_array_equal(real, array)
