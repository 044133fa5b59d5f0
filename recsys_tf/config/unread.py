"""What of a run is not read where it is a sequential recommender's, or a ranker's of a table."""

from __future__ import annotations

from collections.abc import Mapping

from recsys_tf.spec import Spec

_ALONE_READ: dict[str, tuple[str, ...]] = {
    "model": ("text",),
    "retrieval": (),
    "export": ("max_k", "is_seen_excluded"),
}
"""By the part of a run: the fields that a sequential recommender reads."""

_NOT_READ: dict[str, tuple[str, ...]] = {
    "data": ("history",),
    "training": ("weighting", "weighting_options", "recency_half_life_days"),
}
"""By the part of a run: the fields that it does not read, where it reads most."""

_TABLE_EXPORT = (
    "score_weights",
    "score_fusion",
    "fusion_options",
    "calibration",
    "calibrate_by_scenario",
    "min_calibration_rows",
)
"""The fields of `export` that a ranker of a table reads."""

_WAY_OUT = {
    "data": "it reads the events before, `past`",
    "model": "its sizes and its encoder are fields of `sequence`",
    "retrieval": "its loss is `sequence.loss`, with `sequence.loss_options`",
    "training": "it has one task, whose rows weigh alike",
    "export": "it answers by its own score alone",
}


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
    return [
        f"{name}.{field}: has no meaning with `sequence`, received {value!r}: {_WAY_OUT[name]}; "
        "leave it out"
        for name, part in parts.items()
        for field, value in part.changed(type(part).model_fields).items()
        if not _is_read(name, field)
    ]


def table_export_faults(export: Spec) -> list[str]:
    """Tells each field of `export` that was set though a ranker of a table does not read it.

    Args:
        export: The `export` of a run.

    Returns:
        One line a field that is away from its default.

    Example:
        >>> from recsys_tf.config import ExportConfig
        >>> table_export_faults(ExportConfig(max_k=5))[0][:54]
        'export.max_k: has no meaning for a table, received 5: '
    """
    return [
        f"export.{field}: has no meaning for a table, received {getattr(export, field)!r}: its "
        "rows are judged one by one, and nothing is retrieved or listed; leave it out"
        for field, described in type(export).model_fields.items()
        if field not in _TABLE_EXPORT and getattr(export, field) != described.default
    ]


def _is_read(part: str, field: str) -> bool:
    if part in _ALONE_READ:
        return field in _ALONE_READ[part]
    return field not in _NOT_READ.get(part, ())
