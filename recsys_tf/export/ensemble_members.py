"""What makes several trained models members of one ensemble."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from recsys_tf.export.raw_spec import raw_spec
from recsys_tf.features import Examples, Preprocessor
from recsys_tf.models import Recommender
from recsys_tf.schema import Schema

# Parted by "__" from the task in an output's name, which a member's own must not blur.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*")


class EnsembleMember(NamedTuple):
    """One model of an ensemble.

    Attributes:
        model: The trained model.
        preprocessor: The preprocessing that it was trained with.
        catalogue: The items that may be recommended, as `catalogue_examples` makes them.
    """

    model: Recommender
    preprocessor: Preprocessor
    catalogue: Examples


def output_name(task: str) -> str:
    """Returns the name that a member's task has among the outputs of a signature.

    Example:
        >>> output_name("image/click")
        'image__click'
    """
    return task.replace("/", "__", 1)


def check_members(members: Mapping[str, EnsembleMember]) -> None:
    """Checks that the models can answer one request.

    Args:
        members: The models by name.

    Raises:
        ValueError: If there are fewer than two, a name cannot begin that of an output, or the
            schemas differ in the ids, the history, the scenario, or what an input of `recommend`
            is.
    """
    if len(members) < 2:
        raise ValueError(
            f"`members` must hold two models or more, received {len(members)}; one alone answers "
            "by `ServedRecommender`."
        )
    for name in members:
        if not _NAME.fullmatch(name):
            raise ValueError(
                "`members` must have names of letters and digits, parted by single underscores "
                f"and begun by a letter, received {name!r}."
            )
    first, *others = members
    parts, inputs = _parts(members[first].model.schema), _inputs(members[first].model.schema)
    for name in others:
        schema = members[name].model.schema
        for part, value in _parts(schema).items():
            if value != parts[part]:
                raise ValueError(
                    f"`members`: the {part} must be of one name in all of them, received "
                    f"{parts[part]!r} in {first!r} and {value!r} in {name!r}; prepare their data "
                    "by one schema."
                )
        for given, kind in _inputs(schema).items():
            if inputs.setdefault(given, kind) != kind:
                raise ValueError(
                    f"`members`: the input {given!r} must be of one kind, shape and type in all "
                    f"of them, received {_words(inputs[given])} before {name!r} and "
                    f"{_words(kind)} in it; give one of the two features another name."
                )


def with_equal_rows(members: Mapping[str, EnsembleMember]) -> dict[str, EnsembleMember]:
    """Puts every catalogue into the order of the first.

    Args:
        members: The models by name, with equal names of ids; see `check_members`.

    Returns:
        The same, so that a row of any catalogue is that of the same item.

    Raises:
        ValueError: If the catalogues do not hold the same items.
    """
    first = next(iter(members))
    item_id = members[first].model.schema.item_id
    ids = members[first].catalogue.columns[item_id].tolist()
    ordered = {}
    for name, member in members.items():
        rows = {each: row for row, each in enumerate(member.catalogue.columns[item_id].tolist())}
        apart = sorted(set(ids) ^ set(rows))
        if apart:
            raise ValueError(
                "`members` must have catalogues of the same items, received "
                f"{len(apart)} items that only one of {first!r} and {name!r} has, such as "
                f"{apart[0]!r}; give all models the catalogue that is to be answered from."
            )
        order = np.array([rows[each] for each in ids], dtype=np.int64)
        ordered[name] = member._replace(catalogue=member.catalogue.take(order))
    return ordered


def check_equal_scenarios(members: Mapping[str, EnsembleMember]) -> None:
    """Checks that one index of a scenario is the same scenario to all members.

    Raises:
        ValueError: If the scenario's values are learned, or differ.
    """
    values = {}
    for name, member in members.items():
        scenario = member.model.schema.scenario
        values[name] = (
            None if scenario is None else member.model.schema.feature(scenario.feature).values
        )
    if None in values.values() or len(set(values.values())) > 1:
        raise ValueError(
            "`members` must have a scenario of the same fixed `values` in the same order where "
            f"calibrations are by scenario, received {values}; fix the feature's `values`, or "
            "calibrate without scenarios."
        )


def _parts(schema: Schema) -> dict[str, str | None]:
    """Returns the names that a request is read by."""
    return {
        "user's id": schema.user_id,
        "item's id": schema.item_id,
        "history": None if schema.history is None else schema.history.name,
        "scenario": None if schema.scenario is None else schema.scenario.feature,
    }


def _inputs(schema: Schema) -> dict[str, tuple[Any, ...]]:
    """Returns kind, shape and type of each input of `recommend`, by name."""
    return {
        name: (feature.kind, list(shape), dtype)
        for feature in schema.query_features
        for name, (shape, dtype) in raw_spec(feature).items()
    }


def _words(kind: tuple[Any, ...]) -> str:
    name, shape, dtype = kind
    return f"{name} {dtype.name} {shape}"
