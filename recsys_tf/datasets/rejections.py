"""Rows that could not be used: counted, kept aside and reported, never silently lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

REJECTED_COLUMNS = ("source", "line", "reason", "text")

# Where a whole file is refused, the texts of all its rows would take many times its size.
MAX_TEXTS = 1_000


def no_rejected_rows() -> pd.DataFrame:
    """Returns a frame of rejected rows without a row."""
    return pd.DataFrame({name: pd.Series([], dtype=object) for name in REJECTED_COLUMNS})


@dataclass(frozen=True, eq=False)
class Rejections:
    """What was read, what was refused and why.

    For each source `num_read == num_kept + rejected rows`, always.

    Attributes:
        num_read: Data rows that each source held, by the source's name.
        rows: One row a rejected row: `source`, `line` (1-based, in the source), `reason`, `text`
            (the row as read, cut to 200 characters; of rows that are refused together, the first
            1,000 have one, the others `""`).
        notes: What was converted or completed, one sentence each.

    Example:
        >>> rejected = pd.DataFrame(
        ...     {"source": ["u.data"], "line": [3], "reason": ["not a number"], "text": ["1,2,x"]}
        ... )
        >>> print(Rejections({"u.data": 4}, rejected).summary())
        u.data: 4 rows read, 3 kept, 1 rejected (1 not a number; first: line 3)
    """

    num_read: Mapping[str, int] = field(default_factory=dict)
    rows: pd.DataFrame = field(default_factory=no_rejected_rows)
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Rejected rows by reason, the most frequent first."""
        return {str(reason): int(n) for reason, n in self.rows["reason"].value_counts().items()}

    @property
    def num_rejected(self) -> int:
        """Rejected rows of all sources."""
        return len(self.rows)

    def kept(self, source: str) -> int:
        """Returns how many rows of the source were kept."""
        return self.num_read[source] - int((self.rows["source"] == source).sum())

    def share(self) -> float:
        """Returns the largest share of rejected rows that any one source has, in `[0, 1]`."""
        shares = [
            1 - self.kept(source) / number for source, number in self.num_read.items() if number
        ]
        return max(shares, default=0.0)

    def check_share(self, max_share: float) -> None:
        """Stops a run whose input is mostly not what it should be.

        Args:
            max_share: Largest tolerated share of rejected rows of any one source, in `[0, 1]`.

        Raises:
            ValueError: If a source has more; the text gives counts, reasons and lines.
        """
        if self.share() > max_share:
            raise ValueError(
                f"{self.share():.1%} of the rows of a source were rejected, more than "
                f"`max_rejected_share` {max_share:.1%} allows:\n{self.summary()}\n"
                "Repair the file, or raise `max_rejected_share`."
            )

    def summary(self) -> str:
        """Returns one line a source, then the notes."""
        lines = [self._line(source) for source in self.num_read]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def _line(self, source: str) -> str:
        kept = self.kept(source)
        line = f"{source}: {self.num_read[source]:,} rows read, {kept:,} kept"
        own = self.rows[self.rows["source"] == source]
        if not len(own):
            return line + ", none rejected"
        reasons = []
        for reason, number in own["reason"].value_counts().items():
            first = own.loc[own["reason"] == reason, "line"].min()
            reasons.append(f"{number:,} {reason}; first: line {first}")
        return f"{line}, {len(own):,} rejected ({', '.join(reasons)})"

    def __add__(self, other: Rejections) -> Rejections:
        """Joins the reports of two sources, or of two steps over one source."""
        frames = [each.rows for each in (self, other) if len(each.rows)]
        return Rejections(
            num_read={**self.num_read, **dict(other.num_read)},
            rows=pd.concat(frames, ignore_index=True) if frames else no_rejected_rows(),
            notes=self.notes + tuple(note for note in other.notes if note not in self.notes),
        )

    def with_note(self, note: str) -> Rejections:
        """Returns the same report with one more note."""
        return Rejections(self.num_read, self.rows, (*self.notes, note))

    def __repr__(self) -> str:
        """Says the totals in one line."""
        return f"Rejections({sum(self.num_read.values()):,} read, {self.num_rejected:,} rejected)"
