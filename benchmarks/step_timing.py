"""Times of calls that take milliseconds, on a machine that does other work too."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    # Peers' Pythons import this file too, and have no recsys_tf.
    from recsys_tf.types import FloatArray


def seconds_in_turn(calls: Sequence[Callable[[], Any]], num_rounds: int) -> FloatArray:
    """Times calls in turn, so that what else the machine does meets all of them.

    Args:
        calls: What to time; each is called once before.
        num_rounds: How often each is timed.

    Returns:
        Seconds, float `[num_rounds, len(calls)]`.
    """
    for call in calls:
        call()
    seconds = np.empty((num_rounds, len(calls)))
    for row in seconds:
        for place, call in enumerate(calls):
            start = time.perf_counter()
            call()
            row[place] = time.perf_counter() - start
    return seconds
