"""What describes a row: one class for each kind of feature."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from recsys_tf.spec import Spec
from recsys_tf.types import NUM_RESERVED_INDICES

Side = Literal["user", "item", "context"]
"""Who a feature describes: the one who asks, what is recommended, or the moment."""

Aligned = Literal["values", "actions", "times"]
"""What a list that is aligned with a history tells of its events."""


class _Feature(Spec):
    name: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=128)]
    side: Side
    description: str = ""


class IdFeature(_Feature):
    """An identifier with one embedding a value: the user, the item, or another entity.

    `min_count` is the number of training rows below which a value counts as unknown.
    """

    kind: Literal["id"] = "id"
    min_count: Annotated[int, Field(ge=1)] = 1


class CategoricalFeature(_Feature):
    """A value out of a small set, or with `is_multivalent` a set of such values.

    `values` fixes the vocabulary: at least one value, all different, none empty (which is missing)
    or with a line break (one a line is saved). Without it, it is learned from the training rows.
    `max_values` bounds the set of a multivalent feature.
    """

    kind: Literal["categorical"] = "categorical"
    is_multivalent: bool = False
    max_values: Annotated[int, Field(ge=1, le=1024)] = 8
    values: tuple[str, ...] | None = None

    @field_validator("values")
    @classmethod
    def _check_values(cls, values: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if values is None:
            return None
        if not values:
            raise ValueError(
                "must hold at least one value, received none; leave it out to learn it"
            )
        repeated = [each for each, count in Counter(values).items() if count > 1]
        broken = [each for each in values if not each or "\n" in each or "\r" in each]
        if repeated or broken:
            raise ValueError(
                "must be different, none empty or with a line break, received "
                + ", ".join([*(f"{each!r} twice or more" for each in repeated), *map(repr, broken)])
            )
        return values


class NumericFeature(_Feature):
    """A number; missing is NaN. `scaling` is learned from the training rows.

    `standard` subtracts the mean and divides by the standard deviation; `log` does so after
    `sign(x) * log(1 + |x|)`, for counts and prices; `none` leaves the number as it is.

    `num_bins` cuts the number into bins of equal counts of the training rows as well, each with an
    embedding of its own, so that a model learns a jump where trees would cut; 32 is a good start. A
    value that more than one row in `num_bins` holds has a further bin of its own.
    """

    kind: Literal["numeric"] = "numeric"
    scaling: Literal["standard", "log", "none"] = "standard"
    num_bins: Annotated[int, Field(ge=2, le=1024)] | None = None

    @property
    def width(self) -> int:
        """How many numbers stand for this one after preprocessing; see `preprocess`."""
        return 2 if self.num_bins is None else 3


class TextFeature(_Feature):
    """Written text, cut to its first `max_tokens` WordPiece tokens."""

    kind: Literal["text"] = "text"
    max_tokens: Annotated[int, Field(ge=4, le=512)] = 16


class HistoryFeature(_Feature):
    """The items that a user met before, oldest first; only the newest `max_length` are read.

    `of` names the item's id feature. What else is known of each event are lists aligned with the
    items, each under a name of its own: `values_name` numbers, such as the rating that was given,
    `times_name` its time, in whole seconds since 1970, and `actions_name` its kind, out of
    `actions`, by the names that `action_column` of the events holds; a whole number there is known
    by its digits. A kind that `actions` does not name counts as unknown.
    """

    kind: Literal["history"] = "history"
    of: str
    max_length: Annotated[int, Field(ge=1, le=10_000)] = 100
    values_name: str | None = None
    times_name: str | None = None
    actions_name: str | None = None
    actions: tuple[str, ...] = ()
    action_column: str | None = None

    @model_validator(mode="after")
    def _check_actions(self) -> HistoryFeature:
        together = (self.actions_name, self.action_column, self.actions or None)
        if any(together) and not all(together):
            raise ValueError(
                "actions: `actions_name`, `actions` and `action_column` are given together or not "
                f"at all, received {self.actions_name!r}, {self.actions} and "
                f"{self.action_column!r}"
            )
        if "" in self.actions or len(set(self.actions)) < len(self.actions):
            raise ValueError(
                f"actions: must be different names, none empty, received {self.actions}"
            )
        return self

    @property
    def aligned(self) -> dict[Aligned, str]:
        """The names of the lists aligned with the items, by what they tell of an event."""
        names: dict[Aligned, str | None] = {
            "values": self.values_name,
            "actions": self.actions_name,
            "times": self.times_name,
        }
        return {told: name for told, name in names.items() if name is not None}

    @property
    def num_actions(self) -> int | None:
        """Indices of kinds with the two reserved ones; None where kinds are not told apart."""
        return len(self.actions) + NUM_RESERVED_INDICES if self.actions else None


class EmbeddingFeature(_Feature):
    """A ready-made vector of `size` numbers, made outside this package."""

    kind: Literal["embedding"] = "embedding"
    size: Annotated[int, Field(ge=1, le=65_536)]


FeatureSpec = Annotated[
    IdFeature
    | CategoricalFeature
    | NumericFeature
    | TextFeature
    | HistoryFeature
    | EmbeddingFeature,
    Field(discriminator="kind"),
]
"""Any feature; `kind` in YAML says which."""
