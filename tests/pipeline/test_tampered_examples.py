"""Examples that somebody has changed stop a run before it trains."""

from __future__ import annotations

import re

import pytest
import tensorflow as tf

from pipeline.root_lock import PipelineError
from pipeline.runner import run_pipeline

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]


def rewrite(root, changes):
    """Rewrites the first examples of the training split that lies in `root`, one a change."""
    (path,) = (next((root / "data").glob("*")) / "train").glob("*.gz")
    records = list(tf.data.TFRecordDataset(str(path), "GZIP").as_numpy_iterator())
    for row, change in enumerate(changes):
        example = tf.train.Example.FromString(records[row])
        change(example.features.feature)
        records[row] = example.SerializeToString()
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for record in records:
            writer.write(record)


def with_nan(features):
    features["rating"].float_list.value[:] = [float("nan")]


def with_infinite_label(features):
    features["like"].float_list.value[:] = [float("inf")]


def with_new_column(features):
    features["mood"].bytes_list.value[:] = [b"sunny"]


def without_user(features):
    del features["user_id"]


def test_tampered_examples_stop_before_training_with_every_fault(first_run, tmp_path, monkeypatch):
    from pipeline import runner

    written = runner.write_data(first_run.data, tmp_path / "data")
    monkeypatch.setattr(runner, "write_data", lambda *_: written)
    rewrite(tmp_path, [with_nan, with_infinite_label, with_new_column, without_user])
    with pytest.raises(PipelineError, match="ValidationGate failed: ") as error:
        run_pipeline(first_run.config, tmp_path, first_run.data, progress=None)
    for anomaly in (
        r"train: column `rating`: .*NaN",
        r"train: column `like`: .*[Ii]nf",
        r"train: column `mood`: New column",
        r"train: column `user_id`: .*dropped|`user_id`.*missing",
    ):
        assert re.search(anomaly, str(error.value)), anomaly
    for component in ("Transform", "Trainer"):
        assert not (tmp_path / "artifacts" / component).exists()


def test_a_shard_that_was_cut_short_stops_at_the_door(first_run, tmp_path, monkeypatch):
    from pipeline import runner

    written = runner.write_data(first_run.data, tmp_path / "data")
    monkeypatch.setattr(runner, "write_data", lambda *_: written)
    (path,) = (written.folder / "train").glob("*.gz")
    records = list(tf.data.TFRecordDataset(str(path), "GZIP").as_numpy_iterator())
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for record in records[:-1]:
            writer.write(record)
    with pytest.raises(PipelineError, match=r"ExampleGen failed: .*manifest"):
        run_pipeline(first_run.config, tmp_path, first_run.data, progress=None)
