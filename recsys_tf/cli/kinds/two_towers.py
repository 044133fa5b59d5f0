"""A run of two towers that retrieve and heads that judge."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recsys_tf.cli.console import say, stage
from recsys_tf.cli.kinds.kind import HeldOutPart, InteractionsKind

if TYPE_CHECKING:
    import tensorflow as tf

    from recsys_tf.evaluation import Measurements
    from recsys_tf.models import Recommender


@dataclass(frozen=True)
class TwoTowers(InteractionsKind):
    """A run whose model is a `Recommender`."""

    @staticmethod
    def model_type() -> type[Recommender]:
        """See `RunKind`."""
        from recsys_tf.models import Recommender

        return Recommender

    def build(self) -> Recommender:
        """See `RunKind`."""
        from recsys_tf.training import build_recommender

        return build_recommender(self.data)

    def train_batches(self, model: Recommender) -> tf.data.Dataset:
        """See `RunKind`."""
        return self.data.dataset("train")

    def validation_batches(self, model: Recommender) -> tf.data.Dataset:
        """See `RunKind`."""
        return self.data.dataset("validation")

    def measure(
        self, model: Recommender, part: HeldOutPart, on_done: Callable[[int], object]
    ) -> Measurements:
        """See `RunKind`."""
        from recsys_tf.evaluation import measure

        return measure(model, self.data, part, on_users_done=on_done)

    def export(self, model: Recommender, target: Path) -> None:
        """See `RunKind`; calibrations and a goal's weights are fitted on the validation rows."""
        from recsys_tf.export import ServedRecommender, export_saved_model, fit_configured_answer

        data, config = self.data, self.data.config
        fitted = " and ".join(config.export.fitted)
        with stage(f"fitting {fitted} on the validation rows") if fitted else nullcontext():
            fit = fit_configured_answer(model, data, config.export)
        if fit.goal is not None:
            weights = fit.config.score_weights.items()
            shown = ", ".join(f"{name} {weight:.4g}" for name, weight in weights)
            say(f"weights learned for {fit.goal.task}: {shown}")
        with stage("computing the catalogue's embeddings"):
            served = ServedRecommender(
                model,
                data.preprocessor,
                data.catalogue,
                fit.config,
                config.evaluation.cutoffs,
                fit.calibrations,
            )
        with stage(f"writing {target}"):
            export_saved_model(served, target, answer_fit=fit)
