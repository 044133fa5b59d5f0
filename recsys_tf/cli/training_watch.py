"""Watches a training: one progress bar, one line an epoch, and a record that outlives a kill."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import keras

from recsys_tf.cli.console import progress, say


class TrainingWatch(keras.callbacks.Callback):
    """Shows the progress of `fit` and keeps each epoch's losses and metrics.

    Args:
        record: File that gets one JSON line an epoch; lines of an earlier, interrupted part of
            the same run stay, and one that a kill has left half written is passed over.
        num_steps: Steps of an epoch.
    """

    def __init__(self, record: Path, num_steps: int) -> None:
        super().__init__()
        self._record = record
        self._num_steps = num_steps
        self._progress = progress()
        self._start_s = 0.0
        self.num_epochs_done = 0

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Shows the bar."""
        say(f"training: {self.params['epochs']} epochs of {self._num_steps} steps")
        self._progress.start()
        self._task = self._progress.add_task("training", total=self._num_steps)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Empties the bar."""
        self.num_epochs_done = epoch  # Of a run that goes on, those before as well.
        self._start_s = time.monotonic()
        description = f"epoch {epoch + 1}/{self.params['epochs']}"
        self._progress.reset(self._task, description=description)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Moves the bar; `batch` is the last of the steps that ran together."""
        self._progress.update(self._task, completed=batch + 1)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Prints and records the epoch."""
        values = {name: float(value) for name, value in (logs or {}).items()}
        self.num_epochs_done = epoch + 1
        self._record.parent.mkdir(parents=True, exist_ok=True)
        with self._record.open("a", encoding="utf-8") as file:
            # A kill may have come within the line before.
            file.write("\n" if _ends_within_line(self._record) else "")
            file.write(json.dumps({"epoch": epoch + 1, **values}) + "\n")
        losses = [f"{name} {values[name]:.4f}" for name in ("loss", "val_loss") if name in values]
        line = f"epoch {epoch + 1}/{self.params['epochs']}: {', '.join(losses)}"
        say(line, time.monotonic() - self._start_s)

    def close(self) -> None:
        """Takes the bar off the screen."""
        self._progress.stop()

    def history(self) -> dict[str, list[float]]:
        """Returns the record of all epochs, those before an interruption among them.

        An epoch that was run again after a kill stands there once, as it was run last.
        """
        by_epoch: dict[int, dict[str, float]] = {}
        # A kill may leave half a character, too.
        for line in self._record.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                values = json.loads(line)
            except json.JSONDecodeError:
                continue
            by_epoch[values.pop("epoch")] = values
        epochs = [by_epoch[epoch] for epoch in sorted(by_epoch)]
        names = dict.fromkeys(name for values in epochs for name in values)
        return {name: [values.get(name, math.nan) for values in epochs] for name in names}


def _ends_within_line(path: Path) -> bool:
    return path.is_file() and path.read_bytes()[-1:] not in (b"", b"\n")
