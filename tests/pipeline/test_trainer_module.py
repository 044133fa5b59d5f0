"""What the Trainer reads of a run, and what stops it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft

from pipeline import trainer_module
from pipeline.trainer_module import run_fn
from pipeline.training_rows import SkewError, checked_preprocessor, fitted_state
from recsys_tf.config import ExportConfig, RetrievalConfig
from recsys_tf.features import Preprocessor, transform_catalogue
from recsys_tf.features.tf_example import parse_raw, read_examples

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]


@pytest.mark.parametrize("field", ["calibration", "goal"])
def test_what_is_fitted_without_validation_rows_stops_before_training(first_run, field):
    export = first_run.config.export.to_dict()
    others = {"calibration": {}, "goal": None}
    config = first_run.config.to_dict()
    config["export"] = {**export, **others, field: export[field]}
    custom = {
        "config": config,
        "schema": first_run.data.schema.to_dict(),
        "has_validation": False,
    }
    with pytest.raises(ValueError, match=f"`export.{field}` needs validation rows"):
        run_fn(SimpleNamespace(custom_config=custom))


def test_transform_learns_what_fit_state_learns_and_gives_the_same_bits(first_run):
    data = first_run.data
    folder = next(iter((first_run.root / "artifacts" / "Transform" / "transform_graph").iterdir()))
    transform = tft.TFTransformOutput(str(folder))
    train = next((first_run.root / "data").glob("*")) / "train"
    serialized = next(iter(read_examples(train).batch(5000)))
    transformed = transform.transform_raw_features(
        tf.io.parse_example(serialized, transform.raw_feature_spec())
    )
    learned = fitted_state(transform, transformed, data.schema, data.state)
    assert learned.vocabularies == data.state.vocabularies
    assert {"occupation", "tags", "user_id", "item_id"} <= set(learned.vocabularies)
    assert learned.wordpieces == data.state.wordpieces
    assert learned.boundaries == data.state.boundaries
    assert list(learned.boundaries) == ["age", "price"]
    for name, moments in data.state.moments.items():
        np.testing.assert_allclose(learned.moments[name], moments, rtol=1e-6)

    served = Preprocessor(data.schema, learned)(parse_raw(serialized, data.schema))
    told = {"history_rating", "history_times", "history_surfaces"}
    assert {"tags", "poster", "title", "history", *told} <= set(served)
    for name, values in served.items():
        assert values.numpy().tobytes() == transformed[name].numpy().tobytes(), name


def test_a_served_preprocessing_that_differs_stops_the_training(first_run):
    data = first_run.data
    folder = next(iter((first_run.root / "artifacts" / "Transform" / "transform_graph").iterdir()))
    genres = data.schema.feature("genres").model_copy(update={"max_values": 1})
    features = [genres if each.name == "genres" else each for each in data.schema.features]
    other = data.schema.model_copy(update={"features": tuple(features)})
    test = next((first_run.root / "data").glob("*")) / "test"
    with pytest.raises(SkewError, match="served preprocessing differ in genres;"):
        checked_preprocessor(tft.TFTransformOutput(str(folder)), other, data.state, test)


def test_a_loss_over_the_catalogue_reads_the_written_items(first_run, tmp_path, monkeypatch):
    class Built(Exception):
        """Stands for the training, which is not what is looked at."""

    def stop(model, *_, **__):
        raise Built(model)

    monkeypatch.setattr(trainer_module, "fit", stop)
    data, root = first_run.data, first_run.root
    changes = {"retrieval": RetrievalConfig(loss="gbce"), "export": ExportConfig()}
    changes["training"] = first_run.config.training.model_copy(update={"self_checks": False})
    config = first_run.config.model_copy(update=changes)
    written = next((root / "data").glob("*"))
    custom = {
        "config": config.to_dict(),
        "schema": data.schema.to_dict(),
        "data": str(written),
        "has_validation": False,
        "checkpoints": str(tmp_path),
    }
    transformed = next((root / "artifacts" / "Transform" / "transform_graph").iterdir())
    arguments = {"transform_output": str(transformed), "train_files": [f"{written}/train/*.gz"]}
    with pytest.raises(Built) as built:
        run_fn(SimpleNamespace(custom_config=custom, **arguments))
    expected = transform_catalogue(data.catalogue, data.preprocessor, data.schema)
    items = expected["item_id"]
    columns = built.value.args[0].catalogue.columns
    assert {"genres", "poster", "price", "title"} <= set(columns)
    for name, column in columns.items():
        np.testing.assert_array_equal(
            column.numpy()[items[items >= 2]], expected[name][items >= 2], err_msg=name
        )
