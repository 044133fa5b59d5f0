"""What every test needs before TensorFlow is first imported."""

import dataclasses
import importlib.util
import os
import random
from pathlib import Path

import numpy as np
import pytest

# tensorflow-recommenders refuses to load unless `tf.keras` is Keras 2.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# Read before any test changes the environment.
REAL_FOLDER = Path(
    os.environ.get("RECSYS_DATA_DIR") or Path(__file__).parents[2] / "shared" / "data"
)

# The modelling part is tested without TFX too; then the adapters to it are not there.
if importlib.util.find_spec("tfx") is None:
    collect_ignore_glob = ["pipeline", "pipeline/*"]  # With its conftest.py.


def pytest_itemcollected(item):
    # One worker makes what many tests look at (`--dist loadgroup`). Later, when all items are
    # collected, xdist has read the groups already.
    names = set(item.fixturenames)
    if {"trained", "small_data"} <= names:
        item.add_marker(pytest.mark.xdist_group("trained"))
    elif {"trained", "trained_ranker"} & names:
        item.add_marker(pytest.mark.xdist_group(f"trained, {item.path.parent.name}"))
    elif "first_run" in names:
        item.add_marker(pytest.mark.xdist_group("first_run"))


# Folders of slow tests by the length of their longest piece; the others come after them.
LONGEST = ("pipeline", "notebooks", "docs")


def pytest_collection_modifyitems(items):
    # What takes seconds first. Of the slow ones, the longest piece first, so that no worker is
    # left alone with it.
    def place(item):
        folder = item.path.parent.name
        is_slow = item.get_closest_marker("slow") is not None
        return is_slow, LONGEST.index(folder) if folder in LONGEST else len(LONGEST)

    items.sort(key=place)


@pytest.hookimpl(tryfirst=True)  # Before the fixtures, which run graphs as well.
def pytest_runtest_setup(item):
    """Draws the same weights in every run, and runs the graphs of quick tests as they were traced.

    TensorFlow rewrites a graph before its first run, to make many runs faster; a test has few. The
    slow tests run graphs as users do.
    """
    import tensorflow as tf

    # Keras takes the seeds of its initialisers from here. Its own `set_random_seed` would have
    # TensorFlow forget the graphs that it has prepared. A number that tests take themselves would
    # give their layers the weights of a fixture's.
    random.seed(item.name)
    is_plain = item.get_closest_marker("slow") is None
    if tf.config.optimizer.get_experimental_options()["disable_meta_optimizer"] != is_plain:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": is_plain})


@pytest.fixture(scope="session")
def load_reference():
    """Returns a function: name -> the module of plain twins below tests/reference.

    By path: other packages install a top-level `tests` that `import tests` would find.
    """

    def load(name):
        path = Path(__file__).parent / "reference" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(f"reference_{name}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def real_folder():
    """Returns a function: name -> the folder of a real data set; tests skip where it is absent."""

    def of(dataset):
        folder = REAL_FOLDER / dataset
        if not folder.is_dir():
            pytest.skip(f"the real {dataset} is not in {REAL_FOLDER} (set RECSYS_DATA_DIR)")
        return folder

    return of


@pytest.fixture
def rng():
    """A NumPy generator; Keras's own is seeded too."""
    import keras
    import numpy as np

    keras.utils.set_random_seed(7)
    return np.random.default_rng(7)


@pytest.fixture(scope="session")
def small_data():
    """Generated data of a few thousand rows, prepared for a small model; a split by time."""
    from recsys_tf import ModelConfig, RunConfig, TextConfig, TrainingConfig
    from recsys_tf.config import DataConfig
    from recsys_tf.datasets import load_dataset
    from recsys_tf.preparation import prepare

    text = TextConfig(
        vocabulary_size=300, num_layers=1, num_heads=2, hidden_dim=16, intermediate_dim=16
    )
    config = RunConfig(
        data=DataConfig(dataset="synthetic"),
        model=ModelConfig(
            embedding_dim=16,
            output_dim=16,
            tower_dims=(16,),
            trunk_dims=(),
            num_experts=2,
            expert_dim=16,
            head_dims=(),
            text=text,
        ),
        training=TrainingConfig(batch_size=256, epochs=2, learning_rate=5e-3),
    )
    data = load_dataset("synthetic", num_users=150, num_items=60, num_events=3000)
    return prepare(config, data)


@pytest.fixture(scope="session")
def rare_items_data(small_data):
    """The same without texts, where items of fewer than 30 rows are unknown; and these rows."""
    schema = small_data.schema
    features = tuple(
        each.model_copy(update={"min_count": 30}) if each.name == schema.item_id else each
        for each in schema.features
        if each.kind != "text"
    )
    tasks = tuple(each for each in schema.tasks if each.name != "genres_from_text")
    schema = schema.model_copy(update={"features": features, "tasks": tasks})
    data = dataclasses.replace(small_data, schema=schema)
    ids = data.train_examples.columns[schema.item_id].astype(str)
    _, rows = np.unique(ids, return_counts=True)
    assert (rows < 30).sum() > 1
    return data, rows[rows < 30]


@pytest.fixture(scope="session")
def trained(small_data):
    """A small model, trained for two epochs, and its history."""
    from recsys_tf.training import build_recommender, fit

    model = build_recommender(small_data)
    history = fit(
        model,
        small_data.dataset("train"),
        small_data.dataset("validation"),
        small_data.config.training,
        verbose=0,
    )
    return model, history.history


@pytest.fixture
def add_to_item_biases(trained):
    """Returns a function that sets the trained model's item biases off by a number, for a test."""
    import numpy as np

    bias = trained[0].candidate_tower.get_layer("item_bias").bias.embeddings
    before = np.array(bias)
    yield lambda number: bias.assign(before + number)
    bias.assign(before)
