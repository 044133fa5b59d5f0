"""The check that target attentions make once, when they are built."""

from __future__ import annotations

from collections.abc import Sequence

from recsys_tf.layers.shapes import check_rank, check_width


def check_inputs(
    events_shape: Sequence[int | None],
    is_valid_shape: Sequence[int | None],
    target_shape: Sequence[int | None],
) -> int:
    """Returns the width `D` of events and target.

    Args:
        events_shape: `[B, L, D]`.
        is_valid_shape: `[B, L]`.
        target_shape: `[B, D]`.

    Raises:
        ValueError: If a rank is another one, or target and events are of different widths.

    Example:
        >>> check_inputs((None, 5, 4), (None, 5), (None, 4))
        4
    """
    check_rank("events", events_shape, 3)
    check_rank("is_valid", is_valid_shape, 2)
    check_rank("target", target_shape, 2)
    width = check_width("events", events_shape)
    if target_shape[1] != width:
        raise ValueError(
            f"`target` must be as wide as the events, {width}, received width {target_shape[1]}. "
            "Encode both by one table, or project the target."
        )
    return width
