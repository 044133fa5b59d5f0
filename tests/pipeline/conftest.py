"""One small run of the whole pipeline that the tests here share."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.results import PipelineResult
from pipeline.runner import run_pipeline
from recsys_tf.config import (
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
        export=ExportConfig(calibration={"click": "platt"}, score_weights={"click": 1.0}),
        # Two epochs over few rows need not beat chance in the rare purchases.
        pipeline=PipelineConfig(
            min_metrics={"purchase/auc": 0.0, "click/auc": 0.0, "like/auc": 0.0},
            max_metrics={"rating/rmse": 3.0},
            max_regression=0.05,
        ),
    )


def small_interactions() -> Interactions:
    """A few thousand generated events; a number of the users and one of the items have bins."""
    made = load_dataset("synthetic", num_users=150, num_items=80, num_events=3000)
    features = tuple(
        each.model_copy(update={"num_bins": 4}) if each.name in ("age", "price") else each
        for each in made.schema.features
    )
    schema = made.schema.model_copy(update={"features": features})
    return dataclasses.replace(made, schema=schema)


@pytest.fixture(scope="session")
def first_run(tmp_path_factory) -> Run:
    """The first run in an empty folder."""
    config, interactions = small_config(), small_interactions()
    data = prepare(config, interactions)
    lines: list[str] = []
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
