"""XLA compiles a model's steps where it is asked to, and nowhere else."""

import keras
import pytest
import tensorflow as tf

from recsys_tf import (
    CategoricalFeature,
    IdFeature,
    ModelConfig,
    Schema,
    SequenceConfig,
    TableSchema,
    TaskSpec,
)
from recsys_tf.models import Ranker, Recommender, SequenceRecommender

CITY = CategoricalFeature(name="city", side="user")
IDS = IdFeature(name="user_id", side="user"), IdFeature(name="item_id", side="item")
WATCH = TaskSpec(name="watch", kind="retrieval")
CLICK, LIKE = (TaskSpec(name=each, kind="binary", label=each) for each in ("click", "like"))
SMALL = ModelConfig(embedding_dim=4, trunk_dims=(), head_dims=(), multitask="shared_bottom")
MODELS = {
    "ranker": lambda: Ranker(
        TableSchema(features=(CITY,), tasks=(CLICK, LIKE)), {"city": 5}, SMALL
    ),
    "recommender": lambda: Recommender(
        Schema(features=IDS, tasks=(WATCH,)), {"user_id": 5, "item_id": 6}, SMALL
    ),
    "sequence_recommender": lambda: SequenceRecommender(6, SequenceConfig(embedding_dim=4)),
}


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]()


@pytest.fixture
def gpu(monkeypatch):
    """A machine with a GPU, as far as Keras asks for one."""
    devices = [*tf.config.list_physical_devices(), tf.config.PhysicalDevice("GPU:0", "GPU")]
    monkeypatch.setattr(
        tf.config,
        "list_physical_devices",
        lambda kind=None: [each for each in devices if kind in (None, each.device_type)],
    )


def test_keras_chooses_xla_for_another_model_on_a_gpu(gpu):
    other = keras.Sequential([keras.Input([1]), keras.layers.Dense(1)])
    other.compile("adam", "mse")
    assert other.jit_compile


def test_no_xla_on_a_gpu_unless_asked_for(model, gpu):
    assert not model.jit_compile
    model.compile("adam")
    assert not model.jit_compile


def test_xla_where_it_is_asked_for(model):
    model.compile("adam", jit_compile=True)
    assert model.jit_compile is True


def test_no_xla_where_gradients_are_weighted():
    model = MODELS["ranker"]()
    model.compile("adam", "mgda", jit_compile=True)
    assert not model.jit_compile


def test_loaded_model_is_compiled_as_the_saved_one_was(model, tmp_path):
    model.compile(keras.optimizers.Adagrad(0.3), jit_compile=True, steps_per_execution=2)
    model.optimizer.build(model.trainable_variables)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert type(again.optimizer) is keras.optimizers.Adagrad
    assert float(again.optimizer.learning_rate) == pytest.approx(0.3)
    assert len(again.optimizer.variables) == len(again.trainable_variables) + 2
    assert (again.jit_compile, again.steps_per_execution) == (True, 2)
