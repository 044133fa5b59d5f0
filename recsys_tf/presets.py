"""Runs that are known to work, as configurations to start from."""

from __future__ import annotations

from collections.abc import Callable

from recsys_tf.config import (
    DataConfig,
    ModelConfig,
    PipelineConfig,
    RetrievalConfig,
    RunConfig,
    SequenceConfig,
    TextConfig,
    TrainingConfig,
)
from recsys_tf.naming import look_up

# One layer of width 64 over titles: as good here as two, at half the time of a step.
_SMALL_TEXT = TextConfig(num_layers=1, dropout=0.0)


def movielens_random() -> RunConfig:
    """MovieLens 100K, random 80/20: the protocol of the papers' tables.

    A history holds all of the user's other training films, whatever their time.
    """
    return RunConfig(
        data=DataConfig(dataset="ml-100k", split="random", history="others"),
        model=ModelConfig(
            embedding_dim=128,
            output_dim=128,
            tower_dims=(128,),
            history_encoder="bag",
            history_dropout=0.15,
            user_dropout=0.9,
            trunk_dims=(),
            num_experts=3,
            expert_dim=32,
            text=_SMALL_TEXT,
        ),
        retrieval=RetrievalConfig(popularity_correction=1.3),
        training=TrainingConfig(batch_size=512, epochs=8, learning_rate=2e-3),
    )


def movielens_time() -> RunConfig:
    """MovieLens 100K, cut at one moment: what a served system meets, mostly new users.

    Rows of training count the less the older they are, and most of them lose their history, so
    that the model knows what is popular now and what to say to someone new. It starts from what is
    popular now; on the validation rows, longer or faster training only led away from it.
    """
    return RunConfig(
        data=DataConfig(dataset="ml-100k", split="time", history="past"),
        model=ModelConfig(
            embedding_dim=64,
            output_dim=64,
            tower_dims=(128,),
            history_encoder="bag",
            history_dropout=0.3,
            empty_history_share=0.7,
            user_dropout=0.9,
            tower_dropout=0.5,
            dropout=0.5,
            trunk_dims=(),
            num_experts=3,
            expert_dim=32,
            text=_SMALL_TEXT,
        ),
        training=TrainingConfig(
            batch_size=512, epochs=2, learning_rate=5e-4, recency_half_life_days=14.0
        ),
        pipeline=PipelineConfig(
            name="movielens",
            min_metrics={"watch/hit_at_100": 0.2},
            max_metrics={"rating/rmse": 1.1},
        ),
    )


def movielens_1m_sequences() -> RunConfig:
    """MovieLens 1M as sequences, each user's last film out: what comes next, by films alone.

    The settings of `benchmarks/sequence_quality.py`, which leaves out the 290 films of fewer than
    five events and trains them in about 15 minutes on two cores. Small batches and all windows of
    the long histories: each epoch then asks for every event in many steps.
    """
    return RunConfig(
        data=DataConfig(dataset="ml-1m", split="last_out"),
        sequence=SequenceConfig(
            embedding_dim=128,
            windows="all",
            encoder_options={"num_heads": 2, "activation": "gelu"},
        ),
        training=TrainingConfig(batch_size=16, epochs=18, learning_rate=3e-3, clip_norm=None),
    )


def synthetic() -> RunConfig:
    """Generated data with a planted truth, cut at one moment; needs no network."""
    base = movielens_time()
    return base.model_copy(
        update={
            "data": DataConfig(dataset="synthetic", split="time", history="past"),
            "training": base.training.model_copy(
                update={"epochs": 6, "learning_rate": 2e-3, "recency_half_life_days": None}
            ),
            "pipeline": PipelineConfig(
                name="synthetic", min_metrics={"watch/hit_at_100": 0.2, "click/auc": 0.6}
            ),
        }
    )


PRESETS: dict[str, Callable[[], RunConfig]] = {
    "ml-100k": movielens_time,
    "ml-100k-random": movielens_random,
    "ml-1m-sequences": movielens_1m_sequences,
    "synthetic": synthetic,
}
"""Configurations by name."""


def preset(name: str) -> RunConfig:
    """Returns the configuration of a name out of `PRESETS`.

    Raises:
        ValueError: If the name is not known; the text gives the nearest ones.
    """
    return look_up(PRESETS, name, "preset")()
