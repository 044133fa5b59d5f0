"""What of a run is not read where it is a sequential recommender's, or a ranker's of a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from recsys_tf.spec import Spec


@dataclass(frozen=True)
class _Reading:
    """What one kind of run reads.

    Attributes:
        kind: What such a run is named by, as an end of "has no meaning ...".
        alone_read: By the part of a run: the fields that it reads.
        not_read: By the part of a run: the fields that it does not read, where it reads most.
        way_out: By the part of a run: what stands in the place of such a field.
    """

    kind: str
    alone_read: Mapping[str, tuple[str, ...]]
    not_read: Mapping[str, tuple[str, ...]]
    way_out: Mapping[str, str]

    def faults(self, parts: Mapping[str, Spec]) -> Iterator[str]:
        """Yields one line a field that is away from its default; whoever set it means it."""
        for name, part in parts.items():
            for field, value in part.changed(type(part).model_fields).items():
                if not self._is_read(name, field):
                    yield (
                        f"{name}.{field}: has no meaning {self.kind}, received {value!r}: "
                        f"{self.way_out[name]}; leave it out"
                    )

    def _is_read(self, part: str, field: str) -> bool:
        if part in self.alone_read:
            return field in self.alone_read[part]
        return field not in self.not_read.get(part, ())


_SEQUENCE = _Reading(
    "with `sequence`",
    {"model": ("text",), "retrieval": (), "export": ("max_k", "is_seen_excluded")},
    {
        "data": ("history",),
        "training": ("weighting", "weighting_options", "recency_half_life_days"),
    },
    {
        "data": "it reads the events before, `past`",
        "model": "its sizes and its encoder are fields of `sequence`",
        "retrieval": "its loss is `sequence.loss`, with `sequence.loss_options`",
        "training": "it has one task, whose rows weigh alike",
        "export": "it answers by its own score alone",
    },
)

_TABLE = _Reading(
    "for a table",
    {
        "retrieval": (),
        "evaluation": ("slices", "confidence"),
        "export": (
            *("score_weights", "score_fusion", "fusion_options"),
            *("calibration", "calibrate_by_scenario", "min_calibration_rows"),
        ),
    },
    {
        "data": ("history",),
        "model": (
            *("output_dim", "tower_dims", "tower_dropout", "fusion", "fusion_options"),
            *("history_encoder", "history_encoder_options", "history_features"),
            *("history_dropout", "empty_history_share"),
            *("target_attention", "target_attention_options"),
        ),
        "training": ("recency_half_life_days",),
    },
    {
        "data": "a row has no history",
        "model": "rows of a table have no towers and no histories",
        "retrieval": "nothing is retrieved",
        "training": "its rows tell no moment",
        "evaluation": "its rows are measured by the metrics of their tasks, and nothing is listed",
        "export": "its rows are judged one by one, and nothing is retrieved or listed",
    },
)


def sequence_faults(parts: Mapping[str, Spec]) -> list[str]:
    """Tells each field that was set though a sequential recommender does not read it.

    Args:
        parts: The parts of a run by name.

    Returns:
        One line a field that is away from its default; whoever set it expects it to count.

    Example:
        >>> from recsys_tf.config import RetrievalConfig
        >>> sequence_faults({"retrieval": RetrievalConfig(loss="gbce")})[0][:59]
        "retrieval.loss: has no meaning with `sequence`, received 'g"
    """
    return [*_SEQUENCE.faults(parts)]


def table_faults(parts: Mapping[str, Spec]) -> list[str]:
    """Tells each field that was set though a ranker of a table does not read it.

    Args:
        parts: The parts of a run by name.

    Returns:
        One line a field, as of `sequence_faults`.

    Example:
        >>> from recsys_tf.config import ExportConfig
        >>> table_faults({"export": ExportConfig(max_k=5)})[0][:54]
        'export.max_k: has no meaning for a table, received 5: '
    """
    return [*_TABLE.faults(parts)]
