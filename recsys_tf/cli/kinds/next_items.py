"""A run of a sequential recommender, which says what item comes next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from recsys_tf.cli.console import stage
from recsys_tf.cli.kinds.kind import HeldOutPart, InteractionsKind

if TYPE_CHECKING:
    import tensorflow as tf

    from recsys_tf.evaluation import Measurements
    from recsys_tf.models import SequenceRecommender
    from recsys_tf.preparation import SequenceData


@dataclass(frozen=True)
class NextItems(InteractionsKind):
    """A run whose model is a `SequenceRecommender`. Its data are of a run with `sequence`."""

    @cached_property
    def sequences(self) -> SequenceData:
        """The users' events in the order of time.

        Raises:
            ValueError: If times are to be read where only the events' order is known.
        """
        from recsys_tf.preparation import SequenceData

        return SequenceData(self.data)

    @staticmethod
    def model_type() -> type[SequenceRecommender]:
        """See `RunKind`."""
        from recsys_tf.models import SequenceRecommender

        return SequenceRecommender

    def build(self) -> SequenceRecommender:
        """See `RunKind`."""
        from recsys_tf.training import build_sequence_recommender

        return build_sequence_recommender(self.sequences)

    def train_batches(self, model: SequenceRecommender) -> tf.data.Dataset:
        """See `RunKind`."""
        return self.sequences.train_dataset(model.mask_index)

    def validation_batches(self, model: SequenceRecommender) -> tf.data.Dataset:
        """See `RunKind`."""
        return self.sequences.question_dataset("validation", model.mask_index)

    def measure(
        self,
        model: SequenceRecommender,
        part: HeldOutPart,
        on_done: Callable[[int], object],
    ) -> Measurements:
        """See `RunKind`; all of a user's held-out items are looked for, as of other runs."""
        from recsys_tf.evaluation import Measurements, sequence_ranking

        ranking = sequence_ranking(model, self.sequences, part, on_users_done=on_done)
        return Measurements(self.data, part, ranking, {})

    def export(self, model: SequenceRecommender, target: Path) -> None:
        """See `RunKind`; over a catalogue of today, whose new items are known by their content."""
        from recsys_tf.export import ServedSequences, export_sequence_model
        from recsys_tf.models import with_content

        data = self.sequences
        with stage("computing the items' vectors"):
            if data.content is not None:
                model = with_content(model, data.content)
            served = ServedSequences(model, data, self.data.config.export.max_k)
        with stage(f"writing {target}"):
            export_sequence_model(served, target)
