"""Which data set is read and how it is cut."""

from __future__ import annotations

from typing import Literal

from recsys_tf.config.fields import Share
from recsys_tf.spec import Spec


class DataConfig(Spec):
    """Which data set is read and how it is cut.

    Attributes:
        dataset: A name out of `recsys_tf.datasets.DATASETS`, or of `TABLES` in a run with `table`;
            `parquet` reads one's own files, whose columns the run's `features_and_tasks` names (of
            a table, `table.features_and_tasks`), and `csv` those of a table.
        folder: Where its files lie; None looks in `RECSYS_DATA_DIR`, then in the cache, then
            downloads. One's own files need it.
        split: `time` cuts all rows at one moment, `last_out` keeps each user's last row for the
            test and the one before for validation, `random` draws rows; those of a table are drawn.
        test_share: Share of the rows in the test part (`time` and `random`).
        validation_share: Share of the remaining rows in the validation part.
        seed: Seed of the random split.
        history: `past` gives a row the events before it; `others` gives it all of the user's
            other training events, which is what a random split means.
    """

    dataset: str = "ml-100k"
    folder: str | None = None
    split: Literal["time", "last_out", "random"] = "time"
    test_share: Share = 0.2
    validation_share: Share = 0.1
    seed: int = 42
    history: Literal["past", "others"] = "past"
