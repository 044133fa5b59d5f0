"""Exports bring a request along by which a server warms up, in TensorFlow Serving's own format."""

import numpy as np
import pytest
import tensorflow as tf

from recsys_tf.config import SequenceConfig
from recsys_tf.export import ServedSequences, export_sequence_model
from recsys_tf.export.warm_up import WARM_UP_FILE, write_warm_up
from recsys_tf.models import SequenceRecommender
from recsys_tf.preparation import SequenceData

prediction_log_pb2 = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")


@pytest.fixture(scope="module")
def sequences(small_data, tmp_path_factory):
    """A SavedModel of a sequential recommender with all inputs that there are."""
    config = SequenceConfig(
        embedding_dim=8,
        max_length=4,
        encoder="hstu",
        encoder_options={"num_layers": 1},
        has_times=True,
        has_request_times=True,
        action_column="surface",
        actions=("search", "mail"),
    )
    data = SequenceData(small_data, config)
    model = SequenceRecommender(data.num_indices, config, data.content)
    folder = tmp_path_factory.mktemp("sequences") / "1"
    return export_sequence_model(ServedSequences(model, data), folder)


@pytest.fixture(params=["recommender", "sequences"])
def exported(request):
    return request.getfixturevalue({"recommender": "folder"}.get(request.param, request.param))


def read(folder):
    (record,) = tf.data.TFRecordDataset(str(folder / WARM_UP_FILE)).as_numpy_iterator()
    log = prediction_log_pb2.PredictionLog.FromString(record)
    return log.predict_log.request


def test_the_request_gives_every_input_of_the_signature_its_type_and_rank(exported):
    request = read(exported / "assets.extra")
    assert request.model_spec.signature_name == "recommend"
    (_, specs) = (
        tf.saved_model.load(str(exported)).signatures["recommend"].structured_input_signature
    )
    assert set(request.inputs) == set(specs)
    for name, spec in specs.items():
        value = tf.make_ndarray(request.inputs[name])
        assert tf.as_dtype(request.inputs[name].dtype) == spec.dtype
        assert spec.shape.is_compatible_with(value.shape)
        assert len(value) == 1
    assert tf.make_ndarray(request.inputs["k"]).tolist() == [10]


def test_a_server_prepares_recommend_before_the_version_is_served(exported, monkeypatch):
    pytest.importorskip("grpc")
    from serving.server.config import ModelConfig, ServerConfig
    from serving.server.inference import Inference
    from serving.server.runner import ModelRunner

    run, ran = ModelRunner.run, []

    def noted(self, signature_name, *arguments):
        ran.append(signature_name)
        return run(self, signature_name, *arguments)

    monkeypatch.setattr(ModelRunner, "run", noted)
    inference = Inference(ServerConfig((ModelConfig("m", str(exported.parent)),)))
    manager = inference.models["m"]
    manager.poll()
    assert manager.is_ready(), manager.snapshot()
    assert ran == ["recommend", "recommend"]
    manager.close()


def test_values_that_are_missing_and_values_by_default(tmp_path):
    specs = {
        "text": tf.TensorSpec([None], tf.string, name="text"),
        "vector": tf.TensorSpec([None, 300], tf.float32, name="vector"),
        "wish": tf.TensorSpec([None], tf.float32, name="wish"),
        "k": tf.TensorSpec([None], tf.int64, name="k"),
    }
    write_warm_up(tmp_path, specs, {"wish": tf.zeros([1])})
    inputs = {name: tf.make_ndarray(value) for name, value in read(tmp_path).inputs.items()}
    assert inputs["text"].tolist() == [b""]
    assert inputs["vector"].shape == (1, 300)
    assert np.isnan(inputs["vector"]).all()
    assert inputs["wish"].tolist() == [0.0]
    assert (inputs["k"].tolist(), inputs["k"].dtype) == ([10], np.int64)
