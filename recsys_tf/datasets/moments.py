"""Context features of the moment of an event: hour, weekday and part of the day, in UTC."""

from __future__ import annotations

import numpy as np
import pandas as pd

from recsys_tf.schema import CategoricalFeature

HOURS = tuple(f"{hour:02d}" for hour in range(24))
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DAYPARTS = ("night", "morning", "afternoon", "evening")

MOMENT_FEATURES = (
    CategoricalFeature(name="hour", side="context", values=HOURS, description="hour, UTC"),
    CategoricalFeature(name="weekday", side="context", values=WEEKDAYS, description="UTC"),
    CategoricalFeature(
        name="daypart",
        side="context",
        values=DAYPARTS,
        description="night 0-5, morning 6-11, afternoon 12-17, evening 18-23 o'clock, UTC",
    ),
)


def add_moments(events: pd.DataFrame, timestamp: str = "timestamp") -> pd.DataFrame:
    """Adds the columns `hour`, `weekday` and `daypart`.

    Args:
        events: Frame with whole seconds since 1970 in `timestamp`.
        timestamp: Name of that column.

    Returns:
        The frame with three more columns of strings.

    Example:
        >>> add_moments(pd.DataFrame({"timestamp": [0]})).iloc[0, 1:].to_list()
        ['00', 'thursday', 'night']
    """
    seconds = events[timestamp].to_numpy()
    hours = seconds // 3600 % 24
    # 1970-01-01 was a Thursday, the fourth day of its week.
    days = (seconds // 86_400 + 3) % 7
    return events.assign(
        hour=np.array(HOURS, dtype=object)[hours],
        weekday=np.array(WEEKDAYS, dtype=object)[days],
        daypart=np.array(DAYPARTS, dtype=object)[hours // 6],
    )
