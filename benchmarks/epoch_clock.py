"""The clock of a process that trains beside others: an epoch, and then it waits for its turn.

Imported under the peers' own Pythons too, so that nothing of recsys_tf is needed.
"""

from __future__ import annotations

import sys
import time
from typing import Any

EPOCH = "epoch took "
"""How a line of the standard output begins that tells the seconds of an epoch."""


class EpochClock:
    """Tells the seconds of each epoch after the first, and waits for a line before the next."""

    def __init__(self) -> None:
        self._start: float | None = None

    def epoch_ended(self) -> None:
        """To be called at the end of every epoch; returns when the next may begin."""
        seconds = 0.0 if self._start is None else time.perf_counter() - self._start
        print(f"{EPOCH}{seconds}", flush=True)
        sys.stdin.readline()
        self._start = time.perf_counter()


def clock_callback(keras: Any) -> Any:
    """Makes a callback of this Keras, 3 or older, that keeps an `EpochClock`."""

    class ClockCallback(keras.callbacks.Callback):
        """Calls the clock at the end of each epoch."""

        def __init__(self) -> None:
            super().__init__()
            self._clock = EpochClock()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            """Tells the time and waits."""
            self._clock.epoch_ended()

    return ClockCallback()
