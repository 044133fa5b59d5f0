"""What tells the data of a run from others: a digest, and sizes for people."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recsys_tf.datasets import Interactions, LabelledTable

_NUM_SHOWN = 12


@dataclass(frozen=True)
class DataFingerprint:
    """Of two data sets equal where they are, wherever their files lie.

    Attributes:
        digest: Of every value and of the schema; see `interactions_digest` and `table_digest`.
        num_events: Events, or rows of a table.
        num_users: Users; None of a table.
        num_items: Items; None of a table.
    """

    digest: str
    num_events: int
    num_users: int | None = None
    num_items: int | None = None

    @classmethod
    def of(cls, source: Interactions | LabelledTable) -> DataFingerprint:
        """Computes the fingerprint of a data set."""
        from recsys_tf.datasets import LabelledTable, interactions_digest, table_digest

        if isinstance(source, LabelledTable):
            return cls(table_digest(source), len(source))
        return cls(
            digest=interactions_digest(source),
            num_events=len(source.events),
            num_users=len(source.users),
            num_items=len(source.items),
        )

    @classmethod
    def load(cls, path: Path) -> DataFingerprint | None:
        """Reads what `save` wrote; None where there is no such file."""
        if not path.is_file():
            return None
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def save(self, path: Path) -> None:
        """Writes it as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    def __str__(self) -> str:
        """Says the sizes, and the digest's beginning, as sizes may be equal."""
        sizes = f"{self.num_events:,} rows"
        if self.num_users is not None:
            sizes = (
                f"{self.num_events:,} events of {self.num_users:,} users and {self.num_items:,} "
                "items"
            )
        return f"{sizes} (digest {self.digest[:_NUM_SHOWN]})"
