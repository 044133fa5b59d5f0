"""When the TFX pipeline publishes a model."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from recsys_tf.spec import Spec


class PipelineConfig(Spec):
    """What the TFX pipeline asks of a model before it publishes it.

    Attributes:
        name: Name of the pipeline; also of the served model.
        min_metrics: Lowest value on the evaluation split by metric, for instance
            `{"retrieval/ndcg_at_10": 0.02}`.
        max_metrics: Highest value by metric, for instance `{"rating/rmse": 1.1}`.
        max_regression: Share by which a metric may be worse than the model's in service.
        compare_with_blessed: Whether a model is held against the one in service. Take it back for
            one run after a change of tasks or cut-offs, when the two are measured differently.
        max_rejected_share: Share of rejected input rows above which the run stops.
        beam_args: Options that are passed on to Apache Beam.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")] = "recommender"
    min_metrics: dict[str, float] = {}
    max_metrics: dict[str, float] = {}
    max_regression: Annotated[float, Field(ge=0)] = 0.02
    compare_with_blessed: bool = True
    max_rejected_share: Annotated[float, Field(ge=0, le=1)] = 0.05
    beam_args: tuple[str, ...] = ()
