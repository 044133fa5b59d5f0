"""One small run of the whole pipeline that the tests here share."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.results import PipelineResult
from pipeline.runner import run_pipeline
from recsys_tf.config import (
    AnswerGoal,
    DataConfig,
    EvaluationConfig,
    ExportConfig,
    ModelConfig,
    PipelineConfig,
    RunConfig,
    TextConfig,
    TrainingConfig,
)
from recsys_tf.datasets import Interactions, load_dataset
from recsys_tf.preparation import PreparedData, prepare
from recsys_tf.schema import CategoricalFeature, EmbeddingFeature
from recsys_tf.self_checks import Finding, callback


@dataclass
class Run:
    """A finished run and what it was made of."""

    config: RunConfig
    interactions: Interactions
    data: PreparedData
    root: Path
    result: PipelineResult
    lines: list[str]

    def again(self, config: RunConfig | None = None, data: PreparedData | None = None) -> Run:
        """Runs in the same folder once more."""
        lines: list[str] = []
        config, data = config or self.config, data or self.data
        result = run_pipeline(config, self.root, data, progress=lines.append)
        return Run(config, self.interactions, data, self.root, result, lines)


def small_config() -> RunConfig:
    """The smallest model with all its parts: most of a run is fixed cost."""
    return RunConfig(
        data=DataConfig(dataset="synthetic"),
        model=ModelConfig(
            embedding_dim=8,
            output_dim=8,
            history_features=("genres", "poster"),
            trunk_dims=(8,),
            num_experts=2,
            expert_dim=8,
            head_dims=(),
            text=TextConfig(
                vocabulary_size=400, num_layers=1, num_heads=1, hidden_dim=8, intermediate_dim=8
            ),
        ),
        training=TrainingConfig(epochs=2, batch_size=256, steps_per_execution=1),
        evaluation=EvaluationConfig(cutoffs=(10, 50)),
        export=ExportConfig(
            calibration={"click": "platt"},
            score_weights={"click": 1.0, "watch": 1.0},
            goal=AnswerGoal(task="click", k=5),
        ),
        # Two epochs over few rows need not beat chance.
        pipeline=PipelineConfig(
            min_metrics={
                "purchase/auc": 0.0,
                "click/auc": 0.0,
                "like/auc": 0.0,
                "watch/hit_at_50": 0.0,
            },
            max_metrics={"rating/rmse": 3.0},
            max_regression=0.05,
        ),
    )


def small_interactions() -> Interactions:
    """A few thousand generated events, and features of every kind, some of them missing.

    The generated features know their values beforehand; `occupation` and `tags` are to be learned.
    Of the two texts one is left, since each has an encoder that takes seconds to trace.
    """
    made = load_dataset("synthetic", num_users=150, num_items=80, num_events=3000)
    changes: dict[str, Any] = {
        "age": {"num_bins": 4},
        "price": {"num_bins": 4},
        "occupation": {"values": None},
        "history": {
            "times_name": "history_times",
            "actions_name": "history_surfaces",
            "actions": ("mail", "search"),
            "action_column": "surface",
        },
    }
    features = [
        each.model_copy(update=changes.get(each.name, {}))
        for each in made.schema.features
        if each.name != "description"
    ]
    tasks = [
        each.model_copy(update={"from_features": ("title",)})
        if each.name == "genres_from_text"
        else each
        for each in made.schema.tasks
    ]
    tags = CategoricalFeature(name="tags", side="user", is_multivalent=True, max_values=2)
    features += [tags, EmbeddingFeature(name="poster", side="item", size=3)]
    places = range(len(made.users)), range(len(made.items))
    users = made.users.assign(
        tags=[["new", "paying", "talks"][place % 4 :] for place in places[0]],
        age=made.users["age"].where([place % 9 > 0 for place in places[0]]),
    )
    items = made.items.assign(
        poster=[None if place % 7 == 3 else [place, 0.5, -place] for place in places[1]],
        price=made.items["price"].where([place % 5 > 0 for place in places[1]]),
    )
    schema = made.schema.model_copy(update={"features": tuple(features), "tasks": tuple(tasks)})
    return dataclasses.replace(made, schema=schema, users=users, items=items)


@pytest.fixture(scope="session")
def prepared() -> PreparedData:
    """The data of the runs here, and their configuration."""
    return prepare(small_config(), small_interactions())


@pytest.fixture
def saved_model(tmp_path):
    """Returns a function: name -> a folder that looks like a SavedModel, other for each name."""

    def make(name: str, folder: Path | None = None) -> Path:
        folder = folder or tmp_path / "models" / name
        (folder / "variables").mkdir(parents=True)
        (folder / "saved_model.pb").write_bytes(b"graph " + name.encode())
        (folder / "variables" / "variables.index").write_bytes(b"index " + name.encode())
        (folder / "variables" / "variables.data-00000-of-00001").write_bytes(b"0123" * 1000)
        return folder

    return make


@pytest.fixture(scope="session")
def first_run(tmp_path_factory, prepared) -> Run:
    """The first run in an empty folder."""
    data, lines = prepared, []
    config, interactions = data.config, data.interactions
    root = tmp_path_factory.mktemp("pipeline") / config.data.dataset  # As the demo names it.
    run_checks, planted = callback.run_self_checks, Finding("leak", "click", "planted.")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callback, "run_self_checks", lambda *given: [*run_checks(*given), planted])
        result = run_pipeline(config, root, data, lines.append)
    return Run(config, interactions, data, root, result, lines)


@pytest.fixture(scope="session")
def judged_anew(first_run) -> Run:
    """A second run in the folder of the first, with a bound that its model misses."""
    bounds = first_run.config.pipeline.model_copy(update={"max_metrics": {"rating/rmse": 0.01}})
    return first_run.again(first_run.config.model_copy(update={"pipeline": bounds}))
