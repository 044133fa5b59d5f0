"""Which of its two ways a runner takes, what it keeps for them, and what both refuse."""

import itertools
import time

import numpy as np
import pytest

from serving.server import runner as runner_module
from serving.server.errors import RequestError
from serving.server.runner import ModelRunner

ONE = {"x": np.array([1.0], np.float32)}
THREE = {
    "a": np.array([1.5], np.float32),
    "b": np.array([2], np.int64),
    "s": np.array([b"t"], object),
}


@pytest.fixture
def runner(saved_model):
    made = ModelRunner(str(saved_model))
    yield made
    made.close()


@pytest.fixture
def ways(monkeypatch):
    """The ways that calls took, in order: `prepared` once where a call is made, then `slow`."""
    taken = []
    for name, word in (("_make_callable", "prepared"), ("_run_slow", "slow")):
        method = getattr(ModelRunner, name)

        def noted(self, *arguments, method=method, word=word):
            taken.append(word)
            return method(self, *arguments)

        monkeypatch.setattr(ModelRunner, name, noted)
    return taken


def test_what_preparing_takes_does_not_make_a_signature_slow(runner, ways, monkeypatch):
    make = ModelRunner._make_callable

    def make_slowly(self, *arguments):
        time.sleep(0.2)
        return make(self, *arguments)

    monkeypatch.setattr(ModelRunner, "_make_callable", make_slowly)
    runner.run("serving_default", ONE, ("y",))
    runner.run("serving_default", ONE, ("y",))
    runner.run("serving_default", ONE, ("y",), time.monotonic() + 60)
    assert ways == ["prepared"]


def test_a_first_call_with_a_deadline_can_be_interrupted(runner, ways):
    for _ in range(2):
        runner.run("serving_default", ONE, ("y",), time.monotonic() + 60)
    assert ways == ["slow", "slow"]


def test_outputs_come_in_the_order_asked_and_an_order_prepares_nothing(runner, ways):
    expected = {"sum": [3.5], "raw_bytes": [b"t"], "text": [b"t"], "int": [2]}
    for order in itertools.permutations(expected):
        values = runner.run("three", THREE, order)
        assert [value.tolist() for value in values] == [expected[alias] for alias in order]
    assert ways == ["prepared"]


def test_sets_of_outputs_are_kept_up_to_a_number(runner, ways, monkeypatch):
    monkeypatch.setattr(runner_module, "_MAX_OUTPUT_SETS", 3)
    for alias in ("sum", "raw_bytes", "text", "int"):
        for other in ("sum", "text"):
            outputs = tuple(dict.fromkeys((alias, other)))
            assert len(runner.run("three", THREE, outputs)) == len(outputs)
    assert runner.run("three", THREE, ("int",))[0].tolist() == [2]
    assert ways == ["prepared"] * 4  # three sets, and all outputs for the others


@pytest.mark.parametrize("num_before", [0, 3])
@pytest.mark.parametrize("seconds", [None, 60])
def test_a_wrong_shape_is_refused_however_fast_the_calls_before_were(runner, num_before, seconds):
    for _ in range(num_before):
        runner.run("serving_default", ONE, ("y",))
    deadline = seconds and time.monotonic() + seconds
    for shape in ((1, 2), ()):
        with pytest.raises(
            RequestError, match=r"Cannot feed value of shape \(.*\(None,\)"
        ) as error:
            runner.run("serving_default", {"x": np.zeros(shape, np.float32)}, ("y",), deadline)
        assert error.value.code == "INVALID_ARGUMENT"


def test_warm_up_takes_both_ways(saved_model, tmp_path, ways):
    import shutil

    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    from serving.server.config import ModelConfig, ServerConfig
    from serving.server.inference import Inference

    shutil.copytree(saved_model, tmp_path / "1")
    (tmp_path / "1" / "assets.extra").mkdir()
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.inputs["x"].CopyFrom(tf.make_tensor_proto([1.0]))
    file = tmp_path / "1" / "assets.extra" / "tf_serving_warmup_requests"
    with tf.io.TFRecordWriter(str(file)) as writer:
        writer.write(log.SerializeToString())
    inference = Inference(ServerConfig((ModelConfig("tiny", str(tmp_path)),)))
    inference.models["tiny"].poll()
    assert inference.is_ready()
    assert ways == ["prepared", "slow"]
    inference.models["tiny"].close()
