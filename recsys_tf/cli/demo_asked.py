"""The three users that the demo asks for: a busy one, a quiet one, and one nobody knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recsys_tf.cli.answers import knowledge_of

if TYPE_CHECKING:
    from recsys_tf.datasets import Interactions

NUM_TYPED = 3
NUM_WELL_KNOWN = 100
NEW_USER = "someone-new"


@dataclass(frozen=True)
class Asked:
    """One question.

    Attributes:
        who: The user in words.
        user: Id.
        history: Items met, oldest first.
    """

    who: str
    user: str
    history: tuple[str, ...]


def asked_users(interactions: Interactions) -> list[Asked]:
    """Chooses three users, the same ones every time.

    Args:
        interactions: The data set.

    Returns:
        A known user of a long history (busier than nine in ten), a known one of a short history
        (quieter than nine in ten), and a new user of whom only a history of three items is known:
        a well-known item and the two that share most categories with it.
    """
    counts = interactions.events[interactions.schema.user_id].value_counts()
    # Ties by id, so that the choice does not depend on the order of rows.
    users = sorted(counts.index, key=lambda user: (counts[user], user))
    quiet, busy = users[len(users) // 10], users[len(users) * 9 // 10]
    return [
        _known(interactions, busy, "a long history"),
        _known(interactions, quiet, "a short history"),
        Asked("a new user, history typed in", NEW_USER, typed_history(interactions)),
    ]


def typed_history(interactions: Interactions) -> tuple[str, ...]:
    """Returns the most frequent item and the well-known ones that are most like it."""
    schema, items = interactions.schema, interactions.items
    counts = interactions.events[schema.item_id].value_counts()
    well_known = sorted(counts.index, key=lambda item: (-counts[item], item))[:NUM_WELL_KNOWN]
    category = next(
        (f.name for f in schema.candidate_features if getattr(f, "is_multivalent", False)), None
    )
    if category is None:
        return tuple(well_known[:NUM_TYPED])
    sets = dict(zip(items[schema.item_id], map(frozenset, items[category]), strict=True))
    first = well_known[0]
    alike = sorted(well_known, key=lambda item: -_overlap(sets[first], sets[item]))
    return tuple(alike[:NUM_TYPED])


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / max(len(one | other), 1)


def _known(interactions: Interactions, user: str, who: str) -> Asked:
    return Asked(f"user {user}, {who}", user, knowledge_of(interactions, user).history)
