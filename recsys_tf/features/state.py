"""What was learned from the training rows: vocabularies, moments, bins, word pieces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from recsys_tf.features.json_files import read_json, write_json
from recsys_tf.naming import unknown_name_message
from recsys_tf.types import NUM_RESERVED_INDICES

_FILE = "feature_state.json"
_TEXT_TABLES = ("vocabularies", "wordpieces")


@dataclass(frozen=True)
class FeatureState:
    """The fitted numbers of a schema's features.

    Attributes:
        vocabularies: Known values of each id and categorical feature. Value `k` has the index
            `k + 2`; the order is by count descending, then by value descending (bytewise), which
            is the order of `tft.vocabulary`. Values with a line break are never known.
        moments: Mean and standard deviation of each numeric feature, after its logarithm where
            its scaling is `log`.
        wordpieces: WordPiece tokens of each text feature; token `k` has the index `k`.
        is_lower_case: Whether texts are lower-cased and stripped of accents before they are cut.
        boundaries: Where the bins of each numeric feature with a `num_bins` meet, ascending; bin
            `k`, from 1 on, has the index `k`.
    """

    vocabularies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    moments: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    wordpieces: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_lower_case: bool = True
    boundaries: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def num_indices(self, name: str) -> int:
        """Returns the rows that the embedding table of this feature needs.

        Raises:
            KeyError: If the feature has no table; the text gives the nearest names.

        Example:
            >>> FeatureState(vocabularies={"genre": ("Drama", "Comedy")}).num_indices("genre")
            4
        """
        sizes = self.num_indices_by_name
        if name not in sizes:
            raise KeyError(unknown_name_message("name", name, sizes))
        return sizes[name]

    @property
    def num_indices_by_name(self) -> dict[str, int]:
        """Rows of the embedding table of each feature that has one."""
        known = {name: len(v) + NUM_RESERVED_INDICES for name, v in self.vocabularies.items()}
        # A text's vocabulary holds its padding and its unknown token itself.
        texts = {name: len(tokens) for name, tokens in self.wordpieces.items()}
        # One boundary less than there are bins, and index 0 is missing.
        binned = {name: len(of) + 2 for name, of in self.boundaries.items()}
        return {**known, **texts, **binned}

    def save(self, folder: str | Path) -> None:
        """Writes the state into a folder: one JSON file, and a text file for each vocabulary."""
        folder = Path(folder)
        # First, and written last, so that a folder that was cut short is not taken for whole.
        (folder / _FILE).unlink(missing_ok=True)
        sizes: dict[str, dict[str, int]] = {}
        for table in _TEXT_TABLES:
            (folder / table).mkdir(parents=True, exist_ok=True)
            for name, values in getattr(self, table).items():
                # Written as bytes: Python's text mode would turn other line ends into "\n".
                (folder / table / f"{name}.txt").write_bytes(
                    "".join(f"{value}\n" for value in values).encode("utf-8")
                )
            sizes[table] = {name: len(values) for name, values in getattr(self, table).items()}
        values = {
            "sizes": sizes,
            "moments": {name: list(pair) for name, pair in self.moments.items()},
            "is_lower_case": self.is_lower_case,
            "boundaries": {name: list(of) for name, of in self.boundaries.items()},
        }
        write_json(folder / _FILE, values)

    @classmethod
    def load(cls, folder: str | Path) -> FeatureState:
        """Reads what `save` wrote.

        Raises:
            ValueError: If the folder holds no state or a broken one, or a vocabulary is shorter or
                longer than it was when it was written.
        """
        folder = Path(folder)
        if not (folder / _FILE).is_file():
            raise ValueError(f"`folder` {str(folder)!r} holds no {_FILE}; was the model saved?")
        values = read_json(folder / _FILE)
        absent = sorted({"sizes", "moments", "is_lower_case"} - set(values))
        if absent:
            raise ValueError(f"`{folder / _FILE}` lacks {', '.join(absent)}; the file was changed.")
        tables = {
            table: {name: _read(folder / table / f"{name}.txt", size) for name, size in of.items()}
            for table, of in values["sizes"].items()
        }
        return cls(
            vocabularies=tables["vocabularies"],
            moments={name: (mean, std) for name, (mean, std) in values["moments"].items()},
            wordpieces=tables["wordpieces"],
            is_lower_case=values["is_lower_case"],
            # A state of before there were bins has none.
            boundaries={name: tuple(of) for name, of in values.get("boundaries", {}).items()},
        )


def _read(path: Path, size: int) -> tuple[str, ...]:
    lines = path.read_bytes().decode("utf-8").split("\n") if path.is_file() else []
    found = tuple(lines[:-1])
    if len(found) != size or (lines and lines[-1]):
        raise ValueError(
            f"`{path}` must hold {size} values, one a line, received {len(found)}; the file was "
            "cut short or changed."
        )
    return found
