"""What tells the data of a run from others: a digest, and sizes for people."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recsys_tf.datasets import Interactions

_NUM_SHOWN = 12


@dataclass(frozen=True)
class DataFingerprint:
    """Of two data sets equal where they are, wherever their files lie.

    Attributes:
        digest: Of every value and of the schema; see `interactions_digest`.
        num_events: Events.
        num_users: Users.
        num_items: Items.
    """

    digest: str
    num_events: int
    num_users: int
    num_items: int

    @classmethod
    def of(cls, interactions: Interactions) -> DataFingerprint:
        """Computes the fingerprint of a data set."""
        from recsys_tf.datasets import interactions_digest

        return cls(
            digest=interactions_digest(interactions),
            num_events=len(interactions.events),
            num_users=len(interactions.users),
            num_items=len(interactions.items),
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
        return (
            f"{self.num_events:,} events of {self.num_users:,} users and {self.num_items:,} items "
            f"(digest {self.digest[:_NUM_SHOWN]})"
        )
