"""The command line called in this process, and a generated data set small enough to train on."""

from __future__ import annotations

import functools

import pytest
from typer.testing import CliRunner

from recsys_tf.cli import app
from recsys_tf.cli.failures import set_debug
from recsys_tf.config import RunConfig

SMALL = {"num_users": 60, "num_items": 40, "num_events": 1000, "num_days": 30}
# Ids, a history, three tasks: a graph that is built in seconds.
SMALL_RUN = {
    "data": {"dataset": "synthetic"},
    "features_and_tasks": {
        "features": [
            {"kind": "id", "name": "user_id", "side": "user"},
            {"kind": "history", "name": "history", "side": "user", "of": "item_id"},
            {"kind": "id", "name": "item_id", "side": "item"},
        ],
        "tasks": [
            {"kind": "retrieval", "name": "watch"},
            {"kind": "binary", "name": "click", "label": "click"},
            {"kind": "regression", "name": "rating", "label": "rating"},
        ],
    },
    "model": {"embedding_dim": 8, "output_dim": 8, "trunk_dims": [8], "expert_dim": 8},
    "training": {"batch_size": 64, "epochs": 2, "steps_per_execution": 1},
    "pipeline": {"name": "small"},
}


@pytest.fixture
def call():
    """Runs `recsys-tf` with these arguments."""

    def invoke(*args: object, **kwargs: object):
        set_debug(False)
        return CliRunner().invoke(app, [str(each) for each in args], **kwargs)

    return invoke


@pytest.fixture
def small_synthetic(monkeypatch):
    """Makes `--dataset synthetic` small."""
    from recsys_tf.datasets import DATASETS, load_synthetic

    monkeypatch.setitem(DATASETS, "synthetic", functools.partial(load_synthetic, **SMALL))


@pytest.fixture
def small_sections():
    """The sections of a run of two epochs of a small model, but for its data."""
    return {name: values for name, values in SMALL_RUN.items() if name != "data"}


@pytest.fixture
def small_run(tmp_path):
    """A file that describes a run of two epochs of a small model."""
    path = tmp_path / "small.yaml"
    RunConfig.from_dict(SMALL_RUN).to_yaml(path)
    return path


@pytest.fixture
def ml_100k(tmp_path):
    """Writes MovieLens 100K's own three files with these lines of `u.data`."""

    def write(*ratings: str):
        folder = tmp_path / "ml-100k"
        folder.mkdir(exist_ok=True)
        (folder / "u.data").write_text("".join(f"{line}\n" for line in ratings))
        users = [f"{user}|{20 + user}|M|writer|9000{user}\n" for user in range(1, 4)]
        (folder / "u.user").write_text("".join(users))
        genres = "|".join(["0"] * 18 + ["1"])
        items = [f"{i}|Film {i} (1990)|01-Jan-1990||http://x|{genres}\n" for i in range(1, 6)]
        (folder / "u.item").write_text("".join(items))
        return folder

    return write


@pytest.fixture
def save_run(small_synthetic, tmp_path):
    """Writes the folder of a finished run whose model is as it was made: untrained.

    By section the fields that are other than those of the small run; None leaves all of it out.
    """

    def made(name: str, **sections):
        from recsys_tf.cli.kinds import load_run
        from recsys_tf.cli.run_folder import RunFolder

        values = {**SMALL_RUN}
        for section, fields in sections.items():
            values[section] = {} if fields is None else {**values.get(section, {}), **fields}
        run = RunConfig.from_dict(values)
        folder, kind = RunFolder(tmp_path / name), load_run(run)
        folder.claim(run, is_overwriting=False)
        folder.claim_data(kind.source)
        folder.save(run, kind.build(), kind.data.state, {})
        return folder.path

    return made


@pytest.fixture
def interrupted_once(monkeypatch):
    """Makes Ctrl-C arrive when the second epoch begins, once."""
    from recsys_tf.cli.training_watch import TrainingWatch

    begin, epochs = TrainingWatch.on_epoch_begin, []

    def on_epoch_begin(self, epoch, logs=None):
        epochs.append(epoch)
        if epochs == [0, 1]:
            raise KeyboardInterrupt
        begin(self, epoch, logs)

    monkeypatch.setattr(TrainingWatch, "on_epoch_begin", on_epoch_begin)
    return epochs


@pytest.fixture
def weights():
    """Reads the trained numbers of a finished run's model."""

    def read(folder):
        from recsys_tf.cli.run_folder import RunFolder

        model = RunFolder(folder).load_model()
        return [each.numpy() for each in model.trainable_variables]

    return read
