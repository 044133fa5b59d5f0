"""The command line called in this process, and a generated data set small enough to train on."""

from __future__ import annotations

import functools

import pytest
from typer.testing import CliRunner

from recsys_tf.cli import app
from recsys_tf.cli.failures import set_debug

SMALL = {"num_users": 60, "num_items": 40, "num_events": 1000, "num_days": 30}
SMALL_MODEL = [
    *("--set", "model.embedding_dim=8", "--set", "model.output_dim=8"),
    *("--set", "model.tower_dims=[8]", "--set", "model.expert_dim=8"),
    *("--set", "model.text.vocabulary_size=100", "--set", "model.text.hidden_dim=8"),
    *("--set", "model.text.intermediate_dim=8", "--set", "training.batch_size=64"),
]


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
def small_model():
    """Options that make the model small."""
    return list(SMALL_MODEL)


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
